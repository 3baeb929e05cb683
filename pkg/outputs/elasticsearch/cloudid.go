package elasticsearch

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
)

// parseCloudID returns the URL of the Elasticsearch that a cloud id of Elastic Cloud stands for: NAME:BASE64, whose
// inside is HOST[:PORT]$ELASTICSEARCH[:PORT]$KIBANA.
func parseCloudID(id string) (string, error) {
	_, text, found := strings.Cut(strings.TrimSpace(id), ":")
	if !found {
		text = id
	}
	inside, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return "", fmt.Errorf("what follows its colon is not base64: %w", err)
	}
	parts := strings.Split(string(inside), "$")
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" || parts[1] == "undefined" {
		return "", errors.New("it names no Elasticsearch")
	}
	host, port := parts[0], "443"
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, cmp.Or(p, port)
	}
	name := parts[1]
	if n, p, found := strings.Cut(name, ":"); found {
		// Its own, over that of all.
		name, port = n, cmp.Or(p, port)
	}
	u, err := parseHost("https://" + name + "." + host + ":" + port)
	if err != nil || strings.Trim(port, "0123456789") != "" ||
		strings.ContainsFunc(
			name+host,
			func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/\?#@%`, r) },
		) {
		return "", errors.New("it names no host")
	}
	return u.String(), nil
}
