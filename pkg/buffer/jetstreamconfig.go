package buffer

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// JetStreamConfig is a queue that NATS servers hold.
type JetStreamConfig struct {
	URLs            []string           `yaml:"urls" required:"true"`
	Stream          string             `yaml:"stream" default:"AGGREGATOR"`
	Replicas        int                `yaml:"replicas" default:"3" min:"1"`
	MaxSize         setting.Size       `yaml:"max_size" default:"16GiB" min:"64MiB"`
	CredentialsFile string             `yaml:"credentials_file" help:"of a NATS user (.creds), read at each login"`
	Username        string             `yaml:"username" help:"instead of credentials_file"`
	Password        setting.Secret     `yaml:"password"`
	Token           setting.Secret     `yaml:"token" help:"instead of credentials_file and username"`
	TLS             *setting.ClientTLS `yaml:"tls" help:"how the servers are trusted; absent: as the urls say"`
}

// Help implements setting.Explained.
func (JetStreamConfig) Help() map[string]string {
	return map[string]string{
		"stream": "the name of the queue's stream; those of its dead letters and of what it notes begin with it. " +
			"Aggregators with the same one are one group",
		"max_size": "bytes of chunks that wait, once, whatever the replicas: each server that holds them needs that " +
			"much disk, and a fifth more",
		"urls":     "nats://host:port of some servers, one or a list",
		"replicas": "servers that hold each chunk: 1, 3 or 5",
		"password": "the user's",
	}
}

// validStream reports whether name can be a stream's, and stand in subjects, in names of files and of buckets.
func validStream(name string) bool {
	return name != "" && len(name) <= 64 && strings.Trim(name, "-_"+letters+digits) == ""
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// Check reports settings that can't work.
func (c *JetStreamConfig) Check(r *setting.Report) {
	for i, text := range c.URLs {
		checkURL(r, "urls["+strconv.Itoa(i)+"]", text)
	}
	if !validStream(c.Stream) {
		r.Add("stream", "up to 64 of the letters a-z and A-Z, digits, _ and -", "%q can't be the name of a stream",
			c.Stream)
	}
	if !slices.Contains([]int{1, 3, 5}, c.Replicas) {
		r.Add("replicas", "write 3: one server may be lost, and the others go on; or 1 to try it out, or 5",
			"NATS keeps 1 to 5 replicas, and an even number bears no more losses than one less")
	}
	var logins []string
	for name, set := range map[string]bool{
		"credentials_file": c.CredentialsFile != "", "username": c.Username != "", "token": c.Token.Reveal() != "",
	} {
		if set {
			logins = append(logins, name)
		}
	}
	if slices.Sort(logins); len(logins) > 1 {
		r.Add(logins[1], "leave all but one out", "%s logs in already", logins[0])
	}
	if password := c.Password.Reveal() != ""; password != (c.Username != "") {
		key, other := "password", "username"
		if !password {
			key, other = other, key
		}
		r.Add(key, "write both, or none", "there is no %s with it", other)
	}
}

func checkURL(r *setting.Report, key, text string) {
	const hint = "write nats://host:4222, or tls://host:4222"
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme):
		r.Add(key, hint, "%q is no address of a NATS server", withoutUser(text))
	case u.User != nil:
		r.Add(key, "write username and password, or token, beside urls",
			"a login in a URL would show in logs and errors")
	case u.Path != "" && u.Path != "/" && !strings.HasPrefix(u.Scheme, "ws") || u.RawQuery != "":
		r.Add(key, hint, "%q says more than where a NATS server is", text)
	default:
		if _, port, err := net.SplitHostPort(u.Host); err == nil && port == "" {
			r.Add(key, hint, "%q has no port behind the colon", text)
		}
	}
}

// withoutUser leaves out what may be a login.
func withoutUser(text string) string {
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		return "…" + text[i:]
	}
	return text
}
