// Package faultproxy is a reverse proxy for tests that stands before a real Elasticsearch and does to bulk requests
// what overloaded clusters, load balancers and networks do, at random from a seed.
package faultproxy

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Faults are shares from 0 to 1 of what happens, and how long each request takes more.
type Faults struct {
	Unavailable float64 // requests answered with 503, nothing stored
	ItemRefused float64 // events answered with 429 and not stored, among others that are
	// Bulk requests whose connection is reset: one half in the middle of the body, nothing stored; the other half in
	// the middle of the reply, all stored.
	Reset   float64
	Latency time.Duration // before a request is passed on
}

// Counts is what has happened.
type Counts struct {
	Requests, Bulks, Unavailable, ItemsRefused, ResetBefore, ResetAfter uint64
	// Bulk requests that Elasticsearch itself answered with 4xx or 5xx.
	Refused uint64
}

// Proxy passes requests on. It is safe for concurrent use.
type Proxy struct {
	client http.Client

	mu     sync.Mutex
	random *rand.Rand
	faults Faults
	target string

	requests, bulks, unavailable, itemsRefused, resetBefore, resetAfter, refused atomic.Uint64
}

// New returns a proxy before target, an URL, without faults.
func New(target string, seed uint64) *Proxy {
	return &Proxy{
		target: target, random: rand.New(rand.NewPCG(seed, 0)),
		client: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true}},
	}
}

// Set puts other faults in force.
func (p *Proxy) Set(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

// Counts returns what has happened so far.
func (p *Proxy) Counts() Counts {
	return Counts{
		Requests: p.requests.Load(), Bulks: p.bulks.Load(), Unavailable: p.unavailable.Load(),
		ItemsRefused: p.itemsRefused.Load(),
		ResetBefore:  p.resetBefore.Load(), ResetAfter: p.resetAfter.Load(), Refused: p.refused.Load(),
	}
}

// chance reports whether something happens whose share is that.
func (p *Proxy) chance(share float64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return share > 0 && p.random.Float64() < share
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.requests.Add(1)
	p.mu.Lock()
	f := p.faults
	p.mu.Unlock()
	bulk := strings.HasSuffix(r.URL.Path, "/_bulk")
	if bulk {
		p.bulks.Add(1)
	}
	time.Sleep(f.Latency)
	if bulk && p.chance(f.Reset/2) {
		p.resetBefore.Add(1)
		// The connection ends anyway.
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		reset(w)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		// The client has gone.
		return
	}
	if p.chance(f.Unavailable) {
		p.unavailable.Add(1)
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		// The client has gone.
		_, _ = io.WriteString(w, `{"error":{"type":"unavailable","reason":"by the proxy"},"status":503}`)
		return
	}
	var kept []bool
	if bulk && f.ItemRefused > 0 {
		if body, kept, err = p.thin(r, body, f.ItemRefused); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	status, header, reply, err := p.forward(r, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if bulk && status >= 400 {
		p.refused.Add(1)
	}
	if kept != nil && status == http.StatusOK {
		if reply, err = splice(reply, kept); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
	w.WriteHeader(status)
	if bulk && p.chance(f.Reset/2) {
		p.resetAfter.Add(1)
		half := reply[:len(reply)/2]
		_, _ = w.Write(half)                      //nolint:gosec // the connection ends; nobody shows it as a page
		_ = http.NewResponseController(w).Flush() // as above
		reset(w)
		return
	}
	_, _ = w.Write(reply) //nolint:gosec // the client has gone; nobody shows it as a page
}

// forward asks Elasticsearch.
func (p *Proxy) forward(r *http.Request, body []byte) (status int, header http.Header, reply []byte, err error) {
	target := p.target + r.URL.RequestURI()
	//nolint:gosec // It goes to what stands behind, whatever is asked.
	to, err := http.NewRequestWithContext(r.Context(), r.Method, target, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	to.Header = r.Header.Clone()
	resp, err := p.client.Do(to) //nolint:gosec // as above
	if err != nil {
		return 0, nil, nil, err
	}
	// Only read from.
	defer func() { _ = resp.Body.Close() }()
	reply, err = io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, reply, err
}

// thin takes a share of the events out of a bulk request. kept says which stay; nil where all do.
func (p *Proxy) thin(r *http.Request, body []byte, share float64) (thinned []byte, kept []bool, err error) {
	plain := body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, nil, err
		}
		if plain, err = io.ReadAll(z); err != nil {
			return nil, nil, err
		}
	}
	lines := bytes.SplitAfter(plain, []byte{'\n'})
	taken := 0
	for i := 0; i+1 < len(lines); i += 2 {
		stays := !p.chance(share)
		if stays {
			thinned = append(append(thinned, lines[i]...), lines[i+1]...)
		} else {
			taken++
		}
		kept = append(kept, stays)
	}
	if taken == 0 || taken == len(kept) {
		return body, nil, nil
	}
	p.itemsRefused.Add(uint64(taken))
	r.Header.Del("Content-Encoding")
	return thinned, kept, nil
}

// refusal is the reply to an event that was taken out.
const refusal = `{"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"rejected by ` +
	`the proxy"}}}`

// splice puts the replies to the events that were taken out where they belong.
func splice(reply []byte, kept []bool) ([]byte, error) {
	var whole map[string]json.RawMessage
	var items []json.RawMessage
	if err := json.Unmarshal(reply, &whole); err != nil {
		return nil, fmt.Errorf("a reply that is no JSON: %w", err)
	}
	if err := json.Unmarshal(whole["items"], &items); err != nil {
		return nil, fmt.Errorf("a reply without items: %w", err)
	}
	all := make([]json.RawMessage, len(kept))
	for i, stays := range kept {
		all[i] = json.RawMessage(refusal)
		if stays {
			if len(items) == 0 {
				return nil, fmt.Errorf("a reply with too few items for %d events", len(kept))
			}
			all[i], items = items[0], items[1:]
		}
	}
	var err error
	if whole["items"], err = json.Marshal(all); err != nil {
		return nil, err
	}
	whole["errors"] = json.RawMessage("true")
	return json.Marshal(whole)
}

// reset ends the connection so that the client reads an error, not an end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// net/http then cuts it.
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // or else it ends a little more politely
	}
	_ = conn.Close() // that is what it is for
}
