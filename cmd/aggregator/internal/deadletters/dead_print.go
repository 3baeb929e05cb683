package deadletters

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/terminal"
	"github.com/seed-afc6a195/aggregator/internal/msgview"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/internal/sender"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// Widths of columns that hold what a client or a destination says.
const (
	tagWidth    = 40
	detailWidth = 120
)

// parseLetter reads a letter's number.
func parseLetter(text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 63)
	if err != nil || id == 0 {
		return 0, flags.WrongUsage(fmt.Errorf("%q is no letter's number; 'aggregator dead list' tells them", text))
	}
	return id, nil
}

func (f *command) printSummary(cmd *cobra.Command, s client.DeadStore) error {
	total, err := s.Summary(cmd.Context(), f.filter)
	if err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(terminal.PrintableJSON(cmd.OutOrStdout())).Encode(total)
	}
	return f.writeSummary(cmd.OutOrStdout(), total)
}

func (f *command) writeSummary(w io.Writer, s client.DeadSummary) error {
	if s.Letters == 0 {
		_, err := fmt.Fprintln(w, "no dead letters")
		return err
	}
	if _, err := fmt.Fprintf(w, "%s with %s, refused between %s ago and %s ago; all dead letters take %.1f MiB "+
		"on disk\n\n",
		plural(s.Letters, "dead letter"), plural(s.Events, "event"), f.age(s.Oldest), f.age(s.Newest),
		float64(s.Bytes)/(1<<20)); err != nil {
		return err
	}
	t := newTable(w, "OUTPUT", "CLUSTER", "REASON", "LETTERS", "EVENTS")
	for _, n := range s.By {
		t.row(orNone(n.Output), n.Cluster, n.Reason, strconv.FormatInt(n.Letters, 10), strconv.FormatInt(n.Events, 10))
	}
	return t.end()
}

func (f *command) printList(cmd *cobra.Command, s client.DeadStore) error {
	w := cmd.OutOrStdout()
	t := newTable(w, "ID", "AGE", "OUTPUT", "CLUSTER", "TAG", "REASON", "STATUS", "EVENTS", "DETAIL")
	n := 0
	more, err := f.pages(cmd, s, client.DeadPage{Newest: !f.oldest}, f.limit, func(l *client.DeadLetter) error {
		n++
		if f.json {
			return json.NewEncoder(terminal.PrintableJSON(w)).Encode(l)
		}
		status := "-"
		if l.Status != 0 {
			status = strconv.Itoa(l.Status)
		}
		t.row(strconv.FormatUint(l.ID, 10), f.age(l.Time), orNone(l.Output), l.Cluster, cut(l.Tag, tagWidth), l.Reason,
			status,
			strconv.Itoa(l.Events), cut(l.Detail, detailWidth))
		return nil
	})
	switch {
	case f.json, n == 0 && err != nil:
		return err
	case n == 0:
		_, err = fmt.Fprintln(w, "no dead letters")
		return err
	}
	err = errors.Join(err, t.end())
	if more && err == nil {
		cmd.PrintErrf("these are %d; --limit shows more, filters fewer, --summary counts them\n", n)
	}
	return err
}

// pages calls fn for the letters that fit, at most limit, and reports whether there are more.
func (f *command) pages(
	cmd *cobra.Command, s client.DeadStore, page client.DeadPage, limit int, fn func(*client.DeadLetter) error,
) (more bool, err error) {
	for left := limit; limit == 0 || left > 0; {
		page.Limit = client.MaxDeadLimit
		if limit > 0 {
			page.Limit = min(left, page.Limit)
		}
		list, err := s.List(cmd.Context(), f.filter, page)
		if err != nil {
			return false, err
		}
		for i := range list.Letters {
			if err := fn(&list.Letters[i]); err != nil {
				return false, err
			}
		}
		if left, page.After = left-len(list.Letters), list.Next; list.Next == 0 {
			return false, nil
		}
	}
	return true, nil
}

func (f *command) printLetter(cmd *cobra.Command, s client.DeadStore, id uint64) error {
	l, err := s.Get(cmd.Context(), id)
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	if f.json {
		return json.NewEncoder(terminal.PrintableJSON(w)).Encode(l)
	}
	t := newTable(w)
	for _, row := range [][2]string{
		{"id", strconv.FormatUint(l.ID, 10)},
		{"refused", l.Time.UTC().Format(time.RFC3339) + ", " + f.age(l.Time) + " ago"},
		{"output", orNone(l.Output)},
		{"cluster", l.Cluster},
		{"tag", l.Tag},
		{"reason", l.Reason},
		{"status", strconv.Itoa(l.Status)},
		{"detail", l.Detail},
		{"attempts", strconv.Itoa(l.Attempts)},
		{"event id", l.EventID},
		{"events", strconv.Itoa(l.Events)},
	} {
		if row[1] != "" && row[1] != "0" {
			t.row(row[0], row[1])
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	if err := printCame(w, &l); err != nil {
		return err
	}
	if err := printOffers(w, l.WouldOffer); err != nil {
		return err
	}
	if len(l.Raw) == 0 {
		return nil
	}
	return printRaw(w, l.Raw)
}

// maxRawShown is about how many bytes of what is no event are shown as values.
const maxRawShown = 16 << 10

// printRaw writes what is no event: as far as it is msgpack, and whole.
func printRaw(w io.Writer, raw []byte) error {
	values := strings.TrimSuffix(msgview.Text(raw, maxRawShown), "\n")
	_, err := fmt.Fprintf(w, "\nwhat came can't be read as an event; its values:\n%s\nas base64:\n%s\n",
		safetext.Lines(values), base64.StdEncoding.EncodeToString(raw))
	return err
}

// printCame writes the events of l as they came.
func printCame(w io.Writer, l *client.DeadLetter) error {
	records := l.Records
	if l.Record != nil {
		records = append(records, l.Record)
	}
	for i, r := range records {
		head := "the event as it came"
		if i < len(l.EventTimes) {
			head += ", of " + l.EventTimes[i].Format(time.RFC3339Nano)
		}
		if i < len(l.Metadata) {
			head += fmt.Sprintf(", with the metadata %s", l.Metadata[i])
		}
		if err := printDocument(w, head, r); err != nil {
			return err
		}
	}
	return nil
}

// printOffers writes what a retry would offer.
func printOffers(w io.Writer, offers []client.DeadOffer) error {
	const now = "as the configuration in force would offer it"
	for _, o := range offers {
		var err error
		switch to := fmt.Sprintf("%s, to output %s", now, orNone(o.Output)); {
		case o.Reason != "":
			_, err = fmt.Fprintf(w, "\n%s: nothing, since %s\n", safetext.Lines(to), safetext.Lines(o.Reason))
		case o.Document != nil:
			err = printDocument(w, to+", "+o.Target, o.Document)
		default:
			_, err = fmt.Fprintf(w, "\n%s, %s:\n%s\n", safetext.Lines(to), safetext.Lines(o.Target),
				safetext.Lines(o.Text))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// printDocument writes JSON for people, under a head.
func printDocument(w io.Writer, head string, document []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, document, "", "  "); err != nil {
		return fmt.Errorf("read what the server says: %w", err)
	}
	_, err := fmt.Fprintf(w, "\n%s:\n%s\n", safetext.Lines(head), safetext.Lines(b.String()))
	return err
}

func (f *command) export(cmd *cobra.Command, s client.DeadStore) (err error) {
	w := cmd.OutOrStdout()
	if f.file != "" {
		file, err := os.OpenFile(f.file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return flags.WrongUsage(fmt.Errorf("--file: %w", err))
		}
		n, err := f.exportTo(cmd, s, file)
		if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
			return fmt.Errorf("%s holds %s only: %w", f.file, plural(n, "dead letter"), err)
		}
		_, err = fmt.Fprintf(w, "wrote %s to %s\n", plural(n, "dead letter"), f.file)
		return err
	}
	_, err = f.exportTo(cmd, s, w)
	return err
}

func (f *command) exportTo(cmd *cobra.Command, s client.DeadStore, w io.Writer) (letters int64, err error) {
	var events atomic.Int64
	bar := terminal.NewProgress(cmd.ErrOrStderr(), time.Now())
	// The lines and it would overwrite each other.
	bar.Live = bar.Live && !terminal.IsTerminal(w)
	stop := bar.Start(200*time.Millisecond, func() sender.Progress {
		return sender.Progress{Done: uint64(events.Load()), Fraction: -1}
	})
	defer stop()
	out := json.NewEncoder(terminal.PrintableJSON(w))
	out.SetEscapeHTML(false)
	_, err = f.pages(cmd, s, client.DeadPage{Records: true}, 0, func(l *client.DeadLetter) error {
		letters++
		events.Add(int64(l.Events))
		return out.Encode(l)
	})
	return letters, err
}

// printResult says what a change did, in the words of the format did.
func printResult(w io.Writer, did string, r client.DeadResult) error {
	what := plural(r.Letters, "dead letter") + " with " + plural(r.Events, "event")
	if r.Letters == 0 {
		what = "no dead letter"
	}
	_, err := fmt.Fprintf(w, did+"\n", what)
	if r.Why != "" && err == nil {
		_, err = fmt.Fprintln(w, r.Why)
	}
	for _, why := range slices.Sorted(maps.Keys(r.Skipped)) {
		if err == nil {
			_, err = fmt.Fprintf(w, "left %s: %s\n", plural(r.Skipped[why], "dead letter"), safetext.Lines(why))
		}
	}
	return err
}

// age is how long ago t was, as people say it.
func (f *command) age(t time.Time) string {
	d := max(0, f.now().Sub(t))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// cut shortens text to one line of at most n characters.
func cut(text string, n int) string {
	text, rest, _ := strings.Cut(text, "\n")
	if r := []rune(text); len(r) > n || rest != "" {
		return string(r[:min(len(r), n-1)]) + "…"
	}
	return text
}

// table is columns of text.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, head ...string) *table {
	t := &table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if len(head) > 0 {
		t.row(head...)
	}
	return t
}

func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(safetext.Lines(c), "\n", " ")
	}
	// End says what went wrong.
	_, _ = fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t *table) end() error { return t.w.Flush() }
