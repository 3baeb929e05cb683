package redact

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

func step(tb testing.TB, cfg Config) *Step {
	tb.Helper()
	var report setting.Report
	if cfg.Check(&report); len(report.Problems) > 0 {
		tb.Fatalf("settings: %v", report.Problems)
	}
	s, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func pack(tb testing.TB, v any) []byte {
	tb.Helper()
	b, err := msgpack.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func happening(record []byte) *filter.Event {
	var e filter.Event
	e.Reset(&event.Event{Chunk: &event.Chunk{Cluster: "seoul", Tag: "kube.web"}, Record: record}, 1)
	return &e
}

func asJSON(tb testing.TB, record []byte) string {
	tb.Helper()
	var enc event.Encoder
	out, err := enc.AppendValue(nil, record)
	if err != nil {
		tb.Fatalf("%x: %v", record, err)
	}
	return string(out)
}

const (
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	jwt       = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_" +
		"XgL0n3I9PlFUP0THsR8U"
	jwe = "eyJhbGciOiJSU0EtT0FFUCJ9.OKOawDo13g.48V1_ALb6US04U3b.5eym8TW_c8SuK.XFBoMYUZodetZdvTiFvSkQ"
)

// In want, what is hidden is #.
func TestBuiltins(t *testing.T) {
	for _, tc := range []struct{ builtin, text, want string }{
		{"credit_card", "card 4111111111111111.", "card #."},
		{"credit_card", "4111111111111111", "#"},
		{"credit_card", "4111 1111 1111 1111", "#"},
		{"credit_card", "4111-1111-1111-1111", "#"},
		{"credit_card", "4111-1111 1111-1111", "4111-1111 1111-1111"},
		{"credit_card", "4111111111111112", "4111111111111112"},
		{"credit_card", "status 200 4111111111111111 5500000000000004 12", "status 200 # # 12"},
		{"credit_card", "1 5555 5555 5555 4444 2", "1 # 2"},
		{
			"credit_card", "378282246310005 3782 822463 10005 30569309025904 6011111111111117 3530111333300000",
			"# # # # #",
		},
		{"credit_card", "4222222222222 2223003122003222 6304000000000000 6212345678901265", "# # # #"},
		{"credit_card", `{"pan":"4111111111111111","exp":"12/29"}`, `{"pan":"#","exp":"12/29"}`},
		{"credit_card", `a\n4111111111111111\u00264111111111111111`, `a\n#\u0026#`},
		{"credit_card", "?q=%204111111111111111&card%3D4111111111111111", "?q=%20#&card%3D#"},
		{"credit_card", "\x1b[31m4111111111111111\x1b[0m", "\x1b[31m#\x1b[0m"},
		{"credit_card", "카드4111111111111111결제", "카드#결제"},
		{"credit_card", "pan_4111111111111111_end", "pan_#_end"},
		{"credit_card", "x4111111111111111 4111111111111111x", "x4111111111111111 4111111111111111x"},
		{"credit_card", "41111111111111111111 0.4111111111111111", "41111111111111111111 0.4111111111111111"},
		{
			"credit_card", "at 1700000000008 and 20261121170329 and 1763744605000000008",
			"at 1700000000008 and 20261121170329 and 1763744605000000008",
		},
		{"credit_card", "550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"},
		{"credit_card", "4111111111111111 4111111111111111", "# #"},
		{"credit_card", "0000000000000000 1111-1111-1111-1117", "0000000000000000 1111-1111-1111-1117"},

		{"email", "from jane.doe+x@mail.example.com: hi", "from #: hi"},
		{"email", `"user":"a@b.kr",`, `"user":"#",`},
		{"email", "<j_d%x@example.co.uk>, b@c.de.", "<#>, #."},
		{"email", "GET /?mail=jane%40example.com&x=1", "GET /?mail=#&x=1"},
		{"email", "메일 user@example.com으로", "메일 #으로"},
		{"email", "jörg@exämple.de 이름@예시.한국 x@xn--e1afmkfd.xn--p1ai", "# # #"},
		{"email", "--a@b.com a@b@c.com", "--# a@#"},
		{
			"email", "react@17.0.2 root@10.0.0.1 user@localhost @type a@ @b.com a@.com",
			"react@17.0.2 root@10.0.0.1 user@localhost @type a@ @b.com a@.com",
		},
		{"email", "a@example.com.1 a@example.com-x a@example.com/x", "#.1 #-x #/x"},

		{"ipv4", "10.0.0.1 - - GET", "# - - GET"},
		{"ipv4", "from 192.168.1.255:8080, 10.0.0.0/8.", "from #:8080, #/8."},
		{"ipv4", "ip=1.2.3.4\n(5.6.7.8)[9.9.9.9]\"8.8.8.8\"", "ip=#\n(#)[#]\"#\""},
		{"ipv4", `a\n10.0.0.1 x%3D10.0.0.1 y%2010.0.0.1`, `a\n# x%3D# y%20#`},
		{"ipv4", "root@10.0.0.1. ip_10.0.0.1", "root@#. ip_#"},
		{
			"ipv4", "1.2.3 1.2.3.4.5 256.1.1.1 1.2.3.1000 v1.2.3.4 1..2.3 1.2.3.4a",
			"1.2.3 1.2.3.4.5 256.1.1.1 1.2.3.1000 v1.2.3.4 1..2.3 1.2.3.4a",
		},

		{"ipv6", "from 2001:db8::1, fe80::1%eth0: ::1", "from #, #%eth0: #"},
		{"ipv6", "[2001:db8:0:0:0:0:2:1]:443 2001:DB8::/32", "[#]:443 #/32"},
		{"ipv6", "::ffff:10.0.0.1 64:ff9b::192.0.2.33", "# #"},
		{"ipv6", "client:2001:db8::1 peer=fe80::a:1: refused", "client:# peer=#: refused"},
		{
			"ipv6", "10:20:30 2026-11-21T17:03:25Z 00:1b:44:11:3a:b7 std::vector A::B x::1 a:b",
			"10:20:30 2026-11-21T17:03:25Z 00:1b:44:11:3a:b7 std::vector A::B x::1 a:b",
		},
		{"ipv6", "16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48", "16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48"},
		{"ipv6", "1::2::3 12345::1 1:2:3:4:5:6:7", "1::2::3 12345::1 1:2:3:4:5:6:7"},

		{"bearer", "Authorization: Bearer mF_9.B5f-4.1JqM==", "Authorization: Bearer #"},
		{"bearer", `"authorization":"bearer secret"`, `"authorization":"bearer #"`},
		{"bearer", "auth BEARER abc123, then", "auth BEARER #, then"},
		{"bearer", "curl -H 'Authorization: Bearer abcdefghijklmnopqrst'", "curl -H 'Authorization: Bearer #'"},
		{"bearer", "?h=Bearer%20abc123", "?h=Bearer%20#"},
		{
			"bearer", "the bearer of bad news; Bearer realm=\"x\"; bearer token expired; forbearer abc123",
			"the bearer of bad news; Bearer realm=\"x\"; bearer token expired; forbearer abc123",
		},
		{"bearer", "bearer", "bearer"},

		{"aws_key", "id AKIAIOSFODNN7EXAMPLE and ASIAIOSFODNN7EXAMPLE.", "id # and #."},
		{"aws_key", "aws_secret_access_key=" + secretKey + "\n", "aws_secret_access_key=#\n"},
		{"aws_key", secretKey, "#"},
		{
			"aws_key", `{"AccessKeyId":"ACCAIOSFODNN7EXAMPLE","SecretAccessKey":"` + secretKey + `"}`,
			`{"AccessKeyId":"#","SecretAccessKey":"#"}`,
		},
		{
			"aws_key", "AKIAIOSFODNN7EXAMPL AKIAIOSFODNN7EXAMPLEX AKIAiosfodnn7example AIIAIOSFODNN7EXAMPLE",
			"AKIAIOSFODNN7EXAMPL AKIAIOSFODNN7EXAMPLEX AKIAiosfodnn7example AIIAIOSFODNN7EXAMPLE",
		},
		{
			"aws_key", "commit da39a3ee5e6b4b0d3255bfef95601890afd80709 /usr/local/Cellar/libFoo1/share/examples/a",
			"commit da39a3ee5e6b4b0d3255bfef95601890afd80709 /usr/local/Cellar/libFoo1/share/examples/a",
		},
		{"aws_key", secretKey + "x " + secretKey[1:], secretKey + "x " + secretKey[1:]},

		{"jwt", "token=" + jwt + ";", "token=#;"},
		{"jwt", jwe + " " + jwt, "# #"},
		{"jwt", strings.TrimRight(jwt[:strings.LastIndex(jwt, ".")+1], ""), "#"},
		{"jwt", jwt[:strings.LastIndex(jwt, ".")], "#"},
		{
			"jwt", "eyJhbGciOiJIUzI1NiJ9 eyJ eyJ.eyJ.x xeyJhbGciOiJIUzI1NiJ9.e30.x eyJhbGciOiJIUzI1NiJ9.e30",
			"eyJhbGciOiJIUzI1NiJ9 eyJ eyJ.eyJ.x xeyJhbGciOiJIUzI1NiJ9.e30.x eyJhbGciOiJIUzI1NiJ9.e30",
		},
	} {
		s := step(t, Config{Builtin: []string{tc.builtin}, Mask: "#"})
		e := happening(pack(t, map[string]any{"m": tc.text}))
		if v, err := s.Apply(e); v != filter.Keep || err != nil {
			t.Fatalf("%s: %v, %v", tc.text, v, err)
		}
		m, _ := e.Get("m")
		if got := string(event.AppendText(nil, m)); got != tc.want {
			t.Errorf("%s in %q:\n got %q\nwant %q", tc.builtin, tc.text, got, tc.want)
		}
	}
}

func TestFields(t *testing.T) {
	record := func() []byte {
		b := []byte{0x86}
		b = append(b, pack(t, "message")...)
		b = append(b, pack(t, "from a@b.com")...)
		b = append(b, pack(t, "user")...)
		b = append(b, pack(t, map[string]any{"email": "c@d.com"})...)
		b = append(b, pack(t, "list")...)
		b = append(b, pack(t, []any{"e@f.com", map[string]any{"email": []byte("g@h.com")}, 7, nil, true, 1.5})...)
		b = append(b, pack(t, "card")...)
		b = append(b, pack(t, 4111111111111111)...)
		b = append(b, 0x01) // a key that is no text
		b = append(b, pack(t, "i@j.com")...)
		b = append(b, pack(t, "message")...)
		return append(b, pack(t, "k@l.com again")...)
	}()
	for _, tc := range []struct {
		fields []string
		want   string
	}{
		{
			nil,
			`{"user":{"email":"#"},"list":["#",{"email":"#"},7,null,true,1.5],"card":4111111111111111,"1":"#",` +
				`"message":"# again"}`,
		},
		{
			[]string{"message"},
			`{"user":{"email":"c@d.com"},"list":["e@f.com",{"email":"g@h.com"},7,null,true,1.5],` +
				`"card":4111111111111111,"1":"i@j.com","message":"# again"}`,
		},
		{
			[]string{"user", "card"},
			`{"user":{"email":"#"},"list":["e@f.com",{"email":"g@h.com"},7,null,true,1.5],"card":"#","1":"i@j.com",` +
				`"message":"k@l.com again"}`,
		},
		{
			[]string{"list.email", "user.e*l"},
			`{"user":{"email":"#"},"list":["e@f.com",{"email":"#"},7,null,true,1.5],"card":4111111111111111,` +
				`"1":"i@j.com","message":"k@l.com again"}`,
		},
		{
			[]string{"**.email"},
			`{"user":{"email":"#"},"list":["e@f.com",{"email":"#"},7,null,true,1.5],"card":4111111111111111,` +
				`"1":"i@j.com","message":"k@l.com again"}`,
		},
		{
			[]string{"m*", "user.mail", "email"},
			`{"user":{"email":"c@d.com"},"list":["e@f.com",{"email":"g@h.com"},7,null,true,1.5],` +
				`"card":4111111111111111,"1":"i@j.com","message":"# again"}`,
		},
		{
			[]string{"*"},
			`{"user":{"email":"#"},"list":["#",{"email":"#"},7,null,true,1.5],"card":"#","1":"#","message":"# again"}`,
		},
		{
			[]string{"**"},
			`{"user":{"email":"#"},"list":["#",{"email":"#"},7,null,true,1.5],"card":"#","1":"#","message":"# again"}`,
		},
	} {
		e := happening(record)
		if _, err := step(t, Config{
			Builtin: []string{"email", "credit_card"}, Fields: tc.fields, Mask: "#",
		}).Apply(e); err != nil {
			t.Fatal(err)
		}
		if got := asJSON(t, e.Rendered()); got != tc.want {
			t.Errorf("%v:\n got %s\nwant %s", tc.fields, got, tc.want)
		}
		// Of fields with one name the ones before the last count nowhere, but they are stored.
		if hidden := !bytes.Contains(e.Rendered(), []byte("from a@b.com")); hidden != strings.Contains(
			tc.want, `"# again"`,
		) {
			t.Errorf("%v: first message hidden: %v", tc.fields, hidden)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, tc := range []struct {
		patterns []string
		text     string
		want     string
	}{
		{[]string{`\d{3}-\d{4}`}, "call 555-1234 or 555-9999", "call # or #"},
		{[]string{`password=(\S+)`}, "password=abc&x password=def", "password=# password=#"},
		{[]string{`(?i)(pin|pw): (\d+)`}, "PIN: 12", "#: #"},
		{[]string{`a(b)?c`}, "ac abc", "ac a#c"},
		{[]string{`abcd`, `cdef`, `xy`}, "abcdefxy", "##"},
		{[]string{`^secret`, `end$`}, "secret secret end end", "# secret end #"},
		{[]string{`k=(?:a{2,3}|b)+`}, "k=aab k=c", "# k=c"},
		{[]string{`none`}, "nothing", "nothing"},
	} {
		cfg := Config{Mask: "#"}
		for _, p := range tc.patterns {
			cfg.Patterns = append(cfg.Patterns, Pattern{Regex: p})
		}
		e := happening(pack(t, map[string]any{"m": tc.text}))
		if _, err := step(t, cfg).Apply(e); err != nil {
			t.Fatal(err)
		}
		m, _ := e.Get("m")
		if got := string(event.AppendText(nil, m)); got != tc.want {
			t.Errorf("%v in %q: %q, want %q", tc.patterns, tc.text, got, tc.want)
		}
	}
}

// A text of very many hits is hidden whole, instead of taking memory for each.
func TestManyHits(t *testing.T) {
	e := happening(pack(t, map[string]any{"m": strings.Repeat("a", maxMatches+1), "n": "xa"}))
	if _, err := step(t, Config{Patterns: []Pattern{{Regex: "a"}}, Mask: "#"}).Apply(e); err != nil {
		t.Fatal(err)
	}
	if got := asJSON(t, e.Rendered()); !strings.Contains(got, `"m":"#"`) || !strings.Contains(got, `"n":"x#"`) {
		t.Errorf("got %.100s", got)
	}
}

func TestHash(t *testing.T) {
	apply := func(key, text string) string {
		s := step(t, Config{Builtin: []string{"email"}, With: "hash", Key: setting.NewSecret(key)})
		var got string
		for range 2 {
			e := happening(pack(t, map[string]any{"m": text}))
			if _, err := s.Apply(e); err != nil {
				t.Fatal(err)
			}
			m, _ := e.Get("m")
			got = string(event.AppendText(nil, m))
		}
		return got
	}
	// printf a@b.com | openssl dgst -sha256 -hmac k1
	const want = "1ff36d21b6a69c8a81063284"
	if got := apply("k1", "a@b.com"); got != want {
		t.Errorf("hash is %s, want %s", got, want)
	}
	if got := apply("k1", "<a@b.com> a@b.com c@b.com"); !strings.HasPrefix(got, "<"+want+"> "+want+" ") ||
		strings.Count(got, want) != 2 {
		t.Errorf("in a text: %s", got)
	}
	if got := apply("k2", "a@b.com"); got == want || len(got) != 24 {
		t.Errorf("with another key: %s", got)
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "nothing to search for"},
		{Config{Builtin: []string{"ssn"}}, `builtin[0]: "ssn" is not known`},
		{Config{Patterns: []Pattern{{Regex: "("}}}, "patterns[0].regex: error parsing regexp: missing closing )"},
		{Config{Patterns: []Pattern{{Regex: "a*"}}}, "finds what is empty too"},
		{Config{Builtin: []string{"jwt"}, With: "hash"}, "key: a hash without a key"},
		{Config{Builtin: []string{"jwt"}, Mask: strings.Repeat("*", 65)}, "mask: longer than 64 bytes"},
		{Config{Builtin: []string{"jwt"}, Fields: []string{"a..b"}}, "fields[0]: "},
		{Config{Builtin: []string{"jwt"}, Fields: []string{"a.**.**.b"}}, "one ** is enough"},
		{Config{Builtin: []string{"jwt"}, Fields: []string{"a**"}}, "** stands alone"},
		{Config{Builtin: []string{"jwt"}, Fields: []string{"a.**.b", `["x.y"].c*`}}, ""},
	} {
		var r setting.Report
		tc.cfg.Check(&r)
		var all []string
		for _, p := range r.Problems {
			all = append(all, p.Key+": "+p.Reason)
		}
		got := strings.Join(all, "\n")
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%+v: %q, want %q", tc.cfg, got, tc.want)
		}
		if _, err := New(tc.cfg); tc.want != "" && err == nil && len(tc.cfg.Mask) < 65 &&
			(len(tc.cfg.Builtin) > 0 || len(tc.cfg.Patterns) > 0) {
			t.Errorf("%+v: New took it", tc.cfg)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"*", "", true},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"a*c", "abbc", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXc", false},
		{"", "", true},
		{"", "a", false},
		{"a*", "b", false},
		{strings.Repeat("a*", 50) + "b", strings.Repeat("a", 10000), false},
	} {
		if got := glob(tc.pattern, tc.name); got != tc.want {
			t.Errorf("glob(%.20q, %.20q) = %v", tc.pattern, tc.name, got)
		}
	}
}

func FuzzFinders(f *testing.F) {
	for _, s := range []string{
		"4111 1111 1111 1111", "a@b.com", "10.0.0.1", "fe80::1", "Bearer abc123", "AKIAIOSFODNN7EXAMPLE", secretKey,
		jwt, "%40", "::", "\\u0026",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"credit_card", "email", "ipv4", "ipv6", "bearer", "aws_key", "jwt"} {
			for _, s := range builtin(name).find([]byte(text), nil) {
				if s.from < 0 || s.from >= s.to || s.to > len(text) {
					t.Fatalf("%s in %q: %v", name, text, s)
				}
				if part := text[s.from:s.to]; name == "ipv6" {
					if a, err := netip.ParseAddr(part); err != nil || !a.Is6() {
						// netip takes no leading zeros in the last four numbers.
						if !strings.Contains(part, ".") {
							t.Errorf("%q in %q is no IPv6 address", part, text)
						}
					}
				}
			}
		}
		a, err := netip.ParseAddr(text)
		if err == nil && a.Zone() == "" && (a.Is4() || strings.ContainsAny(text, "0123456789")) {
			name := "ipv6"
			if a.Is4() {
				name = "ipv4"
			}
			if s := builtin(name).find([]byte(text), nil); len(s) != 1 || s[0] != (span{0, len(text)}) {
				t.Errorf("%s %q: found %v", name, text, s)
			}
		}
	})
}

func FuzzApply(f *testing.F) {
	f.Add([]byte("\x81\xa1m\xa7a@b.com"), "m")
	f.Add([]byte("\x81\xa1m\x92\xa7a@b.com\x81\xa1x\xcf\x00\x0e\x9a\x0b\x0c\x00\x00\x00"), "**.x")
	f.Fuzz(func(t *testing.T, record []byte, field string) {
		cfg := Config{
			Builtin: []string{"credit_card", "email", "ipv4", "ipv6", "bearer", "aws_key", "jwt"}, Mask: "***",
		}
		if field != "" {
			cfg.Fields = []string{field}
		}
		s, err := New(cfg)
		if err != nil {
			return
		}
		rest, wrong := event.Skip(record)
		e := happening(record)
		if _, err := s.Apply(e); wrong == nil && len(rest) == 0 && err == nil {
			if rest, err := event.Skip(e.Rendered()); err != nil || len(rest) > 0 {
				t.Errorf("%x became %x: %v", record, e.Rendered(), err)
			}
		}
	})
}

func BenchmarkApply(b *testing.B) {
	all := []string{"credit_card", "email", "ipv4", "ipv6", "bearer", "aws_key", "jwt"}
	quiet := map[string]any{
		"log": `2026-11-21T17:03:25.123Z INFO [worker-7] Processed order 8841 for customer in 34 ms; queue depth now ` +
			`12, next poll at 17:03:30`, "stream": "stdout",
		"kubernetes": map[string]any{
			"pod_name": "web-5d9c7b8f6-abcde", "namespace_name": "shop", "container_name": "web", "host": "ip-node-7",
			"labels": map[string]any{"app": "web"},
		},
	}
	hit := map[string]any{
		"log": `Authorization: Bearer mF_9.B5f-4.1JqM from jane@example.com at 10.0.0.1 paid with 4111 1111 1111 1111`,
	}
	for _, bc := range []struct {
		name   string
		record map[string]any
		cfg    Config
	}{
		{"all builtins, one field, no hit", quiet, Config{Builtin: all, Fields: []string{"log"}}},
		{"all builtins, all fields, no hit", quiet, Config{Builtin: all}},
		{"credit_card, all fields, no hit", quiet, Config{Builtin: all[:1]}},
		{"email, one field, no hit", quiet, Config{Builtin: all[1:2], Fields: []string{"log"}}},
		{
			"regex with a literal, no hit", quiet,
			Config{Patterns: []Pattern{{Regex: `password=(\S+)`}}, Fields: []string{"log"}},
		},
		{
			"regex without, no hit", quiet,
			Config{Patterns: []Pattern{{Regex: `\d{3}-\d{2}-\d{4}`}}, Fields: []string{"log"}},
		},
		{"four hits, mask", hit, Config{Builtin: all, Mask: "***"}},
		{"four hits, hash", hit, Config{Builtin: all, With: "hash", Key: setting.NewSecret("k")}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			s := step(b, bc.cfg)
			record := pack(b, bc.record)
			ev := event.Event{Chunk: &event.Chunk{}, Record: record}
			var e filter.Event
			var origin any = 1
			b.ReportAllocs()
			for b.Loop() {
				e.Reset(&ev, origin)
				if _, err := s.Apply(&e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
