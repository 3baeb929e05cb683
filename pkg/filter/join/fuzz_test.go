package join_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

// FuzzJoin takes records of any kind, one a line: no event is lost or comes out twice, and no byte of a
// text is lost, but those of fragments that were sent twice.
func FuzzJoin(f *testing.F) {
	f.Add([]byte(docker("a", "1", 2, true, "two") + "\n" + docker("a", "1", 1, false, "one") + "\n" + docker("a", "1", 1, false, "one")))
	f.Add([]byte(docker("a", "1", 3, false, "three") + "\n\n" + docker("a", "1", 1, false, "one") + "\n" + docker("a", "1", -7, true, "x")))
	f.Add([]byte(`{"log":"a","partial_message":"true"}` + "\n" + `{"log":"b"}` + "\n" + `{"log":"b","logtag":"P"}` + "\n" + `{"log":"b","_p":"F"}`))
	f.Add([]byte(`{"log":"a","stream":"stdout"}` + "\n" + `{"message":"b\n","stream":"stdout"}` + "\n" + `{"log":"b","stream":"stdout"}`))
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
			t.Errorf("%d bytes came in, %d of them in texts that came before, and %d came out", bytesIn, spare, bytesOut)
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
