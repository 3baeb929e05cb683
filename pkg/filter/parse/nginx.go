package parse

import "bytes"

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
	if len(l.method) > 0 { // nginx logs "" where a client left without a request
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
// compression, quoted, in any order.
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
		dst.text("http_x_forwarded_for", value)
		return nil
	}
	// fluentd takes a value whose closing quote is missing.
	value, rest, closed := bytes.Cut(value[1:], []byte{'"'})
	if closed && isDecimal(value) {
		dst.text("gzip_ratio", value)
	} else {
		dst.text("http_x_forwarded_for", value)
	}
	if len(rest) == 0 {
		return nil
	}
	second, rest, ok := quoted(rest, false)
	if !ok || len(rest) > 0 {
		return errAccessRest
	}
	if isDecimal(value) {
		dst.text("http_x_forwarded_for", second)
	} else {
		dst.text("gzip_ratio", second)
	}
	return nil
}

// isDecimal says whether b is digits, a point and digits: how nginx writes a ratio, and no address.
func isDecimal(b []byte) bool {
	_, point := leadingInt(b)
	if point == 0 || point == len(b) || b[point] != '.' {
		return false
	}
	_, digits := leadingInt(b[point+1:])
	return digits > 0 && point+1+digits == len(b)
}
