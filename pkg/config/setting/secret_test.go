package setting

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v3"
)

const hidden = "hunter2-and-more"

// holder has a secret in every place that printers treat differently.
type holder struct {
	Exported Secret
	private  Secret
	Pointer  *Secret
	List     []Secret
	Map      map[string]Secret
	Any      any
}

func newHolder() holder {
	s := NewSecret(hidden)
	return holder{s, s, &s, []Secret{s}, map[string]Secret{"k": s}, s}
}

func TestSecretNeverPrints(t *testing.T) {
	h := newHolder()
	printed := make(map[string]string)
	for _, verb := range "vsdxXqboOcUeEfFgGtTpw" {
		for _, flag := range []string{"", "+", "#", "# ", "020."} {
			format := "%" + flag + string(verb)
			for name, v := range map[string]any{
				"secret": h.Exported, "pointer": h.Pointer, "struct": h, "struct pointer": &h, "list": h.List,
			} {
				printed[format+" "+name] = fmt.Sprintf(format, v)
			}
		}
	}
	printed["Sprint"] = fmt.Sprint(h.Exported, h)
	asJSON, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	printed["json"] = string(asJSON)
	asYAML, err := yaml.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	printed["yaml"] = string(asYAML)
	var log bytes.Buffer
	logger := zerolog.New(&log)
	logger.Info().Interface("i", h).Stringer("s", h.Exported).Any("a", h.List).Fields(map[string]any{"f": h}).
		Str("v", fmt.Sprintf("%v", h.private)).Msgf("%+v %#v", h, &h)
	printed["zerolog"] = log.String()
	var walked strings.Builder
	walk(reflect.ValueOf(h), &walked)
	printed["reflection"] = walked.String()

	for how, text := range printed {
		bytesOf := strings.Trim(fmt.Sprintf("%d", []byte(hidden)), "[]")
		for _, leak := range []string{
			hidden, hidden[:7], fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden), fmt.Sprintf("% x", hidden),
			bytesOf,
		} {
			if strings.Contains(text, leak) {
				t.Errorf("%s: the secret shows: %s", how, text)
			}
		}
	}
	for how, want := range map[string]string{
		"%v secret": concealed, "%d secret": concealed, "%#v pointer": concealed, "%+v list": "[" + concealed + "]",
	} {
		if printed[how] != want {
			t.Errorf("%s printed %s, want %s", how, printed[how], want)
		}
	}
	if !strings.Contains(printed["json"], `"Exported":"\u003csecret\u003e"`) ||
		!strings.Contains(printed["yaml"], "exported: <secret>") {
		t.Errorf("marshalled as %s\n%s", printed["json"], printed["yaml"])
	}
}

// walk prints like the debugging printers that follow every pointer by reflection.
func walk(v reflect.Value, out *strings.Builder) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), out)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), out)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			fmt.Fprintf(out, "%s %v ", v.Bytes(), v.Bytes())
			return
		}
		for i := range v.Len() {
			walk(v.Index(i), out)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			walk(v.MapIndex(k), out)
		}
	default:
		fmt.Fprintf(out, "%v ", v)
	}
}

func TestSecretValue(t *testing.T) {
	var unset Secret
	for _, tc := range []struct {
		name   string
		s      Secret
		set    bool
		reveal string
	}{
		{"not set", unset, false, ""},
		{"empty", NewSecret(""), true, ""},
		{"text", NewSecret(hidden), true, hidden},
	} {
		if tc.s.IsSet() != tc.set || tc.s.Reveal() != tc.reveal || tc.s.Reveal() != tc.reveal {
			t.Errorf("%s: set %v, reveals %q", tc.name, tc.s.IsSet(), tc.s.Reveal())
		}
		for _, other := range []Secret{unset, NewSecret(""), NewSecret(hidden), NewSecret("else")} {
			want := other.IsSet() == tc.set && other.Reveal() == tc.reveal
			if tc.s.Equal(other) != want || reflect.DeepEqual(tc.s, other) != want {
				t.Errorf("%s: equal to %q is not %v", tc.name, other.Reveal(), want)
			}
		}
	}
}
