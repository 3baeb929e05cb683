package filter

import (
	"strconv"
	"testing"
)

// BenchmarkOperators evaluates conditions on values that are others with each event, so that none is
// remembered.
func BenchmarkOperators(b *testing.B) {
	for _, text := range []string{
		"record.status >= 500", "record.status == 404", "record.status in [404, 500]", "record.status * 2 + 1 > 500",
		`record.path matches "^/api/v[0-9]+/items$"`, `record.path contains "items"`,
	} {
		c, err := NewCondition(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			var events []*Event
			for i := range 64 {
				events = append(events,
					newEvent(b, `{"status":`+strconv.Itoa(300+i)+`,"path":"/api/v1/items/`+strconv.Itoa(i)+`"}`))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := c.True(events[i&63]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
