package outputs

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestDiagnose(t *testing.T) {
	address := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 9200}
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: err} }
	cert := &x509.Certificate{
		Subject: pkix.Name{CommonName: "es"}, Issuer: pkix.Name{CommonName: "es-ca"},
		DNSNames:  []string{"es", "es.logging"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(86400, 0),
	}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{dial(&net.DNSError{Name: "es", IsNotFound: true}), "no such host es: check the name"},
		{
			dial(&net.DNSError{Name: "es", IsTimeout: true, Server: "10.0.0.2:53"}),
			"DNS did not answer for es in time: check the DNS server 10.0.0.2:53",
		},
		{dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), "the connection to 10.0.0.1:9200 was refused"},
		{dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), "there is no route to 10.0.0.1:9200"},
		{dial(context.DeadlineExceeded), "no connection to 10.0.0.1:9200 in time"},
		{dial(os.ErrDeadlineExceeded), "no connection to 10.0.0.1:9200 in time"},
		{context.DeadlineExceeded, "no answer in time"},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, "the connection was reset"},
		{io.ErrUnexpectedEOF, "it closed the connection"},
		{errors.New("http: server closed idle connection"), "it closed the connection without a whole answer"},
		{
			&net.OpError{Op: "write", Net: "tcp", Addr: address, Err: net.ErrClosed},
			"it closed the connection without a whole answer",
		},
		{errors.New("readLoopPeekFailLocked: %!w(<nil>)"), "it does not speak plain HTTP there"},
		{errors.New("net/http: TLS handshake timeout"), "it took the connection and does not answer TLS"},
		{
			x509.UnknownAuthorityError{Cert: cert},
			`its certificate is signed by "CN=es-ca", which is not trusted: set tls.ca_file`,
		},
		{
			x509.HostnameError{Certificate: cert, Host: "a"},
			"its certificate is for es, es.logging, not for a: set tls.server_name",
		},
		{
			x509.CertificateInvalidError{Cert: cert, Reason: x509.Expired},
			"its certificate (CN=es) is valid from 1970-01-01 00:00 UTC to 1970-01-02 00:00 UTC",
		},
		{errors.New("remote error: tls: certificate required"), "set tls.cert_file and tls.key_file"},
		{errors.New("another\nthing\x1b"), "another thing "},
		{nil, ""},
	} {
		err := tc.err
		if err != nil {
			err = fmt.Errorf("send: %w", err)
		}
		got := Diagnose(err)
		if !strings.HasPrefix(strings.TrimPrefix(got, "send: "), tc.want) && !strings.Contains(got, tc.want) ||
			strings.ContainsAny(got, "\n\x1b") {
			t.Errorf("%v: %q, want %q", err, got, tc.want)
		}
	}
}
