package load

import (
	"crypto/tls"
	"fmt"
	"strconv"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/test/harness"
)

// idleMost is what a thousand connections that rest may take with all else, in bytes.
const idleMost = 40 << 20

// TestIdle has a thousand agents send once and then rest: the program then takes little, with TLS too.
func TestIdle(t *testing.T) {
	connections := number(t, "LOAD_IDLE", 1000)
	for _, tc := range []struct {
		name string
		tls  bool
		most int64
	}{
		{"plain", false, idleMost},
		{"TLS", true, idleMost + 12<<20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, false, "")
			empty := r.resident("RssAnon:")
			for i := range connections {
				c := client.Config{
					Address: r.Forward, Timeout: harness.Patience,
					Login: &client.Login{SharedKey: fmt.Sprint("key-", i%clusters), Hostname: "idle"},
				}
				if tc.tls {
					c.Address, c.TLS = r.secure, &tls.Config{RootCAs: r.client.RootCAs, ServerName: "localhost"}
				}
				agent, err := client.Dial(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				defer agent.Close()
				entries := event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1}), nil, []byte{0x80})
				if err := agent.Send(t.Context(), &client.Message{
					Tag: "idle", Entries: entries, Events: 1, Chunk: strconv.Itoa(i),
				}); err != nil {
					t.Fatal(err)
				}
			}
			// Seen from outside, since a profile would take some itself.
			r.Eventually("the memory to be given back", func() bool { return r.resident("VmRSS:") < tc.most })
			t.Logf("%d connections: %d KiB resident, %d KiB of it without the pages of files and %d KiB before them; "+
				"at most %d KiB", connections,
				r.resident("VmRSS:")>>10, r.resident("RssAnon:")>>10, empty>>10, r.resident("VmHWM:")>>10)
			r.Stop()
		})
	}
}
