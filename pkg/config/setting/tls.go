package setting

// ServerTLS is the certificate of something that listens, and what it asks of its clients.
type ServerTLS struct {
	CertFile     string `yaml:"cert_file" required:"true" help:"PEM"`
	KeyFile      string `yaml:"key_file" required:"true" help:"PEM"`
	ClientCAFile string `yaml:"client_ca_file" help:"PEM; set: client certificates are asked for"`
	ClientAuth   string `yaml:"client_auth" default:"require" enum:"require|request" help:"of client certificates"`
	MinVersion   string `yaml:"min_version" default:"\"1.2\"" enum:"1.2|1.3" help:"of TLS"`
}

// ClientTLS is how a server is trusted, and the certificate that is shown to it.
type ClientTLS struct {
	CAFile             string `yaml:"ca_file" help:"PEM; default: the system's authorities"`
	CertFile           string `yaml:"cert_file" help:"PEM; a client certificate"`
	KeyFile            string `yaml:"key_file" help:"PEM; the client certificate's key"`
	ServerName         string `yaml:"server_name"`
	MinVersion         string `yaml:"min_version" default:"\"1.2\"" enum:"1.2|1.3" help:"of TLS"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify" default:"false"`
}

// Help implements Explained.
func (ClientTLS) Help() map[string]string {
	return map[string]string{
		"server_name":          "the name that the server's certificate must have; default: the host",
		"insecure_skip_verify": "accept any certificate: only for trying things out",
	}
}
