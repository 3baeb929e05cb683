// Package tls makes TLS configurations out of PEM files and takes new files into use as they come,
// without touching a connection that is open. TLS 1.2 and 1.3 with Go's choice of cipher suites;
// no ALPN, because nothing that it is for negotiates a protocol.
//
// Files that can't be used never replace files that can: the old ones stay in force, and State and
// the log say why. Server and Client read their files when they are made and on each Reload; Watch
// calls that when nobody else does.
package tls

import (
	"cmp"
	stdtls "crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// Options are common to servers and clients.
type Options struct {
	Log zerolog.Logger // should say what the files are for: the listener, the output
	// Now may be nil: time.Now. Certificates are verified by it too.
	Now func() time.Time
}

// Server is the certificate of something that listens, and the authorities of its clients. Safe for
// concurrent use.
type Server struct {
	*store
	auth    stdtls.ClientAuthType
	version uint16
}

// NewServer loads the files that set names. An error says what to do about it.
func NewServer(set setting.ServerTLS, o Options) (*Server, error) {
	version, err := minVersion(set.MinVersion)
	if err != nil {
		return nil, err
	}
	s := &Server{version: version}
	switch {
	case set.CertFile == "" || set.KeyFile == "":
		return nil, errors.New("a server needs a certificate and its key: set cert_file and key_file")
	case set.ClientCAFile == "":
	case set.ClientAuth == "request":
		s.auth = stdtls.VerifyClientCertIfGiven
	case set.ClientAuth == "require" || set.ClientAuth == "":
		s.auth = stdtls.RequireAndVerifyClientCert
	default:
		// Must not end in asking for less than was meant.
		return nil, fmt.Errorf("client_auth is %q: write require or request", set.ClientAuth)
	}
	s.store, err = newStore(files{cert: set.CertFile, key: set.KeyFile, authorities: set.ClientCAFile}, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Config returns a configuration for a listener. It follows each Reload: a handshake uses what is in
// force when its ClientHello arrives. The caller must not change it.
//
// Sessions are not resumed, so that every connection shows the certificate in force and proves itself
// to the authorities in force; agents keep their connections and don't ask for it.
func (s *Server) Config() *stdtls.Config {
	return &stdtls.Config{
		MinVersion: s.version,
		GetConfigForClient: func(*stdtls.ClientHelloInfo) (*stdtls.Config, error) {
			m := s.current.Load()
			return &stdtls.Config{
				MinVersion:             s.version,
				Certificates:           []stdtls.Certificate{*m.certificate},
				ClientAuth:             s.auth,
				ClientCAs:              m.authorities,
				SessionTicketsDisabled: true,
				Time:                   s.now,
			}, nil
		},
	}
}

// Client is how something that dials trusts its servers, and the certificate it shows to them. Safe
// for concurrent use.
type Client struct {
	*store
	serverName string
	version    uint16
	insecure   bool
}

// NewClient loads the files that set names, which may be none. An error says what to do about it.
func NewClient(set setting.ClientTLS, o Options) (*Client, error) {
	version, err := minVersion(set.MinVersion)
	if err != nil {
		return nil, err
	}
	if (set.CertFile == "") != (set.KeyFile == "") {
		return nil,
			errors.New("a client certificate and its key go together: set both cert_file and key_file, or neither")
	}
	c := &Client{serverName: set.ServerName, version: version, insecure: set.InsecureSkipVerify}
	c.store, err = newStore(files{cert: set.CertFile, key: set.KeyFile, authorities: set.CAFile}, o)
	if err != nil {
		return nil, err
	}
	if c.insecure {
		c.log.Warn().
			Msg(
				"servers' certificates are not verified (insecure_skip_verify): anyone on the way can read and " +
					"change what is sent",
			)
	}
	return c, nil
}

// ConfigFor returns a configuration for one dial of host, a name or an address without its port,
// with what is in force now. The authorities of a tls.Config can't follow a Reload, so take a new
// one for every dial.
func (c *Client) ConfigFor(host string) *stdtls.Config {
	m := c.current.Load()
	cfg := &stdtls.Config{
		MinVersion:         c.version,
		ServerName:         cmp.Or(c.serverName, host),
		RootCAs:            m.authorities,
		InsecureSkipVerify: c.insecure, //nolint:gosec // the user's explicit wish, and warned of
		Time:               c.now,
	}
	if m.certificate != nil {
		// Always shown: crypto/tls itself holds it back from a server that names other authorities,
		// and then the server can't say what is wrong with it.
		cfg.GetClientCertificate = func(
			*stdtls.CertificateRequestInfo,
		) (*stdtls.Certificate, error) {
			return m.certificate, nil
		}
	}
	return cfg
}

func minVersion(text string) (uint16, error) {
	switch text {
	case "1.2", "":
		return stdtls.VersionTLS12, nil
	case "1.3":
		return stdtls.VersionTLS13, nil
	default:
		return 0, fmt.Errorf("min_version is %q: write 1.2 or 1.3, with quotation marks", text)
	}
}

// Names returns who the peer has proved to be: the DNS and URI names of its certificate, then its
// common name, each once. nil where it showed no certificate, or none that was verified.
func Names(state *stdtls.ConnectionState) []string {
	if state == nil || len(state.VerifiedChains) == 0 {
		return nil
	}
	leaf := state.VerifiedChains[0][0]
	names := slices.Clone(leaf.DNSNames)
	for _, uri := range leaf.URIs {
		names = append(names, uri.String())
	}
	names = append(names, leaf.Subject.CommonName)
	return distinct(names)
}

// addressed returns what cert is for, for people to read.
func addressed(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return distinct(names)
}

// distinct leaves out empty names and repetitions, and keeps the order. It returns nil for none.
func distinct(names []string) []string {
	var kept []string
	for _, name := range names {
		if name != "" && !slices.Contains(kept, name) {
			kept = append(kept, name)
		}
	}
	return kept
}
