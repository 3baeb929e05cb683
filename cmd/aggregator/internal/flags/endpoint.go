package flags

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// Endpoint is where a running server's status endpoint is, and who asks it.
type Endpoint struct {
	Getenv func(string) (string, bool)

	status, token, tokenFile, user, passwordFile string
	caFile, certFile, keyFile                    string
	insecure                                     bool
}

// Flags makes the flags in fs.
func (e *Endpoint) Flags(fs *pflag.FlagSet) {
	fs.StringVar(&e.status, "status", "", "`URL` of the status endpoint (default http://127.0.0.1:9880)")
	fs.StringVar(&e.token, "token", "", "token for the status endpoint; who lists this machine's processes can see it")
	fs.StringVar(&e.tokenFile, "token-file", "", "… with the token in this `file`")
	fs.StringVar(&e.user, "user", "", "user for the status endpoint, by `name`")
	fs.StringVar(&e.passwordFile, "password-file", "",
		"… with the password in this `file` (default: AGGREGATOR_STATUS_PASSWORD)")
	fs.StringVar(&e.caFile, "ca-file", "", "PEM `file` of authorities to trust instead of the system's")
	fs.StringVar(&e.certFile, "cert-file", "", "PEM `file` of a client certificate, where the endpoint wants one")
	fs.StringVar(&e.keyFile, "key-file", "", "PEM `file` of its key")
	fs.BoolVar(&e.insecure, "insecure", false,
		"don't verify the endpoint's certificate: who is on the way gets the token")
}

// Set reports whether anything was given.
func (e *Endpoint) Set() bool {
	return e.status+e.token+e.tokenFile+e.user+e.passwordFile+e.caFile+e.certFile+e.keyFile != "" || e.insecure
}

// Load reads the configuration of the server, which says where its status endpoint is, and tells which one it took. It
// returns nil where there is none, or where --status says it all. Unless all of it is needed, mistakes elsewhere than
// in status don't matter: a server is asked also while somebody has spoiled its file.
func (e *Endpoint) Load(c *Config, all bool, notes io.Writer) (*config.Config, error) {
	if len(c.Paths()) == 0 && e.status == "" && !all {
		c.Tell(notes)
	}
	if len(c.Paths()) == 0 || e.status != "" && len(c.Given) == 0 {
		return nil, nil //nolint:nilnil // nil: none
	}
	o := config.Options{StandIn: true}
	if !all {
		o.Only = "status"
	}
	loaded, err := c.Load(o)
	if err == nil {
		c.Tell(notes)
	}
	return loaded.Config, err
}

// Check reports flags that contradict one another.
func (e *Endpoint) Check() error {
	given := 0
	for _, flag := range []string{e.token, e.tokenFile, e.user} {
		if flag != "" {
			given++
		}
	}
	switch {
	case given > 1:
		return WrongUsage(errors.New("--token, --token-file and --user: give one of them"))
	case e.passwordFile != "" && e.user == "":
		return WrongUsage(errors.New("--password-file: give --user too"))
	case (e.certFile == "") != (e.keyFile == ""):
		return WrongUsage(errors.New("--cert-file and --key-file: give both"))
	}
	return nil
}

// Client returns what asks the server. cfg is the server's configuration, nil where it is not known.
func (e *Endpoint) Client(cfg *config.Config, warnings io.Writer) (*client.Client, error) {
	u := &url.URL{Scheme: "http", Host: "127.0.0.1:9880"}
	c := &client.Client{}
	if cfg != nil {
		u.Host = reachable(cfg.Status.Address)
		if cfg.Status.TLS != nil {
			u.Scheme = "https"
		}
		if !config.MadeUp(cfg.Status.Token.Reveal()) {
			c.Token = cfg.Status.Token
		}
		if users := cfg.Status.Users; c.Token.Reveal() == "" && len(users) > 0 &&
			!config.MadeUp(users[0].Password.Reveal()) {
			u.User = url.UserPassword(users[0].Name, users[0].Password.Reveal())
		}
	}
	if e.status != "" {
		text := e.status
		if !strings.Contains(text, "://") {
			text = "http://" + text
		}
		var err error
		if u, err = url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, WrongUsage(errors.New("--status: must be a URL like http://127.0.0.1:9880"))
		}
	}
	switch token, ok := e.Getenv("AGGREGATOR_STATUS_TOKEN"); {
	case e.user != "":
		password, err := e.password()
		if err != nil {
			return nil, err
		}
		u.User, c.Token = url.UserPassword(e.user, password), setting.Secret{}
	case e.token != "":
		c.Token = setting.NewSecret(e.token)
	case e.tokenFile != "":
		text, err := os.ReadFile(e.tokenFile)
		if err != nil {
			return nil, WrongUsage(fmt.Errorf("--token-file: %w", err))
		}
		c.Token = setting.NewSecret(strings.TrimSpace(string(text)))
	case ok && (cfg == nil || c.Token.Reveal() == "" && u.User == nil):
		c.Token = setting.NewSecret(token)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) && (c.Token.Reveal() != "" || u.User != nil) {
		_, _ = fmt.Fprintf(warnings,
			"warning: the token or password goes to %s unencrypted: set status.tls there and use https://\n", u.Host)
	}
	set, err := e.tls(cfg)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = set
	// Never follow: the endpoint redirects nobody to elsewhere, and the token is meant for it alone.
	c.HTTP = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.Address = u.String()
	return c, nil
}

func (e *Endpoint) password() (string, error) {
	if e.passwordFile == "" {
		if password, ok := e.Getenv("AGGREGATOR_STATUS_PASSWORD"); ok {
			return password, nil
		}
		return "", WrongUsage(
			errors.New(
				"--user: the password must be in AGGREGATOR_STATUS_PASSWORD or in the file that --password-file names",
			))
	}
	text, err := os.ReadFile(e.passwordFile)
	if err != nil {
		return "", WrongUsage(fmt.Errorf("--password-file: %w", err))
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// tls says whom to trust. Where nothing but the configuration is given, that is whoever shows the very
// certificate which it names: that is made for the name that others use, not for this machine's address.
func (e *Endpoint) tls(cfg *config.Config) (*tls.Config, error) {
	//nolint:gosec // the user's explicit wish
	set := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: e.insecure}
	if e.certFile != "" {
		pair, err := tls.LoadX509KeyPair(e.certFile, e.keyFile)
		if err != nil {
			return nil, WrongUsage(fmt.Errorf("--cert-file and --key-file: %w", err))
		}
		set.Certificates = []tls.Certificate{pair}
	}
	switch {
	case e.insecure:
	case e.caFile != "":
		text, err := os.ReadFile(e.caFile)
		if err != nil {
			return nil, WrongUsage(fmt.Errorf("--ca-file: %w", err))
		}
		set.RootCAs = x509.NewCertPool()
		if !set.RootCAs.AppendCertsFromPEM(text) {
			return nil, WrongUsage(fmt.Errorf("--ca-file %s: holds no PEM certificate", e.caFile))
		}
	case e.status == "" && cfg != nil && cfg.Status.TLS != nil:
		file := cfg.Status.TLS.CertFile
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("status.tls.cert_file, which tells the server from others: %w", err)
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("status.tls.cert_file %s holds no PEM certificate", file)
		}
		// Verified below.
		set.InsecureSkipVerify = true
		set.VerifyConnection = func(s tls.ConnectionState) error {
			if !bytes.Equal(s.PeerCertificates[0].Raw, block.Bytes) {
				return fmt.Errorf("the server shows another certificate than %s: --ca-file says whom else to trust",
					file)
			}
			return nil
		}
	}
	return set, nil
}

// reachable returns where an endpoint that listens on address is reached from this machine.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

// loopback reports whether host is this machine and nothing leaves it.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
