package outcome

import (
	"reflect"
	"testing"
)

func TestCounts(t *testing.T) {
	var c, sum Counts
	for _, o := range []Outcome{
		Delivered(), Dropped("grep"), Dead("rejected"), Returned(), Delivered().OfJoined(), Dead("max_age").OfJoined(),
	} {
		c.Count(o, 2, 10)
	}
	sum.Add(&c)
	sum.Add(&c)
	want := Counts{
		Delivered: 4, Bytes: 20,
		Dropped: map[string]uint64{"grep": 4, reasonJoined: 4}, Dead: map[string]uint64{"rejected": 4, "max_age": 4},
	}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("%+v, want %+v", sum, want)
	}
}
