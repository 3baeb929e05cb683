// Package charset brings texts of other encodings to UTF-8.
package charset

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

// keptText is how many bytes of memory are kept from one text to the next.
const keptText = 1 << 20

// Decoder brings texts of another encoding to UTF-8. Its memory is used again.
type Decoder struct {
	from transform.Transformer
	// ascii says that ASCII stands for itself.
	ascii bool
	text  []byte
}

// New returns a decoder for the encoding of that name, as IANA or browsers have it; nil for UTF-8.
func New(name string) (*Decoder, error) {
	if lower := strings.ToLower(name); lower == "" || lower == "utf-8" || lower == "utf8" {
		return nil, nil //nolint:nilnil // nil: nothing to decode
	}
	enc, err := ianaindex.IANA.Encoding(name)
	if err != nil || enc == nil {
		enc, err = htmlindex.Get(name)
	}
	if err != nil || enc == nil || enc == encoding.Replacement {
		return nil, fmt.Errorf(
			"%q is no encoding that is known: write its IANA name, such as euc-kr, shift_jis, iso-8859-1, gbk, "+
				"big5 or windows-1252", name,
		)
	}
	if text, err := enc.NewDecoder().String("\x00a\x00b"); err == nil && utf8.RuneCountInString(text) < 4 ||
		enc == unicode.UTF8BOM {
		return nil, errors.New(
			"text of two bytes a character has been cut at bytes that are no line ends before it comes here: " +
				"have the agent read it as what it is",
		)
	}
	d := &Decoder{from: enc.NewDecoder()}
	var all [128]byte
	for i := range all {
		all[i] = byte(i)
	}
	same, _, err := transform.Bytes(d.from, all[:])
	d.ascii = err == nil && string(same) == string(all[:])
	return d, nil
}

// Decode returns text as UTF-8, valid until the next call; what stands for nothing is U+FFFD.
func (d *Decoder) Decode(text []byte) []byte {
	if d.ascii && isASCII(text) {
		return text
	}
	out, _, err := transform.Append(d.from, d.text[:0], text)
	if err != nil {
		// No decoder of these fails.
		return text
	}
	if d.text = out; cap(d.text) > keptText {
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
