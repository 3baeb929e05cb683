package ruby

import "strconv"

// onTime is a method of a time.
func onTime(n node, method string, args []node) (node, error) {
	switch method {
	case "strftime":
		if len(args) == 1 {
			return node{code: "strftime(" + n.code + ", " + args[0].code + ")", sort: textual, whole: true}, nil
		}
	case "utc", "getutc", "gmtime", "to_time", "localtime":
		return n, nil
	case "to_i":
		return node{code: n.code + ".Unix()", sort: numeric, whole: true}, nil
	case "to_f":
		return node{code: n.code + ".UnixMilli() / 1000.0", sort: numeric}, nil
	case "to_r":
		return node{code: n.code + ".UnixMilli() / 1000.0", sort: numeric}, nil
	case "iso8601", "xmlschema":
		format := "%Y-%m-%dT%H:%M:%SZ"
		if len(args) == 1 && args[0].code != "0" {
			format = "%Y-%m-%dT%H:%M:%S.%" + args[0].code + "NZ"
		}
		return node{code: "strftime(" + n.code + ", " + strconv.Quote(format) + ")", sort: textual, whole: true}, nil
	case "to_s":
		return node{code: "strftime(" + n.code + `, "%Y-%m-%d %H:%M:%S +0000")`, sort: textual, whole: true}, nil
	case "year", "month", "day", "hour", "min", "sec", "nsec":
		goName := map[string]string{
			"year": "Year", "month": "Month", "day": "Day", "hour": "Hour", "min": "Minute",
			"sec": "Second", "nsec": "Nanosecond",
		}[method]
		return node{code: n.code + "." + goName + "()", sort: numeric, whole: true}, nil
	}
	return node{}, unknown("the method %s of a time", method)
}
