package outputs

import (
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// common reads what all outputs have: <buffer>, <inject>, <format>, <secondary>.
func common(r *settings.Reader, o *flow.Output) {
	b := r
	if section := r.Child("buffer"); section != nil {
		b = settings.NewReader(section, r.Notes, r.Title+" <buffer>")
	}
	r.Ignore("buffer_type", "buffer_path", "buffer_chunk_limit", "buffer_queue_limit", "buffer_chunk_records_limit",
		"flush_at_shutdown", "queued_chunk_flush_interval", "slow_flush_log_threshold", "time_slice_wait")
	// Where chunks are, how large they are and by which keys they are cut is the aggregator's own matter.
	b.Ignore("@type", "path", "path_suffix", "symlink_path", "chunk_limit_size", "chunk_limit_records",
		"queue_limit_length", "queued_chunks_limit_size", "chunk_full_threshold",
		"compress", "flush_at_shutdown", "flush_mode", "flush_thread_interval", "flush_thread_burst_interval",
		"delayed_commit_timeout", "retry_type",
		"retry_exponential_backoff_base", "retry_randomize", "retry_secondary_threshold", "disable_chunk_backup",
		"timekey_wait", "time_zone", "chunk_limit_bytes", "retry_forever",
		"optimistic_queue_limit", "file_permission", "dir_permission")
	b.Ignore("timekey")
	if b.Has("timekey_zone") || b.Has("timekey_use_utc") {
		zone := b.Text0("timekey_zone")
		b.Ignore("timekey_zone", "timekey_use_utc")
		if name, _, err := ruby.Zone(zone); !utc(zone) && strings.Contains(o.Text(), "%") {
			if err == nil {
				zone = name
			}
			b.Lose("timekey_zone", "%Y, %m, %d in names are UTC",
				`set a field by expr: {set: {day: 'strftime(time, "%Y.%m.%d", "`+zone+
					`")'}} and put {record.day} into the name (docs/filters.md#expr-and-when)`)
		}
	}
	retry(b, o)
	if wait, ok := b.Duration("flush_interval"); ok && wait != "0s" && b.Text0("flush_mode") != "immediate" {
		o.Settings = o.Settings.In("batch", "max_wait", wait)
	}
	for _, key := range [...]string{"num_threads", "flush_thread_count"} {
		if n, ok := b.Int(key); ok && n > 0 {
			o.Settings = o.Settings.With("workers", min(n, maxWorkers))
		}
	}
	if size, ok := b.Size("total_limit_size"); ok {
		o.Settings = o.Settings.With("max_queue_size", size)
	}
	for _, key := range [...]string{"buffer_queue_full_action", "overflow_action"} {
		if action, ok := b.Plain(key); ok && action == "drop_oldest_chunk" {
			o.WhenFull = "drop_oldest"
		} else if ok {
			o.WhenFull = "block"
		}
	}
	if b != r {
		b.Done()
	}
	if s := r.Child("secondary"); s != nil {
		r.Notes.Say(s.At, r.Title+" <secondary>",
			"what is refused, or has been tried too often, becomes dead letters, which can be sent again: "+
				"docs/dead-letters.md", "")
	}
	inject(r, o)
}

// maxWorkers is as many as an output can have.
const maxWorkers = 256

// retry reads when a chunk is given up, and how long waits are.
func retry(b *settings.Reader, o *flow.Output) {
	first, longest := "", "1m"
	if wait, ok := b.Duration("retry_wait"); ok {
		first = wait
		o.Settings = o.Settings.In("retry", "initial", wait)
	}
	for _, key := range [...]string{"max_retry_wait", "retry_max_interval"} {
		if wait, ok := b.Duration(key); ok {
			longest = wait
			o.Settings = o.Settings.In("retry", "max", wait)
		}
	}
	if longer(first, longest) {
		o.Settings = o.Settings.In("retry", "max", first)
	}
	if b.Bool("retry_forever", false) {
		b.Ignore("retry_timeout", "retry_max_times")
		return
	}
	b.Ignore("disable_retry_limit")
	if n, ok := b.Int("retry_limit"); ok && !b.Bool("disable_retry_limit", false) {
		o.Settings = o.Settings.In("retry", "max_attempts", n+1)
	}
	if n, ok := b.Int("retry_max_times"); ok {
		o.Settings = o.Settings.In("retry", "max_attempts", n+1)
	}
	if age, ok := b.Duration("retry_timeout"); ok {
		o.Settings = o.Settings.In("retry", "max_age", age)
	}
}

// longer reports whether a is a longer time than b; "" is none.
func longer(a, b string) bool {
	x, err := time.ParseDuration(a)
	y, errOther := time.ParseDuration(b)
	return err == nil && errOther == nil && x > y
}

// inject reads <inject>: which fields the time and the tag become.
func inject(r *settings.Reader, o *flow.Output) {
	section := r.Child("inject")
	if section != nil && !injects(conf.Type(r.Section)) {
		r.Notes.Say(section.At, r.Title+" <inject>", "left out: the plugin does not use it", "")
		return
	}
	s := r
	if section != nil {
		s = settings.NewReader(section, r.Notes, r.Title+" <inject>")
	}
	if key, ok := s.Text("tag_key"); ok && (section != nil || s.Bool("include_tag_key", false)) {
		o.Settings = o.Settings.In("fields", "tag", key)
	}
	if key, ok := s.Text("hostname_key"); ok {
		host, has := s.Text("hostname")
		if !has {
			host = "${env:HOSTNAME}"
			r.Notes.NeedEnv("HOSTNAME", "the name that events are to have in "+key)
		}
		o.Steps = append(o.Steps, flow.Step{Kind: "modify", Body: flow.Map{{
			Key:   "set",
			Value: flow.Map{{Key: ruby.Path([]string{key}), Value: host}},
		}}})
	}
	if section == nil {
		s.Ignore("include_tag_key", "include_time_key")
		return
	}
	key, ok := s.Text("time_key")
	format, hasFormat := s.Plain("time_format")
	s.Ignore("time_type", "localtime", "utc", "timezone")
	if s.Has("worker_id_key") {
		s.Say("worker_id_key", "left out: there are no workers", "")
	}
	number := map[string]string{
		"unixtime": "time.Unix()", "float": "float(time.UnixMicro()) / 1000000", "unixtime_millis": "time.UnixMilli()",
		"unixtime_micros": "time.UnixMicro()", "unixtime_nanos": "time.UnixNano()",
	}[s.Text0("time_type")]
	switch {
	case !ok:
	case number != "":
		o.Steps = append(o.Steps, flow.Step{Kind: "expr", Body: flow.Map{{
			Key:   "set",
			Value: flow.Map{{Key: ruby.Path([]string{key}), Value: number}},
		}}})
	case (!hasFormat || rfc3339(format)) && utc(s.Text0("timezone")):
		o.Settings = o.Settings.In("fields", "time", key)
	default:
		if !hasFormat {
			format = "%Y-%m-%dT%H:%M:%S%:z"
		}
		code, err := ruby.Formatted("time", format, s.Text0("timezone"))
		if err != nil {
			s.Lose("time_format", err.Error()+" has no like here", "set the field by expr: strftime(time, …)")
			break
		}
		o.Steps = append(o.Steps, flow.Step{Kind: "expr", Body: flow.Map{{
			Key:   "set",
			Value: flow.Map{{Key: ruby.Path([]string{key}), Value: flow.Expression(code)}},
		}}})
	}
	s.Done()
}

// utc reports whether a zone, or none, is UTC.
func utc(zone string) bool {
	name, _, err := ruby.Zone(zone)
	return err == nil && name == ""
}

// injects reports whether plugins of a type do what <inject> says.
func injects(name string) bool {
	switch name {
	case "http", "splunk_hec", "loki", "forward", "secure_forward":
		return false
	}
	return !strings.Contains(name, "search")
}

// rfc3339 reports whether a format is one that the program writes by itself.
func rfc3339(format string) bool {
	rest, found := strings.CutPrefix(format, "%Y-%m-%dT%H:%M:%S")
	if !found {
		return strings.HasPrefix(format, "%FT%T") || strings.HasPrefix(format, "%iso8601")
	}
	switch rest {
	case "Z", "%z", "%:z", ".%NZ", ".%LZ", ".%3NZ", ".%6NZ", ".%9NZ", ".%N%z", ".%L%z", ".%N%:z", ".%L%:z", ".%3N%:z",
		".%6N%:z", ".%9N%:z", ".%3N%z", ".%6N%z", ".%9N%z":
		return true
	}
	return false
}

// named reads the name of an index, a stream, a path, with placeholders.
func named(r *settings.Reader, key string) (string, bool) {
	write := func(text string) string {
		out, lost := template.Chunk(ruby.Strftime(text))
		for _, l := range lost {
			r.Lose(key, "${"+l+"} is no placeholder here",
				"write the name by hand (docs/configuration.md#placeholders)")
		}
		return destination.Conversions(r, key, out)
	}
	if v, ok := r.Value(key); ok && slices.ContainsFunc(v.Parts, func(p syntax.Part) bool {
		return p.Default != nil && strings.Contains(*p.Default, "{")
	}) {
		// The variable's value would have placeholders of the old program, as its default has.
		text, set := r.Plain(key)
		return write(text), set
	}
	return r.Mapped(key, write)
}

// sliced returns how a time stands in the name of what is written for each of the time slices of a buffer: as
// time_slice_format says, or, where it does not, as precisely as the slices are long. Without slices it is "".
func sliced(r *settings.Reader) string {
	if format, ok := named(r, "time_slice_format"); ok {
		return format
	}
	all := r.Children("buffer")
	if len(all) == 0 {
		return "%Y%m%d"
	}
	if !slices.Contains(template.List(all[0].Arg), "time") {
		return ""
	}
	// What is no time is said where the buffer is read.
	text, _ := settings.ParseDuration(all[0].Text("timekey"))
	length, err := time.ParseDuration(text)
	switch {
	case err != nil || length >= 24*time.Hour:
		return "%Y%m%d"
	case length >= time.Hour:
		return "%Y%m%d%H"
	case length >= time.Minute:
		return "%Y%m%d%H%M"
	}
	return "%Y%m%d%H%M%S"
}

// coarse writes a name as that of a time slice: where slices are whole hours or days, what is finer than these in the
// time is 0, as at a slice's beginning. Else each minute of a slice would have a name of its own.
func coarse(r *settings.Reader, name string) string {
	all := r.Children("buffer")
	if len(all) == 0 || !slices.Contains(template.List(all[0].Arg), "time") {
		return name
	}
	text, _ := settings.ParseDuration(all[0].Text("timekey"))
	length, err := time.ParseDuration(text)
	if err != nil {
		return name
	}
	for _, p := range [...]struct {
		finer string
		from  time.Duration
	}{{"S", time.Minute}, {"M", time.Hour}, {"H", 24 * time.Hour}} {
		if length >= p.from {
			name = strings.ReplaceAll(name, "%"+p.finer, "00")
		}
	}
	return name
}

// asLines says that an event is a line of JSON, where the old program wrote the time, the tag and JSON unless it was
// told otherwise.
func asLines(r *settings.Reader) {
	r.Notes.Say(r.At, r.Title, "a line is one JSON object with the time and the tag in it, not the time, the tag and "+
		"JSON with tabs between", "")
}

// fieldsOff says which fields the destination got from the old program; nothing else is added.
func fieldsOff(o *flow.Output, time, tag string) {
	fields, _ := o.Settings.Get("fields").(flow.Map)
	out := flow.Map{{Key: "time", Value: time}, {Key: "tag", Value: tag}, {Key: "cluster", Value: ""}}
	for _, p := range fields {
		out = out.With(p.Key, p.Value)
	}
	o.Settings = o.Settings.With("fields", out)
}

// alone reads what of an event is sent alone, as plugins for AWS and files have it; ok is false where it is the whole.
func alone(r *settings.Reader) (message string, ok bool) {
	section := r.Child("format")
	name, set := "", false
	if section != nil {
		name, set = conf.Type(section), true
	} else if text, has := r.Plain("format"); has {
		name, set = text, true
	}
	if !set {
		return "", false
	}
	switch name {
	case "json", "":
	case "single_value":
		message = "message"
		if section != nil {
			if key := section.Text("message_key"); key != "" {
				path, _ := template.Accessor(key)
				message = ruby.Path(path)
			}
		}
		return message, true
	case "ltsv", "csv", "msgpack", "out_file", "hash", "tsv":
		at := r.At
		if section != nil {
			at = section.At
		}
		r.Notes.Lose(at, r.Title+" <format>", "events are written as one JSON object a line, not as "+name,
			"change what reads them, or leave it out")
	default:
		r.Notes.Lose(r.At, r.Title+" <format>", "there is no format "+name,
			"events are written as one JSON object a line")
	}
	return "", false
}
