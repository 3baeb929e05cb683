package awstest

import (
	"cmp"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"
)

// Direct is an HTTP client for the SDK whose requests a handler answers without a network, so that a test in a bubble
// of synctest has the time that passes for itself.
type Direct struct {
	To http.Handler
	// After is how long a request is on its way.
	After time.Duration
}

// Do makes the request. What ends a handler that hangs, or cuts the connection, is the error that net/http has for it.
func (d Direct) Do(r *http.Request) (res *http.Response, err error) {
	time.Sleep(d.After)
	in, w := r.Clone(r.Context()), httptest.NewRecorder()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			res, err = nil, &url.Error{
				Op: r.Method, URL: r.URL.String(), Err: cmp.Or(r.Context().Err(), io.ErrUnexpectedEOF),
			}
		default:
			panic(p)
		}
	}()
	d.To.ServeHTTP(w, in)
	return w.Result(), nil
}
