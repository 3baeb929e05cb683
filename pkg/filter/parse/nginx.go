package parse

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/filter/parse/internal/timelayout"
)

// nginx reads the lines of nginx's access logs: its combined format, the same without referer and
// agent, and with up to two values after the agent. Fields are those of fluentd's parser: remote,
// host, user, method, path, code, size, referer, agent, http_x_forwarded_for, all as text, "-" where
// nginx has none. A quoted decimal number after the agent is gzip_ratio.
type nginx struct{}

func (nginx) parse(dst *fields, text []byte) error {
	l, err := readAccess(text, false)
	if err != nil {
		return err
	}
	dst.text("remote", l.words[0])
	dst.text("host", l.words[1])
	dst.text("user", l.words[2])
	dst.text(timeField, l.time)
	if len(l.method) > 0 {
		// Nginx logs "" where a client left without a request.
		dst.text("method", l.method)
	}
	if l.path != nil {
		dst.text("path", l.path)
	}
	dst.text("code", l.code)
	dst.text("size", l.size)
	if l.referer == nil {
		return nil
	}
	dst.text("referer", l.referer)
	dst.text("agent", l.agent)
	return nginxRest(dst, l.rest)
}

// nginxRest reads what follows the agent: the forwarded-for header, quoted or not, and the ratio of
// compression, quoted, in any order. What is neither, such as a request's time that somebody added, is extra.
func nginxRest(dst *fields, rest []byte) error {
	if len(rest) == 0 {
		return nil
	}
	value := bytes.TrimLeft(rest, " \t")
	if len(value) == len(rest) {
		return errAccessRest
	}
	if len(value) == 0 || value[0] != '"' {
		if bytes.IndexByte(value, '"') >= 0 {
			return errAccessRest
		}
		if isAddressList(value) {
			dst.text("http_x_forwarded_for", value)
		} else {
			dst.text("extra", value)
		}
		return nil
	}
	// fluentd takes a value whose closing quote is missing.
	value, rest, closed := bytes.Cut(value[1:], []byte{'"'})
	ratio := closed && isDecimal(value)
	switch {
	case ratio:
		dst.text("gzip_ratio", value)
	case isAddressList(value):
		dst.text("http_x_forwarded_for", value)
	default:
		dst.text("extra", value)
	}
	if len(rest) == 0 {
		return nil
	}
	second, rest, ok := quoted(rest, false)
	if !ok || len(rest) > 0 {
		return errAccessRest
	}
	switch {
	case ratio && isAddressList(second):
		dst.text("http_x_forwarded_for", second)
	case !ratio && (isDecimal(second) || string(second) == "-"):
		dst.text("gzip_ratio", second)
	default:
		return errAccessRest
	}
	return nil
}

// isAddressList reports whether b is what proxies write into X-Forwarded-For: addresses with commas between them, each
// with or without a port, or words that stand for one (RFC 7239, section 6): unknown, _hidden; nginx's "-"; nothing.
func isAddressList(b []byte) bool {
	for more := true; more; {
		var one []byte
		one, b, more = bytes.Cut(b, []byte{','})
		one = bytes.TrimSpace(one)
		if len(one) == 0 || one[0] == '_' || string(one) == "-" || string(one) == "unknown" || isIPv4(one) {
			continue
		}
		if bytes.Count(one, []byte{':'}) < 2 {
			// nor is it an IPv6 address.
			return false
		}
		text := string(one)
		if _, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
			continue
		}
		if _, err := netip.ParseAddrPort(text); err != nil {
			return false
		}
	}
	return true
}

// isIPv4 reports whether b is four numbers with points between them, and possibly a port.
func isIPv4(b []byte) bool {
	host, port, hasPort := bytes.Cut(b, []byte{':'})
	if hasPort && !isDigits(port) {
		return false
	}
	for i := range 4 {
		number, rest, more := bytes.Cut(host, []byte{'.'})
		if len(number) > 3 || !isDigits(number) || more != (i < 3) {
			return false
		}
		host = rest
	}
	return true
}

// isDecimal reports whether b is digits, a point and digits: how nginx writes a ratio, and no address.
func isDecimal(b []byte) bool {
	_, point := timelayout.LeadingInt(b)
	if point == 0 || point == len(b) || b[point] != '.' {
		return false
	}
	_, digits := timelayout.LeadingInt(b[point+1:])
	return digits > 0 && point+1+digits == len(b)
}
