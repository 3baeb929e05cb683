package redact

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// hidden is what a step makes of a text.
func hidden(t *testing.T, s *Step, text string) string {
	t.Helper()
	ev := happening(pack(t, map[string]any{"log": text}))
	if _, err := s.Apply(ev); err != nil {
		t.Fatal(err)
	}
	value, _ := ev.Get("log")
	return asJSON(t, value)
}

// Lines as they are logged, with what is to be hidden in all the ways that it comes in.
func TestLines(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJraW0ifQ.c2lnbmF0dXJl"
	for _, tc := range []struct{ name, builtin, line, want string }{
		{
			"nginx", "ipv4", `203.0.113.7 - kim [01/Mar/2026:18:15:02 +0900] "GET / HTTP/1.1" 200 5`,
			`* - kim [01/Mar/2026:18:15:02 +0900] "GET / HTTP/1.1" 200 5`,
		},
		{
			"a version is no address", "ipv4", "curl/8.5.0 and 1.2.3.4.5 and v10.0.0.1",
			"curl/8.5.0 and 1.2.3.4.5 and v10.0.0.1",
		},
		{"an address with a port", "ipv4", "dial tcp 10.0.0.9:24224: refused", "dial tcp *:24224: refused"},
		{"an address at a sentence's end", "ipv4", "from 10.0.0.9.", "from *."},
		{"an address in JSON", "ipv4", `{"ip":"10.0.0.9","n":1}`, `{"ip":"*","n":1}`},
		{"an address in a URL", "ipv4", "http://10.0.0.9/x?from=10.0.0.8&to=x", "http://*/x?from=*&to=x"},
		{"an address in a name", "ipv4", "ip-10-0-0-9.ec2.internal", "ip-10-0-0-9.ec2.internal"},
		{"over 255", "ipv4", "300.1.1.1 256.0.0.1", "300.1.1.1 256.0.0.1"},
		{"IPv6", "ipv6", "from 2001:db8::1 to [fe80::1%eth0]:443 and ::1", "from * to [*%eth0]:443 and *"},
		{
			"times and MAC addresses are none", "ipv6", "10:15:02 00:1b:44:11:3a:b7 A::B std::vector",
			"10:15:02 00:1b:44:11:3a:b7 A::B std::vector",
		},
		{"IPv4 in IPv6", "ipv6", "::ffff:10.0.0.9 hello", "* hello"},
		{"mail", "email", "to=kim.minji+logs@shop.example.com, size=5", "to=*, size=5"},
		{"mail in a URL", "email", "/users?email=kim%40shop.example&x=1", "/users?email=*&x=1"},
		{"mail of another alphabet", "email", "사용자 김민지@예시.한국 로그인", "사용자 * 로그인"},
		{"mail in angle brackets", "email", `"Kim" <kim@shop.example>; <lee@shop.example>`, `"Kim" <*>; <*>`},
		{"no domain", "email", "root@localhost user@host ssh git@", "root@localhost user@host ssh git@"},
		{"a card", "credit_card", "card 4111111111111111 ok", "card * ok"},
		{"a card in groups", "credit_card", "card 4111-1111-1111-1111, 4111 1111 1111 1111.", "card *, *."},
		{"a wrong check digit", "credit_card", "card 4111111111111112", "card 4111111111111112"},
		{"a time in nanoseconds", "credit_card", "at 1700000000123456789", "at 1700000000123456789"},
		{"American Express", "credit_card", "378282246310005", "*"},
		{"a longer number", "credit_card", "94111111111111111119999", "94111111111111111119999"},
		{"a header", "bearer", "Authorization: Bearer abc.DEF-123_~+/== next", "Authorization: Bearer * next"},
		{"a header in JSON", "bearer", `{"authorization":"bearer tok3n"}`, `{"authorization":"bearer *"}`},
		{"prose", "bearer", "the bearer of good news, bearer of bad", "the bearer of good news, bearer of bad"},
		{"a token", "jwt", "token=" + jwt + "; path=/", "token=*; path=/"},
		{"a token's beginning", "jwt", "eyJhbGciOiJIUzI1NiJ9 alone", "eyJhbGciOiJIUzI1NiJ9 alone"},
		{"an access key", "aws_key", "AKIAIOSFODNN7EXAMPLE and ASIAIOSFODNN7EXAMPLE", "* and *"},
		{"a secret key", "aws_key", "secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "secret *"},
		{
			"a hash is none", "aws_key", "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709",
			"sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709",
		},
		{"Windows' line end", "ipv4", "10.0.0.9\r\n", "*\r\n"},
		{"nothing", "email", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := step(t, Config{Builtin: []string{tc.builtin}, Mask: "*"})
			want := asJSON(t, pack(t, tc.want))
			if got := hidden(t, s, tc.line); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			// The same within another text, where words end alike.
			if got := hidden(t, s, "x "+tc.line); got != asJSON(t, pack(t, "x "+tc.want)) {
				t.Errorf("behind a word: %s", got)
			}
			if got := hidden(
				t, s, `say "`+strings.TrimRight(tc.line, "\r\n")+`"`,
			); tc.line != "" && got != asJSON(t, pack(t, `say "`+strings.TrimRight(tc.want, "\r\n")+`"`)) {
				t.Errorf("in quotes: %s", got)
			}
		})
	}
}

// However a pattern is looked for, it hides what the regular expression finds: all of it, or its groups alone.
func TestPatterns_Model(t *testing.T) {
	patterns := []string{
		"a+", "ab|ba", "password=(\\S+)", "(a)(b)?", "[ab]{2}", "\\bab\\b", "(?i)AB", "a.c", "a$", "^b", "(?:ab)+c",
		"\ufffd", "é|가", "(b)|c",
	}
	pieces := []string{"a", "b", "c", "ab", " ", "password=", "é", "가", "\xe9", "\n", "A", "B"}
	for _, pattern := range patterns {
		s, re := step(t, Config{Patterns: []Pattern{{Regex: pattern}}, Mask: "*"}), regexp.MustCompile(pattern)
		for i := range uint64(300) {
			r := rand.New(rand.NewPCG(2, i))
			var b strings.Builder
			for range r.IntN(8) {
				b.WriteString(pieces[r.IntN(len(pieces))])
			}
			text := b.String()
			if got, want := hidden(t, s, text), asJSON(t, pack(t, replaced(re, text))); got != want {
				t.Fatalf("%s on %q: %s, want %s", pattern, text, got, want)
			}
		}
	}
}

// replaced is what must become of a text: stars for each match, or for each group.
func replaced(re *regexp.Regexp, text string) string {
	line := strings.TrimSuffix(text, "\n")
	if len(line) < len(text) {
		line = strings.TrimSuffix(line, "\r")
	}
	hide := make([]bool, len(line))
	var starts []int
	for _, m := range re.FindAllStringSubmatchIndex(line, -1) {
		if len(m) > 2 {
			m = m[2:]
		}
		for ; len(m) > 0; m = m[2:] {
			if m[0] >= 0 && m[0] < m[1] {
				starts = append(starts, m[0])
				for i := m[0]; i < m[1]; i++ {
					hide[i] = true
				}
			}
		}
	}
	var b strings.Builder
	for i := range len(line) {
		for _, start := range starts {
			if start == i {
				b.WriteByte('*')
			}
		}
		if !hide[i] {
			b.WriteByte(line[i])
		}
	}
	return b.String() + text[len(line):]
}

// Equal texts have equal hashes, others have others, and without the key nobody makes them.
func TestHash_Kinds(t *testing.T) {
	hash := func(key, text string) string {
		t.Helper()
		return hidden(t, step(t, Config{Builtin: []string{"email"}, With: withHash, Key: setting.NewSecret(key)}), text)
	}
	one := hash("key", "kim@shop.example")
	if one != hash("key", "kim@shop.example") || len(one) != len(`""`)+2*hashBytes {
		t.Errorf("%s, then %s", one, hash("key", "kim@shop.example"))
	}
	for name, other := range map[string]string{
		"another text": hash("key", "lee@shop.example"), "another key": hash("kez", "kim@shop.example"),
		"another case": hash("key", "Kim@shop.example"),
	} {
		if other == one {
			t.Errorf("%s has the same hash", name)
		}
	}
	if got := hash(
		"key", "a: kim@shop.example, b: kim@shop.example\n",
	); strings.Count(got, strings.Trim(one, `"`)) != 2 {
		t.Errorf("within a line: %s", got)
	}
}
