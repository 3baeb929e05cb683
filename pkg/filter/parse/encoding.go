package parse

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// decoder brings texts of another encoding to UTF-8. Its memory is used again.
type decoder struct {
	from  transform.Transformer
	ascii bool // ASCII stands for itself
	text  []byte
}

// newDecoder returns a decoder for the encoding of that name, as IANA or browsers have it; nil for UTF-8.
func newDecoder(name string) (*decoder, error) {
	if lower := strings.ToLower(name); lower == "" || lower == "utf-8" || lower == "utf8" {
		return nil, nil //nolint:nilnil // nil: nothing to decode
	}
	enc, err := ianaindex.IANA.Encoding(name)
	if err != nil || enc == nil {
		enc, err = htmlindex.Get(name)
	}
	if err != nil || enc == nil || enc == encoding.Replacement {
		return nil, &settingError{
			"encoding",
			fmt.Errorf(
				"%q is no encoding that is known: write its IANA name, such as euc-kr, shift_jis, iso-8859-1, gbk, "+
					"big5 or windows-1252", name,
			),
		}
	}
	if text, err := enc.NewDecoder().String("\x00a\x00b"); err == nil && utf8.RuneCountInString(text) < 4 ||
		enc == unicode.UTF8BOM {
		return nil, &settingError{
			"encoding",
			errors.New(
				"text of two bytes a character has been cut at bytes that are no line ends before it comes here: " +
					"have the agent read it as what it is",
			),
		}
	}
	d := &decoder{from: enc.NewDecoder()}
	var all [128]byte
	for i := range all {
		all[i] = byte(i)
	}
	same, _, err := transform.Bytes(d.from, all[:])
	d.ascii = err == nil && string(same) == string(all[:])
	return d, nil
}

// decode returns text as UTF-8, valid until the next call; what stands for nothing is U+FFFD.
func (d *decoder) decode(text []byte) []byte {
	if d.ascii && isASCII(text) {
		return text
	}
	out, _, err := transform.Append(d.from, d.text[:0], text)
	if err != nil {
		// No decoder of these fails.
		return text
	}
	if d.text = out; cap(d.text) > keepScratch {
		d.text = nil
	}
	return out
}

func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// wholeText is the text as one field, message: for who wants no more of it than another encoding or a time.
type wholeText struct{}

func (wholeText) parse(dst *fields, text []byte) error {
	dst.text("message", text)
	return nil
}
