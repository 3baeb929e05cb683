package elastictest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Rollover gives an alias its next write index.
func (s *Server) Rollover(alias string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var n int
	index := s.aliases[alias]
	// Its name ends in digits.
	_, _ = fmt.Sscanf(index[strings.LastIndexByte(index, '-')+1:], "%d", &n)
	s.aliases[alias] = fmt.Sprintf("%s-%06d", alias, n+1)
}

// WriteIndex returns the index behind an alias, "" where there is none.
func (s *Server) WriteIndex(alias string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.aliases[alias]
}

// DropAlias takes an alias away, and leaves what is behind it.
func (s *Server) DropAlias(alias string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.aliases, alias)
}

// alias answers GET /_alias/NAME.
func (s *Server) alias(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/_alias/")
	if index := s.WriteIndex(name); index != "" {
		answer(w, http.StatusOK, map[string]any{
			index: map[string]any{"aliases": map[string]any{name: map[string]bool{"is_write_index": true}}},
		})
		return
	}
	answer(w, http.StatusNotFound, map[string]any{
		"error": "alias [" + name + "] missing", "status": http.StatusNotFound,
	})
}

// makeIndex answers PUT /INDEX, with aliases.
func (s *Server) makeIndex(w http.ResponseWriter, r *http.Request, f *Faults) {
	var body struct{ Aliases map[string]json.RawMessage }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body); err != nil {
		fail(w, http.StatusBadRequest, "parse_exception", err.Error())
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Denied != "" && name == f.Denied {
		fail(w, http.StatusForbidden, "security_exception",
			"action [indices:admin/create] is unauthorized for user [agent] on indices ["+name+"]")
		return
	}
	if s.docs[name] != nil {
		fail(w, http.StatusBadRequest, "resource_already_exists_exception", "index ["+name+"/AAAA] already exists")
		return
	}
	for alias := range body.Aliases {
		if s.docs[alias] != nil {
			fail(w, http.StatusBadRequest, "invalid_alias_name_exception",
				"Invalid alias name ["+alias+"]: an index or data stream exists with the same name as the alias")
			return
		}
		s.aliases[alias] = name
	}
	s.docs[name] = map[string]*Document{}
	answer(w, http.StatusOK, map[string]any{"acknowledged": true, "shards_acknowledged": true, "index": name})
}
