package filter

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
)

func TestNumbersAreExact(t *testing.T) {
	const record = `{"id":9007199254740993,"max":9223372036854775807,"min":-9223372036854775808,` +
		`"big":18446744073709551615,` +
		`"over":9223372036854775808,"f":1.5,"n":5,"digits":"18446744073709551615","list":[9223372036854775807,-1],` +
		`"body":"\ufeff{\"id\":9007199254740993,\"u\":18446744073709551615,\"more\":18446744073709551616,\"f\":0.5}"}`
	for text, want := range map[string]string{
		`record.big > 0`:                      "true",
		`record.big > record.max`:             "true",
		`record.min < record.big`:             "true",
		`record.big >= record.big`:            "true",
		`record.big == -1`:                    "false",
		`record.big != -1`:                    "true",
		`-1 in [record.big]`:                  "false",
		`record.big in [-1, 1]`:               "false",
		`record.max in record.list`:           "true",
		`record.n in 1..9`:                    "true",
		`record.id == 9007199254740992.0`:     "false",
		`record.id > 9007199254740992.0`:      "true",
		`record.big < 1e30`:                   "true",
		`record.f < record.n`:                 "true",
		`record.f > record.n`:                 "false",
		`record.n == 5.0`:                     "true",
		`record.max + 1`:                      "9223372036854775808",
		`record.big - record.max`:             "9223372036854775808",
		`record.over - 9223372036854775808.0`: "0.0",
		`record.min + record.big`:             "9223372036854775807",
		`record.max - record.big`:             "-9223372036854775808",
		`-record.over`:                        "-9223372036854775808",
		`-record.min`:                         "9223372036854775808",
		`record.big % 10`:                     "5",
		`-7 % record.n`:                       "-2",
		`record.n * record.f`:                 "7.5",
		`record.n / 2`:                        "2.5",
		`abs(record.min)`:                     "9223372036854775808",
		`max(record.n, record.big, [7])`:      "18446744073709551615",
		`min(record.list)`:                    "-1",
		`sum(record.list)`:                    "9223372036854775806",
		`sum([record.max, 1])`:                "9223372036854775808",
		`sum(record.list, # - 1)`:             "9223372036854775804",
		`int(record.digits)`:                  "18446744073709551615",
		`int(-2.9)`:                           "-2",
		`string(record.big)`:                  `"18446744073709551615"`,
		`fromJSON(record.body).id`:            "9007199254740993",
		`fromJSON(record.body).u`:             "18446744073709551615",
		`fromJSON(record.body).more`:          `"18446744073709551616"`,
		`fromJSON(record.body)`: `{"f":0.5,"id":9007199254740993,` +
			`"more":"18446744073709551616","u":18446744073709551615}`,
		`"order-" + string(fromJSON("12345678"))`:        `"order-12345678"`,
		`fromJSON("18446744073709551615") == record.big`: "true",

		`9223372036854775807 + 1`:        "9223372036854775808",
		`-9223372036854775807 - 1`:       "-9223372036854775808",
		`-9223372036854775807 - 2`:       "the result does not fit into 64 bits",
		`record.list[record.big]`:        "no list or text is so long",
		`get(record.list, record.big)`:   "no list or text is so long",
		`record.digits[:record.over]`:    "no list or text is so long",
		`record.list[record.n - 4]`:      "-1",
		`record[record.digits]`:          "null",
		`record.big < "a"`:               "< is not for an integer and a text",
		`not record.n`:                   "an integer where a truth value is wanted",
		`record.n matches "5"`:           "an integer where a text is wanted",
		`upper(record.list)`:             "a list where a text is wanted",
		`map(record.n, #)`:               "an integer is no list or map",
		`-record.digits`:                 "a text can't be calculated with",
		`record.max * 1000`:              "the result does not fit into 64 bits",
		`record.big + 1`:                 "the result does not fit into 64 bits",
		`record.min - 1`:                 "the result does not fit into 64 bits",
		`-record.big`:                    "the result does not fit into 64 bits",
		`sum([record.big, 1])`:           "the result does not fit into 64 bits",
		`record.n % 0`:                   "there is no remainder of a division by zero",
		`int(1e300)`:                     "a number does not fit into 64 bits",
		`int("1e3")`:                     "a text is no integer of 64 bits",
		`float("x")`:                     "float can't read what it is given",
		`duration(record.digits)`:        "duration can't read what it is given",
		`date(record.digits)`:            "date can't read what it is given",
		`string(duration("90m"))`:        `"1h30m0s"`,
		`float("0.5")`:                   "0.5",
		`date("2026-03-01").Year()`:      "2026",
		`record.none > 5`:                "an integer and nil can't be compared",
		`record.list <= record.body`:     "a list and a text can't be compared",
		`record.list - 1`:                "a list and an integer can't be calculated with",
		`record.digits + 1`:              "a text and an integer can't be added",
		`fromJSON(record.n)`:             "an integer is no text of JSON",
		`int(record.none)`:               "is no number",
		`fromJSON(record.body).more + 1`: "can't be added",
		`fromJSON("{")`:                  "the JSON is cut off",
		`fromJSON("{]")`:                 "not valid JSON",
	} {
		x, err := NewExpression(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		e := newEvent(t, record)
		e.Set(AppendUint(nil, 18446744073709551615), "big")
		e.Set(AppendUint(nil, 9223372036854775808), "over")
		got, err := x.Append(nil, e)
		shown := ""
		if err == nil {
			shown = show(t, got)
		}
		if shown != want && (err == nil || !strings.Contains(err.Error(), want) || want == "") {
			t.Errorf("%s: %s, %v, want %s", text, shown, err, want)
		}
	}
}

func TestExpressionMistakes(t *testing.T) {
	for text, want := range map[string]string{
		`time.In(timezone("Asia/Seoul")).Hour()`: "column 9: unknown name timezone; known are cluster, tag",
		`time.After(date(rekord.deadline))`:      "column 17: unknown name rekord",
		`time.Format(rekord.layout)`:             "unknown name rekord",
		`now().Sub(nosuch).Hours()`:              "unknown name nosuch",
		`map(record.list, time.Format(what))`:    "unknown name what",
		`$env`:                                   "unknown name $env",
		`record.message.contains("x")`:           `a field has no method contains: write record.message contains "…"`,
		`record.a["b c"].trim()`:                 "a field has no method trim: write a function, such as len(record.a",
		`9223372036854775807 * 1000`:             "the result does not fit into 64 bits",
		`record.id == 18446744073709551615`:      `can't be written as such (write fromJSON("18446744073709551615"))`,
		`base64(lower(record.a))`:                "base64 is of a field's bytes",
		`record.message matches record.pattern`:  "a regular expression is written in quotes",
		`let a = 1; a + b`:                       "unknown name b",
		`sortBy(record.list, #)`:                 "unknown name sortBy",
		`reduce(record.list, [#acc, #acc])`:      "unknown name reduce",
		`0xffffffffffffffff`:                     "value out of range",
		`record.n % 1.5`:                         "mismatched types any value and a float",
	} {
		_, err := NewExpression(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\x00\ufffd{") ||
			strings.Contains(err.Error(), "strconv") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if _, err := NewExpression(`let a = 1; map(record.list, # + a)`); err != nil {
		t.Error(err)
	}
}

func TestTextIsText(t *testing.T) {
	for text, want := range map[string]string{
		`record.log matches "^ERROR .* closed$"`:     "true",
		`record.log matches "\ufffd"`:                "true",
		`lower(record.log) matches "closed$"`:        "true",
		`record.log contains "caf\ufffd"`:            "true",
		`record.log == "ERROR caf\ufffd closed\r\n"`: "true",
		`record.log`:                    "\"ERROR caf\ufffd closed\\r\\n\"",
		`len(record.log)`:               "19",
		`toJSON(record)`:                "\"{\\\"log\\\":\\\"ERROR caf\ufffd closed\\\\r\\\\n\\\"}\"",
		`base64(record.log)`:            `"RVJST1IgY2Fm6SBjbG9zZWQNCg=="`,
		`base64(record.none) ?? "none"`: `"none"`,
	} {
		x, err := NewExpression(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		const line = "ERROR caf\xe9 closed\r\n"
		for kind, value := range map[string][]byte{
			"str": AppendString(nil, line), "bin": append([]byte{0xc4, byte(len(line))}, line...),
		} {
			e := newEvent(t, `{}`)
			e.Set(value, "log")
			got, err := x.Append(nil, e)
			if err != nil || show(t, got) != want {
				t.Errorf("%s, %s: %s, %v, want %s", text, kind, got, err, want)
			}
		}
	}
}

// FuzzNumbers holds that what is calculated and compared is what package big has, or an error where that
// does not fit.
func FuzzNumbers(f *testing.F) {
	f.Add(int64(math.MaxInt64), uint64(math.MaxUint64), false, true)
	f.Add(int64(math.MinInt64), uint64(1), true, false)
	f.Add(int64(-7), uint64(5), true, true)
	f.Fuzz(func(t *testing.T, i int64, u uint64, swapped, negated bool) {
		var a, b any = int(i), u
		x, y := big.NewInt(i), new(big.Int).SetUint64(u)
		if negated && u <= math.MaxInt64 {
			b = -int(u)
			y.Neg(y)
		}
		if swapped {
			a, b, x, y = b, a, y, x
		}
		least, most := big.NewInt(math.MinInt64), new(big.Int).SetUint64(math.MaxUint64)
		for operator, want := range map[string]*big.Int{
			"+": new(big.Int).Add(x, y), "-": new(big.Int).Sub(x, y), "*": new(big.Int).Mul(x, y), "%": nil,
		} {
			if operator == "%" {
				if y.Sign() == 0 {
					continue
				}
				want = new(big.Int).Rem(x, y)
			}
			fits := want.Cmp(least) >= 0 && want.Cmp(most) <= 0
			got, err := func() (got any, err error) {
				defer func() { err, _ = recover().(error) }()
				return arithmetic()[operator](a, b), nil
			}()
			if fits != (err == nil) || fits && fmt.Sprint(got) != want.String() {
				t.Errorf("%v %s %v: %v, %v, want %s", a, operator, b, got, err, want)
			}
		}
		order := x.Cmp(y)
		for operator, want := range map[string]bool{
			"==": order == 0, "!=": order != 0, "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0,
		} {
			if got := comparisons()[operator](a, b); got != want {
				t.Errorf("%v %s %v: %v", a, operator, b, got)
			}
		}
	})
}
