package event

import "testing"

func TestSource(t *testing.T) {
	for _, tc := range []struct{ address, hostname, want string }{
		{"10.0.0.7", "node-1", `{"address":"10.0.0.7","hostname":"node-1"}`},
		{"2001:db8::7", "", `{"address":"2001:db8::7"}`},
		{"", "a\"\x00\xff", "{\"hostname\":\"a\\\"\\u0000\ufffd\"}"},
		{"", "", `{}`},
	} {
		if got := Source(tc.address, tc.hostname); got != tc.want {
			t.Errorf("%q, %q: %s, want %s", tc.address, tc.hostname, got, tc.want)
		}
	}
}

// What is added says who sent an event, whatever the record says, and that it is not known where it is not.
func TestAppendEventSource(t *testing.T) {
	e := NewEncoder(Fields{Source: "source", Tag: "tag"})
	record := []byte("\x82\xa6source\xa4liar\xa1a\x01")
	for _, tc := range []struct{ source, want string }{
		{`{"address":"10.0.0.7"}`, `{"a":1,"tag":"t","source":{"address":"10.0.0.7"}}`},
		{`{"address":"10.0.0.8"}`, `{"a":1,"tag":"t","source":{"address":"10.0.0.8"}}`},
		{"", `{"a":1,"tag":"t","source":null}`},
	} {
		got, err := e.AppendEvent(nil, &Event{Chunk: &Chunk{Tag: "t", Source: tc.source}, Record: record})
		if err != nil || string(got) != tc.want {
			t.Errorf("got %s, %v, want %s", got, err, tc.want)
		}
	}
}
