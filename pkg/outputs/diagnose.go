package outputs

import (
	"context"
	stdtls "crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
)

// Diagnose returns one line that says what is wrong with a connection and what to do about it: for
// errors of name resolution, TCP, TLS and certificates. Of others it returns the text.
func Diagnose(err error) string {
	if err == nil {
		return ""
	}
	var proxy *proxyError
	if errors.As(err, &proxy) {
		return "the proxy " + proxy.host + ": " + Diagnose(proxy.err)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "proxyconnect" {
		return "the proxy: " + Diagnose(op.Err)
	}
	for _, diagnose := range []func(error) string{diagnoseName, CertificateTrouble, diagnoseTLS, diagnoseTCP} {
		if text := diagnose(err); text != "" {
			return text
		}
	}
	return oneLine(err.Error())
}

// DiagnoseAt is Diagnose for a request to a URL.
func DiagnoseAt(to string, err error) string {
	text := Diagnose(err)
	if strings.HasPrefix(to, "http://") && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
		// Servers with TLS do so with what is not.
		text += "; does it want https://?"
	}
	return text
}

// WantsTLS reports whether an answer of HTTP is that of a server with TLS to a request without.
func WantsTLS(status int, body []byte) bool {
	if status != http.StatusBadRequest {
		return false
	}
	text := strings.ToLower(string(body))
	for _, words := range []string{
		"http request to an https server",       // Go
		"plain http request was sent to https",  // nginx
		"speaking plain http to an ssl-enabled", // Apache
	} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// proxyError is an error on the way to a proxy, or of its own.
type proxyError struct {
	host string
	err  error
}

func (e *proxyError) Error() string { return "the proxy " + e.host + ": " + e.err.Error() }
func (e *proxyError) Unwrap() error { return e.err }

func diagnoseName(err error) string {
	var e *net.DNSError
	switch {
	case !errors.As(err, &e):
		return ""
	case e.IsNotFound:
		return fmt.Sprintf("no such host %s: check the name, and that this machine's DNS knows it", e.Name)
	case e.IsTimeout:
		return fmt.Sprintf("DNS did not answer for %s in time: check the DNS server%s", e.Name, behind(" ", e.Server))
	default:
		return fmt.Sprintf("DNS failed for %s: %s", e.Name, e.Err)
	}
}

// CertificateTrouble returns one line that says why the other side's certificate is not taken, and what to do about it;
// "" for errors of other kinds.
func CertificateTrouble(err error) string {
	var chain *stdtls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &hostname) && hostname.Certificate != nil:
		names := slices.Clone(hostname.Certificate.DNSNames)
		for _, ip := range hostname.Certificate.IPAddresses {
			names = append(names, ip.String())
		}
		switch {
		case len(names) == 0:
			return fmt.Sprintf("its certificate (%s) has no names (subject alternative names): it needs one with %s",
				hostname.Certificate.Subject, hostname.Host)
		case len(names) > 5:
			names = append(names[:5], "…")
		}
		return fmt.Sprintf("its certificate is for %s, not for %s: set tls.server_name to one of them, or use it as "+
			"the address",
			strings.Join(names, ", "), hostname.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		const day = "2006-01-02 15:04 MST"
		return fmt.Sprintf("its certificate (%s) is valid from %s to %s, and not now: renew it, or set this "+
			"machine's clock",
			invalid.Cert.Subject, invalid.Cert.NotBefore.UTC().Format(day), invalid.Cert.NotAfter.UTC().Format(day))
	case errors.As(err, &authority):
		signed := "by an authority that is not trusted"
		if errors.As(err, &chain) && len(chain.UnverifiedCertificates) > 0 {
			signed = fmt.Sprintf("by %q, which is not trusted",
				chain.UnverifiedCertificates[len(chain.UnverifiedCertificates)-1].Issuer)
		} else if authority.Cert != nil {
			signed = fmt.Sprintf("by %q, which is not trusted", authority.Cert.Issuer)
		}
		return "its certificate is signed " + signed + ": set tls.ca_file to that authority's certificate"
	case errors.As(err, &invalid):
		return "its certificate can't be used: " + oneLine(invalid.Error())
	}
	return ""
}

func diagnoseTLS(err error) string {
	var header stdtls.RecordHeaderError
	var alert stdtls.AlertError
	switch text := err.Error(); {
	case errors.As(err, &header):
		return "it does not speak TLS there: is it plain, with http:// in place of https://, or is the port another's?"
	case strings.Contains(text, "malformed HTTP"), strings.Contains(text, "readLoopPeekFailLocked"):
		// The second is net/http's way to say that something came before it had asked.
		return "it does not speak plain HTTP there: is it https://, or is the port another's?"
	case strings.Contains(text, "TLS handshake timeout"):
		return "it took the connection and does not answer TLS: does it speak TLS there, or is the port another's?"
	case strings.Contains(text, "certificate required") || strings.Contains(text, "bad certificate") ||
		strings.Contains(text, "unknown certificate authority"):
		return "it does not take this client's certificate, or wants one: set tls.cert_file and tls.key_file to one " +
			"that it trusts"
	case strings.Contains(text, "protocol version"):
		return "it and tls.min_version have no version of TLS in common"
	case errors.As(err, &alert):
		return "TLS failed: " + oneLine(text)
	}
	return ""
}

func diagnoseTCP(err error) string {
	where := ""
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		where = " " + op.Addr.String()
	}
	dialing := op != nil && op.Op == "dial"
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf(
			"the connection to%s was refused: nothing listens there; check host and port, and that it runs",
			orIt(where),
		)
	case errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH):
		return fmt.Sprintf("there is no route to%s: check the address, firewalls and network policies", orIt(where))
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		return "the connection was reset: it, or something on the way, ended it"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case dialing && errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no connection to%s in time: check the address, firewalls and network policies", orIt(where))
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		strings.Contains(err.Error(), "server closed idle connection"):
		// The last two are net/http's, where it is done with a connection while it still writes to it.
		return "it closed the connection without a whole answer; does it want https://?"
	}
	return ""
}

func orIt(where string) string {
	if where == "" {
		return " it"
	}
	return where
}

func behind(space, text string) string {
	if text == "" {
		return ""
	}
	return space + text
}

// oneLine replaces control characters, so that the text stays one line of a log or terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}
