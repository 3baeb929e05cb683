package setting

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Size
		fail string
	}{
		{"0", 0, ""},
		{"1500", 1500, ""},
		{"17B", 17, ""},
		{"512KiB", 512 << 10, ""},
		{"10MiB", 10 << 20, ""},
		{"1GB", 1e9, ""},
		{"2TiB", 2 << 40, ""},
		{"9223372036854775807", math.MaxInt64, ""},
		{"", 0, "is not a size (write a size like 512KiB, 10MiB or 1GB)"},
		{"-1", 0, "is not a size (write a size like 512KiB, 10MiB or 1GB)"},
		{"big", 0, "is not a size (write a size like 512KiB, 10MiB or 1GB)"},
		{"10mb", 0, "has an unknown unit (write 10MB)"},
		{"10Mi", 0, "has an unknown unit (write 10MiB)"},
		{"10M", 0, "has an unknown unit (write 10MB)"},
		{"10 MiB", 0, "has an unknown unit (write 10MiB)"},
		{"1.5GiB", 0, "is not a whole number (write 1536MiB)"},
		{"0.5 gb", 0, "is not a whole number (write 500MB)"},
		{"1.5", 0, "is not a whole number (write a whole number of a smaller unit)"},
		{"0.1GiB", 0, "is not a whole number (write a whole number of a smaller unit)"},
		{"9999999999999.5TiB", 0, "is not a whole number (write a whole number of a smaller unit)"},
		{"10_000", 0, "has an unknown unit (write 10000)"},
		{"10,000", 0, "has an unknown unit (write 10000)"},
		{"10 000", 0, "has an unknown unit (write 10000)"},
		{"1e6", 0, "has an unknown unit (units are B, KB, MB, GB, TB and KiB, MiB, GiB, TiB)"},
		{"0x10", 0, "has an unknown unit (units are B, KB, MB, GB, TB and KiB, MiB, GiB, TiB)"},
		{"80%", 0, "has an unknown unit (units are B, KB, MB, GB, TB and KiB, MiB, GiB, TiB)"},
		{"9223372036854775808", 0, "is too large for a size"},
		{"8388608TiB", 0, "is too large for a size"},
	} {
		got, err := ParseSize(tc.text)
		if got != tc.want || errorText(err) != tc.fail {
			t.Errorf("ParseSize(%q) = %d, %q; want %d, %q", tc.text, got, errorText(err), tc.want, tc.fail)
		}
		if meant := advised(err); meant != "" {
			if _, err := ParseSize(meant); err != nil {
				t.Errorf("%q: what is advised is refused too: %s %v", tc.text, meant, err)
			}
		}
	}
}

func TestParseRate(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Rate
		fail string
	}{
		{"0", 0, ""},
		{"1500", 1500, ""},
		{"50MiB/s", 50 << 20, ""},
		{"50MiB", 0, "is not a rate per second (write 50MiB/s)"},
		{"50 MiB/s", 0, "is not a rate (write 50MiB/s)"},
		{"50mb/s", 0, "is not a rate (write 50MB/s)"},
		{"1.5MiB/s", 0, "is not a rate (write 1536KiB/s)"},
		{"1500/s", 0, "is not a rate per second (write 1500B/s)"},
		{"1,500/s", 0, "is not a rate (write 1500B/s)"},
		{"-1", 0, "is not a rate (write a rate like 50MiB/s, or 0 for no limit)"},
		{"50Mbit/s", 0, "is not a rate (write a rate like 50MiB/s, or 0 for no limit)"},
		{"fast", 0, "is not a rate (write a rate like 50MiB/s, or 0 for no limit)"},
		{"1MiB/min", 0, "is not a rate (write a rate like 50MiB/s, or 0 for no limit)"},
	} {
		got, err := ParseRate(tc.text)
		if got != tc.want || errorText(err) != tc.fail {
			t.Errorf("ParseRate(%q) = %d, %q; want %d, %q", tc.text, got, errorText(err), tc.want, tc.fail)
		}
		if meant := advised(err); meant != "" {
			if _, err := ParseRate(meant); err != nil {
				t.Errorf("%q: what is advised is refused too: %s %v", tc.text, meant, err)
			}
		}
	}
}

func TestSizeStringReadsBack(t *testing.T) {
	for _, tc := range []struct {
		size Size
		want string
	}{
		{0, "0"},
		{1, "1"},
		{1000, "1KB"},
		{1024, "1KiB"},
		{1536 << 10, "1536KiB"},
		{1 << 40, "1TiB"},
		{3e9, "3GB"},
		{math.MaxInt64, "9223372036854775807"},
	} {
		if got := tc.size.String(); got != tc.want {
			t.Errorf("%d is written %s, want %s", int64(tc.size), got, tc.want)
		}
		if back, err := ParseSize(tc.size.String()); err != nil || back != tc.size {
			t.Errorf("%s is read as %d, %v", tc.size, back, err)
		}
		if back, err := ParseRate(Rate(tc.size).String()); err != nil || back != Rate(tc.size) {
			t.Errorf("%s is read as %d, %v", Rate(tc.size), back, err)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	f.Add("10MiB")
	f.Add("50MiB/s")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseSize(text); err == nil {
			if back, err := ParseSize(s.String()); err != nil || back != s {
				t.Errorf("%q: %s is read as %d, %v", text, s, back, err)
			}
		}
		if r, err := ParseRate(text); err == nil {
			if back, err := ParseRate(r.String()); err != nil || back != r {
				t.Errorf("%q: %s is read as %d, %v", text, r, back, err)
			}
		}
	})
}

// advised returns what an error says to write, "" where it gives no text that can be taken as it is.
func advised(err error) string {
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || strings.HasPrefix(syntax.Hint, "write a ") {
		return ""
	}
	if text, found := strings.CutPrefix(syntax.Hint, meant); found {
		return text
	}
	return ""
}

// TestMarshal: what is printed as JSON is what a file takes.
func TestMarshal(t *testing.T) {
	got, err := json.Marshal(struct {
		Size Size
		Rate Rate
		None Rate
		Key  Secret
	}{10 << 20, 1500, 0, NewSecret("hunter2")})
	want := `{"Size":"10MiB","Rate":"1500B/s","None":"0","Key":"\u003csecret\u003e"}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
