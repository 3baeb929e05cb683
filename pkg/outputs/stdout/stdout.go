// Package stdout writes events to the standard output, for trying things out.
package stdout

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Config is the settings of an output of type stdout.
type Config struct {
	outputs.Common `yaml:",inline"`
	Format         string `yaml:"format" default:"json" enum:"json" help:"one JSON object a line"`
}

// Settings returns the common settings with this destination's defaults.
func (c *Config) Settings() outputs.Common {
	return c.Or(outputs.Common{Workers: 1, Batch: outputs.BatchConfig{MaxBytes: 1 << 20}}).Or(outputs.Defaults())
}

// Output writes JSON lines. It satisfies outputs.Output.
type Output struct {
	w       io.Writer
	enc     *event.Encoder
	timeout time.Duration
	turn    outputs.Turn
	buf     []byte
	// torn says that what was written last ends in the middle of a line.
	torn bool
}

// New returns an output that writes to w, with one Write per batch.
func New(cfg Config, w io.Writer) *Output {
	return &Output{w: w, enc: event.NewEncoder(cfg.Fields), timeout: cfg.Settings().Timeout, turn: outputs.NewTurn()}
}

// SetClusterFields sets what is added to the events of each cluster. Call it before the first Send.
func (o *Output) SetClusterFields(fields map[string]map[string]string) {
	o.enc.SetClusterFields(fields)
}

// target names where all events go.
const target = "standard output"

// AppendTarget satisfies outputs.Targeter.
func (o *Output) AppendTarget(dst []byte, _ *event.Event) []byte { return append(dst, target...) }

// Close does nothing: the writer is its owner's.
func (o *Output) Close() error { return nil }

// Send writes the events of b. A writer that takes a part of a batch only has the lines that were
// written whole counted as delivered, and half a line ended before the next batch. A write that hangs
// can't be ended; others give up waiting for it after the timeout.
func (o *Output) Send(ctx context.Context, b *outputs.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if err := o.turn.Take(ctx); err != nil {
		return err
	}
	defer o.turn.Give()
	if err := ctx.Err(); err != nil {
		return outputs.AsSendError(fmt.Errorf("write to the standard output: %w", err))
	}
	b.CountAll(target)
	o.buf = o.buf[:0]
	if o.torn {
		o.buf = append(o.buf, '\n')
	}
	// ends is where each event's line ends in buf.
	ends := make([]int, len(b.Events))
	refused := map[int]error{}
	for i := range b.Events {
		line, err := o.enc.AppendEvent(o.buf, &b.Events[i])
		if err != nil {
			refused[i] = err
			continue
		}
		o.buf = append(line, '\n')
		ends[i] = len(o.buf)
	}
	n, err := o.w.Write(o.buf)
	if n > 0 {
		o.torn = o.buf[n-1] != '\n'
	}
	se := &outputs.SendError{Reason: outputs.ReasonServer}
	if err != nil {
		se.Err = fmt.Errorf("write to the standard output: %w", err)
	}
	for i, end := range ends {
		if why := refused[i]; why != nil {
			se.Failed = append(se.Failed, outputs.Failure{
				Index: i, Reason: outputs.ReasonRejected, Detail: why.Error(), Target: target,
			})
			se.Err = cmp.Or(se.Err, why)
		} else if err != nil && end > n {
			se.Failed = append(se.Failed, outputs.Failure{
				Index: i, Reason: outputs.ReasonServer, Detail: se.Err.Error(), Target: target,
			})
		}
	}
	if len(se.Failed) == 0 {
		return nil
	}
	return se
}
