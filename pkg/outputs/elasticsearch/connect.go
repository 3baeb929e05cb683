package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/indexname"
)

// Connect asks every host what it is, and where there is security whether the user may write the indices
// of the clusters, without writing anything.
func (o *Output) Connect(ctx context.Context, clusters []string) (found string, err error) {
	return o.client.connect(ctx, clusters)
}

func (c *client) connect(ctx context.Context, clusters []string) (string, error) {
	ids, errs := make([]identity, len(c.hosts)), make([]error, len(c.hosts))
	var wg sync.WaitGroup
	for i, h := range c.hosts {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, min(dialTimeout, c.cfg.Settings().Timeout))
			defer cancel()
			id, err := c.identify(ctx, h)
			switch {
			case err != nil:
				err = &hostError{h.address, err}
			case id.refused != nil:
				err = c.advise(id.refused)
			default:
				err = c.takesGzip(ctx, h)
			}
			ids[i], errs[i] = id, err
		})
	}
	wg.Wait()
	var wrong, right []string
	for i, h := range c.hosts {
		if errs[i] != nil {
			wrong = append(wrong, errs[i].Error())
		} else {
			right = append(right, h.address)
		}
	}
	switch {
	case len(wrong) > 0 && len(right) > 0:
		return "", fmt.Errorf("%s; %s can be used", strings.Join(wrong, "; "), strings.Join(right, ", "))
	case len(wrong) > 0:
		return "", errors.New(strings.Join(wrong, "; "))
	}
	may, err := c.privileges(ctx, ids[0], c.hosts[0], clusters)
	if err != nil {
		return "", err
	}
	name := ids[0].server.name()
	if name == "" {
		name = "a server that does not tell its version"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	all := append([]string{name + " at " + strings.Join(right, ", ") + may}, c.notices...)
	return strings.Join(all, "; note: "), nil
}

// takesGzip sends h a compressed bulk request of no events, and holds that it can read it.
func (c *client) takesGzip(ctx context.Context, h *host) error {
	if c.cfg.Compression != compressionGzip {
		return nil
	}
	var body bytes.Buffer
	zip := gzip.NewWriter(&body)
	_, err := zip.Write([]byte("\n"))
	if err = errors.Join(err, zip.Close()); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	res, reply, err := exchange(ctx, func(req *http.Request) (*http.Response, error) {
		req.Header.Set("Content-Type", "application/x-ndjson")
		req.Header.Set("Content-Encoding", "gzip")
		return c.do(h, req)
	}, http.MethodPost, "/_bulk", body.Bytes())
	switch {
	case err != nil:
		return &hostError{h.address, err}
	case gzipUnread(res.status, string(reply)):
		return fmt.Errorf("%s: %s: it answered %s: %s", h.address, adviseGzip, status(res.status), words(reply))
	}
	// That there are no events in it is what it says, or that the user may not: that is asked for by itself.
	return nil
}

// advise adds what to do to a refusal for lack of valid credentials.
func (c *client) advise(refused error) error {
	var se *outputs.SendError
	switch {
	case !errors.As(refused, &se):
		return refused
	case c.cfg.AWS != nil && se.Status == 0:
		// There were no credentials.
		return fmt.Errorf("%w: check the environment, the profile or the role that they come from", se.Err)
	case c.cfg.AWS != nil && (se.Status == http.StatusForbidden || se.Status == http.StatusUnauthorized):
		if advice := adviseAWS(c.cfg.AWS, se.Status, se.Err.Error()); advice != "" {
			return fmt.Errorf("%w: %s%w", se.Err, advice, outputs.ErrDenied)
		}
		return fmt.Errorf("%w%w", se.Err, outputs.ErrDenied)
	case se.Status == http.StatusForbidden:
		return fmt.Errorf("%w%w", se.Err, outputs.ErrDenied)
	case se.Status != http.StatusUnauthorized:
		return se.Err
	case c.cfg.APIKey.IsSet():
		return fmt.Errorf("%w: check api_key, and that it has not expired", se.Err)
	case c.cfg.BearerToken.IsSet():
		return fmt.Errorf("%w: check bearer_token, and that it has not expired", se.Err)
	case c.cfg.Username != "":
		return fmt.Errorf("%w: check username and password", se.Err)
	}
	return fmt.Errorf("%w: set username and password, api_key or bearer_token", se.Err)
}

// privileges asks h whether the user may write the indices of the clusters, and returns what follows
// "product at address". A server without security has nothing to ask.
func (c *client) privileges(ctx context.Context, id identity, h *host, clusters []string) (string, error) {
	pieces, err := indexname.Parse(c.cfg.Index)
	if err != nil {
		return "", fmt.Errorf("index: %w", err)
	}
	if len(clusters) == 0 {
		clusters = []string{""}
	}
	var names []string
	for _, cluster := range clusters {
		name := pieces.Pattern(cluster)
		names = append(names, name)
		if c.cfg.Alias != "" {
			// what is behind it.
			names = append(names, name+ofAlias)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if c.authorization == "" || id.server.flavor == opensearch || id.server.typed {
		return "", nil
	}
	write := "create_doc"
	if c.cfg.OpType == "index" {
		write = "index"
	}
	// Each of these lets a bulk request make its index.
	create := []string{"auto_configure", "create_index", "manage"}
	body, err := json.Marshal(object{
		"cluster": []string{"manage_index_templates"},
		"index":   []object{{"names": names, "privileges": append([]string{write}, create...)}},
	})
	if err != nil {
		return "", fmt.Errorf("ask for privileges: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, min(dialTimeout, c.cfg.Settings().Timeout))
	defer cancel()
	res, reply, err := c.ask(ctx, h, http.MethodPost, "/_security/user/_has_privileges", body)
	if err != nil {
		return "", &hostError{h.address, err}
	}
	if res.status == http.StatusUnauthorized || res.status == http.StatusForbidden {
		return "", c.advise(refusal(h.address+": ask for privileges", res, reply))
	}
	var has struct {
		Username string
		Cluster  map[string]bool
		Index    map[string]map[string]bool
	}
	if res.status != http.StatusOK || json.Unmarshal(reply, &has) != nil || has.Index == nil {
		// No security there.
		return "", nil
	}
	for _, name := range names {
		if !has.Index[name][write] {
			return "", fmt.Errorf("%s: user %q may not write %s: it lacks the privilege %s on these indices%w",
				h.address, has.Username, name, write, outputs.ErrDenied)
		}
		if !slices.ContainsFunc(create, func(p string) bool { return has.Index[name][p] }) {
			return "",
				fmt.Errorf(
					"%s: user %q may write %s but not make indices: it lacks the privilege auto_configure on them%w",
					h.address, has.Username, name, outputs.ErrDenied,
				)
		}
	}
	may := fmt.Sprintf(", user %q may write %s", has.Username, strings.Join(names, ", "))
	if c.cfg.Template.Manage && !has.Cluster["manage_index_templates"] {
		may += ", but not make the index template: it lacks the cluster privilege manage_index_templates"
	}
	return may, nil
}
