package join_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// FuzzJoin takes records of any kind, one a line: no event is lost or comes out twice, and no byte of a
// text is lost, but those of fragments that were sent twice.
func FuzzJoin(f *testing.F) {
	for _, records := range [][]string{
		{docker("a", "1", 2, true, "two"), docker("a", "1", 1, false, "one"), docker("a", "1", 1, false, "one")},
		{docker("a", "1", 3, false, "three"), "", docker("a", "1", 1, false, "one"), docker("a", "1", -7, true, "x")},
		{`{"log":"a","partial_message":"true"}`, `{"log":"b"}`, `{"log":"b","logtag":"P"}`, `{"log":"b","_p":"F"}`},
		{`{"log":"a","stream":"stdout"}`, `{"message":"b\n","stream":"stdout"}`, `{"log":"b","stream":"stdout"}`},
	} {
		f.Add([]byte(strings.Join(records, "\n")))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		c := defaults()
		c.MaxBytes = 64
		s := newStream(t, c)
		now := start()
		bytesIn, bytesOut, twice := 0, 0, map[string]int{}
		for line := range bytes.SplitSeq(input, []byte("\n")) {
			var values map[string]any
			if json.Unmarshal(line, &values) != nil {
				now = now.Add(time.Second)
				s.j.Flush(now, len(line) == 0, s.emit)
				continue
			}
			s.send(now, string(line))
			log := textOf(values)
			bytesIn += len(log)
			twice[log]++
		}
		s.end()
		for _, out := range s.out {
			var values map[string]any
			if err := json.Unmarshal([]byte(out), &values); err != nil {
				t.Fatalf("%s: %v", out, err)
			}
			log := textOf(values)
			bytesOut += len(log)
		}
		spare := 0
		for log, n := range twice {
			spare += (n - 1) * len(log)
		}
		if bytesOut > bytesIn || bytesOut < bytesIn-spare {
			t.Errorf("%d bytes came in, %d in texts that came before, and %d came out", bytesIn, spare, bytesOut)
		}
	})
}

// textOf returns the text that is joined.
func textOf(values map[string]any) string {
	if log, ok := values["log"].(string); ok {
		return log
	}
	message, _ := values["message"].(string)
	return message
}
