package destination

import (
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// File is a certificate or a key: its key in the old file, and in the tls of an output or a listener.
type File struct{ Old, New string }

// Files adds the files that a section names to a map of TLS settings; they have to be where the old program had them.
func Files(r *settings.Reader, m flow.Map, files ...File) flow.Map {
	for _, f := range files {
		if text, ok := r.Text(f.Old); ok {
			m = m.With(f.New, text)
			if !strings.Contains(text, "${") {
				r.Notes.NeedFile(text, "the file of that name that the old program had")
			}
		}
	}
	return m
}

// Passphrase says that keys have none here.
func Passphrase(r *settings.Reader, key string) {
	if r.Has(key) {
		r.Lose(key, "keys are read without a passphrase",
			"write the key without one: openssl pkey -in old.key -out new.key")
	}
}

// TLS sets tls of an output, where m says anything, and connections are not plain ones, to which it says nothing.
func TLS(o *flow.Output, m flow.Map) {
	if len(m) > 0 && !plain(o) {
		o.Settings = o.Settings.With("tls", m)
	}
}

// plain reports whether an output's URLs are all of plain connections.
func plain(o *flow.Output) bool {
	hosts, _ := o.Settings.Get("hosts").([]any)
	if url := o.Settings.Get("url"); url != nil {
		hosts = append(hosts, url)
	}
	return len(hosts) > 0 && !slices.ContainsFunc(hosts, func(host any) bool {
		text, _ := host.(string)
		return !strings.HasPrefix(text, "http://")
	})
}

// Login reads the keys of a name and a password, which says nothing without a name.
func Login(r *settings.Reader, o *flow.Output, user, password string) {
	text, ok := r.Text(user)
	if !ok {
		if r.Has(password) {
			r.Say(password, "left out: it is nobody's without a name", "write username and password")
		}
		return
	}
	o.Settings = o.Settings.With("username", text)
	if secret, ok := r.Secret(password, o.Name+"-password"); ok {
		o.Settings = o.Settings.With("password", secret)
	}
}

// Bearer sets a token, in place of a name and a password: a request has one login.
func Bearer(r *settings.Reader, o *flow.Output, token string) {
	if o.Settings.Get("username") != nil {
		r.Notes.Say(r.At, r.Title, "the name and the password are left out: the token is the login", "")
		o.Settings = o.Settings.Without("username", "password")
	}
	o.Settings = o.Settings.With("bearer_token", token)
}

// Signed says that requests are signed as AWS wants it, in place of a name and a password, and gives them what m says.
func Signed(r *settings.Reader, o *flow.Output, m flow.Map) {
	if o.Settings.Get("username") != nil || o.Settings.Get("api_key") != nil {
		r.Notes.Say(r.At, r.Title, "the name and the password are left out: requests are signed", "")
		o.Settings = o.Settings.Without("username", "password", "api_key")
	}
	o.Settings = o.Settings.With("aws", m)
}

// CloudAuth reads Elastic Cloud's login, name:password.
func CloudAuth(r *settings.Reader, o *flow.Output) {
	v, ok := r.Value("cloud_auth")
	if !ok {
		return
	}
	user, password, found := strings.Cut(v.Shown(), ":")
	if _, plain := v.Plain(); !plain || !found {
		r.Lose("cloud_auth", "it is a name and a password in one", "write username and password")
		return
	}
	o.Settings = o.Settings.With("username", flow.Literal(user)).
		With("password", r.Notes.SecretFile(o.Name+"-password", syntax.Literal(password, v.At),
			"what is behind the colon of cloud_auth at "+v.At.String()))
}
