package delivery

import (
	"reflect"
	"testing"
)

func TestCounts(t *testing.T) {
	var c, sum counts
	for _, o := range []outcome{
		delivered(), dropped("grep"), dead("rejected"), returned(), delivered().ofJoined(), dead("max_age").ofJoined(),
	} {
		c.count(o, 2, 10)
	}
	sum.add(&c)
	sum.add(&c)
	want := counts{
		delivered: 4, bytes: 20,
		dropped: map[string]uint64{"grep": 4, reasonJoined: 4}, dead: map[string]uint64{"rejected": 4, "max_age": 4},
	}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("%+v, want %+v", sum, want)
	}
}
