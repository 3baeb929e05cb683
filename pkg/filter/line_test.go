package filter

import "testing"

func TestTrimLineEnd(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "a", "a\n": "a", "a\r\n": "a", "\n": "", "\r\n": "",
		"a\n\n": "a\n", "a\r\n\r\n": "a\r\n", "a\r": "a\r", "a\n\r": "a\n\r", "\na": "\na",
	} {
		if got := string(TrimLineEnd([]byte(text))); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
