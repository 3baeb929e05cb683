package parse

import (
	"bytes"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/filter/parse/internal/timelayout"
)

// The reasons why a text is not syslog.
const (
	errSyslogTime   = reason("no time of syslog's at the start")
	errSyslogHost   = reason("no host after the time")
	errSyslogHeader = reason("host, ident, pid or msgid is missing")
	errSyslogData   = reason("the structured data is missing or not closed")
)

// Syslog says how syslog is read.
type Syslog struct {
	Protocol       string `yaml:"protocol" default:"auto" enum:"auto|rfc3164|rfc5424"`
	StructuredData bool   `yaml:"structured_data" default:"false"`
}

// Help implements setting.Explained.
func (Syslog) Help() map[string]string {
	return map[string]string{
		"protocol":        "auto: RFC 5424 where a version follows the priority",
		"structured_data": "RFC 5424's structured data also become maps, in the field structured_data",
	}
}

const (
	protocolRFC3164 = "rfc3164"
	protocolRFC5424 = "rfc5424"
)

// syslog reads the messages of RFC 5424, and of RFC 3164 as they are in the wild. Fields are those
// of fluentd's parser: pri (an integer, where there is one), host, ident, pid, and message; for RFC
// 5424 also msgid and extradata, with "-" where there is none.
type syslog struct {
	protocol string
	// elements says that structured data also become maps.
	elements bool
	// zone is that of times that name none.
	zone *time.Location
	// words is how many the time has, where the settings say how it is written; 0: as the RFCs do.
	words int
}

func newSyslog(cfg Config) (*syslog, error) {
	zone, err := timelayout.NewZone(cfg.Time.Zone)
	if err != nil {
		return nil, &settingError{"time.zone", err}
	}
	f := &syslog{protocol: cfg.Syslog.Protocol, elements: cfg.Syslog.StructuredData, zone: zone}
	if len(cfg.Time.Format) > 0 {
		f.words = len(strings.Fields(cfg.Time.Format[0]))
	}
	return f, nil
}

func (f *syslog) parse(dst *fields, text []byte) error {
	pri, text := cutPriority(text)
	version, rest := cutVersion(text)
	if pri >= 0 {
		dst.integer("pri", pri)
	}
	switch {
	case f.protocol == protocolRFC3164:
		return f.parse3164(dst, text)
	case f.protocol == protocolRFC5424:
		return f.parse5424(dst, rest)
	case pri >= 0 && version:
		return f.parse5424(dst, rest)
	}
	return f.parse3164(dst, text)
}

// cutPriority cuts <n> from the start of text, of one to three digits; pri is -1 without.
func cutPriority(text []byte) (pri int64, rest []byte) {
	if len(text) == 0 || text[0] != '<' {
		return -1, text
	}
	pri, n := timelayout.LeadingInt(text[1:min(len(text), 4)])
	if n == 0 || n+1 == len(text) || text[n+1] != '>' {
		return -1, text
	}
	return pri, text[n+2:]
}

// cutVersion cuts RFC 5424's version, of one to three digits, and the space after it.
func cutVersion(text []byte) (ok bool, rest []byte) {
	_, n := timelayout.LeadingInt(text[:min(len(text), 3)])
	if n == 0 || n == len(text) || text[0] == '0' || text[n] != ' ' {
		return false, text
	}
	return true, text[n+1:]
}

// parse5424 reads what follows the version (RFC 5424, section 6). Lengths are not held to its limits.
func (f *syslog) parse5424(dst *fields, text []byte) error {
	text, err := f.header(dst, text, false)
	if err != nil {
		return err
	}
	for _, key := range [...]string{"host", "ident", "pid", "msgid"} {
		n := bytes.IndexByte(text, ' ')
		if n < 1 {
			return errSyslogHeader
		}
		dst.text(key, text[:n])
		text = text[n+1:]
	}
	n := structuredData(text)
	if n == 0 {
		return errSyslogData
	}
	dst.text("extradata", text[:n])
	if f.elements && text[0] == '[' {
		dst.key("structured_data")
		dst.pairs = appendElements(dst.pairs, text[:n])
	}
	if text = text[n:]; len(text) > 0 {
		// The mark that the message is UTF-8 is no part of it (section 6.4).
		dst.text("message", bytes.TrimPrefix(text[1:], []byte("\xef\xbb\xbf")))
	}
	return nil
}

// parse3164 reads what follows the priority: time, host, ident[pid]: message (RFC 3164, section 4).
// The RFC describes what was seen, so each part but the time may be missing or look otherwise; a
// first word without a colon is the ident, as fluentd has it.
func (f *syslog) parse3164(dst *fields, text []byte) error {
	text, err := f.header(dst, text, true)
	if err != nil {
		return err
	}
	n := bytes.IndexByte(text, ' ')
	if n < 0 {
		return errSyslogHost
	}
	if !isTag(text[:n]) {
		// Local messages have no host.
		dst.text("host", text[:n])
		text = text[n+1:]
	}
	ident, pid, message := splitTag(text)
	if ident != nil {
		dst.text("ident", ident)
	}
	if pid != nil {
		dst.text("pid", pid)
	}
	dst.text("message", message)
	return nil
}

// isTag reports whether word is an ident with its colon, and no IPv6 address.
func isTag(word []byte) bool {
	return bytes.IndexByte(word, ':') == len(word)-1 && len(word) > 1
}

// splitTag splits "ident[pid]: message", whose pid, colon or space may be missing. One word without
// a colon is a message.
func splitTag(text []byte) (ident, pid, message []byte) {
	word, rest, more := bytes.Cut(text, []byte{' '})
	if open := bytes.IndexByte(word, '['); open > 0 {
		inner, after, ok := bytes.Cut(word[open+1:], []byte{']'})
		if ok && len(inner) > 0 && (len(after) == 0 || after[0] == ':') {
			if len(after) > 0 {
				rest = text[len(word)-len(after)+1:]
			}
			return word[:open], inner, trimSpaces(rest)
		}
	}
	colon := bytes.IndexByte(word, ':')
	if colon > 0 && word[len(word)-1] == ':' {
		// Perl::Module:
		colon = len(word) - 1
	}
	switch {
	case colon == 0 && len(word) == 1:
		// Firewalls of Cisco have no ident.
		return nil, nil, trimSpaces(rest)
	case colon > 0:
		return word[:colon], nil, trimSpaces(text[colon+1:])
	case colon < 0 && more && len(word) > 0:
		return word, nil, trimSpaces(rest)
	}
	return nil, nil, text
}

func trimSpaces(text []byte) []byte {
	for len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	return text
}
