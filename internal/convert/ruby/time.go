package ruby

import (
	"strconv"
	"strings"
)

// onTime is a method of a time.
func onTime(n node, method string, args []node) (node, error) {
	switch method {
	case "strftime":
		if format, err := strconv.Unquote(first(args)); err == nil && len(args) == 1 {
			return node{
				code: "strftime(" + n.code + ", " + strconv.Quote(Strftime(format)) + ")", sort: textual, whole: true,
			}, nil
		}
	case "utc", "getutc", "gmtime", "to_time", "localtime":
		return n, nil
	case "to_i":
		return node{code: n.code + ".Unix()", sort: numeric, whole: true, integer: true}, nil
	case "to_f":
		return node{code: n.code + ".UnixMilli() / 1000.0", sort: numeric}, nil
	case "to_r":
		return node{code: n.code + ".UnixMilli() / 1000.0", sort: numeric}, nil
	case "iso8601", "xmlschema":
		format := "%Y-%m-%dT%H:%M:%SZ"
		if len(args) == 1 && args[0].code != "0" {
			format = Strftime("%Y-%m-%dT%H:%M:%S.%" + args[0].code + "NZ")
		}
		return node{code: "strftime(" + n.code + ", " + strconv.Quote(format) + ")", sort: textual, whole: true}, nil
	case "to_s":
		return node{code: "strftime(" + n.code + `, "%Y-%m-%d %H:%M:%S +0000")`, sort: textual, whole: true}, nil
	case "year", "month", "day", "hour", "min", "sec", "nsec":
		goName := map[string]string{
			"year": "Year", "month": "Month", "day": "Day", "hour": "Hour", "min": "Minute",
			"sec": "Second", "nsec": "Nanosecond",
		}[method]
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
