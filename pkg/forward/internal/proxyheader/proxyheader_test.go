package proxyheader

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// block returns a header of version 2.
func block(command, family byte, body string) string {
	return Signature + string([]byte{command, family, byte(len(body) >> 8), byte(len(body))}) + body
}

const (
	four = "\xcb\x00\x71\x07\x0a\x00\x00\x01\x12\x67\x5e\xa0" // 203.0.113.7:4711 to 10.0.0.1:24224
	six  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + "\x12\x67\x5e\xa0"
	// What the network load balancer of AWS adds: a checksum, the endpoint's id, padding.
	extensions = "\x03\x00\x04\xa9\xb8\x7e\x8f" + "\xea\x00\x17\x01vpce-08d2bf15fac5001c9" + "\x04\x00\x03\x00\x00\x00"
)

func TestProxyHeader(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     string // "": the proxy's own
		err      string
	}{
		{"v1, TCP4", "PROXY TCP4 203.0.113.7 10.0.0.1 4711 24224\r\n", "203.0.113.7:4711", ""},
		{"v1, TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 4711 24224\r\n", "[2001:db8::1]:4711", ""},
		{"v1, TCP6 of IPv4", "PROXY TCP6 ::ffff:203.0.113.7 ::ffff:10.0.0.1 4711 24224\r\n", "203.0.113.7:4711", ""},
		{"v1, TCP6 with IPv4 addresses", "PROXY TCP6 203.0.113.7 10.0.0.1 4711 24224\r\n", "203.0.113.7:4711", ""},
		{"v1, UNKNOWN", "PROXY UNKNOWN\r\n", "", ""},
		{"v1, UNKNOWN with more", "PROXY UNKNOWN ffff::1 ffff::2 1 2 what ever\r\n", "", ""},
		{"v1, ports 0 and 65535", "PROXY TCP4 203.0.113.7 10.0.0.1 0 65535\r\n", "203.0.113.7:0", ""},
		{"v1, IPv6 as TCP4", "PROXY TCP4 2001:db8::1 10.0.0.1 4711 24224\r\n", "", "source"},
		{"v1, no address", "PROXY TCP4 203.0.113 10.0.0.1 4711 24224\r\n", "", "source"},
		{"v1, zone", "PROXY TCP6 fe80::1%eth0 fe80::2 4711 24224\r\n", "", "source"},
		{"v1, port too high", "PROXY TCP4 203.0.113.7 10.0.0.1 65536 24224\r\n", "", "port"},
		{"v1, port with a sign", "PROXY TCP4 203.0.113.7 10.0.0.1 +1 24224\r\n", "", "port"},
		{"v1, port octal", "PROXY TCP4 203.0.113.7 10.0.0.1 4711 024224\r\n", "", "destination"},
		{"v1, two spaces", "PROXY  TCP4 203.0.113.7 10.0.0.1 4711 24224\r\n", "", "not of the form"},
		{"v1, short", "PROXY TCP4 203.0.113.7\r\n", "", "not of the form"},
		{"v1, nothing", "PROXY \r\n", "", "not of the form"},
		{"v1, UDP4", "PROXY UDP4 203.0.113.7 10.0.0.1 4711 24224\r\n", "", "not of the form"},
		{"v1, LF only", "PROXY TCP4 203.0.113.7 10.0.0.1 4711 24224\n", "", "must end with"},
		{"v1, too long", "PROXY UNKNOWN " + strings.Repeat("x", 200) + "\r\n", "", "longer than 107"},
		{"v1, cut", "PROXY TCP4 203.0.113.7", "", "unexpected EOF"},
		{"v2, IPv4", block(0x21, 0x11, four), "203.0.113.7:4711", ""},
		{"v2, IPv6", block(0x21, 0x21, six), "[2001:db8::1]:4711", ""},
		{"v2, extensions", block(0x21, 0x11, four+extensions), "203.0.113.7:4711", ""},
		{"v2, 64 KiB of extensions", block(0x21, 0x11, four+strings.Repeat("\xea", 65535-12)), "203.0.113.7:4711", ""},
		{"v2, LOCAL", block(0x20, 0x00, ""), "", ""},
		{"v2, LOCAL with addresses", block(0x20, 0x11, four), "", ""},
		{"v2, LOCAL with less", block(0x20, 0x11, "x"), "", ""},
		{"v2, LOCAL of an unknown family", block(0x20, 0x7f, four), "", ""},
		{"v2, unspecified", block(0x21, 0x00, extensions), "", ""},
		{"v2, Unix socket", block(0x21, 0x31, strings.Repeat("\x00", 216)), "", ""},
		{"v2, UDP", block(0x21, 0x12, four), "", "family"},
		{"v2, unknown family", block(0x21, 0x41, four), "", "family"},
		{"v2, unknown protocol", block(0x21, 0x13, four), "", "family"},
		{"v2, unknown command", block(0x22, 0x11, four), "", "command"},
		{"v2, version 3", block(0x31, 0x11, four), "", "command"},
		{"v2, addresses too short", block(0x21, 0x21, four), "", "12 bytes, not 36"},
		{"v2, cut in its addresses", block(0x21, 0x11, four)[:20], "", "unexpected EOF"},
		{"v2, cut in its extensions", block(0x21, 0x11, four+extensions)[:40], "", "unexpected EOF"},
		{"v2, cut in its signature", Signature[:6], "", "unexpected EOF"},
		{"nothing", "", "", "EOF"},
		{"Forward", "\x93\xa1t\x01\x80", "", "does not begin"},
		{"PUT", "PUT / HTTP/1.1\r\n", "", "does not begin"},
		{"PROXYFOO", "PROXYFOO\r\n", "", "does not begin"},
		{"an empty line", "\r\nEHLO", "", "does not begin"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const rest = "what follows"
			r := strings.NewReader(tc.in + rest)
			if strings.Contains(tc.err, "EOF") {
				r = strings.NewReader(tc.in)
			}
			got, err := Read(iotest.OneByteReader(r))
			switch {
			case tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
				t.Fatalf("error %v, want %q", err, tc.err)
			case err == nil && got.IsValid() != (tc.want != "") || got.IsValid() && got.String() != tc.want:
				t.Errorf("got %v, want %q", got, tc.want)
			}
			left, _ := io.ReadAll(r)
			var none *NotThereError
			if errors.As(err, &none) && string(none.Bytes)+string(left) != tc.in+rest {
				t.Errorf("%q were read and %q are left", none.Bytes, left)
			}
			if err == nil && string(left) != rest {
				t.Errorf("%q is left", left)
			}
		})
	}
}

// FuzzProxyHeader reads anything: at most a header is taken, what is none comes back, and what is given out is an
// address.
func FuzzProxyHeader(f *testing.F) {
	for _, seed := range []string{
		"PROXY TCP4 203.0.113.7 10.0.0.1 4711 24224\r\n", "PROXY UNKNOWN\r\n", block(0x21, 0x11, four+extensions),
		block(0x21, 0x21, six), block(0x20, 0, ""), "\x93\xa1t", "PING",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		source, err := Read(r)
		taken := len(in) - r.Len()
		if taken > 16+65535 || taken > maxLine && in[0] == 'P' {
			t.Errorf("%d bytes were taken", taken)
		}
		var none *NotThereError
		if errors.As(err, &none) && !bytes.Equal(none.Bytes, in[:taken]) {
			t.Errorf("%q were taken and %q come back", in[:taken], none.Bytes)
		}
		if source.IsValid() && (err != nil || source.Addr().Zone() != "" || source.Addr().Is4In6()) {
			t.Errorf("source %v, error %v", source, err)
		}
	})
}
