package flags

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// Peer say how a command comes in at a Forward server: with which key, name and certificates.
type Peer struct {
	Getenv func(string) (string, bool)
	Given  func(flag string) bool

	sharedKey, sharedKeyFile, hostname    string
	tls, insecure                         bool
	caFile, serverName, CertFile, KeyFile string
}

// RegisterKey makes the flags of the shared key, which help explains.
func (f *Peer) RegisterKey(fs *pflag.FlagSet, help string) {
	f.Given = fs.Changed
	fs.StringVar(&f.sharedKey, "shared-key", "", help)
	fs.StringVar(&f.sharedKeyFile, "shared-key-file", "", "… with the key in this file")
}

// RegisterTLS makes the flags of the own name, which ends in suffix by default, and of TLS.
func (f *Peer) RegisterTLS(fs *pflag.FlagSet, suffix string) {
	fs.StringVar(&f.hostname, "hostname", "",
		fmt.Sprintf("name to log in with; the server's must differ (default: the host's name and %q)", suffix))
	fs.BoolVar(&f.tls, "tls", false, "use TLS")
	fs.StringVar(&f.caFile, "ca-file", "", "PEM file of authorities to trust instead of the system's; implies --tls")
	fs.StringVar(&f.serverName, "server-name", "",
		"name that the server's certificate must have (default: the address's host); implies --tls")
	fs.StringVar(&f.CertFile, "cert-file", "",
		"PEM file of a client certificate, where the server asks for one; implies --tls")
	fs.StringVar(&f.KeyFile, "key-file", "", "PEM file of its key")
	fs.BoolVar(&f.insecure, "insecure", false, "don't verify the server's certificate; implies --tls")
}

// Key returns the shared key; set: there is one, an empty one too.
func (f *Peer) Key() (key string, set bool, err error) {
	return f.Secret("shared-key", f.sharedKey, f.sharedKeyFile, "AGGREGATOR_SHARED_KEY")
}

// OwnName returns the name to log in with.
func (f *Peer) OwnName(suffix string) string {
	if f.hostname != "" {
		return f.hostname
	}
	// A host without a name is "localhost".
	host, _ := os.Hostname()
	return cmp.Or(host, "localhost") + suffix
}

// TLSConfig returns what the flags say of TLS, nil: none.
func (f *Peer) TLSConfig() (*tls.Config, error) {
	if !f.tls && f.caFile == "" && f.serverName == "" && f.CertFile == "" && !f.insecure {
		return nil, nil //nolint:nilnil // nil: no TLS
	}
	//nolint:gosec // the user's explicit wish
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.serverName, InsecureSkipVerify: f.insecure}
	if f.caFile != "" {
		pem, err := os.ReadFile(f.caFile)
		if err != nil {
			return nil, WrongUsage(fmt.Errorf("--ca-file: %w", err))
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, WrongUsage(fmt.Errorf("--ca-file %s: holds no PEM certificate", f.caFile))
		}
	}
	if f.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			return nil, WrongUsage(fmt.Errorf("--cert-file %s, --key-file %s: %w", f.CertFile, f.KeyFile, err))
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// Secret returns a secret from its flag, file or environment variable, in this order. An empty one is one too.
func (f *Peer) Secret(flag, value, file, env string) (secret string, set bool, err error) {
	if f.Given(flag) {
		return value, true, nil
	}
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", false, WrongUsage(fmt.Errorf("--%s-file: %w", flag, err))
		}
		return strings.TrimRight(string(text), "\r\n"), true, nil
	}
	secret, set = f.Getenv(env)
	return secret, set, nil
}
