package elasticsearch

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/indexname"
)

const (
	managedBy = "aggregator"
	// maxKeyword keeps a long tag from making its event one that can't be indexed: Lucene's limit is 32766
	// bytes.
	maxKeyword = 1024
)

// marked says by whom a template was made, and from what.
type marked struct {
	ManagedBy string `json:"managed_by"`
	// Of is a hash of the settings that it was made from.
	Of string `json:"of"`
}

// object is a JSON object.
type object = map[string]any

// makeTemplate makes the index template for the names of index, unless it is there already or somebody
// else's. What keeps it from being made for good is a notice, and events flow without; what may pass is
// an error, a *outputs.SendError.
func (c *client) makeTemplate(ctx context.Context) error {
	if !c.cfg.Template.Manage {
		return nil
	}
	pieces, err := indexname.Parse(c.cfg.Index)
	if err != nil {
		// New has found it before.
		return fmt.Errorf("index: %w", err)
	}
	matches := pieces.Pattern("")
	prefix, _, _ := strings.Cut(matches, indexname.Anything)
	if prefix = strings.Trim(prefix, "-_.+"); prefix == "" {
		c.notice("no index template is made, because index does not begin with a literal: it would be for " +
			"everybody's indices; " +
			"begin index with a word, or set template.manage to false")
		return nil
	}
	s := c.server()
	if s.flavor == opensearch && s.serverless {
		// A collection has none.
		return nil
	}
	t := c.newTemplate("aggregator-"+prefix, s)
	if c.cfg.DataStream && s.flavor == legacy && !s.least(7, 9) {
		c.notice("%s has no data streams: set data_stream to false", s.name())
		return nil
	}
	policy, err := c.lifecycle(ctx, s)
	if err != nil {
		return err
	}
	if set := &c.cfg.Template; s.serverless && (set.Shards != nil || set.Replicas != nil) {
		c.notice(
			"Elastic Serverless decides on shards and replicas itself: template.shards and template.replicas " +
				"are not used",
		)
	}
	old, err := t.get(ctx)
	if err != nil || !t.may(old) {
		return err
	}
	return t.put(ctx, old, matches, s, policy)
}

// newTemplate begins the making of the template of that name.
func (c *client) newTemplate(name string, s server) *template {
	t := &template{client: c, name: name, api: "/_index_template/", composable: s.flavor != legacy || s.least(7, 8)}
	if !t.composable {
		t.api = "/_template/"
	}
	return t
}

// template is the making of one index template.
type template struct {
	*client
	name, api string
	// rolls is the alias that indices roll over behind; "": none.
	rolls      string
	composable bool
	// given says up: a notice says why.
	given bool
}

// existing is a template that the server has.
type existing struct {
	patterns []string
	mark     marked
}

// get returns the template that the server has under the name, nil for none.
func (t *template) get(ctx context.Context) (*existing, error) {
	res, body, err := t.call(ctx, http.MethodGet, t.api+url.PathEscape(t.name), nil)
	switch {
	case err != nil:
		return nil, asSendError(err)
	case res.status == http.StatusNotFound:
		return nil, nil //nolint:nilnil // there is none, and that is no error
	case res.status != http.StatusOK:
		return nil, t.refused("read", res, body)
	}
	if !json.Valid(body) {
		t.given = true
		t.notice("can't read the index template %s, and goes on without: it answered with %s", t.name, quote(body))
		return nil, nil //nolint:nilnil // given says it all
	}
	if t.composable {
		var reply struct {
			All []struct {
				Template struct {
					Patterns []string `json:"index_patterns"`
					Meta     marked   `json:"_meta"`
				} `json:"index_template"`
			} `json:"index_templates"`
		}
		if err := json.Unmarshal(body, &reply); err == nil && len(reply.All) == 1 {
			return &existing{reply.All[0].Template.Patterns, reply.All[0].Template.Meta}, nil
		}
		// Its shape is not ours.
		return &existing{}, nil
	}
	var reply map[string]struct {
		Patterns []string `json:"index_patterns"`
		Mappings struct {
			Meta marked `json:"_meta"`
			Doc  struct {
				Meta marked `json:"_meta"`
			} `json:"_doc"`
		} `json:"mappings"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return &existing{}, nil //nolint:nilerr // of a shape that is not ours
	}
	found := reply[t.name]
	if found.Mappings.Meta.ManagedBy == "" {
		found.Mappings.Meta = found.Mappings.Doc.Meta
	}
	return &existing{found.Patterns, found.Mappings.Meta}, nil
}

// may reports whether the template may be put in the place of old.
func (t *template) may(old *existing) bool {
	if t.given {
		return false
	}
	if old == nil || old.mark.ManagedBy == managedBy || t.cfg.Template.Overwrite {
		return true
	}
	t.notice("the index template %s was made by somebody else and is left as it is: set template.overwrite to "+
		"replace it, "+
		"or template.manage to false", t.name)
	return false
}

// put makes the template, unless old is the same.
func (t *template) put(ctx context.Context, old *existing, matches string, s server, policy string) error {
	patterns := []string{matches}
	inner, err := json.Marshal(t.inner(s, policy))
	if err != nil {
		return &outputs.SendError{Reason: outputs.ReasonServer, Err: fmt.Errorf("index template: %w", err)}
	}
	sum := fnv.New64a()
	// Never fails.
	_, _ = fmt.Fprintf(sum, "%s %d %t", inner, t.cfg.Template.Priority, t.cfg.DataStream)
	mark := marked{ManagedBy: managedBy, Of: fmt.Sprintf("%016x", sum.Sum64())}
	if old != nil && old.mark.ManagedBy == managedBy {
		if old.mark == mark && slices.Contains(old.patterns, matches) {
			return nil
		}
		// Another output's index may begin with the same word, and so may the former name of this one's.
		patterns = slices.Compact(slices.Sorted(slices.Values(append(old.patterns, matches))))
	}
	body, err := json.Marshal(t.body(patterns, mark, s, policy))
	if err != nil {
		return &outputs.SendError{Reason: outputs.ReasonServer, Err: fmt.Errorf("index template: %w", err)}
	}
	res, reply, err := t.call(ctx, http.MethodPut, t.api+url.PathEscape(t.name), body)
	switch {
	case err != nil:
		return asSendError(err)
	case res.status != http.StatusOK:
		return t.refused("make", res, reply)
	}
	t.log.Info().Str("template", t.name).Strs("patterns", patterns).Msg("made the index template")
	return nil
}

// inner returns settings and mappings of the indices.
func (t *template) inner(s server, policy string) object {
	cfg := &t.cfg
	index := object{}
	if cfg.Template.Shards != nil && !s.serverless {
		index["number_of_shards"] = *cfg.Template.Shards
	}
	if cfg.Template.Replicas != nil && !s.serverless {
		index["number_of_replicas"] = *cfg.Template.Replicas
	}
	switch {
	case policy != "" && t.rolls != "":
		index["lifecycle"] = object{"name": policy, "rollover_alias": t.rolls}
	case policy != "":
		index["lifecycle"] = object{"name": policy}
	case s.flavor == opensearch && t.rolls != "":
		index["plugins"] = object{"index_state_management": object{"rollover_alias": t.rolls}}
	}
	properties := object{}
	keyword := object{"type": "keyword", "ignore_above": maxKeyword}
	for _, name := range []string{cfg.Fields.Tag, cfg.Fields.Cluster} {
		if name != "" {
			properties[name] = keyword
		}
	}
	if cfg.Fields.Time != "" {
		kind := cfg.Template.TimeType
		if s.flavor == legacy && !s.least(7, 0) {
			// there is no other before.
			kind = "date"
		}
		properties[cfg.Fields.Time] = object{"type": kind}
	}
	return object{"settings": object{"index": index}, "mappings": object{"properties": properties}}
}

func (t *template) body(patterns []string, mark marked, s server, policy string) object {
	inner := t.inner(s, policy)
	if t.composable {
		b := object{"index_patterns": patterns, "priority": t.cfg.Template.Priority, "template": inner, "_meta": mark}
		if t.cfg.DataStream {
			b["data_stream"] = object{}
		}
		return b
	}
	mappings := inner["mappings"].(object) //nolint:forcetypeassert // inner makes it so
	mappings["_meta"] = mark
	if s.typed {
		inner["mappings"] = object{"_doc": mappings}
	}
	inner["index_patterns"], inner["order"] = patterns, t.cfg.Template.Priority
	return inner
}

// refused gives up on the template with a notice where trying again would not help, and returns nil.
func (t *template) refused(what string, res answer, body []byte) error {
	switch code := res.status; {
	case code == http.StatusForbidden:
		t.notice("can't %s the index template %s: the user lacks the cluster privilege "+
			"manage_index_templates; grant it, "+
			"or make the template by hand and set template.manage to false: %s", what, t.name, words(body))
	case passes(code) || code < 400:
		return refusal(fmt.Sprintf("%s the index template %s", what, t.name), res, body)
	default:
		t.notice("can't %s the index template %s, and goes on without: it answered %s: %s", what, t.name, status(code),
			words(body))
	}
	t.given = true
	return nil
}

// passes reports whether a refusal may be another one's the next time, of a server that knows the request.
func passes(code int) bool {
	return code == http.StatusUnauthorized || code == http.StatusTooManyRequests ||
		code >= 500 && code != http.StatusNotImplemented
}

// lifecycle returns the name of the policy that new indices should have, "" for none.
func (c *client) lifecycle(ctx context.Context, s server) (string, error) {
	policy := c.cfg.Template.ILMPolicy
	if policy == "" {
		return "", nil
	}
	if s.flavor == opensearch {
		c.notice("OpenSearch has no index lifecycle management like Elasticsearch's: template.ilm_policy is not used; "+
			"name the indices in the ism_template of the policy %s there", policy)
		return "", nil
	}
	res, body, err := c.call(ctx, http.MethodGet, "/_ilm/policy/"+url.PathEscape(policy), nil)
	if err != nil {
		return "", asSendError(err)
	}
	switch code := res.status; {
	case code == http.StatusOK || code == http.StatusForbidden:
		// Who may not read policies may still name them.
		return policy, nil
	case code == http.StatusNotFound:
		c.notice("there is no policy %s on the server: indices have it once it is made (template.ilm_policy)", policy)
		return policy, nil
	case passes(code):
		return "", refusal("look for the policy "+policy, res, body)
	default:
		c.notice("the server has no index lifecycle management (%s): template.ilm_policy is not used", status(code))
		return "", nil
	}
}
