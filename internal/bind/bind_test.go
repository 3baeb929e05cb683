package bind_test

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/bind"
)

// TestAdvise: an address that can't be listened on comes with what to do about it.
func TestAdvise(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tc := range []struct{ name, network, address, says string }{
		{"a port that is taken", "tcp", taken.Addr().String(), "; stop what listens there, or set another status"},
		{"another machine's address", "tcp", "192.0.2.1:0", "; set status.address to an address of this machine"},
		{"a name of nobody", "tcp", "nobody.invalid:0", "; set status.address to an address of this machine"},
		{
			"a socket in no directory", "unix", filepath.Join(t.TempDir(), "none", "s"),
			"; make its directory, or set another status.address",
		},
		{"a socket of a long name", "unix", "/tmp/" + strings.Repeat("x", 200), "; the path of a socket has at most "},
	} {
		_, err := net.Listen(tc.network, tc.address)
		address := tc.address
		if tc.network == "unix" {
			address = "unix:" + address
		}
		got := bind.Advise(err, address, "status.address")
		if !errors.Is(got, err) || !strings.Contains(got.Error(), tc.says) {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
	// Root, as whom tests may run, may do this.
	for address, says := range map[string]string{
		"0.0.0.0:24":  "; ports below 1024 need CAP_NET_BIND_SERVICE",
		"unix:/run/s": ", which this runs as, write in its directory",
	} {
		if got := bind.Advise(syscall.EACCES, address, "status.address"); !strings.Contains(got.Error(), says) {
			t.Errorf("%s: %v", address, got)
		}
	}
	if unknown := errors.New("something else"); !errors.Is(bind.Advise(unknown, "", ""), unknown) ||
		bind.Advise(unknown, "", "").Error() != unknown.Error() {
		t.Error("something is known of what is not known")
	}
}
