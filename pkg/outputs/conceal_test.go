package outputs

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzConceal holds that of any body, in whatever pieces it comes, all bytes but those of the word come through.
func FuzzConceal(f *testing.F) {
	f.Add("a SECRET b", uint8(3))
	f.Add("SECSECRETSECRESECRET", uint8(1))
	f.Fuzz(func(t *testing.T, text string, piece uint8) {
		word := []byte("SECRET")
		c := ConcealReader(io.NopCloser(strings.NewReader(text)), [][]byte{word})
		var got []byte
		p := make([]byte, int(piece)+1)
		for {
			n, err := c.Read(p)
			got = append(got, p[:n]...)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if want := strings.ReplaceAll(text, "SECRET", "******"); string(got) != want {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

// TestConcealNothing: without a secret, a body comes as it is, in whatever pieces.
func TestConcealNothing(t *testing.T) {
	for _, words := range [][][]byte{nil, {}} {
		body := io.NopCloser(iotest.OneByteReader(strings.NewReader("an answer")))
		got, err := io.ReadAll(ConcealReader(body, words))
		if err != nil || string(got) != "an answer" {
			t.Errorf("%q, %v", got, err)
		}
	}
}
