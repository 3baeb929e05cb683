package kafka

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// What try shows of an event is the topic and the value that it would have, without a broker.
func TestOffers(t *testing.T) {
	ev := named("seoul", "web")
	ev.Record = []byte{0x81, 0xa3, 'l', 'o', 'g', 0xa2, 'h', 'i'}
	for _, tc := range []struct {
		name, topic, message string
		target, document     string
	}{
		{"the whole event", "logs-{cluster}", "", "topic logs-seoul", `{"log":"hi"}`},
		{"a field alone", "{tag}", "log", "topic web", "hi"},
		{"a name that no topic can have", "{record.app}", "log", "topic unknown", "hi"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Config{Topic: tc.topic, Brokers: []string{"kafka"}}
			c.Message = tc.message
			offer, err := c.Offers(nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := offer(ev)
			if err != nil || got.Target != tc.target || string(got.Document) != tc.document {
				t.Errorf("%s %s, %v", got.Target, got.Document, err)
			}
			if text := c.Destination(); text != tc.topic+" at kafka" {
				t.Errorf("its destination is %q", text)
			}
		})
	}
	if _, err := (&Config{Topic: "a/b"}).Offers(nil); err == nil {
		t.Error("a topic with a slash is offered to")
	}
}

// A record's time is its event's, or that of its receipt where Kafka can't be told the event's.
func TestTimes(t *testing.T) {
	for name, tc := range map[string]struct {
		at   event.Time
		want time.Time
	}{
		"the event's":       {event.Time{Sec: 1763720101, Nsec: 5}, time.Unix(1763720101, 5)},
		"none":              {event.Time{}, time.Unix(1763720100, 0)},
		"before 1970":       {event.Time{Sec: -1}, time.Unix(1763720100, 0)},
		"after all numbers": {event.Time{Sec: 1 << 41}, time.Unix(1763720100, 0)},
	} {
		ev := named("c", "t")
		ev.Time = tc.at
		if got := timeOf(ev); !got.Equal(tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// What keeps all of a batch from the brokers is told in one line that says what to look at.
func TestWhole(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		reason outputs.Reason
		want   string
	}{
		"a wrong password":     {kerr.SaslAuthenticationFailed, outputs.ReasonAuth, "SASL_AUTHENTICATION_FAILED"},
		"a quota":              {kerr.ThrottlingQuotaExceeded, outputs.ReasonThrottled, "THROTTLING_QUOTA_EXCEEDED"},
		"closed at once":       {&kgo.ErrFirstReadEOF{}, outputs.ReasonNetwork, "does it want a login (sasl)?"},
		"closed later":         {io.EOF, outputs.ReasonNetwork, "closes the connection without an answer"},
		"another protocol":     {errors.New("invalid large response size 1"), outputs.ReasonNetwork, "speak Kafka"},
		"anything else at all": {errors.New("odd\nand more"), outputs.ReasonNetwork, "odd and more"},
	} {
		se := whole(tc.err)
		text := se.Err.Error()
		if se.Reason != tc.reason || !strings.Contains(text, tc.want) || strings.Contains(text, "\n") {
			t.Errorf("%s: %+v", name, se)
		}
	}
}
