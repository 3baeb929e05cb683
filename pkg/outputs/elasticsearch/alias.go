package elasticsearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	// firstIndex ends the name of an alias's first index. A rollover counts it up.
	firstIndex = "-000001"
	// ofAlias is what the names of an alias's indices go on with: the first digit of six is 0 for long.
	ofAlias = "-0*"
	// maxAliases bounds how many aliases are remembered to be there; one that was forgotten is looked for again.
	maxAliases = 10_000
)

// aliases makes the first index of each write alias that events go to. Safe for concurrent use; two that make the same
// one at a time make one.
type aliases struct {
	*client

	mu    sync.Mutex
	there map[string]bool
	// failed is why one could not be made, for everybody to see.
	failed map[string]string
}

func newAliases(c *client) *aliases {
	return &aliases{client: c, there: map[string]bool{}, failed: map[string]string{}}
}

// ensure makes what is missing of the aliases. One that can't be made stays missing, and why says so: what is sent
// there is refused, since requests require an alias.
func (a *aliases) ensure(ctx context.Context, names []string) {
	for _, name := range names {
		a.mu.Lock()
		known := a.there[name]
		a.mu.Unlock()
		if known {
			continue
		}
		err := a.makeAlias(ctx, name)
		a.mu.Lock()
		if len(a.there) >= maxAliases || len(a.failed) >= maxAliases {
			clear(a.there)
			clear(a.failed)
		}
		delete(a.failed, name)
		if a.there[name] = err == nil; err != nil {
			a.failed[name] = err.Error()
		}
		a.mu.Unlock()
	}
}

// missing notes that the server does not know the alias, and returns what is known of why.
func (a *aliases) missing(name string) (why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.there, name)
	return a.failed[name]
}

// makeAlias returns nil once there is an alias of that name: what it leads to is its owner's business.
func (a *aliases) makeAlias(ctx context.Context, name string) error {
	s := a.server()
	if s.flavor == legacy && !s.least(7, 10) {
		return errors.New(
			"an alias that events are held to needs Elasticsearch 7.10 or OpenSearch: write index in place of alias",
		)
	}
	is, err := a.isAlias(ctx, name)
	if err != nil || is {
		return err
	}
	if err := a.aliasTemplate(ctx, name, s); err != nil {
		return err
	}
	body, err := json.Marshal(object{"aliases": object{name: object{"is_write_index": true}}})
	if err != nil {
		return fmt.Errorf("make the index %s: %w", name+firstIndex, err)
	}
	res, reply, err := a.call(ctx, http.MethodPut, "/"+url.PathEscape(name+firstIndex), body)
	if err != nil {
		return err
	}
	words := words(reply)
	switch {
	case res.status == http.StatusOK:
		a.log.Info().Str("alias", name).Str("index", name+firstIndex).Msg("made the first index of an alias")
		return nil
	case res.status == http.StatusBadRequest && strings.Contains(words, "resource_already_exists"):
		if is, err := a.isAlias(ctx, name); err != nil || is {
			// Another one has just made both.
			return err
		}
		return fmt.Errorf(
			"the index %s is there, and the alias %s is not: make it the alias's write index (POST /_aliases), or "+
				"delete it if it is empty",
			name+firstIndex,
			name,
		)
	case res.status == http.StatusBadRequest && strings.Contains(words, "invalid_alias_name"):
		return fmt.Errorf(
			"an index has the name of the alias %s: reindex it to %s and delete it, or take another alias",
			name,
			name+firstIndex,
		)
	case res.status == http.StatusForbidden:
		return fmt.Errorf(
			"make the index %s: the user may not: grant create_index and manage on %s*: it answered %s: %s",
			name+firstIndex,
			name,
			status(res.status),
			words,
		)
	default:
		return refusal("make the index "+name+firstIndex, res, reply)
	}
}

// isAlias reports whether the server has an alias of that name. Who may not look is told that there is none.
func (a *aliases) isAlias(ctx context.Context, name string) (bool, error) {
	res, reply, err := a.call(ctx, http.MethodGet, "/_alias/"+url.PathEscape(name), nil)
	switch {
	case err != nil:
		return false, err
	case res.status == http.StatusOK:
		return true, nil
	case res.status == http.StatusNotFound || res.status == http.StatusForbidden:
		return false, nil
	default:
		return false, refusal("look for the alias "+name, res, reply)
	}
}

// aliasTemplate makes the template of an alias's indices, which says what alias a rollover is of.
func (a *aliases) aliasTemplate(ctx context.Context, name string, s server) error {
	if !a.cfg.Template.Manage {
		return nil
	}
	t := a.newTemplate("aggregator-"+name, s)
	var err error
	var policy string
	if s.flavor == opensearch {
		t.rolls, err = a.hasISM(ctx, name)
	} else {
		policy, err = a.lifecycle(ctx, s)
		t.rolls = name
	}
	if err != nil {
		return err
	}
	old, err := t.get(ctx)
	if err != nil || !t.may(old) {
		return err
	}
	return t.put(ctx, old, name+ofAlias, s, policy)
}

// hasISM returns the alias where OpenSearch has index state management, which is told of it by a setting that no other
// server takes, else "".
func (a *aliases) hasISM(ctx context.Context, name string) (alias string, err error) {
	res, body, err := a.call(ctx, http.MethodGet, "/_plugins/_ism/policies?size=1", nil)
	switch {
	case err != nil:
		return "", err
	case res.status == http.StatusOK || res.status == http.StatusForbidden:
		return name, nil
	case passes(res.status):
		return "", refusal("look for index state management", res, body)
	default:
		return "", nil
	}
}

// ensureAliases has what the events of the body go to made where it is missing.
func (s *send) ensureAliases(ctx context.Context) {
	if s.aliases != nil {
		s.aliases.ensure(ctx, s.b.targetsOf(0, len(s.b.lines)))
	}
}

// settle corrects what is known of an item that was refused by what the settings tell.
func (s *send) settle(f *outputs.Failure) {
	if s.aliases == nil || f.Status != http.StatusNotFound {
		return
	}
	// No event is wrong: there is no alias, and so no index may be made under its name.
	f.Reason, f.Unlisted = outputs.ReasonTarget, false
	if why := s.aliases.missing(f.Target); why != "" {
		f.Detail = why + "; " + f.Detail
	}
}
