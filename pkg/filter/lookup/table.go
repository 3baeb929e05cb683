package lookup

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// table is the content of a file. Nobody changes one.
type table struct {
	targets []target
	// rows are by key: a msgpack value for each of the first targets, nil where there is none.
	rows map[string][][]byte

	// replaced says that some key has U+FFFD, as texts have it that are not UTF-8; all keys are.
	replaced bool
}

// target is a field that is added.
type target struct {
	path []string
	// column may be "": then there is only the default.
	column string
	// fallback is the default as msgpack; nil: none.
	fallback []byte
}

// builder makes a table of rows.
type builder struct {
	table
	// all says that columns are added, not only those of targets.
	all bool
	key string
	// index has the targets that were made of columns.
	index map[string]int
	// used has the columns that there are.
	used map[string]bool
}

// read makes a table of a file's content, in a format.
func (c *Config) read(content []byte, targets []target) (*table, error) {
	b := &builder{
		table: table{targets: slices.Clone(targets), rows: map[string][][]byte{}},
		all:   len(c.Add) == 0, key: c.Key, index: map[string]int{}, used: map[string]bool{},
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	var err error
	switch c.format() {
	case formatCSV:
		err = b.csv(content)
	case formatJSON:
		err = b.json(content)
	case formatNDJSON:
		err = b.ndjson(content)
	default:
		err = errors.New("the format is not known (set format to csv, json or ndjson)")
	}
	if err != nil {
		return nil, err
	}
	for _, t := range b.targets {
		if t.column != "" && !b.used[t.column] && len(b.rows) > 0 {
			return nil, fmt.Errorf("there is no column %q; there are %s", t.column,
				strings.Join(slices.Sorted(maps.Keys(b.used)), ", "))
		}
	}
	return &b.table, nil
}

// columns returns the targets that a column leads to: by Config.Add, or the one of its name.
func (b *builder) columns(name string) (is []int) {
	if name == "" {
		// What a comma at the end of each line makes.
		return nil
	}
	b.used[name] = true
	if b.all && name != b.key {
		i, known := b.index[name]
		if !known {
			i = slices.IndexFunc(b.targets, func(t target) bool { return len(t.path) == 1 && t.path[0] == name })
			if i < 0 {
				// No default either.
				i = len(b.targets)
				b.targets = append(b.targets, target{path: []string{name}})
			}
			b.index[name] = i
		}
		return append(is, i)
	}
	for i := range b.targets {
		if b.targets[i].column == name {
			is = append(is, i)
		}
	}
	return is
}

// unique returns an error for a key that can't be another row's.
func (b *builder) unique(key string) error {
	if key == "" {
		return errors.New("the key is empty")
	}
	if _, twice := b.rows[key]; twice {
		return fmt.Errorf("the key %.100q is there twice", key)
	}
	b.replaced = b.replaced || strings.ContainsRune(key, utf8.RuneError)
	return nil
}

// put has the row hold value for the targets is.
func put(row [][]byte, is []int, value []byte) [][]byte {
	for _, i := range is {
		if missing := i + 1 - len(row); missing > 0 {
			row = append(row, make([][]byte, missing)...)
		}
		row[i] = value
	}
	return row
}

// csv reads RFC 4180 with a first line of names. Cells without text are missing values.
func (b *builder) csv(content []byte) error {
	r := csv.NewReader(bytes.NewReader(content))
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("it is empty: the first line should name the columns")
	} else if err != nil {
		return err
	}
	for i := range header {
		header[i] = strings.TrimSpace(header[i])
		if slices.Contains(header[:i], header[i]) {
			return fmt.Errorf("the column %q is there twice", header[i])
		}
	}
	if b.key == "" {
		b.key = header[0]
	}
	at := slices.Index(header, b.key)
	if at < 0 {
		return fmt.Errorf("there is no column %q for the key; there are %s", b.key, strings.Join(header, ", "))
	}
	leads := make([][]int, len(header))
	for i, name := range header {
		leads[i] = b.columns(name)
	}
	r.ReuseRecord = true
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		// A copy: a cell holds its whole line.
		key := string(event.AppendValid(nil, []byte(cells[at])))
		if err := b.unique(key); err != nil {
			line, _ := r.FieldPos(at)
			return fmt.Errorf("line %d: %w", line, err)
		}
		row := make([][]byte, 0, len(b.targets))
		for i, text := range cells {
			if text != "" && len(leads[i]) > 0 {
				row = put(row, leads[i], filter.AppendString(nil, text))
			}
		}
		b.rows[key] = row
	}
}

// json reads an object whose names are the keys, or an array of objects. In an object, what is no
// object itself is a row with the one column "value".
func (b *builder) json(content []byte) error {
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	start, err := d.Token()
	if err != nil {
		return fmt.Errorf("it is no JSON: %w", noEOF(err))
	}
	if start != json.Delim('{') && start != json.Delim('[') {
		return errors.New("it should be an object of rows by key, or an array of objects")
	}
	inArray := start == json.Delim('[')
	if inArray && b.key == "" {
		return errors.New("it is an array: key must name the member that holds the key")
	}
	for n := 1; d.More(); n++ {
		var name json.Token
		if !inArray {
			if name, err = d.Token(); err != nil {
				return fmt.Errorf("row %d: %w", n, noEOF(err))
			}
		}
		var row any
		if err := d.Decode(&row); err != nil {
			return fmt.Errorf("row %d: %w", n, noEOF(err))
		}
		members, isObject := row.(map[string]any)
		switch {
		case inArray && !isObject:
			return fmt.Errorf("row %d is no object", n)
		case inArray:
			err = b.object(members)
		case isObject:
			err = b.members(name.(string), members)
		default:
			err = b.members(name.(string), map[string]any{"value": row})
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("it is cut: %w", noEOF(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// noEOF keeps the end of the file from being taken for the end of the work.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ndjson reads an object on each line.
func (b *builder) ndjson(content []byte) error {
	n := 0
	for line := range bytes.Lines(content) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		var members map[string]any
		err := d.Decode(&members)
		if err == nil && d.InputOffset() != int64(len(line)) {
			err = errors.New("something follows the object")
		}
		if err == nil {
			err = b.object(members)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return nil
}

// object adds a row that has its key among its members.
func (b *builder) object(members map[string]any) error {
	switch key := members[b.key].(type) {
	case string:
		return b.members(key, members)
	case json.Number:
		return b.members(key.String(), members)
	case bool:
		return b.members(strconv.FormatBool(key), members)
	}
	return fmt.Errorf("it has no member %q with a text or number, for the key", b.key)
}

func (b *builder) members(key string, members map[string]any) error {
	if err := b.unique(key); err != nil {
		return err
	}
	var row [][]byte
	// The order of fields that are added.
	for _, name := range slices.Sorted(maps.Keys(members)) {
		v := members[name]
		to := b.columns(name)
		if v == nil || len(to) == 0 {
			continue
		}
		value, err := filter.AppendValue(nil, numbers(v))
		if err != nil {
			return fmt.Errorf("member %q: %w", name, err)
		}
		row = put(row, to, value)
	}
	b.rows[key] = row
	return nil
}

// numbers returns v with integers where numbers are whole, and floats elsewhere.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return i
		}
		if u, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return u
		}
		f, err := v.Float64()
		if err != nil || !strings.ContainsAny(v.String(), ".eE") {
			// What no type holds stays text, as wherever JSON is read.
			return v.String()
		}
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = numbers(v[name])
		}
	}
	return v
}
