package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/terminal"
	"github.com/seed-afc6a195/aggregator/internal/sender"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

func newSendCommand() *cobra.Command {
	f := sendFlags{Peer: flags.Peer{Getenv: os.LookupEnv}}
	cmd := &cobra.Command{
		Use:   "send [flags] [FILE…]",
		Short: "Send lines, JSON or made-up events as a Forward client",
		Long: `send reads lines from files or standard input and sends them as events to a Forward server. A line that
is a JSON object is a record; any other line becomes {"log": line}; empty lines are skipped. With --count or --duration
it makes up events instead, like a web server's log from Kubernetes, each with a number of its own under "seq", and so
serves to measure a server.

It waits for the server's acks. When a connection is lost, the chunks without an ack are sent again under the same
chunk ids over a new one. At the end it tells how many events were acknowledged, how fast, and how long acks took.
Exit code 1: not everything was acknowledged. Ctrl-C ends it in good order: what is under way gets its acks for 5 s.

Secrets may come from files or from the environment (AGGREGATOR_SHARED_KEY, AGGREGATOR_PASSWORD), so that they don't
show among the processes.`,
		Example: `  echo '{"level":"info","msg":"hello"}' | aggregator send --tag app.web
  aggregator send --tag nginx.access /var/log/nginx/access.log
  tail -F app.ndjson | aggregator send --time-key ts --address logs.example:24224 --tls --shared-key-file key
  aggregator send --count 1000000 --connections 4 --pipeline 4     # how fast is it?
  aggregator send --duration 1m --rate 20000 --connections 256 --tags 256 --chunk-events 10    # like a fleet of agents
  aggregator send --duration 1m --rate 5000 --compress gzip --output json
  aggregator send --count 100000 --mode message --connections 16   # like agents that send each event alone`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.generates() && len(args) > 0 {
				return flags.WrongUsage(errors.New("--count and --duration make up events: they can't go with files"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.send(cmd, args) },
	}
	f.register(cmd)
	return cmd
}

// sendFlags is what the user may say.
type sendFlags struct {
	flags.Peer
	eventOptions
	loadOptions

	address               string
	user, password        string
	passwordFile          string
	timeout, retryTimeout time.Duration
	output                string
}

// eventOptions say what lines are, and in which messages they are sent.
type eventOptions struct {
	tag, compress, mode, format, timeKey string
	ack                                  bool
	chunkEvents, pipeline                int
}

// loadOptions say what is made up, and how fast.
type loadOptions struct {
	count             uint64
	rate              float64
	duration          time.Duration
	connections, tags int
	size              int
	cri               bool
}

func (f *sendFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.address, "address", "127.0.0.1:24224", "host:port or unix:/path of the server")
	fs.StringVar(&f.tag, "tag", "aggregator.send", "tag of all events")
	f.RegisterKey(fs, "log in with this key")
	fs.StringVar(&f.user, "user", "", "user name, where the server asks for one")
	fs.StringVar(&f.password, "password", "", "the user's password")
	fs.StringVar(&f.passwordFile, "password-file", "", "file with the user's password")
	f.RegisterTLS(fs, "-send")
	fs.BoolVar(&f.ack, "ack", true, "ask for acks; without, nobody knows what arrived")
	fs.StringVar(&f.mode, "mode", "packed", "form of the messages: packed, forward, message (one event each)")
	fs.StringVar(&f.compress, "compress", "none", "none, gzip, zstd; packed only")
	fs.StringVar(&f.format, "format", "auto", "what lines are: auto, json (anything else is an error), text")
	fs.StringVar(&f.timeKey, "time-key", "",
		"key of JSON lines that holds the event's time: RFC 3339 or a number since 1970")
	fs.Uint64Var(&f.count, "count", 0, "make up this many events")
	fs.DurationVar(&f.duration, "duration", 0, "make up events for this long")
	fs.Float64Var(&f.rate, "rate", 0, "made-up events a second, over all connections; 0: as fast as possible")
	fs.IntVar(&f.size, "size", 300, "bytes of msgpack of a made-up event")
	fs.BoolVar(&f.cri, "cri", false, "made-up log lines are as container runtimes write them: TIME stdout F LINE")
	fs.IntVar(&f.connections, "connections", 1, "connections at once; with more than one, events get out of order")
	fs.IntVar(&f.tags, "tags", 1, "so many tags, TAG.0, TAG.1, …, shared out among the connections")
	fs.IntVar(&f.chunkEvents, "chunk-events", 500, "events of a chunk at most; in mode message, messages of one write")
	fs.IntVar(&f.pipeline, "pipeline", 1, "chunks that may wait for their ack on each connection")
	fs.DurationVar(&f.timeout, "timeout", time.Minute, "longest wait for an ack")
	fs.DurationVar(&f.retryTimeout, "retry-timeout", 30*time.Second,
		"how long to try again, without progress; 0: not at all")
	fs.StringVar(&f.output, "output", "text", "the result's form: text, json")
}

// generates reports whether events are made up.
func (f *sendFlags) generates() bool { return f.Given("count") || f.Given("duration") }

// check returns everything that is wrong with the flags, as one error of usage.
func (f *sendFlags) check() error {
	var errs []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	oneOf := func(name, value string, values ...string) {
		wrong(!slices.Contains(values, value), "--%s %q: must be %s", name, value, strings.Join(values, ", "))
	}
	oneOf("mode", f.mode, "packed", "forward", "message")
	oneOf("compress", f.compress, "none", "gzip", "zstd")
	oneOf("format", f.format, "auto", "json", "text")
	oneOf("output", f.output, "text", "json")
	wrong(f.compress != "none" && f.mode != "packed", "--compress %s needs --mode packed", f.compress)
	wrong(f.tag == "", "--tag: must not be empty")
	wrong(f.connections < 1 || f.connections > 10000, "--connections %d: must be 1 to 10000", f.connections)
	wrong(f.tags < 1 || f.tags > 1e6, "--tags %d: must be 1 to 1000000", f.tags)
	wrong(f.chunkEvents < 1 || f.chunkEvents > 1e6, "--chunk-events %d: must be 1 to 1000000", f.chunkEvents)
	wrong(f.pipeline < 1 || f.pipeline > 1000, "--pipeline %d: must be 1 to 1000", f.pipeline)
	wrong(f.size < sender.MinSize() || f.size > 1<<20, "--size %d: must be %d to %d bytes", f.size, sender.MinSize(),
		1<<20)
	wrong(f.rate < 0, "--rate %g: must not be negative", f.rate)
	wrong(f.duration < 0 || f.timeout <= 0 || f.retryTimeout < 0,
		"--duration, --timeout and --retry-timeout: must not be negative, nor --timeout 0")
	if err := (client.Config{Address: f.address}).Check(); err != nil {
		errs = append(errs, fmt.Errorf("--address: %w", err))
	}
	made := f.generates()
	wrong(made && f.count == 0 && f.duration == 0, "--count 0: give --count or --duration more than 0")
	wrong(!made && (f.Given("rate") || f.Given("size")),
		"--rate and --size need --count or --duration: they are for made-up events")
	wrong(made && (f.Given("format") || f.Given("time-key")),
		"--format and --time-key are for lines, not for made-up events")
	wrong(f.Given("shared-key") && f.Given("shared-key-file"), "--shared-key and --shared-key-file: give one of them")
	wrong((f.CertFile == "") != (f.KeyFile == ""), "--cert-file and --key-file: give both or none")
	wrong(f.Given("password") && f.Given("password-file"), "--password and --password-file: give one of them")
	if len(errs) > 0 {
		return flags.WrongUsage(errors.Join(errs...))
	}
	return nil
}

// config returns what the flags ask for.
func (f *sendFlags) config() (sender.Config, error) {
	cfg := sender.Config{
		Client: client.Config{Address: f.address, Timeout: f.timeout},
		Tag:    f.tag, Tags: f.tags, Mode: client.Mode(f.mode), Ack: f.ack, Connections: f.connections,
		Pipeline:     f.pipeline,
		RetryTimeout: f.retryTimeout, StopGrace: 5 * time.Second,
	}
	if f.compress != "none" {
		cfg.Compress = f.compress
	}
	key, keyed, err := f.Key()
	if err != nil {
		return cfg, err
	}
	password, _, err := f.Secret("password", f.password, f.passwordFile, "AGGREGATOR_PASSWORD")
	if err != nil {
		return cfg, err
	}
	if !keyed && f.user != "" {
		return cfg, flags.WrongUsage(errors.New("--user needs --shared-key: a server asks for users only with a key"))
	}
	if keyed {
		cfg.Client.Login = &client.Login{SharedKey: key, Hostname: f.OwnName("-send"), User: f.user, Password: password}
	}
	cfg.Client.TLS, err = f.TLSConfig()
	return cfg, err
}

// send does what the command is for.
func (f *sendFlags) send(cmd *cobra.Command, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	cfg, err := f.config()
	if err != nil {
		return err
	}
	var source sender.Source
	var input *sender.Input
	if f.generates() {
		source = &sender.Generator{
			Count: f.count, Duration: f.duration, Rate: f.rate, Size: f.size, ChunkEvents: f.chunkEvents, CRI: f.cri,
		}
	} else {
		input, err = sender.OpenInput(
			sender.InputConfig{Format: sender.Format(f.format), TimeKey: f.timeKey, ChunkEvents: f.chunkEvents}, args,
			cmd.InOrStdin(),
		)
		if err != nil {
			return flags.WrongUsage(err)
		}
		defer input.Close()
		source = input
		if len(args) == 0 && terminal.IsTerminal(cmd.InOrStdin()) {
			cmd.PrintErrln("reading lines from the terminal; Ctrl-D ends")
		}
	}
	result, err := runWithProgress(cmd.Context(), cmd.ErrOrStderr(), cfg, source)
	if input != nil && input.NoTime() > 0 {
		cmd.PrintErrf("%d records had no readable time under %q: they got the time at which they were read\n",
			input.NoTime(), f.timeKey)
	}
	return errors.Join(err, f.print(cmd.OutOrStdout(), result))
}

// print writes the result as --output says.
func (f *sendFlags) print(w io.Writer, r sender.Result) error {
	if f.output == "json" {
		return json.NewEncoder(w).Encode(r)
	}
	return r.WriteText(w)
}

// runWithProgress runs a sender; notices and, on a terminal, its progress go to w.
func runWithProgress(ctx context.Context, w io.Writer, cfg sender.Config, source sender.Source) (sender.Result, error) {
	bar := terminal.NewProgress(w, time.Now())
	cfg.Notice = bar.Notice
	s := sender.New(cfg, source)
	stop := bar.Start(200*time.Millisecond, s.Progress)
	defer stop()
	return s.Run(ctx)
}
