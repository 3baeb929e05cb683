package charset

import (
	"testing"
)

func FuzzEncoding(f *testing.F) {
	f.Add("euc-kr", "user=\xb1\xe8")
	f.Add("iso-2022-jp", "\x1b$B")
	f.Fuzz(func(t *testing.T, name, text string) {
		d, err := New(name)
		if err != nil || d == nil {
			return
		}
		if out := d.Decode([]byte(text)); len(out) > 8*len(text)+8 {
			t.Fatalf("%d bytes of %s became %d", len(text), name, len(out))
		}
	})
}
