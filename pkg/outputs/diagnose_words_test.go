package outputs

import (
	"context"
	stdtls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// held reports a text that is not the wanted one.
func held(t *testing.T, name, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", name, got, want)
	}
}

// Errors without an address say "it", and those of a proxy say so first, whatever the proxy's trouble is.
func TestDiagnoseWholeLines(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	const nothing = "was refused: nothing listens there; check host and port, and that it runs"
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"refused, nobody knows where", refused, "the connection to it " + nothing},
		{"no route", syscall.ENETUNREACH, "there is no route to it: check the address, firewalls and network policies"},
		{"reset", syscall.EPIPE, "the connection was reset: it, or something on the way, ended it"},
		{"cancelled", fmt.Errorf("send: %w", context.Canceled), "cancelled"},
		{
			"DNS, otherwise", &net.DNSError{Name: "es", Err: "server misbehaving"},
			"DNS failed for es: server misbehaving",
		},
		{
			"DNS, no server known", &net.DNSError{Name: "es", IsTimeout: true},
			"DNS did not answer for es in time: check the DNS server",
		},
		{
			"the SDK's proxy", &net.OpError{Op: "proxyconnect", Net: "tcp", Err: refused},
			"the proxy: the connection to it " + nothing,
		},
		{
			"a proxy of ours", fmt.Errorf("dial: %w", &proxyError{"proxy:3128", refused}),
			"the proxy proxy:3128: the connection to it " + nothing,
		},
		{
			"a proxy behind a proxy", &proxyError{"a:1", &proxyError{"b:2", context.Canceled}},
			"the proxy a:1: the proxy b:2: cancelled",
		},
		{
			"plain, where TLS is wanted",
			stdtls.RecordHeaderError{Msg: "first record does not look like TLS"},
			"it does not speak TLS there: is it plain, with http:// in place of https://, or is the port another's?",
		},
		{
			"TLS, where plain is wanted", errors.New(`net/http: malformed HTTP response "\x15\x03"`),
			"it does not speak plain HTTP there: is it https://, or is the port another's?",
		},
		{
			"versions", errors.New("remote error: tls: protocol version not supported"),
			"it and tls.min_version have no version of TLS in common",
		},
		{
			"another alert", fmt.Errorf("handshake: %w", stdtls.AlertError(80)),
			"TLS failed: handshake: tls: internal error",
		},
		{"something unknown", errors.New("a\tb\x7f\x00c"), "a b  c"},
	} {
		held(t, tc.name, Diagnose(tc.err), tc.want)
	}
	for _, text := range []string{"bad certificate", "unknown certificate authority", "certificate required"} {
		held(t, text, Diagnose(errors.New("remote error: tls: "+text)),
			"it does not take this client's certificate, or wants one: set tls.cert_file and tls.key_file to one that "+
				"it trusts")
	}
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		held(t, err.Error(), Diagnose(fmt.Errorf("read: %w", err)),
			"it closed the connection without a whole answer; does it want https://?")
	}
}

// A certificate's trouble names what the operator has to compare: at most five of its names, the one that was asked
// for, who signed it.
func TestCertificateTroubleWords(t *testing.T) {
	named := func(names ...string) *x509.Certificate {
		return &x509.Certificate{
			Subject: pkix.Name{CommonName: "es"}, Issuer: pkix.Name{CommonName: "ca"}, DNSNames: names,
		}
	}
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"of another kind", errors.New("x509: odd"), ""},
		{
			"no names",
			x509.HostnameError{Certificate: named(), Host: "a"},
			"its certificate (CN=es) has no names (subject alternative names): it needs one with a",
		},
		{
			"five names",
			x509.HostnameError{Certificate: named("1", "2", "3", "4", "5"), Host: "a"},
			"its certificate is for 1, 2, 3, 4, 5, not for a: set tls.server_name to one of them, or use it as " +
				"the address",
		},
		{
			"six names",
			x509.HostnameError{Certificate: named("1", "2", "3", "4", "5", "6"), Host: "a"},
			"its certificate is for 1, 2, 3, 4, 5, …, not for a: set tls.server_name to one of them, or use it as " +
				"the address",
		},
		{
			"nobody knows who signed it",
			x509.UnknownAuthorityError{},
			"its certificate is signed by an authority that is not trusted: set tls.ca_file to that authority's " +
				"certificate",
		},
		{
			"a chain: the last one's issuer counts", &stdtls.CertificateVerificationError{
				UnverifiedCertificates: []*x509.Certificate{
					named("leaf"), {Issuer: pkix.Name{CommonName: "root"}},
				},
				Err: x509.UnknownAuthorityError{Cert: named("leaf")},
			},
			`its certificate is signed by "CN=root", which is not trusted: set tls.ca_file to that authority's ` +
				"certificate",
		},
		{
			"of no use",
			x509.CertificateInvalidError{Cert: named(), Reason: x509.TooManyIntermediates},
			"its certificate can't be used: x509: too many intermediates for path length constraint",
		},
	} {
		held(t, tc.name, CertificateTrouble(tc.err), tc.want)
		if tc.want != "" {
			held(t, tc.name+", diagnosed", Diagnose(fmt.Errorf("get: %w", tc.err)), tc.want)
		}
	}
	ips := named("es")
	ips.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 1), net.ParseIP("fd00::1")}
	if got := CertificateTrouble(x509.HostnameError{Certificate: ips, Host: "b"}); !strings.HasPrefix(
		got, "its certificate is for es, 10.0.0.1, fd00::1, not for b: ",
	) {
		t.Errorf("addresses are names too: %q", got)
	}
}

// Three servers say in words of their own that they want TLS, with status 400 alone.
func TestWantsTLS(t *testing.T) {
	for _, tc := range []struct {
		status int
		body   string
		want   bool
	}{
		{http.StatusBadRequest, "Client sent an HTTP request to an HTTPS server.\n", true},
		{http.StatusBadRequest, "<title>400 The plain HTTP request was sent to HTTPS port</title>", true},
		{http.StatusBadRequest, "You're speaking plain HTTP to an SSL-enabled server port.", true},
		{http.StatusForbidden, "Client sent an HTTP request to an HTTPS server.\n", false},
		{http.StatusOK, "Client sent an HTTP request to an HTTPS server.\n", false},
		{http.StatusBadRequest, "Bad Request", false},
		{http.StatusBadRequest, "", false},
	} {
		if got := WantsTLS(tc.status, []byte(tc.body)); got != tc.want {
			t.Errorf("%d %q: %t", tc.status, tc.body, got)
		}
	}
}

// The text of a delivery's error begins with its reason, says how many events it names, and what is wrong with a
// certificate once.
func TestSendErrorText(t *testing.T) {
	unknown := x509.UnknownAuthorityError{}
	trouble := CertificateTrouble(unknown)
	for _, tc := range []struct {
		name string
		err  *SendError
		want string
	}{
		{"all of it", &SendError{Reason: ReasonNetwork, Err: io.EOF}, "network: EOF"},
		{
			"some events", &SendError{Reason: ReasonTarget, Err: io.EOF, Failed: make([]Failure, 3)},
			"target: 3 events not delivered: EOF",
		},
		{"no cause", &SendError{Reason: ReasonServer}, "server: <nil>"},
		{
			"a certificate", &SendError{Reason: ReasonNetwork, Err: unknown},
			"network: " + trouble + " (" + unknown.Error() + ")",
		},
		{
			"a certificate that is explained already",
			&SendError{Reason: ReasonNetwork, Err: fmt.Errorf("%s%w", trouble, silent{unknown})},
			"network: " + trouble,
		},
	} {
		held(t, tc.name, tc.err.Error(), tc.want)
		if tc.err.Err != nil && !errors.Is(tc.err, tc.err.Err) {
			t.Errorf("%s: it does not wrap its cause", tc.name)
		}
	}
	if ErrDenied.Error() != "" || fmt.Errorf("grant WRITE%w", ErrDenied).Error() != "grant WRITE" {
		t.Errorf("a denial shows as %q", ErrDenied)
	}
}

// silent has an error without its text.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.error }

// Names that are told apart by cluster never mix, and an hour is one of the clock, not one since the first name.
func TestNameLimitByTheClock(t *testing.T) {
	var log strings.Builder
	sec := int64(2*3600 - 1)
	l := newLimitAt(&sec, &log)
	for _, step := range []struct {
		sec           int64
		cluster, name string
		ok            bool
		over          string
	}{
		{7199, "a", "x", true, ""},
		{7199, "a", "y", false, "a"},
		{7199, "a", "", false, "a"},
		{7200, "a", "y", true, ""},
		{7200, "b", "", true, ""},
		{7200, "b", "y", false, "b"},
		{10799, "b", "y", false, "b"},
		{10800, "b", "y", true, ""},
		{0, "b", "z", true, ""},
	} {
		sec = step.sec
		got, ok := l.Admit(step.cluster, []byte(step.name))
		notice := l.Notice()
		want := ""
		if step.over != "" {
			want = "max (1) is reached for cluster " + step.over + ": until the hour is over, rest"
		}
		if ok != step.ok || ok && got != step.name || notice != want {
			t.Errorf("%+v: %q, %t; notice %q, want %q", step, got, ok, notice, want)
		}
	}
	if got, want := log.String(), 2; strings.Count(got, "\n") != want || !strings.Contains(got, `"level":"warn"`) {
		t.Errorf("the log has %q", got)
	}
}
