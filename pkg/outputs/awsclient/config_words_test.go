package awsclient

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// problems returns what a report says: "key: reason (hint)" for each problem.
func problems(r *setting.Report) string {
	var all []string
	for _, p := range r.Problems {
		all = append(all, fmt.Sprintf("%s: %s (%s)", p.Key, p.Reason, p.Hint))
	}
	return strings.Join(all, "\n")
}

func TestCheckWords(t *testing.T) {
	const code = "(write a region's code, such as eu-central-1)"
	const address = "(write https://host or http://host:port)"
	in := func(c Config) Config {
		c.Region = "eu-central-1"
		return c
	}
	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no region is its tag's to report", Config{}, ""},
		{"of China", Config{Region: "cn-northwest-1"}, ""},
		{"isolated", Config{Region: "us-isob-east-1"}, ""},
		{
			"a zone",
			Config{Region: "eu-central-1b"},
			`region: "eu-central-1b" is an availability zone (write eu-central-1)`,
		},
		{"a zone that is none", Config{Region: "eu-central-1bb"}, `region: "eu-central-1bb" is not a region ` + code},
		{"upper case", Config{Region: "EU-CENTRAL-1"}, `region: "EU-CENTRAL-1" is not a region ` + code},
		{"an emulator's", Config{Region: strings.Repeat("a", 63), Endpoint: "http://e"}, ""},
		{
			"longer than any emulator's",
			Config{Region: strings.Repeat("a", 64), Endpoint: "http://e"},
			`region: "` + strings.Repeat("a", 64) + `" is not a region ` + code,
		},
		{
			"an address without a scheme", in(Config{Endpoint: "vpce.example"}),
			`endpoint: "vpce.example" is not the URL of a service ` + address,
		},
		{
			"a query", in(Config{Endpoint: "https://e/?a=b"}),
			`endpoint: "https://e/?a=b" is not the URL of a service ` + address,
		},
		{
			"a fragment", in(Config{Endpoint: "https://e/#a"}),
			`endpoint: "https://e/#a" is not the URL of a service ` + address,
		},
		{
			"another scheme", in(Config{Endpoint: "ftp://e"}),
			`endpoint: "ftp://e" is not the URL of a service ` + address,
		},
		{
			"a secret in it", in(Config{Endpoint: "https://key:secret@e"}),
			"endpoint: credentials do not belong into a URL (remove what stands before the @)",
		},
		{
			"no URL, with a secret", in(Config{Endpoint: "https://key:secret@e\x7f"}),
			"endpoint: it is not a URL " + address,
		},
		{
			"FIPS beside it", in(Config{Endpoint: "https://e", UseFIPS: true, UseDualStack: true}),
			"use_fips: it chooses the service's host, as endpoint does (name the FIPS host in endpoint, and " +
				"leave use_fips " +
				"out)",
		},
		{"FIPS alone", in(Config{UseFIPS: true, UseDualStack: true}), ""},
		{
			"a role without its account", in(Config{RoleARN: "arn:aws:iam::1234:role/x"}),
			`role_arn: "arn:aws:iam::1234:role/x" is not the ARN of a role (write arn:aws:iam::123456789012:role/name)`,
		},
		{"a role of China", in(Config{RoleARN: "arn:aws-cn:iam::123456789012:role/a/b/x+=,.@-_"}), ""},
		{
			"an id without a role", in(Config{ExternalID: setting.NewSecret("")}),
			"external_id: it is only used to assume a role (add role_arn, or remove external_id)",
		},
		{
			"a proxy that is none, with a secret", in(Config{Proxy: "key:secret@proxy"}),
			"proxy: it is not the URL of a proxy (write http://host:port, or none)",
		},
		{"no proxy at all", in(Config{Proxy: "none"}), ""},
	} {
		var r setting.Report
		tc.cfg.Check(&r)
		if got := problems(&r); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
		if strings.Contains(problems(&r), "secret@") {
			t.Errorf("%s: it shows a password", tc.name)
		}
	}
}

// A stream's own text is held to what AWS takes; values are made to fit later.
func TestCheckStream(t *testing.T) {
	const letters = " (use letters, digits, _ . and -)"
	for _, tc := range []struct {
		text string
		want string
	}{
		{"logs", ""},
		{"l-{tag}.%Y", ""},
		{`{record["a b"]|c d}`, ""},
		{strings.Repeat("a", 10), ""},
		{strings.Repeat("a", 11), "stream: a stream's name has at most 10 characters (shorten it)"},
		{"{tag}" + strings.Repeat("a", 9), ""},
		{"a b", "stream: a stream's name can't have ' '" + letters},
		{"a/b", "stream: a stream's name can't have '/'" + letters},
		{"é", "stream: a stream's name can't have 'Ã'" + letters},
		{"{{}}", "stream: a stream's name can't have '{'" + letters},
		{"%H:%M", "stream: a stream's name can't have ':'" + letters},
	} {
		var r setting.Report
		CheckStream(&r, "stream", tc.text, 10)
		if got := problems(&r); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
		}
	}
	for _, text := range []string{"{nope}", "{", "{record.}"} {
		var r setting.Report
		if CheckStream(&r, "stream", text, 10); len(r.Problems) != 1 || r.Problems[0].Key != "stream" ||
			r.Problems[0].Hint != "see the example in the documentation" {
			t.Errorf("%q: %+v", text, r.Problems)
		}
	}
}

func TestCheckPace(t *testing.T) {
	for _, tc := range []struct {
		cfg   PaceConfig
		wrong bool
	}{
		{PaceConfig{}, false},
		{PaceConfig{MaxBytes: 1, MaxRecords: 1, MaxRequests: 1}, false},
		{PaceConfig{MaxBytes: -1}, true},
		{PaceConfig{MaxRecords: -1}, true},
		{PaceConfig{MaxBytes: 1, MaxRequests: -1}, true},
	} {
		want := ""
		if tc.wrong {
			want = "pace: a negative value has no meaning (write 0 to have it learned)"
		}
		var r setting.Report
		if tc.cfg.Check(&r); problems(&r) != want {
			t.Errorf("%+v: %q, want %q", tc.cfg, problems(&r), want)
		}
	}
}
