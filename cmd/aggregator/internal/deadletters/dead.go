// Package deadletters holds the command that looks at dead letters, sends them again or deletes them: those of a
// running server, or of a data directory that none uses.
package deadletters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/terminal"
	"github.com/seed-afc6a195/aggregator/internal/sender"
	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

const (
	deadLong = `Dead letters are events that a destination refused for good, that no route wanted, or that could not be
read. They are kept, with the reason, until they are sent again, purged, or pushed out by buffer.dead_letters' limits.

The running server is asked through its status endpoint: that of the configuration given with -c, or --status. Where it
does not run, --data-dir opens its data directory, and --offline whatever queue the configuration names. From another
machine the endpoint wants a token (--token-file, or AGGREGATOR_STATUS_TOKEN) or a user (--user) with the password; -c
has them already. --status https://… asks over TLS.

Without a subcommand it sums the dead letters up.`
	deadExample = `  aggregator dead                                                  # how many, of which output, why
  aggregator dead list --output es --newer-than 1h
  aggregator dead show 1800000000000000
  aggregator dead export --reason rejected > rejected.ndjson
  aggregator dead retry --output es --reason rejected --yes        # after the mapping is fixed
  aggregator dead purge --older-than 168h`
)

// command is what the user may say, and what the commands need of the world.
type command struct {
	now func() time.Time

	flags.Endpoint

	config                          flags.Config
	offline                         flags.Offline
	filter                          client.DeadFilter
	ids                             []uint
	json, summary, oldest, all, yes bool
	limit                           int
	file, to                        string
}

// NewCommand returns the command dead.
func NewCommand() *cobra.Command {
	return (&command{Endpoint: flags.Endpoint{Getenv: os.LookupEnv}, now: time.Now}).command()
}

func (f *command) command() *cobra.Command {
	dead := &cobra.Command{
		Use: "dead", Short: "Look at dead letters, send them again or delete them", Long: deadLong,
		Example: deadExample,
		Args:    flags.OnlyCommands,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(cmd, func(s client.DeadStore) error { return f.printSummary(cmd, s) })
		},
	}
	p := dead.PersistentFlags()
	p.SortFlags = false
	f.config.RegisterIn(dead, p.StringArrayVarP,
		"configuration `file` or directory of the server: where its status endpoint is, and the token; may come "+
			"several times")
	f.Flags(p)
	f.offline.Register(p)
	f.filters(dead)
	dead.Flags().BoolVar(&f.json, "json", false, "as JSON")
	dead.AddCommand(f.listCommand(), f.showCommand(), f.exportCommand(), f.retryCommand(), f.purgeCommand())
	return dead
}

// filters adds the flags that choose letters.
func (f *command) filters(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.filter.Output, "output", "", "only of this output; "+client.NoOutput+": refused before any")
	fs.StringVar(&f.filter.Cluster, "cluster", "", "only of this cluster")
	fs.StringVar(&f.filter.Tag, "tag", "", "only of tags that fit this `pattern`, as in routes: kube.**")
	fs.StringVar(&f.filter.Reason, "reason", "", "only with this reason: rejected, too_large, unrouted, …")
	fs.DurationVar(&f.filter.OlderThan, "older-than", 0, "only refused longer ago than this: 24h")
	fs.DurationVar(&f.filter.NewerThan, "newer-than", 0, "only refused within this time: 30m")
	fs.UintSliceVar(&f.ids, "id", nil, "only of this number; several with commas")
}

func (f *command) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List dead letters, the newest first", Args: flags.NoArgs,
		Long: `Lists dead letters as a table, the newest first: the number that other commands take, how long ago it
was refused, by which output, of which cluster and tag, the reason, the destination's status and the beginning of its
words.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.limit < 0 {
				return flags.WrongUsage(fmt.Errorf("--limit %d: must not be negative", f.limit))
			}
			return f.with(cmd, func(s client.DeadStore) error {
				if f.summary {
					return f.printSummary(cmd, s)
				}
				return f.printList(cmd, s)
			})
		},
	}
	f.filters(cmd)
	cmd.Flags().IntVar(&f.limit, "limit", 50, "letters at most; 0: all")
	cmd.Flags().BoolVar(&f.oldest, "oldest", false, "the oldest first")
	cmd.Flags().BoolVar(&f.json, "json", false, "a line of JSON for each")
	cmd.Flags().BoolVar(&f.summary, "summary", false, "count them by output, cluster and reason instead")
	return cmd
}

func (f *command) showCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show everything about one dead letter",
		Long: `Shows all that is known of a dead letter: the event as it came, and, labelled so, the document as the
configuration in force would offer it to a destination, with its target, such as the index. With --data-dir that needs
-c too.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return flags.WrongUsage(
					fmt.Errorf("show needs the number of one letter, which 'aggregator dead list' tells: %w", err))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseLetter(args[0])
			if err != nil {
				return err
			}
			return f.with(cmd, func(s client.DeadStore) error { return f.printLetter(cmd, s, id) })
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "as JSON")
	return cmd
}

func (f *command) exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "export", Short: "Write dead letters with their records, a line of JSON for each", Args: flags.NoArgs,
		Long: `Writes dead letters, the oldest first, as lines of JSON: what list tells, with the event's record as it
came under "record", its time under "event_times", and under "would_offer" the document as the configuration in force
would offer it to a destination, with its target. Where a letter has several events they are in the list "records", and
bytes that are no event are in "raw", as base64. The letters stay.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(cmd, func(s client.DeadStore) error { return f.export(cmd, s) })
		},
	}
	f.filters(cmd)
	cmd.Flags().StringVar(&f.file, "file", "", "write to this `file`, not to standard output")
	return cmd
}

func (f *command) retryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "retry", Short: "Send dead letters again", Args: flags.NoArgs,
		Long: `Puts dead letters back into the queue, for the output that refused them or the one that --to names.
Their events keep time, tag, cluster and id; a letter is deleted once its event is in the queue, so that a crash loses
none. Letters that no route wanted are routed again. What is refused again becomes a new dead letter.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.offline.Set() && len(f.config.Paths()) == 0 {
				return flags.WrongUsage(
					errors.New(
						"retry with --data-dir or --offline needs -c too: the configuration says which " +
							"outputs there are",
					))
			}
			return f.change(cmd, "send %s again", "put %s back into the queue", func(
				ctx context.Context, s client.DeadStore, progress func(client.DeadResult),
			) (client.DeadResult, error) {
				return s.Retry(ctx, f.filter, f.to, progress)
			})
		},
	}
	f.changes(cmd)
	cmd.Flags().StringVar(&f.to, "to", "", "send them to this `output`, not to that which refused them")
	return cmd
}

func (f *command) purgeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "purge", Short: "Delete dead letters for good", Args: flags.NoArgs,
		Long: "Deletes dead letters. Their events are lost then.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.change(cmd, "delete %s for good", "deleted %s", func(
				ctx context.Context, s client.DeadStore, progress func(client.DeadResult),
			) (client.DeadResult, error) {
				return s.Purge(ctx, f.filter, progress)
			})
		},
	}
	f.changes(cmd)
	return cmd
}

func (f *command) changes(cmd *cobra.Command) {
	f.filters(cmd)
	cmd.Flags().BoolVar(&f.all, "all", false, "all dead letters, where no filter is given")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "don't ask")
}

// with runs do with the dead letters that the flags say.
func (f *command) with(cmd *cobra.Command, do func(client.DeadStore) error) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	cfg, err := f.Load(&f.config, f.offline.Set(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if !f.offline.Set() {
		c, err := f.Client(cfg, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		if err = do(client.DeadLetters{Client: c}); errors.Is(err, syscall.ECONNREFUSED) {
			err = fmt.Errorf(
				"%w: no server listens there; -c or --status say where it does, --data-dir opens the directory of "+
					"one that is stopped", err,
			)
		}
		return asUsage(err)
	}
	configured := cfg != nil
	if cfg, err = f.offline.Queue(cfg); err != nil {
		return err
	}
	log, _ := terminal.NewLogger(config.Log{Level: "warn", Format: "console"}, cmd.ErrOrStderr())
	store, err := app.OpenDeadLetters(cmd.Context(), cfg, configured, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return asUsage(do(store))
}

// asUsage gives what made no sense the exit code of wrong usage.
func asUsage(err error) error {
	if errors.Is(err, client.ErrDeadRequest) {
		return flags.WrongUsage(err)
	}
	return err
}

func (f *command) check() error {
	if err := f.offline.Check(f.Set()); err != nil {
		return err
	}
	switch {
	case f.filter.OlderThan < 0 || f.filter.NewerThan < 0:
		return flags.WrongUsage(errors.New("--older-than and --newer-than: must not be negative"))
	}
	if err := f.Check(); err != nil {
		return err
	}
	f.filter.IDs = nil
	for _, id := range f.ids {
		f.filter.IDs = append(f.filter.IDs, uint64(id))
	}
	f.filter.All = f.all
	return nil
}

// change asks, if need be, and then does what changes letters. what and did are formats of what that is and was.
func (f *command) change(cmd *cobra.Command, what, did string,
	do func(context.Context, client.DeadStore, func(client.DeadResult)) (client.DeadResult, error),
) error {
	return f.with(cmd, func(s client.DeadStore) error {
		if err := f.filter.CheckChange(); err != nil {
			return flags.WrongUsage(errors.New("choose the dead letters with a filter, or with --all and none"))
		}
		filter := f.filter
		filter.All = false
		total, err := s.Summary(cmd.Context(), filter)
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if total.Letters == 0 {
			return f.printNoneFits(cmd, s)
		}
		if !f.yes {
			if !terminal.IsTerminal(cmd.InOrStdin()) {
				return flags.WrongUsage(
					fmt.Errorf("%s: with --yes, since nobody can be asked here", plural(total.Letters, "dead letter")))
			}
			if sure, err := f.ask(cmd, total, what); !sure {
				return err
			}
		}
		var events atomic.Int64
		bar := terminal.NewProgress(cmd.ErrOrStderr(), time.Now())
		stop := bar.Start(200*time.Millisecond, func() sender.Progress {
			n := events.Load()
			return sender.Progress{Done: uint64(n), Fraction: min(1, float64(n)/float64(max(1, total.Events)))}
		})
		result, err := do(cmd.Context(), s, func(r client.DeadResult) { events.Store(r.Events) })
		stop()
		if err != nil && result.Letters == 0 {
			return err
		}
		err = errors.Join(err, printResult(out, did, result))
		if err == nil && result.Letters == 0 {
			err = errors.New("nothing was changed")
		}
		return err
	})
}

// printNoneFits says that the filter chooses no letter, and what there is.
func (f *command) printNoneFits(cmd *cobra.Command, s client.DeadStore) error {
	all, err := s.Summary(cmd.Context(), client.DeadFilter{})
	if err != nil {
		return err
	}
	text := "there are no dead letters"
	if all.Letters > 0 {
		text = fmt.Sprintf(
			"no dead letter fits: there are %d, and 'aggregator dead' sums them up by output, cluster and reason",
			all.Letters,
		)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}

// ask shows what is about to change and waits for an answer.
func (f *command) ask(cmd *cobra.Command, total client.DeadSummary, what string) (sure bool, err error) {
	if err := f.writeSummary(cmd.ErrOrStderr(), total); err != nil {
		return false, err
	}
	err = terminal.Confirm(cmd, capital(fmt.Sprintf(what, "these "+plural(total.Letters, "dead letter"))))
	return err == nil, err
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func plural(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// orNone is how a letter's output is shown.
func orNone(output string) string { return cmp.Or(output, client.NoOutput) }
