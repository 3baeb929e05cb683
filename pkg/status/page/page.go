// Package page is the page for people: its files, what they show, and how that is kept up to date while they look at
// it.
//
// The page is plain HTML, CSS and JavaScript modules, as they stand here: nothing is built, and nothing comes from
// outside. It asks for Live.Serve's events, and shows what they say.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
)

//go:embed index.html *.css *.js icon.svg
var files embed.FS

// Folder is where the page's files are served, but for the page itself.
const Folder = "/page/"

// Policy is the Content-Security-Policy with which the page works: it has scripts and styles from its own files only,
// none in the text, and talks to its own server only.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Page serves the page's files. Safe for concurrent use.
type Page struct {
	index []byte
	hash  string
	all   map[string][]byte
}

// New returns the page as it is built in.
func New() *Page {
	p := &Page{all: map[string][]byte{}}
	sum := sha256.New()
	// The pattern is well-formed.
	names, _ := fs.Glob(files, "*")
	for _, name := range names {
		// It is in the program.
		text, _ := files.ReadFile(name)
		// A hash never fails.
		_, _ = sum.Write(text)
		p.all[name] = text
	}
	p.hash = hex.EncodeToString(sum.Sum(nil))[:16]
	p.index = bytes.Replace(p.all["index.html"], []byte(`content="version"`), []byte(`content="`+p.hash+`"`), 1)
	delete(p.all, "index.html")
	return p
}

// Hash tells this page from those of other versions.
func (p *Page) Hash() string { return p.hash }

// Index serves the page itself.
func (p *Page) Index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// The client is gone; nothing to do.
	_, _ = w.Write(p.index)
}

// kinds are the media types of the page's files, whatever the machine believes.
func kinds() map[string]string {
	return map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}
}

// File serves what is below Folder.
func (p *Page) File(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	text, ok := p.all[name]
	if !ok {
		http.Error(w, "the page has no such file", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", kinds()[path.Ext(name)])
	// As above.
	_, _ = w.Write(text)
}
