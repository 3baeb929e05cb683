package parse

// apache2 reads the lines of Apache's access logs, common and combined. Fields are those of
// fluentd's parser: host, user, method, path, code, size, referer, agent; nil where Apache has "-" or
// the line ends before, code and size as integers. Escapes stay as Apache wrote them.
type apache2 struct{}

func (apache2) parse(dst *fields, text []byte) error {
	l, err := readAccess(text, true)
	if err != nil {
		return err
	}
	if len(l.rest) > 0 {
		return errAccessRest
	}
	textOrNil(dst, "host", l.words[0])
	textOrNil(dst, "user", l.words[2])
	dst.text(timeField, l.time)
	textOrNil(dst, "method", l.method)
	textOrNil(dst, "path", l.path)
	if err := numberOrNil(dst, "code", l.code); err != nil {
		return err
	}
	if err := numberOrNil(dst, "size", l.size); err != nil {
		return err
	}
	textOrNil(dst, "referer", l.referer)
	textOrNil(dst, "agent", l.agent)
	return nil
}

// textOrNil adds value, or nil for "-" and where there is none.
func textOrNil(dst *fields, key string, value []byte) {
	if value == nil || string(value) == "-" {
		dst.null(key)
		return
	}
	dst.text(key, value)
}

// numberOrNil adds the integer that value holds, or nil for "-".
func numberOrNil(dst *fields, key string, value []byte) error {
	if string(value) == "-" {
		dst.null(key)
		return nil
	}
	n, ok := parseInt(value)
	if !ok {
		return errAccessNumber
	}
	dst.integer(key, n)
	return nil
}
