package settings_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

func TestReader(t *testing.T) {
	def := "8"
	at := syntax.Place{File: "x", Line: 1}
	s := &syntax.Section{At: at, Entries: []syntax.Entry{
		{Key: "plain", Value: syntax.Literal("a${b}", at)},
		{Key: "env", Value: syntax.Value{Parts: []syntax.Part{{Text: "x-"}, {Env: "E"}}, At: at}},
		{Key: "number", Value: syntax.Value{Parts: []syntax.Part{{Env: "N", Default: &def}}, At: at}},
		{Key: "code", Value: syntax.Value{Parts: []syntax.Part{{Code: "1+1"}}, At: at}},
		{Key: "secret", Value: syntax.Literal("hunter2", at)},
		{Key: "yes", Value: syntax.Literal("On", at)},
		{Key: "unread", Value: syntax.Literal("x", at)},
	}}
	n := &settings.Notes{}
	r := settings.NewReader(s, n, "t")
	if text, ok := r.Text("plain"); text != "a$${b}" || !ok {
		t.Error(text, ok)
	}
	if text, _ := r.Text("env"); text != "x-${env:E}" || len(n.Env) != 1 {
		t.Error(text, n.Env)
	}
	if i, ok := r.Int("number"); i != 8 || !ok {
		t.Error(i, ok)
	}
	if _, ok := r.Text("code"); ok || len(n.Lost) != 1 {
		t.Error(n.Lost)
	}
	if text, _ := r.Secret("secret", "s"); text != "${file:/etc/aggregator/secrets/s}" || len(n.Files) != 1 {
		t.Error(text, n.Files)
	}
	if !r.Bool("yes", false) || r.Bool("none", false) {
		t.Error("truth values")
	}
	r.Done()
	if len(n.Lost) != 2 || n.Lost[1].What != "t unread" || len(n.Said) != 1 {
		t.Error(n.Lost, n.Said)
	}
	// The same secret is one file; another one of that name has its own.
	if a, b := n.SecretFile("s", syntax.Literal("hunter2", at), ""), n.SecretFile("s", syntax.Literal("other", at),
		""); a == b || b != "${file:/etc/aggregator/secrets/s-2}" {
		t.Error(a, b)
	}
}
