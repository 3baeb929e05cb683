package app

import (
	"fmt"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// othersAlive names the processes that share the queue and are alive, but for this one. It has none of a queue that is
// not shared.
func othersAlive(q buffer.Queue) (names []string) {
	group, ok := q.(buffer.Group)
	if !ok {
		return nil
	}
	for _, p := range group.Peers() {
		if p.Alive && p.Name != group.Self() {
			names = append(names, fmt.Sprintf("aggregator %s on %s", p.Name, p.Host))
		}
	}
	return names
}
