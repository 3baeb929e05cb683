package httpclient

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// refusal is what a request of a test met.
func refusal(reason outputs.Reason, status int, failed ...outputs.Failure) *outputs.SendError {
	return &outputs.SendError{
		Reason: reason, Status: status, RetryAfter: time.Second, Remedy: "look", Host: "h", Failed: failed,
		Err: fmt.Errorf("part: it answered %d", status),
	}
}

// told is an error of a batch in short: its reason, and each failed event with its target and reason, "-" for one that
// was not tried.
func told(err error) string {
	if err == nil {
		return "delivered"
	}
	var se *outputs.SendError
	if !errors.As(err, &se) {
		return err.Error()
	}
	text := []string{string(se.Reason)}
	for i := range se.Failed {
		f := &se.Failed[i]
		how := string(f.Reason)
		if f.Untried {
			how = "-"
		}
		text = append(text, strings.TrimSuffix(fmt.Sprintf("%d %s %s", f.Index, how, f.Target), " "))
	}
	return strings.Join(text, ", ")
}

// What each part of a batch met decides what becomes of its events, and of those of the parts behind it.
func TestSendParts(t *testing.T) {
	a, b, c := Part{"a", []int{0, 3}}, Part{"b", []int{1}}, Part{"c", []int{2, 4}}
	one := outputs.Failure{Index: 3, Reason: outputs.ReasonRejected, Target: "a"}
	unsendable := outputs.Failure{Index: 9, Reason: outputs.ReasonRejected, Detail: "it has no JSON"}
	for _, tc := range []struct {
		name    string
		parts   []Part
		refused []outputs.Failure
		answers []*outputs.SendError
		posts   int
		want    string
	}{
		{"no parts", nil, nil, nil, 0, "delivered"},
		{"one, accepted", []Part{a}, nil, []*outputs.SendError{nil}, 1, "delivered"},
		{"all accepted", []Part{a, b, c}, nil, []*outputs.SendError{nil, nil, nil}, 3, "delivered"},
		{"one, away", []Part{a}, nil, []*outputs.SendError{refusal("network", 0)}, 1, "network"},
		{"one, too large", []Part{a}, nil, []*outputs.SendError{refusal("too_large", 413)}, 1, "too_large"},
		{
			"one without its target",
			[]Part{a},
			nil,
			[]*outputs.SendError{refusal("target", 404)},
			1,
			"target, 0 target a, 3 target a",
		},
		{
			"one, an event rejected",
			[]Part{a},
			nil,
			[]*outputs.SendError{refusal("rejected", 400, one)},
			1,
			"rejected, 3 rejected a",
		},
		{"the first away", []Part{a, b, c}, nil, []*outputs.SendError{refusal("network", 0)}, 1, "network"},
		{"the first without a login", []Part{a, b}, nil, []*outputs.SendError{refusal("auth", 401)}, 1, "auth"},
		{
			"the first without its target",
			[]Part{a, b},
			nil,
			[]*outputs.SendError{refusal("target", 404), nil},
			2,
			"target, 0 target a, 3 target a",
		},
		{
			"the second throttled",
			[]Part{a, b, c},
			nil,
			[]*outputs.SendError{nil, refusal("throttled", 429)},
			2,
			"throttled, 1 throttled b, 2 - c, 4 - c",
		},
		{
			"the middle fails there, and the last goes on",
			[]Part{a, b, c},
			nil,
			[]*outputs.SendError{nil, refusal("server", 500), nil},
			3, "server, 1 server b",
		},
		{
			"each fails in its way",
			[]Part{a, b, c},
			nil,
			[]*outputs.SendError{refusal("server", 500), refusal("target", 404), refusal("network", 0)},
			3,
			"server, 0 server a, 1 target b, 2 network c, 3 server a, 4 network c",
		},
		{
			"too large among others is found apart",
			[]Part{a, b},
			nil,
			[]*outputs.SendError{
				refusal("too_large", 413), nil,
			},
			2,
			"server, 0 server a, 3 server a",
		},
		{
			"an event rejected among others",
			[]Part{a, b},
			nil,
			[]*outputs.SendError{
				refusal("rejected", 400, one), nil,
			},
			2,
			"server, 3 rejected a",
		},
		{
			"one that can't be sent",
			[]Part{a},
			[]outputs.Failure{unsendable},
			[]*outputs.SendError{nil},
			1,
			"rejected, 9 rejected",
		},
		{
			"one that can't be sent, and the rest away",
			[]Part{a, b},
			[]outputs.Failure{unsendable},
			[]*outputs.SendError{refusal("network", 0)},
			1,
			"network, 0 network a, 1 - b, 3 network a, 9 rejected",
		},
		{"none can be sent", nil, []outputs.Failure{unsendable}, nil, 0, "rejected, 9 rejected"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			posts := 0
			err := SendParts(tc.parts, slices.Clone(tc.refused), func(i int) *outputs.SendError {
				posts++
				return tc.answers[i]
			})
			if got := told(err); got != tc.want || posts != tc.posts {
				t.Errorf("%s after %d requests, want %s after %d", got, posts, tc.want, tc.posts)
			}
		})
	}
}

// The error of several parts has the wishes of the first refusal, and each event its own words.
func TestSendParts_Details(t *testing.T) {
	err := SendParts(
		[]Part{{"a", []int{0}}, {"b", []int{1}}, {"c", []int{2}}}, nil,
		func(i int) *outputs.SendError {
			return []*outputs.SendError{nil, refusal("server", 500), refusal("target", 404)}[i]
		},
	)
	se := failed(t, err)
	if !se.Apart || se.Status != 500 || se.RetryAfter != time.Second || se.Host != "h" || se.Remedy != "look" {
		t.Errorf("%+v", se)
	}
	for i, want := range []outputs.Failure{
		{Index: 1, Status: 500, Detail: "part: it answered 500", Kind: "Internal_Server_Error", Remedy: "look"},
		{Index: 2, Status: 404, Detail: "part: it answered 404", Kind: "Not_Found", Remedy: "look"},
	} {
		got := se.Failed[i]
		if got.Index != want.Index || got.Status != want.Status || got.Detail != want.Detail || got.Kind != want.Kind ||
			got.Remedy != want.Remedy {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}
