package modify

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/filtertest"
)

// tree makes records by chance, of few different names, so that they collide.
func tree(r *rand.Rand, depth int) map[string]any {
	names := []string{"a", "b", "a.b", "a_b", "b.a", "a.b.c", "a_b_c", "c", ".", "_"}
	m := map[string]any{}
	for range r.IntN(5) {
		var v any = strconv.Itoa(r.IntN(3))
		switch n := r.IntN(6); {
		case n < 3 && depth > 0:
			v = tree(r, depth-1)
		case n == 3 && depth > 0:
			v = []any{tree(r, depth-1), "x"}
		case n == 4:
			v = nil
		}
		m[names[r.IntN(len(names))]] = v
	}
	return m
}

// become is what a step makes of a record, and whether it said that something was wrong.
func become(t *testing.T, s filter.Step, record map[string]any) (got map[string]any, failed bool) {
	t.Helper()
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	ev := filtertest.NewEvent(t, string(text))
	_, err = s.Apply(ev)
	if err := json.Unmarshal([]byte(filtertest.JSON(t, ev.Rendered())), &got); err != nil {
		t.Fatal(err)
	}
	return got, err != nil
}

// flat are the members of m under their joined names; false: two different values would get one.
func flat(m map[string]any, prefix string, into map[string]any) bool {
	ok := true
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if inner, is := m[name].(map[string]any); is && len(inner) > 0 {
			ok = flat(inner, prefix+name+".", into) && ok
			continue
		}
		if was, taken := into[prefix+name]; taken && !reflect.DeepEqual(was, m[name]) {
			ok = false
		}
		into[prefix+name] = m[name]
	}
	return ok
}

// Maps in maps become fields with joined names, or stay as they are where a value would be lost.
func TestFlatten_Model(t *testing.T) {
	s, err := New(Config{Flatten: &Flatten{Separator: "."}})
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range uint64(3000) {
		record := tree(rand.New(rand.NewPCG(1, i)), 3)
		want := map[string]any{}
		ok := flat(record, "", want)
		if !ok {
			refused++
			want = record
		}
		if got, failed := become(t, s, record); failed == ok || !reflect.DeepEqual(got, want) {
			t.Fatalf("record %d, %v: %v, failed %v, want %v", i, record, got, failed, want)
		}
	}
	if refused < 10 {
		t.Errorf("only %d records had names that collide", refused)
	}
}

// dotless is v with other names; false: two different values would get one.
func dotless(v any, nested bool) (out any, ok bool) {
	ok = true
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			inner, fine := v[name], true
			if nested {
				inner, fine = dotless(v[name], true)
			}
			ok = ok && fine
			to := strings.ReplaceAll(name, ".", "_")
			if was, taken := m[to]; taken && !reflect.DeepEqual(was, inner) {
				ok = false
			}
			m[to] = inner
		}
		return m, ok
	case []any:
		list := make([]any, len(v))
		for i := range v {
			inner, fine := dotless(v[i], true)
			list[i], ok = inner, ok && fine
		}
		return list, ok
	}
	return v, true
}

// Names lose their dots, or the record stays as it is where a value would be lost.
func TestDedot_Model(t *testing.T) {
	for _, nested := range []bool{true, false} {
		s, err := NewDedot(DedotConfig{Separator: "_", Nested: nested})
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		for i := range uint64(3000) {
			record := tree(rand.New(rand.NewPCG(2, i)), 3)
			want, ok := dotless(record, nested)
			if !ok {
				refused++
				want = record
			}
			if got, failed := become(t, s, record); failed == ok || !reflect.DeepEqual(any(got), want) {
				t.Fatalf("nested %v, record %d, %v: %v, failed %v, want %v", nested, i, record, got, failed, want)
			}
		}
		if refused < 20 {
			t.Errorf("only %d records had names that collide", refused)
		}
	}
}

// picked is what of m the paths leave, or take away.
func picked(m map[string]any, paths [][]string, keep bool) map[string]any {
	out := map[string]any{}
	for name, v := range m {
		var within [][]string
		whole := false
		for _, p := range paths {
			if !matches(p[0], []byte(name)) {
				continue
			}
			if len(p) == 1 {
				whole = true
			} else {
				within = append(within, p[1:])
			}
		}
		inner, isMap := v.(map[string]any)
		switch {
		case whole && keep:
			out[name] = v
		case whole:
		case len(within) == 0 && !keep:
			out[name] = v
		case len(within) == 0:
		case isMap:
			if left := picked(inner, within, keep); len(left) > 0 || !keep {
				out[name] = left
			}
		case !keep:
			out[name] = v
		}
	}
	return out
}

// What is kept and what is removed is what the paths lead to, with stars and without.
func TestPrune_Model(t *testing.T) {
	texts := []string{"a", "b", "a.b", `["a.b"]`, "a*", "*", "?", "b.*", "*.a", `["a.b"].*`, "c.c", "a_?", `["*.b"]`}
	for i := range uint64(3000) {
		r := rand.New(rand.NewPCG(3, i))
		record := tree(r, 3)
		var chosen []string
		var paths [][]string
		for range 1 + r.IntN(3) {
			text := texts[r.IntN(len(texts))]
			path, err := filter.ParsePath(text)
			if err != nil {
				t.Fatal(err)
			}
			chosen, paths = append(chosen, text), append(paths, path)
		}
		for keep, c := range map[bool]Config{true: {Keep: chosen}, false: {Remove: chosen}} {
			s, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			want := picked(record, paths, keep)
			if got, failed := become(t, s, record); failed || !reflect.DeepEqual(got, want) {
				t.Fatalf("record %d, %v: keep %v of %q: %v, want %v", i, record, keep, chosen, got, want)
			}
		}
	}
}
