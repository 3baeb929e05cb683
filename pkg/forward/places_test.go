package forward_test

import (
	"net"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/forward"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
)

// exchange sends a message over a connection that stays open, and waits for its ack.
func exchange(t *testing.T, nc net.Conn, chunk string) {
	t.Helper()
	ft.Send(packed(chunk))(t, nc)
	ft.ExpectAcks(chunk)(t, nc)
}

// TestPlaces has two listeners share three connections: who has not logged in makes room for the next at the same
// listener, agents that have are not thrown out, and what ends gives its place back.
func TestPlaces(t *testing.T) {
	places := forward.NewPlaces(3)
	share := func(o *forward.Options) { o.Places = places }
	one, two := listen(t, "127.0.0.1:0", share), listen(t, "127.0.0.1:0", share)
	agent := one.dial(t)
	exchange(t, agent, "a")

	// The first message of each is its login here.
	other := two.dial(t)
	exchange(t, other, "b")
	defer other.Close() // kept until the end: one that nobody refers to any more is closed by the runtime
	third := two.dial(t)
	exchange(t, third, "c")
	ft.Run(t, two.dial(t), ft.ExpectClose)
	ft.Run(t, one.dial(t), ft.ExpectClose)
	for _, l := range []*listening{one, two} {
		until(t, "a refusal for want of files", func() bool { return l.Stats().Refused["open_files"] == 1 })
	}
	exchange(t, agent, "d")

	_ = third.Close()
	until(t, "a place", func() bool { return two.Stats().Open == 1 })
	ft.Run(t, one.dial(t), ft.Send(packed("e")), ft.ExpectAcks("e"))

	places.SetLimit(4)
	if places.Limit() != 4 {
		t.Errorf("the limit is %d", places.Limit())
	}
	ft.Run(t, one.dial(t), ft.Send(packed("f")), ft.ExpectAcks("f"))
	if n := len(one.sink.Messages()) + len(two.sink.Messages()); n != 6 {
		t.Errorf("%d messages were stored, 6 were acked", n)
	}
}
