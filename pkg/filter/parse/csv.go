package parse

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// CSV says what stands in the columns of a line.
type CSV struct {
	Columns   []string `yaml:"columns"`
	Delimiter string   `yaml:"delimiter" help:"between columns, one character; empty: a comma"`
}

// Help implements setting.Explained.
func (CSV) Help() map[string]string {
	return map[string]string{
		"columns": "the fields that the columns become, in order; an empty name leaves its column out",
	}
}

// The reasons why a text is no line of CSV.
const (
	errCSV        = reason("not a line of CSV: a quote is not closed, or stands within a column without quotes")
	errCSVColumns = reason("the line has not as many columns as csv.columns has names")
	errCSVLines   = reason("there is more than one line")
)

// csvFormat reads a line of CSV (RFC 4180) with a name for each column.
type csvFormat struct {
	columns   []string
	delimiter rune
	text      bytes.Reader
	// buffer has the text, as large as csv.Reader wants it.
	buffer *bufio.Reader
}

func newCSV(cfg CSV) (*csvFormat, error) {
	if len(cfg.Columns) == 0 {
		return nil, &settingError{"csv.columns", errors.New("format csv needs the names of the columns")}
	}
	for i, name := range cfg.Columns {
		if name != "" && slices.Contains(cfg.Columns[:i], name) {
			return nil, &settingError{
				"csv.columns", fmt.Errorf("two columns have the name %q, and one would be lost", name),
			}
		}
	}
	cfg.Delimiter = cmp.Or(cfg.Delimiter, ",")
	delimiter, n := utf8.DecodeRuneInString(cfg.Delimiter)
	if n != len(cfg.Delimiter) || delimiter == utf8.RuneError || delimiter == '"' || delimiter == '\r' ||
		delimiter == '\n' {
		return nil, &settingError{
			"csv.delimiter", fmt.Errorf("%q is not one character that can stand between columns", cfg.Delimiter),
		}
	}
	return &csvFormat{columns: cfg.Columns, delimiter: delimiter, buffer: bufio.NewReader(nil)}, nil
}

func (f *csvFormat) parse(dst *fields, text []byte) error {
	f.text.Reset(text)
	f.buffer.Reset(&f.text)
	r := csv.NewReader(f.buffer)
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = f.delimiter, -1, true
	record, err := r.Read()
	switch {
	case errors.Is(err, io.EOF):
		// Nothing stands in the line.
		return errCSVColumns
	case err != nil:
		return errCSV
	case len(record) != len(f.columns):
		return errCSVColumns
	}
	for i, name := range f.columns {
		if name != "" {
			dst.text(name, []byte(record[i]))
		}
	}
	if r.InputOffset() < int64(len(text)) {
		return errCSVLines
	}
	return nil
}
