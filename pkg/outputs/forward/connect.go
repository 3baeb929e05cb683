package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// lastWord is how long Connect waits for what a server says to a client that has logged in and leaves: that it wants a
// key, or that it refuses the certificate, which TLS 1.3 tells only then. Most servers just close.
const lastWord = 2 * time.Second

// Connect reaches every server, logs in, and leaves without a message; see outputs.Connector.
func (o *Output) Connect(ctx context.Context, _ []string) (found string, err error) {
	wrong := make([]string, len(o.servers.all))
	var wg sync.WaitGroup
	for i, to := range o.servers.all {
		wg.Go(func() { wrong[i] = o.reach(ctx, to.cfg) })
	}
	wg.Wait()
	var good, bad []string
	for i, to := range o.servers.all {
		if wrong[i] == "" {
			good = append(good, to.Address)
		} else {
			bad = append(bad, wrong[i])
		}
	}
	if len(bad) > 0 {
		return "", errors.New(strings.Join(bad, "; "))
	}
	found = "connected to "
	if o.servers.all[0].cfg.Login != nil {
		found = "logged in to "
	}
	return found + strings.Join(good, ", "), nil
}

// reach returns what is wrong with a server, "" for nothing.
func (o *Output) reach(ctx context.Context, cfg client.Config) string {
	if o.tls != nil {
		cfg.TLS = o.tls(cfg.Host())
	}
	conn, err := client.Dial(ctx, cfg)
	if err == nil {
		leaving, cancel := context.WithTimeout(ctx, o.lastWord)
		err = conn.Finish(leaving)
		if refused := errors.Is(err, client.ErrLogin) || reasonOf(err) == outputs.ReasonAuth; !refused {
			// It has let the client in.
			err = nil
		}
		cancel()
		closeAll([]*connection{{Client: conn}})
	}
	if err == nil {
		return ""
	}
	line := diagnose(err)
	for _, known := range []string{"connecting to %s: ", "waiting for %s to have read everything: "} {
		line = strings.TrimPrefix(line, fmt.Sprintf(known, cfg.Address))
	}
	switch {
	case errors.Is(err, client.ErrLogin):
		line += " (check shared_key, username and password)"
	case o.tls == nil && cfg.Login != nil &&
		(errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)):
		line += " (a server with TLS waits too: is tls missing?)"
	}
	return fmt.Sprintf("server %s: %s", cfg.Address, line)
}

// diagnose is outputs.Diagnose where that can know better than this package's own errors.
func diagnose(err error) string {
	if _, garbled := errors.AsType[tls.RecordHeaderError](err); garbled {
		return "it does not speak TLS there: leave tls out, or is the port another's?"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err.Error()
	}
	return outputs.Diagnose(err)
}
