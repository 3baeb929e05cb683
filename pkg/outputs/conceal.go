package outputs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

// Conceal puts stars in place of words, which are not empty, in text, also where they overlap. Destinations, and
// proxies before them, may say what they were sent, and their words are logged and shown.
func Conceal(text []byte, words [][]byte) { conceal(text, bytes.Clone(text), words) }

// conceal puts stars into shown where words are in raw, which is as long.
func conceal(shown, raw []byte, words [][]byte) {
	for _, word := range words {
		for from := 0; ; from++ {
			i := bytes.Index(raw[from:], word)
			if i < 0 {
				break
			}
			from += i
			for j := range word {
				shown[from+j] = '*'
			}
		}
	}
}

// Quotings returns text as it stands within the quotes of a string of JSON: as Go writes it, and as others do, who
// leave <, > and & as they are, or escape slashes too. It may be the same text several times.
func Quotings(text string) []string {
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	ours, err := json.Marshal(text)
	if err = errors.Join(err, enc.Encode(text)); err != nil {
		return nil
	}
	others := strings.TrimSuffix(plain.String(), "\n")
	others = others[1 : len(others)-1]
	return []string{string(ours[1 : len(ours)-1]), others, strings.ReplaceAll(others, "/", `\/`)}
}

// ConcealReader returns body with stars in place of words, which are not empty; the longest is first.
func ConcealReader(body io.ReadCloser, words [][]byte) io.ReadCloser {
	if len(words) == 0 {
		return body
	}
	return &concealed{ReadCloser: body, words: words}
}

// concealed holds back what may be the beginning of a word.
type concealed struct {
	io.ReadCloser
	words [][]byte
	// buf is to be given out; beyond ready it may begin a word.
	buf   []byte
	ready int
	// raw is buf as it was read: a word may begin with another, which has stars by then.
	raw []byte
	// err is that of reading on.
	err error
}

const concealChunk = 8 << 10

// Read satisfies io.Reader.
func (c *concealed) Read(p []byte) (int, error) {
	for c.ready == 0 {
		if c.err != nil {
			return 0, c.err
		}
		var n int
		c.raw = slices.Grow(c.raw, concealChunk)
		n, c.err = c.ReadCloser.Read(c.raw[len(c.raw) : len(c.raw)+concealChunk])
		c.buf = append(c.buf, c.raw[len(c.raw):len(c.raw)+n]...)
		c.raw = c.raw[:len(c.raw)+n]
		conceal(c.buf, c.raw, c.words)
		c.ready = len(c.buf)
		if c.err == nil {
			c.ready = max(0, c.ready-len(c.words[0])+1)
		}
	}
	n := copy(p, c.buf[:c.ready])
	c.buf = c.buf[:copy(c.buf, c.buf[n:])]
	c.raw = c.raw[:copy(c.raw, c.raw[n:])]
	c.ready -= n
	return n, nil
}
