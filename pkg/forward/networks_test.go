package forward

import (
	"net/netip"
	"testing"
)

// TestNetworks reads addresses and networks, and refuses what is neither.
func TestNetworks(t *testing.T) {
	got, err := parseNetworks([]string{"10.1.2.3/8", "192.0.2.1", "2001:db8::/32", "::1"})
	want := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"),
		netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::1/128"),
	}
	if err != nil || len(got) != len(want) {
		t.Fatalf("got %v, %v", got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
	}
	for _, text := range []string{"", "10.0.0.0/33", "fe80::1%eth0", "host", "10.0.0"} {
		if _, err := parseNetworks([]string{text}); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
