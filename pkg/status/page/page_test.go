package page

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func serve(p *Page, path string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.Index)
	mux.HandleFunc("GET "+Folder+"{name}", p.File)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	return w
}

// TestFiles holds that the page is small, whole, and has nothing that its own policy would keep it from.
func TestFiles(t *testing.T) {
	p := New()
	index := serve(p, "/").Body.String()
	if !strings.Contains(index, `content="`+p.Hash()+`"`) || len(p.Hash()) != 16 {
		t.Errorf("the page does not say which it is, %q", p.Hash())
	}
	all, size := index, len(index)
	for name, kind := range map[string]string{
		"style.css": "text/css", "app.js": "text/javascript", "icon.svg": "image/svg+xml",
	} {
		if w := serve(p, Folder+name); w.Code != http.StatusOK ||
			!strings.HasPrefix(w.Header().Get("Content-Type"), kind) {
			t.Errorf("%s: %d %s", name, w.Code, w.Header().Get("Content-Type"))
		}
	}
	for name := range p.all {
		text := serve(p, Folder+name).Body.String()
		size += len(text)
		all += text
		for _, imported := range regexp.MustCompile(`(?m)^import .*"\./([^"]+)";$`).FindAllStringSubmatch(text, -1) {
			if p.all[imported[1]] == nil {
				t.Errorf("%s imports %s, which there is not", name, imported[1])
			}
		}
	}
	if limit := 100 << 10; size > limit {
		t.Errorf("the page has %d bytes, more than %d", size, limit)
	}
	for what, pattern := range map[string]string{
		"an inline script":      `(?i)<script[^>]*>[^<]`,
		"an inline style":       `(?i)<style|[\s"]style="`,
		"a handler in the text": `(?i)\son[a-z]+="`,
		"HTML made of texts": `\.(innerHTML|outerHTML)\s*=[^=]|insertAdjacentHTML|` +
			`document\.write|\beval\(|new Function`,
		"something from outside": `(?i)(src|href|import|url\()\s*=?\s*["(]?(https?:)?//(?:www\.)?[a-z]`,
	} {
		if found := regexp.MustCompile(pattern).FindString(all); found != "" {
			t.Errorf("the page has %s: %q", what, found)
		}
	}
	for _, path := range []string{
		Folder + "index.html", Folder + "page.go", Folder + "nothing", Folder + "..%2fpage.go",
	} {
		if w := serve(p, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
