package publish

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
)

// waiter returns a Publisher that sends nothing, and a round of messages that wait for the answers to tokens 1 to n.
func waiter(n int) (*Publisher, *round, []*Message) {
	p := &Publisher{
		stream: "S", prefix: "_INBOX.x.", usual: []byte(`{"stream":"S","seq":`), waiting: map[uint64]answerTo{},
		closed: make(chan struct{}), outbox: newOutbox(),
	}
	messages := make([]*Message, n)
	for i := range messages {
		messages[i] = &Message{Data: []byte("x")}
	}
	return p, p.begin(messages), messages
}

// reply has the Publisher hear the answer to a token.
func reply(p *Publisher, token uint64, data string) {
	p.answer(&nats.Msg{Subject: p.prefix + strconv.FormatUint(token, 36), Data: []byte(data)})
}

// What a stream answers is read in the form that it mostly has, and in any other.
func TestRead(t *testing.T) {
	refusal := func(code int, text string) string {
		return fmt.Sprintf(`{"error":{"code":503,"err_code":%d,"description":%q},"stream":"S","seq":0}`, code, text)
	}
	for _, tc := range []struct {
		name, data string
		want       pubAck
		is         error
		text       string
	}{
		{"as mostly", `{"stream":"S","seq":7}`, pubAck{Seq: 7}, nil, ""},
		{"the largest number", `{"stream":"S","seq":18446744073709551615}`, pubAck{Seq: math.MaxUint64}, nil, ""},
		{
			"a duplicate", `{"stream":"S","seq":7,"duplicate":true}`,
			pubAck{Stream: "S", Seq: 7, Duplicate: true},
			nil,
			"",
		},
		{"in another order", `{"seq":7,"stream":"S"}`, pubAck{Stream: "S", Seq: 7}, nil, ""},
		{"with spaces", ` { "stream" : "S", "seq" : 7 } `, pubAck{Stream: "S", Seq: 7}, nil, ""},
		{"with a domain", `{"stream":"S","domain":"hub","seq":7}`, pubAck{Stream: "S", Seq: 7}, nil, ""},
		{"fields of a later version", `{"stream":"S","seq":7,"new":[1]}`, pubAck{Stream: "S", Seq: 7}, nil, ""},
		{"another stream", `{"stream":"T","seq":7}`, pubAck{}, ErrForeign, "T has answered for S"},
		{"a stream whose name begins alike", `{"stream":"SS","seq":7}`, pubAck{}, ErrForeign, "SS has answered for S"},
		{"no stream", `{"seq":7}`, pubAck{}, ErrForeign, "has answered for S"},
		{"nothing", "", pubAck{}, nil, "an answer that is none: "},
		{"no JSON", "+OK", pubAck{}, nil, "an answer that is none: "},
		{"a number below none", `{"stream":"S","seq":-1}`, pubAck{}, nil, "an answer that is none: "},
		{"a number that is too large", `{"stream":"S","seq":18446744073709551616}`, pubAck{}, nil, "that is none"},
		{"cut", `{"stream":"S","seq":7`, pubAck{}, nil, "an answer that is none: "},
		{"no storage", refusal(10047, "no storage"), pubAck{}, ErrFull, "the stream is full: no storage"},
		{"no resources", refusal(10023, "none"), pubAck{}, ErrFull, "the stream is full: none"},
		{"over its bytes", refusal(10077, "maximum bytes exceeded"), pubAck{}, ErrFull, "maximum bytes exceeded"},
		{"over its messages", refusal(10077, "maximum messages exceeded"), pubAck{}, ErrFull, "maximum messages"},
		{"another failure", refusal(10077, "raft"), pubAck{}, nil, "stream S refuses: raft (10077)"},
		{"too large", refusal(10054, "message size exceeds"), pubAck{}, ErrTooLarge, "message size exceeds"},
		{"subjects of another", refusal(10060, "expected stream"), pubAck{}, ErrForeign, "expected stream"},
		{"an error that nobody knows", refusal(1, "new"), pubAck{}, nil, "stream S refuses: new (1)"},
	} {
		p, _, _ := waiter(0)
		got, err := p.read(&nats.Msg{Data: []byte(tc.data)})
		if tc.text == "" {
			if err != nil || got != tc.want {
				t.Errorf("%s: %+v, %v, want %+v", tc.name, got, err, tc.want)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tc.text) || tc.is != nil && !errors.Is(err, tc.is) {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.text)
		}
		for _, other := range []error{ErrFull, ErrTooLarge, ErrForeign, ErrClosed} {
			if errors.Is(err, other) != errors.Is(tc.is, other) {
				t.Errorf("%s: %v is %v", tc.name, err, other)
			}
		}
	}
	p, _, _ := waiter(0)
	_, err := p.read(&nats.Msg{Header: nats.Header{"Status": {"503"}}, Data: []byte(`{"stream":"S","seq":7}`)})
	if err == nil || err.Error() != "no server has the stream at the moment" {
		t.Errorf("nobody is there: %v", err)
	}
}

// A round ends once each message is answered, with the first of the errors, and what is stored stays so.
func TestRound(t *testing.T) {
	const full = `{"error":{"err_code":10047,"description":"no storage"}}`
	for _, tc := range []struct {
		name   string
		answer func(p *Publisher)
		over   bool
		err    string
		stored string
	}{
		{"none", func(*Publisher) {}, false, "", "000"},
		{"two of three", func(p *Publisher) {
			reply(p, 1, `{"stream":"S","seq":4}`)
			reply(p, 3, `{"stream":"S","seq":5}`)
		}, false, "", "405"},
		{"all, in any order", func(p *Publisher) {
			reply(p, 3, `{"stream":"S","seq":4}`)
			reply(p, 1, `{"stream":"S","seq":5}`)
			reply(p, 2, `{"stream":"S","seq":6}`)
		}, true, "", "564"},
		{"one twice counts once", func(p *Publisher) {
			reply(p, 1, `{"stream":"S","seq":4}`)
			reply(p, 1, `{"stream":"S","seq":5}`)
			reply(p, 1, `{"stream":"S","seq":6}`)
		}, false, "", "400"},
		{"one is refused", func(p *Publisher) {
			reply(p, 2, full)
			reply(p, 1, `{"stream":"S","seq":4}`)
			reply(p, 3, `{"stream":"S","seq":5}`)
		}, true, "the stream is full", "405"},
		{"the first refusal counts", func(p *Publisher) {
			reply(p, 2, full)
			reply(p, 1, `{"stream":"T","seq":4}`)
			reply(p, 3, `{"stream":"S","seq":5}`)
		}, true, "the stream is full", "005"},
		{"answers to nobody", func(p *Publisher) {
			reply(p, 0, full)
			reply(p, 4, full)
			p.answer(&nats.Msg{Subject: p.prefix + "-", Data: []byte(full)})
			p.answer(&nats.Msg{Subject: p.prefix, Data: []byte(full)})
		}, false, "", "000"},
		{"a new connection", func(p *Publisher) { p.Reconnected() }, true, "the connection was lost", "000"},
	} {
		p, r, messages := waiter(3)
		tc.answer(p)
		stored := ""
		for _, m := range messages {
			stored += strconv.FormatUint(m.Seq, 10)
			if m.stored != (m.Seq > 0) || m.Again || m.Duplicate {
				t.Errorf("%s: %+v", tc.name, m)
			}
		}
		if r.over != tc.over || stored != tc.stored {
			t.Errorf("%s: over %v, stored as %s, want %v, %s", tc.name, r.over, stored, tc.over, tc.stored)
		}
		if (tc.err == "") != (r.err == nil) || r.err != nil && !strings.HasPrefix(r.err.Error(), tc.err) {
			t.Errorf("%s: %v, want %q", tc.name, r.err, tc.err)
		}
	}
}

// What is sent again keeps its id and what is stored of it, gets another token, and its answer says so.
func TestAgain(t *testing.T) {
	p, r, messages := waiter(2)
	reply(p, 1, `{"stream":"S","seq":4}`)
	p.Reconnected()
	if !r.over || r.err == nil || r.err.Error() != "the connection was lost before the answer" {
		t.Fatalf("%v", r.err)
	}
	p.forget(messages)
	if n, _ := p.Outstanding(); n != 0 {
		t.Errorf("%d messages are waited for", n)
	}
	again := p.begin(messages)
	if again.left != 1 || messages[1].token != 3 {
		t.Errorf("%d are sent again, under token %d", again.left, messages[1].token)
	}
	// The answer to the attempt before comes late.
	reply(p, 2, `{"stream":"S","seq":5}`)
	if again.over {
		t.Error("an answer to the attempt before counts")
	}
	reply(p, 3, `{"stream":"S","seq":5,"duplicate":true}`)
	m := messages[1]
	if !again.over || again.err != nil || !m.Again || !m.Duplicate || m.Seq != 5 || messages[0].Again {
		t.Errorf("%+v: %v", m, again.err)
	}
	if all := p.begin(messages); !all.over || all.err != nil {
		t.Errorf("what is stored is sent again: %v", all.err)
	}
	close(p.closed)
	if closed := p.begin(messages); !closed.over || !errors.Is(closed.err, ErrClosed) {
		t.Errorf("closed: %v", closed.err)
	}
}

// Answers that do not come end their round, and no other.
func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, early, _ := waiter(2)
		time.Sleep(time.Second)
		late := p.begin([]*Message{{}})
		time.Sleep(answerWithin - time.Second)
		if p.expire(time.Now()); early.over || late.over {
			t.Error("answers are given up in time")
		}
		time.Sleep(time.Nanosecond)
		if p.expire(time.Now()); !early.over || late.over {
			t.Errorf("the first is given up: %v, the second: %v", early.over, late.over)
		}
		if early.err == nil || early.err.Error() != "stream S has not answered for 5s" {
			t.Errorf("%v", early.err)
		}
	})
}

// There is room for so many bytes of all callers together. Who asks for more gets it alone, and who has gone gets none.
func TestTake(t *testing.T) {
	p, _, _ := waiter(0)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name        string
		held, asked int64
		has         bool
	}{
		{"nothing of nothing", 0, 0, true},
		{"all of it", 0, maxOutstanding, true},
		{"more than there is, alone", 0, maxOutstanding + 1, true},
		{"the rest", maxOutstanding - 10, 10, true},
		{"more than the rest", maxOutstanding - 10, 11, false},
		{"more than there is, beside a byte", 1, maxOutstanding + 1, false},
	} {
		p.used = tc.held
		err := p.take(gone, tc.asked)
		if tc.has != (err == nil) || err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", tc.name, err)
		}
		want := tc.held
		if tc.has {
			want += tc.asked
			p.give(tc.asked)
		}
		if _, bytes := p.Outstanding(); tc.has && bytes != tc.held || !tc.has && bytes != want {
			t.Errorf("%s: %d bytes are left, want %d", tc.name, bytes, tc.held)
		}
	}
	close(p.closed)
	p.used = 1
	if err := p.take(t.Context(), maxOutstanding); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
