package tail

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// local knows the output es, the route routes[0] that is called "kube.**", and tags that begin with a pattern.
func local() *Local {
	return &Local{
		Hub: new(Hub), Output: func(name string) bool { return name == "es" },
		Tags: func(pattern string) (func(string) bool, error) {
			if pattern == "[" {
				return nil, errors.New("[ is never closed")
			}
			return func(tag string) bool { return strings.HasPrefix(tag, pattern) }, nil
		},
		Route: func(name string) (string, error) {
			if name == "kube.**" {
				return "routes[0]", nil
			}
			return "", errors.New("there are routes[0]")
		},
	}
}

// What is asked for is looked up in the configuration in force, and refused with what is wrong.
func TestRequest(t *testing.T) {
	for _, tc := range []struct {
		name      string
		request   Request
		at, route string
		records   bool
	}{
		{"nothing", Request{}, client.TailArrival, "", false},
		{"arrivals", Request{At: client.TailArrival, Values: true}, client.TailArrival, "", true},
		{"an output", Request{At: "es", Records: true}, "es", "", true},
		{"a route", Request{At: "kube.**", Grep: "x", Records: true}, "routes[0]", "routes[0]", true},
	} {
		q, err := local().Query(tc.request)
		if err != nil || q.At != tc.at || q.Route != tc.route || q.Records != tc.records ||
			(q.Grep == nil) != (tc.request.Grep == "") {
			t.Errorf("%s: %+v, %v", tc.name, q, err)
		}
	}
	for _, tc := range []struct {
		name    string
		request Request
		want    error
		words   string
	}{
		{"no such place", Request{At: "nothing"}, ErrNowhere, `at is "arrival", the name of an output, or a route`},
		{"which there are", Request{At: "nothing"}, ErrNowhere, "there are routes[0]"},
		{"a tag", Request{Tag: "["}, nil, "tag: [ is never closed"},
		{"records that may not be seen", Request{Grep: "x"}, ErrNotAllowed, "takes the token of status.token"},
		{"no pattern", Request{Grep: "(", Values: true}, nil, "missing closing )"},
		{
			"a long pattern",
			Request{Grep: strings.Repeat("x", maxGrep+1), Values: true},
			nil,
			"1024 bytes at most: it has 1025",
		},
	} {
		s, err := local().Open(tc.request)
		if s != nil || err == nil || !strings.Contains(err.Error(), tc.words) ||
			tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// As many look at once as may, and one more may once one of them does not look any more.
func TestAsManyAsMay(t *testing.T) {
	l := local()
	var all []Stream
	for range maxViews {
		s, err := l.Open(Request{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if s, err := l.Open(Request{}); s != nil || !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	all[0].Close()
	s, err := l.Open(Request{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(all[1:], s) {
		if s.Pods() != nil {
			t.Error("a view of one aggregator tells of others")
		}
		s.Close()
	}
	if l.Hub.Watching() {
		t.Error("somebody looks still")
	}
}

// The rate of a group is shared out, rounded up, and within what one may have.
func TestShare(t *testing.T) {
	for _, tc := range []struct{ rate, of, want int }{
		{0, 1, client.TailRate}, {0, 3, 34}, {10, 4, 3}, {1, 20, 1}, {5000, 2, client.TailMaxRate / 2}, {7, 0, 7},
	} {
		if got := Share(tc.rate, tc.of); got != tc.want {
			t.Errorf("%d among %d is %d each, want %d", tc.rate, tc.of, got, tc.want)
		}
	}
}
