package outputs

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

func s3(r *settings.Reader, o *flow.Output) {
	o.Type = "s3"
	aws(r, o, "s3_endpoint")
	destination.Bucket(r, o, "s3_bucket")
	o.Settings = o.Settings.With("key", coarse(r, s3Key(r)))
	compression := "gzip"
	switch store, _ := r.Plain("store_as"); store {
	case "", "gzip", "gzip_command":
	case "json", "text", "txt":
		compression = "none"
	case "zstd":
		compression = "zstd"
	default:
		r.Lose("store_as", "objects are not compressed by "+store, "gzip is taken")
	}
	o.Settings = o.Settings.With("compression", compression)
	if r.Bool("force_path_style", false) {
		o.Settings = o.Settings.With("path_style", true)
	}
	s3Object(r, o)
	if s := r.Children("buffer"); len(s) > 0 && s[0].Text("timekey") != "" {
		b := settings.NewReader(s[0], r.Notes, r.Title+" <buffer>")
		if age, ok := b.Duration("timekey"); ok {
			o.Settings = o.Settings.In("rotate", "max_age", age)
		}
	}
	if message, single := alone(r); single {
		o.Settings = o.Settings.With("message", message)
	}
	if len(r.Children("format")) == 0 && !r.Has("format") {
		asLines(r)
		r.Ignore("include_time_key", "include_tag_key", "time_key", "tag_key", "time_format")
	} else {
		addedFields(r, o)
	}
	r.Ignore("check_bucket", "check_object", "auto_create_bucket", "check_apikey_on_start", "overwrite",
		"hex_random_length", "uuid_type", "warn_for_delay", "utc", "localtime", "timezone", "time_slice_wait")
	if s := r.Child("compress"); s != nil {
		r.Notes.Say(s.At, r.Title+" <compress>", "left out", "")
	}
}

// s3Object reads how objects are kept.
func s3Object(r *settings.Reader, o *flow.Output) {
	for _, p := range [...]struct{ old, key string }{
		{"storage_class", "storage_class"},
		{"use_server_side_encryption", "server_side_encryption"},
		{"ssekms_key_id", "kms_key_id"},
	} {
		if text, ok := r.Text(p.old); ok {
			o.Settings = o.Settings.With(p.key, text)
		}
	}
	switch acl, _ := r.Plain("acl"); acl {
	case "":
	case "private", "bucket-owner-read", "bucket-owner-full-control":
		o.Settings = o.Settings.With("acl", acl)
	default:
		r.Lose("acl", "objects are for their owners alone", "say in the bucket's policy who may read them")
	}
	for _, key := range [...]string{"grant_full_control", "grant_read", "grant_read_acp", "grant_write_acp"} {
		if r.Has(key) {
			r.Lose(key, "objects are for their owners alone", "say in the bucket's policy who may read them")
		}
	}
	for _, key := range [...]string{"tagging", "s3_metadata"} {
		if r.Has(key) {
			r.Lose(key, "objects have neither tags nor metadata here",
				"let the bucket's lifecycle rules look at prefixes")
		}
	}
	if r.Bool("acceleration", false) {
		r.Lose("acceleration", "objects go to the bucket's own host", "write endpoint, or leave it out")
	}
}

// s3Key reads the format of an object's name as the key's: %{index} is {index}, and what is behind it is the
// aggregator's own. Without %{index} the number stands where something of the name's end has no like.
func s3Key(r *settings.Reader) string {
	path, _ := named(r, "path")
	slice := sliced(r)
	format, ok := named(r, "s3_object_key_format")
	if !ok {
		format = "%{{path}}%{{time_slice}}_%{{index}}.%{{file_extension}}"
	}
	if text, has := r.Plain("index_format"); has && text != "%d" {
		r.Say("index_format", "the number is written as it is", "")
	}
	format = strings.NewReplacer("%{{path}}", path, "%{{time_slice}}", slice, "%{{hostname}}", "${env:HOSTNAME}").
		Replace(format)
	key, behind, found := strings.Cut(format, "%{{")
	for found {
		name, rest, _ := strings.Cut(behind, "}}")
		if name == "index" {
			key += "{index}"
			break
		}
		if name == "file_extension" {
			break
		}
		r.Notes.Say(r.At, r.Title+" s3_object_key_format", "%{"+name+"} is left out", "")
		var more string
		more, behind, found = strings.Cut(rest, "%{{")
		if strings.TrimRight(key, "/._-") != key {
			more = strings.TrimLeft(more, "._-")
		}
		key += more
	}
	key = strings.TrimLeft(strings.ReplaceAll(key, "//", "/"), "/")
	if name := key[strings.LastIndexByte(key, '/')+1:]; name != "" && !strings.Contains(name, "{index}") {
		key = strings.TrimRight(key, "._-") + "_{index}"
	}
	if strings.Contains(key, "${env:HOSTNAME}") {
		r.Notes.NeedEnv("HOSTNAME", "the name of the aggregator's host, which objects' names have")
	}
	return key
}
