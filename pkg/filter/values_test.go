package filter

import "testing"

// valued is an expression, and what becomes of its value in a record; or why it has none.
type valued struct{ text, want string }

// valuesRecord has a field of each type that expressions treat in a way of their own.
const valuesRecord = `{"text":"text","line":"line\n","word":"한글","empty":"","list":"a,b,c","int":7,"float":-2.5,` +
	`"true":true,"false":false,"null":null,"map":{"a":1,"deep":{"x":"y"}},"array":[1,2,3],"mixed":[1,"a",null,2.5]}`

// valueOf returns an expression's value as JSON; of one that has none, what is said of it, and when: by check, or of an
// event. What is remembered of an event must not change the value for the next one that is alike.
func valueOf(t *testing.T, text string) (first string) {
	t.Helper()
	x, err := NewExpression(text)
	if err != nil {
		return "check: " + err.Error()
	}
	for _, time := range []string{"first", "second"} {
		var got string
		if value, err := x.Append(nil, newEvent(t, valuesRecord)); err != nil {
			got = "event: " + err.Error()
		} else {
			got = show(t, value)
		}
		switch {
		case time == "first":
			first = got
		case got != first:
			t.Errorf("%s: %s of the first event, %s of the second", text, first, got)
		}
	}
	return first
}

// haveValues checks what expressions make of the record.
func haveValues(t *testing.T, table []valued) {
	t.Helper()
	for _, tc := range table {
		if got := valueOf(t, tc.text); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.text, got, tc.want)
		}
	}
}
