package elasticsearch

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// minConcealed is the length from which on a secret is searched in replies: shorter ones would be found in plain words.
const minConcealed = 6

// secrets returns what must not be shown of a reply: the credentials of cfg in all forms in which a server,
// or a proxy before it, may say what it was sent. The longest come first.
func secrets(cfg *Config) (words [][]byte) {
	var plain []string
	add := func(text string) {
		if text = strings.TrimSpace(text); len(text) >= minConcealed {
			plain = append(plain, text, base64.StdEncoding.EncodeToString([]byte(text)), url.QueryEscape(text))
			plain = append(plain, outputs.Quotings(text)...)
			if decoded, err := base64.StdEncoding.DecodeString(text); err == nil && len(decoded) >= minConcealed {
				plain = append(plain, string(decoded))
			}
		}
	}
	for _, s := range []string{cfg.Password.Reveal(), cfg.APIKey.Reveal(), cfg.BearerToken.Reveal()} {
		add(s)
	}
	for _, value := range cfg.Headers {
		add(value.Reveal())
	}
	if _, key, isPair := strings.Cut(cfg.APIKey.Reveal(), ":"); isPair {
		add(key)
	}
	if _, sent, _ := strings.Cut(authorization(cfg), " "); sent != "" {
		add(sent)
	}
	slices.SortFunc(plain, func(a, b string) int { return len(b) - len(a) })
	for _, word := range slices.Compact(plain) {
		words = append(words, []byte(word))
	}
	return words
}

// concealReply puts stars in place of words in what is read of a reply, and in the header that is shown.
func concealReply(res *http.Response, words [][]byte) {
	if len(words) == 0 {
		return
	}
	if kind := []byte(res.Header.Get("Content-Type")); len(kind) > 0 {
		outputs.Conceal(kind, words)
		res.Header.Set("Content-Type", string(kind))
	}
	res.Body = outputs.ConcealReader(res.Body, words)
}
