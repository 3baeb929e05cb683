package parse

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// Lines of CSV as spreadsheets and programs write them.
func TestCSV(t *testing.T) {
	runLines(t, Config{Format: "csv", CSV: CSV{Columns: []string{"a", "b", "c"}}}, []lineTest{
		{"plain", "1,2,3", `{"a":"1","b":"2","c":"3"}`, ""},
		{"Windows' line end", "1,2,3\r\n", `{"a":"1","b":"2","c":"3"}`, ""},
		{"empty columns", ",,", `{"a":"","b":"","c":""}`, ""},
		{"blanks stay", " 1, 2 ,3 ", `{"a":" 1","b":" 2 ","c":"3 "}`, ""},
		{"a comma in quotes", `1,"x,y",3`, `{"a":"1","b":"x,y","c":"3"}`, ""},
		{"a quote in quotes", `1,"x""y",3`, `{"a":"1","b":"x\"y","c":"3"}`, ""},
		{"lines in quotes", "1,\"x\ny\",3", `{"a":"1","b":"x\ny","c":"3"}`, ""},
		{"another alphabet", "서울,北京,Київ", `{"a":"서울","b":"北京","c":"Київ"}`, ""},
		{"not UTF-8", "caf\xe9,2,3", "{\"a\":\"caf\ufffd\",\"b\":\"2\",\"c\":\"3\"}", ""},
		{"nothing", "", errCSVColumns.Error(), ""},
		{"too few", "1,2", errCSVColumns.Error(), ""},
		{"too many", "1,2,3,4", errCSVColumns.Error(), ""},
		{"another delimiter", "1;2;3", errCSVColumns.Error(), ""},
		{"two lines", "1,2,3\n4,5,6", errCSVLines.Error(), ""},
		{"a quote within", `1,x"y,3`, errCSV.Error(), ""},
		{"a quote behind a blank", `1, "x",3`, errCSV.Error(), ""},
		{"a quote that is not closed", `1,"x,3`, errCSV.Error(), ""},
	})
	runLines(t, Config{Format: "csv", CSV: CSV{Columns: []string{"", "time", ""}, Delimiter: "\t"}}, []lineTest{
		{"columns left out", "x\t2026-03-01T09:15:02Z\ty", `{}`, "2026-03-01T09:15:02Z"},
		{"a comma is no delimiter then", "x,\t1700000000\t,", `{}`, "2023-11-14T22:13:20Z"},
	})
	runLines(t, Config{Format: "csv", CSV: CSV{Columns: []string{"a", "b"}, Delimiter: "│"}}, []lineTest{
		{"a delimiter of several bytes", "x│y", `{"a":"x","b":"y"}`, ""},
	})
}

// Columns and delimiters that can't work are told with the setting.
func TestCSV_Check(t *testing.T) {
	for _, tc := range []struct {
		name string
		csv  CSV
		want string
	}{
		{"no columns", CSV{}, "csv.columns: format csv needs the names of the columns"},
		{"a name twice", CSV{Columns: []string{"a", "b", "a"}}, `csv.columns: two columns have the name "a"`},
		{"several left out", CSV{Columns: []string{"", "a", ""}}, ""},
		{"two characters", CSV{Columns: []string{"a"}, Delimiter: "||"}, `csv.delimiter: "||" is not one character`},
		{"a quote", CSV{Columns: []string{"a"}, Delimiter: `"`}, `csv.delimiter: "\"" is not one character`},
		{"a line feed", CSV{Columns: []string{"a"}, Delimiter: "\n"}, `csv.delimiter: "\n" is not one character`},
		{
			"half a character",
			CSV{Columns: []string{"a"}, Delimiter: "\xe9"},
			`csv.delimiter: "\xe9" is not one character`,
		},
	} {
		c := with(func(c *Config) { c.Format, c.CSV = "csv", tc.csv })
		var r setting.Report
		c.Check(&r)
		got := ""
		if len(r.Problems) > 0 {
			got = r.Problems[0].Key + ": " + r.Problems[0].Reason
		}
		if (got == "") != (tc.want == "") || !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
