package convert_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// delivered is a document at a destination: an index, or the path of a URL.
type delivered struct {
	To       string          `json:"to"`
	Document json.RawMessage `json:"document"`
}

// sink is the destinations of an old program: Elasticsearch, and servers that take lines or arrays of JSON.
type sink struct {
	*httptest.Server

	mu   sync.Mutex
	got  []delivered
	came chan struct{}
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{came: make(chan struct{}, 1)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *sink) port() string {
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		// httptest gives it one.
		panic(err)
	}
	return port
}

func (s *sink) all() []delivered {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

// quiet waits until nothing has come for a while: only the old program knows when it is done.
func (s *sink) quiet(t *testing.T) {
	t.Helper()
	for {
		select {
		case <-s.came:
		case <-time.After(5 * time.Second):
			return
		}
	}
}

func (s *sink) add(to string, document []byte) {
	s.mu.Lock()
	s.got = append(s.got, delivered{to, canonical(document)})
	s.mu.Unlock()
	select {
	case s.came <- struct{}{}:
	default:
	}
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	data, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if strings.HasSuffix(r.URL.Path, "/_bulk") {
		s.bulk(w, d)
		return
	}
	for d.More() {
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var list []json.RawMessage
		if json.Unmarshal(value, &list) != nil {
			list = []json.RawMessage{value}
		}
		for _, one := range list {
			s.add(r.URL.Path, one)
		}
	}
	_, _ = io.WriteString(w, "{}") // a client that is gone does not ask
}

func (s *sink) bulk(w http.ResponseWriter, d *json.Decoder) {
	var items []string
	for d.More() {
		var action map[string]struct {
			Index string `json:"_index"`
		}
		var document json.RawMessage
		if d.Decode(&action) != nil || d.Decode(&document) != nil {
			break
		}
		for _, a := range action {
			s.add("index "+a.Index, document)
			items = append(items, `{"create":{"status":201}}`)
		}
	}
	// A client that is gone does not ask.
	_, _ = io.WriteString(w, `{"took":1,"errors":false,"items":[`+strings.Join(items, ",")+`]}`)
}

// canonical writes a document in one way: keys in order, times in milliseconds as all programs have them, and numbers
// by their value.
func canonical(document []byte) json.RawMessage {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return document
	}
	text, err := json.Marshal(same(v))
	if err != nil {
		return document
	}
	return text
}

func same(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = same(v[key])
		}
	case []any:
		for i := range v {
			v[i] = same(v[i])
		}
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			if f == float64(int64(f)) {
				return int64(f)
			}
			return f
		}
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return at.UTC().Truncate(time.Millisecond).Format("2006-01-02T15:04:05.000Z")
		}
	}
	return v
}

// send sends events as an agent does, and waits for the acknowledgement of each.
func send(t *testing.T, conn net.Conn, all []input) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	answers := msgpack.NewDecoder(conn)
	for i, in := range all {
		var b bytes.Buffer
		e := msgpack.NewEncoder(&b)
		var stamp [8]byte
		at := in.at()
		binary.BigEndian.PutUint32(stamp[:], uint32(at.Unix()))
		binary.BigEndian.PutUint32(stamp[4:], uint32(at.Nanosecond()))
		chunk := "chunk" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		must(t, e.EncodeArrayLen(3), e.EncodeString(in.Tag), e.EncodeArrayLen(1), e.EncodeArrayLen(2),
			e.EncodeExtHeader(0, 8))
		b.Write(stamp[:])
		must(t, e.Encode(value(t, in.Record)), e.Encode(map[string]string{"chunk": chunk}))
		if _, err := conn.Write(b.Bytes()); err != nil {
			t.Fatal(err)
		}
		if _, err := answers.DecodeMap(); err != nil {
			t.Fatalf("no acknowledgement: %v", err)
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// value reads JSON with its whole numbers.
func value(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	must(t, d.Decode(&v))
	return numbers(v)
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
	}
	return v
}
