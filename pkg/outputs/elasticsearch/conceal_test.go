package elasticsearch

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

func TestConceal(t *testing.T) {
	key := base64.StdEncoding.EncodeToString([]byte("id:thekey-itself"))
	for name, tc := range map[string]struct {
		cfg  Config
		said []string // by a server
	}{
		"password": {
			Config{Login: Login{Username: "elastic", Password: setting.NewSecret(`pa"ss<w>/rd`)}},
			[]string{
				`pa"ss<w>/rd`, `pa\"ss\u003cw\u003e/rd`, `pa\"ss<w>/rd`, `pa\"ss<w>\/rd`, "pa%22ss%3Cw%3E%2Frd",
				"Basic " + base64.StdEncoding.EncodeToString([]byte(`elastic:pa"ss<w>/rd`)),
			},
		},
		"API key": {
			Config{Login: Login{APIKey: setting.NewSecret(key)}}, []string{"ApiKey " + key, "id:thekey-itself"},
		},
		"API key's pair": {
			Config{Login: Login{APIKey: setting.NewSecret("id:thekey-itself")}},
			[]string{"ApiKey " + key, "thekey-itself"},
		},
		"bearer token": {
			Config{Login: Login{BearerToken: setting.NewSecret(" t0ken-of-bearer\n")}},
			[]string{"Bearer t0ken-of-bearer"},
		},
	} {
		for _, said := range tc.said {
			for _, text := range []string{
				said, "you sent " + said + ", twice: " + said + said[:4], strings.Repeat("x", 8<<10-5) + said + "y",
			} {
				res := &http.Response{
					Header: http.Header{"Content-Type": {said}},
					Body:   io.NopCloser(iotest.OneByteReader(strings.NewReader(text))),
				}
				concealReply(res, secrets(&tc.cfg))
				body, err := io.ReadAll(res.Body)
				if err != nil || len(body) != len(text) {
					t.Errorf("%s: %d bytes of %d: %v", name, len(body), len(text), err)
				}
				_, secret, found := strings.Cut(said, " ")
				if !found {
					secret = said
				}
				if bytes.Contains(body, []byte(secret)) || strings.Contains(res.Header.Get("Content-Type"), secret) {
					t.Errorf("%s: %q shows", name, body)
				}
			}
		}
	}
	short := Config{Login: Login{Username: "elastic", Password: setting.NewSecret("p")}}
	for _, word := range secrets(&short) { // what was sent, not the letter p
		if len(word) < minConcealed {
			t.Errorf("%q is concealed", word)
		}
	}
	plain := &http.Response{Body: http.NoBody}
	if concealReply(plain, nil); plain.Body != http.NoBody {
		t.Error("without credentials there is nothing to conceal")
	}
}
