package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	forwardoutput "github.com/seed-afc6a195/aggregator/pkg/outputs/forward"
)

func TestForwardServers(t *testing.T) {
	one := forwardoutput.Server{Address: "logs:24224", Weight: 1}
	for text, want := range map[string][]forwardoutput.Server{
		`logs:24224`:   {one},
		`[logs:24224]`: {one},
		`[logs:24224, {address: "unix:/run/x", weight: 3, standby: true}]`: {
			one, {Address: "unix:/run/x", Weight: 3, Standby: true},
		},
	} {
		c, err := Parse("x.yaml", []byte("outputs: {up: {type: forward, servers: "+text+"}}\n"), world())
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		up := c.Outputs["up"].Settings.(*forwardoutput.Config)
		if !slices.Equal(up.Servers, want) {
			t.Errorf("%s: %+v, want %+v", text, up.Servers, want)
		}
		if want := "output     up: forward to logs:24224"; !strings.Contains(c.Summary(), want) {
			t.Errorf("summary without %q:\n%s", want, c.Summary())
		}
		if !up.Ack || up.Compression != "gzip" || up.Tag != "{tag}" || up.Metadata != "drop" ||
			up.MaxMessageSize != 4<<20 ||
			up.Connections != 4 || up.IdleTimeout != 30*time.Second || up.MaxConnectionAge != 10*time.Minute ||
			up.SharedKey.IsSet() {
			t.Errorf("defaults: %+v", up)
		}
	}
}
