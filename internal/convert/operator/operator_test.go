package operator_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/fluentbit"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd"
	"github.com/seed-afc6a195/aggregator/internal/convert/operator"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// read returns the sections that resources become, each as one line, and the notes.
func read(t *testing.T, text string) (lines []string, notes *settings.Notes) {
	t.Helper()
	notes = &settings.Notes{}
	r := &operator.Reader{}
	r.Add("x.yaml", []byte(text))
	f := r.Files(notes)
	if f.Bit != nil {
		for _, s := range f.Bit.Sections {
			lines = append(lines, line(s))
		}
	}
	if f.Fluentd != nil {
		for _, s := range f.Fluentd.Sections {
			lines = append(lines, line(s))
		}
	}
	return lines, notes
}

func line(s *syntax.Section) string {
	var b strings.Builder
	b.WriteString(strings.TrimSpace(s.Name + " " + s.Arg))
	for _, e := range s.Entries {
		b.WriteString(" " + e.Key + "=" + e.Value.Shown())
	}
	for _, c := range s.Sections {
		b.WriteString(" <" + line(c) + ">")
	}
	return b.String()
}

func TestRead(t *testing.T) {
	const bit, daemon, flow = "apiVersion: fluentbit.fluent.io/v1alpha2\n", "apiVersion: fluentd.fluent.io/v1alpha1\n",
		"apiVersion: logging.banzaicloud.io/v1beta1\n"
	for _, tc := range []struct {
		name, text string
		want       []string
		lost       int
	}{
		{"nothing of an operator", "apiVersion: v1\nkind: ConfigMap\n", nil, 0},
		{
			"names of settings",
			bit + "kind: ClusterOutput\nmetadata: {name: a}\nspec:\n  match: '*'\n  s3: {S3KeyFormat: /a, Bucket: b}\n",
			[]string{"output name=s3 s3_key_format=/a bucket=b match=*"},
			0,
		},
		{
			"secrets, TLS and networking",
			bit + "kind: Output\nmetadata: {name: a}\nspec:\n  es:\n    httpPassword: {valueFrom: {secretKeyRef: " +
				"{name: my-es, key: pw}}}\n    tls: {verify: false, keyPassword: {value: x}}\n    networking: " +
				"{DNSMode: UDP}\n",
			[]string{"output name=es http_passwd=${MY_ES_PW} tls=on tls.verify=false tls.key_passwd=x " +
				"net.dns_mode=UDP"},
			0,
		},
		{
			"filters by their numbers and names",
			bit + "kind: ClusterFilter\nmetadata: {name: b}\nspec: {match: x.*, filters: [{recordModifier: {records: " +
				"[a b], removeKeys: [c]}}]}\n---\n" + bit +
				"kind: ClusterFilter\nmetadata: {name: c}\nspec: {ordinal: -1, filters: [{modify: {conditions: " +
				"[{keyExists: k}], rules: [{set: {d: e}}, {remove: f}]}}]}\n",
			[]string{
				"filter name=modify condition=key_exists k set=d e remove=f",
				"filter name=record_modifier record=a b remove_key=c match=x.*",
			},
			0,
		},
		{
			"parsers, and a list of resources",
			"kind: List\napiVersion: v1\nitems:\n- {apiVersion: fluentbit.fluent.io/v1alpha2, kind: ClusterParser, " +
				"metadata: {name: p}, spec: {regex: {regex: '^(?<a>.)', timeKey: t}}}\n- {apiVersion: " +
				"fluentbit.fluent.io/v1alpha2, kind: ClusterInput, metadata: {name: i}, spec: {tail: {tag: x}}}\n",
			[]string{"parser name=p format=regex regex=^(?<a>.) time_key=t", "input name=tail tag=x"},
			0,
		},
		{
			"a plugin as text",
			bit + "kind: ClusterOutput\nmetadata: {name: a}\nspec:\n  customPlugin:\n    config: |\n      Name " +
				"null\n      " +
				"# no\n      Match *\n",
			[]string{"output name=null match=*"},
			0,
		},
		{
			"fluentd's, of some namespaces",
			daemon + "kind: Fluentd\nmetadata: {name: f}\nspec: {globalInputs: [{forward: {bind: 0.0.0.0}}]}\n---\n" +
				daemon + "kind: ClusterFluentdConfig\nmetadata: {name: c}\nspec: {watchedNamespaces: [a, b]}\n---\n" +
				daemon + "kind: ClusterFilter\nmetadata: {name: g}\nspec: {filters: [{grep: {regexps: [{key: k, " +
				"pattern: p}]}," +
				" tag: t.**}]}\n---\n" + daemon +
				"kind: ClusterOutput\nmetadata: {name: o}\nspec: {outputs: [{elasticsearch: {host: h}, buffer: " +
				"{type: file}}]}\n",
			[]string{
				"source @type=forward bind=0.0.0.0",
				"match ** @type=label_router <route @label=@namespaces <match namespaces=a,b>>",
				"label @namespaces <filter t.** @type=grep <regexp key=k pattern=p>> <match ** @type=copy <store " +
					"@type=elasticsearch host=h <buffer @type=file>>>",
			},
			0,
		},
		{
			"flows",
			flow + "kind: Flow\nmetadata: {name: f, namespace: n}\nspec: {filters: [{parser: {parse: {type: " +
				"json}}}], match: " +
				"[{exclude: {labels: {a: b}}}, {select: {}}], localOutputRefs: [o, gone]}\n---\n" + flow +
				"kind: Output\nmetadata: {name: o, namespace: n}\nspec: {nullout: {}}\n",
			[]string{
				"source @type=forward port=24240",
				"match ** @type=label_router <route @label=@flow-n-f <match negate=true labels=a:b namespaces=n> " +
					"<match " +
					"namespaces=n>>",
				"label @flow-n-f <filter ** @type=parser key_name=message <parse @type=json>> <match ** @type=copy " +
					"<store " +
					"@type=null @id=o>>",
			},
			1,
		},
		{"what is not read", bit + "kind: Moon\nmetadata: {name: x}\nspec: {}\n", nil, 1},
	} {
		got, notes := read(t, tc.text)
		if strings.Join(got, "\n") != strings.Join(tc.want, "\n") || len(notes.Lost) != tc.lost {
			t.Errorf("%s: %d lost, and\n%s\nwant\n%s", tc.name, len(notes.Lost), strings.Join(got, "\n"),
				strings.Join(tc.want, "\n"))
		}
	}
}

// FuzzRead: no resources panic, here or where their sections are read.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"apiVersion: fluentbit.fluent.io/v1\nkind: ClusterOutput\nspec: {es: {host: h, tls: {}}}\n",
		"apiVersion: fluentd.fluent.io/v1\nkind: Filter\nspec: {filters: [{grep: {regexps: [{key: a}]}}]}\n",
		"apiVersion: logging.banzaicloud.io/v1\nkind: Flow\nspec: {match: [{select: {labels: {a: b}}}]}\n",
		"apiVersion: fluentbit.fluent.io/v1\nkind: ClusterFilter\nspec: {filters: [1, {modify: {rules: [{set: " +
			"1}]}}]}\n", "[", "a: *b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := &operator.Reader{}
		if !r.Add("x.yaml", []byte(text)) {
			return
		}
		notes := &settings.Notes{}
		files := r.Files(notes)
		if files.Bit != nil {
			fluentbit.Convert(files.Bit, files.Bit.Parsers(), notes)
		}
		if files.Fluentd != nil {
			fluentd.Convert(files.Fluentd, notes)
		}
	})
}
