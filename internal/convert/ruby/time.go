package ruby

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// onTime is a method of a time.
func onTime(n node, method string, args []node) (node, error) {
	switch method {
	case "strftime":
		if format, err := strconv.Unquote(first(args)); err == nil && len(args) == 1 {
			return formatted(n, format)
		}
	case "utc", "getutc", "gmtime":
		n.zone = ""
		return n, nil
	case "localtime", "getlocal":
		if len(args) == 0 {
			return n, nil
		}
		zone, err := strconv.Unquote(first(args))
		if n.zone = zone; err == nil && zone != "" {
			return n, nil
		}
	case "to_time":
		return n, nil
	case "to_i":
		return node{code: n.code + ".Unix()", sort: numeric, whole: true, integer: true}, nil
	case "to_f":
		return node{code: n.code + ".UnixMilli() / 1000.0", sort: numeric}, nil
	case "to_r":
		return node{code: n.code + ".UnixMilli() / 1000.0", sort: numeric}, nil
	case "iso8601", "xmlschema":
		format := "%Y-%m-%dT%H:%M:%S"
		if len(args) == 1 && args[0].code != "0" {
			format += ".%" + args[0].code + "N"
		}
		if n.zone == "" {
			return formatted(n, format+"Z")
		}
		return formatted(n, format+"%:z")
	case "to_s":
		return formatted(n, "%Y-%m-%d %H:%M:%S %z")
	case "year", "month", "day", "hour", "min", "sec", "nsec":
		goName := map[string]string{
			"year": "Year", "month": "Month", "day": "Day", "hour": "Hour", "min": "Minute",
			"sec": "Second", "nsec": "Nanosecond",
		}[method]
		if n.zone != "" {
			return node{}, unknown("the %s of a time in a zone", method)
		}
		return node{code: n.code + "." + goName + "()", sort: numeric, whole: true, integer: true}, nil
	}
	return node{}, unknown("the method %s of a time", method)
}

// first is the code of the first argument, "" where there is none.
func first(args []node) string {
	if len(args) == 0 {
		return ""
	}
	return args[0].code
}

// formatted is a time as text.
func formatted(n node, format string) (node, error) {
	code, err := Formatted(n.code, format, n.zone)
	return node{code: code, sort: textual, whole: !strings.Contains(code, " + ")}, err
}

// Formatted writes, as an expression, the time that code is as text of Ruby's strftime; zone is "" for UTC, an offset
// such as +09:00, or a name such as Asia/Seoul.
func Formatted(code, format, zone string) (string, error) {
	name, offset, err := Zone(zone)
	if err != nil {
		return "", err
	}
	if strings.Contains(format, "%:z") && offset == "" {
		return "", unknown("%%:z of %s, whose time changes in summer", zone)
	}
	format = strings.ReplaceAll(format, "%:z", offset)
	end := ")"
	if name != "" {
		end = ", " + strconv.Quote(name) + ")"
	}
	var parts []string
	for i, part := range strings.Split(format, "%6N") {
		if i > 0 {
			parts = append(parts, "strftime("+code+`, "%N")[:6]`)
		}
		if part != "" {
			parts = append(parts, "strftime("+code+", "+strconv.Quote(Strftime(part))+end)
		}
	}
	return strings.Join(parts, " + "), nil
}

// Zone reads a time zone, a name or an offset from UTC, as a name that the aggregator's strftime knows, "" for UTC, and
// an offset, "" where it is not always the same.
func Zone(text string) (name, offset string, err error) {
	if m := regexp.MustCompile(`^([+-])(\d\d):?(\d\d)?$`).FindStringSubmatch(text); m != nil {
		hours, minutes := strings.TrimPrefix(m[2], "0"), m[3]
		offset = m[1] + m[2] + ":" + minutes
		switch minutes {
		case "", "00":
			offset = m[1] + m[2] + ":00"
			if hours == "0" {
				return "", offset, nil
			}
			// The signs of these names are the other way round.
			name = "Etc/GMT" + map[string]string{"+": "-", "-": "+"}[m[1]] + hours
		default:
			name = map[string]string{
				"+03:30": "Asia/Tehran", "+04:30": "Asia/Kabul", "+05:30": "Asia/Kolkata", "+05:45": "Asia/Kathmandu",
				"+06:30": "Asia/Yangon", "+08:45": "Australia/Eucla", "+09:30": "Australia/Darwin",
			}[offset]
		}
		text = name
	}
	switch text {
	case "UTC", "Z", "Etc/UTC", "GMT", "":
		if offset == "" || name != "" {
			return "", "+00:00", nil
		}
		return "", "", unknown("the time zone %s", offset)
	}
	zone, err := time.LoadLocation(text)
	if err != nil {
		return "", "", unknown("the time zone %s", text)
	}
	winter, summer := time.Date(2026, 1, 1, 0, 0, 0, 0, zone), time.Date(2026, 7, 1, 0, 0, 0, 0, zone)
	if one, other := winter.Format("-07:00"), summer.Format("-07:00"); one == other {
		offset = one
	}
	return text, offset, nil
}

// Strftime writes a format of Ruby's with what the aggregator's strftime knows; times are in UTC.
func Strftime(format string) string {
	return strings.NewReplacer(
		"%%", "%%", "%3N", "%L", "%6N", "%N", "%9N", "%N", "%:z", "+00:00", "%-d", "%d", "%-m", "%m", "%-H", "%H",
		"%-I", "%I",
		"%R", "%H:%M", "%X", "%H:%M:%S", "%D", "%m/%d/%y", "%iso8601", "%Y-%m-%dT%H:%M:%S%z", "%h", "%b", "%P", "%p",
	).Replace(format)
}

// Strptime writes a format of Ruby's for reading times with what the aggregator's parse knows.
func Strptime(format string) string {
	return strings.NewReplacer(
		"%%", "%%", "%3N", "%N", "%6N", "%N", "%9N", "%N", "%3L", "%L", "%:z", "%z", "%-d", "%d", "%-m", "%m", "%-H",
		"%H", "%-I", "%I",
		"%X", "%H:%M:%S", "%iso8601", "%Y-%m-%dT%H:%M:%S%z",
	).Replace(format)
}
