package convert

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

func (b *builder) place() syntax.Place {
	if len(b.olds) == 0 {
		return syntax.Place{}
	}
	return syntax.Place{File: b.olds[0].File}
}

// agent makes the new configuration of an agent: what it reads stays, and it sends to the aggregator with the settings
// that make acks hold. What an agent alone can do stays too, with all filters before it, so that their order does.
func (b *builder) agent(old *flow.Old, servers bool) {
	stay := b.keepFilters(old, servers || forwardsOnly(old))
	f := File{Name: "agent-" + filepath.Base(old.File)}
	switch ext := filepath.Ext(f.Name); {
	// A chart's values have none.
	case ext == "":
		f.Name += ".conf"
	// It is made of resources.
	case (ext == ".yaml" || ext == ".yml") && !old.YAML:
		f.Name = strings.TrimSuffix(f.Name, ext) + ".conf"
	}
	if old.Bit {
		f.Data = fluentBitAgent(old, stay)
	} else {
		f.Data = fluentdAgent(old, stay)
	}
	for i := 2; ; i++ {
		taken := false
		for _, a := range b.agents {
			taken = taken || a.Name == f.Name
		}
		if !taken {
			break
		}
		f.Name = fmt.Sprintf("agent-%d-%s", i, filepath.Base(old.File))
	}
	b.agents = append(b.agents, f)
	if servers {
		return
	}
	if forwardsOnly(old) {
		b.notes.Say(syntax.Place{File: old.File}, "what these agents send to", "the aggregator sends it on to there",
			"where the aggregator takes that program's place, convert its file in the same run")
	}
	old.Listeners = []flow.Listener{{
		At: syntax.Place{
			File: old.File,
			Line: old.Sources[0].At.Line,
		}, Title: "what the agents of " + filepath.Base(old.File) + " read",
		Settings: flow.Map{{Key: "address", Value: ":24224"}},
		Clusters: []flow.Map{{{Key: "name", Value: "agents"}, {
			Key:   "shared_key",
			Value: "${file:" + b.secret("agents-key") + "}",
		}}},
	}}
}

func (b *builder) secret(name string) string {
	dir := b.notes.SecretsDir
	if dir == "" {
		dir = "/etc/aggregator/secrets"
	}
	path := filepath.Join(dir, name)
	b.notes.NeedFile(path, "a new key, the agents' AGGREGATOR_SHARED_KEY: openssl rand -hex 32")
	return path
}

// kept is a piece of the old file that stays with an agent.
type kept struct {
	at  syntax.Place
	raw []string
}

// keepFilters takes the filters that stay with the agent out of the pipe where its events start, and returns them, with
// the matches between them that give events another tag.
func (b *builder) keepFilters(old *flow.Old, all bool) (stay []kept) {
	pipe := old.Flow.Pipes[old.Flow.Start]
	if pipe == nil {
		return nil
	}
	last := -1
	for i, s := range pipe.Stages {
		if s.Filter != nil && (s.Filter.AgentOnly != "" || all) {
			last = i
		}
	}
	var stages []flow.Stage
	for i, s := range pipe.Stages {
		switch {
		case i > last:
			stages = append(stages, s)
		case s.Filter != nil:
			stay = append(stay, kept{s.Filter.At, s.Filter.Raw})
			if s.Filter.AgentOnly != "" {
				b.notes.Say(s.Filter.At, s.Filter.Title,
					"stays with the agents, with what stands before it: "+s.Filter.AgentOnly, "")
			}
		case s.Match.Retags():
			stay = append(stay, kept{s.Match.At, s.Match.Raw})
			b.notes.Say(s.Match.At, s.Match.Title, "stays with the agents: it stands before a filter that does", "")
		default:
			stages = append(stages, s)
		}
	}
	pipe.Stages = stages
	return stay
}

// forwardsOnly reports whether all that an agent does with events is to send them on: then its filters stay where they
// are.
func forwardsOnly(old *flow.Old) bool {
	some := false
	for _, pipe := range old.Flow.Pipes {
		for _, s := range pipe.Stages {
			if s.Match == nil {
				continue
			}
			for _, t := range s.Match.Targets {
				if t.Output != nil && t.Output.Type != "forward" || t.Retag != nil {
					return false
				}
				some = some || t.Output != nil
			}
		}
	}
	return some
}

const agentHead = "# The new configuration of the agents of %s: they read what they read before and send it to the " +
	"aggregator.\n" +
	`# AGGREGATOR_HOST and AGGREGATOR_SHARED_KEY are variables of the agents; NODE_NAME is what they call themselves.
# What each setting is for: deployments/agents/README.md.
`

// fluentdAgent writes an agent's fluent.conf.
func fluentdAgent(old *flow.Old, stay []kept) []byte {
	var t strings.Builder
	fmt.Fprintf(&t, agentHead, filepath.Base(old.File))
	for _, s := range old.Sources {
		fmt.Fprintf(&t, "\n# %s\n%s\n", comment(s.At, ""), strings.Join(s.Raw, "\n"))
	}
	label := old.Flow.Start
	indent := ""
	if label != "" {
		fmt.Fprintf(&t, "\n<label %s>\n", label)
		indent = "  "
	}
	for _, f := range stay {
		fmt.Fprintf(&t, "\n%s# %s\n%s\n", indent, comment(f.at, ""), strings.Join(f.raw, "\n"))
	}
	t.WriteByte('\n')
	for line := range strings.SplitSeq(strings.TrimSuffix(fluentdForward, "\n"), "\n") {
		t.WriteString(strings.TrimRight(indent+line, " ") + "\n")
	}
	if label != "" {
		t.WriteString("</label>\n")
	}
	return []byte(t.String())
}

const fluentdForward = `<match **>
  @type forward
  require_ack_response true
  ack_response_timeout 60s
  send_timeout 60s
  connect_timeout 10s
  # With TLS: the listener's certificate is signed by this authority.
  # transport tls
  # tls_verify_hostname true
  # tls_ca_cert_path /etc/fluentd/tls/ca.crt
  keepalive true
  keepalive_timeout 10m
  heartbeat_type none
  expire_dns_cache 60
  ignore_network_errors_at_startup true
  compress gzip
  <security>
    self_hostname "#{ENV['NODE_NAME'] || Socket.gethostname}"
    shared_key "#{ENV['AGGREGATOR_SHARED_KEY']}"
  </security>
  <server>
    host "#{ENV['AGGREGATOR_HOST']}"
    port "#{ENV['AGGREGATOR_PORT'] || 24224}"
  </server>
  <buffer tag>
    @type file
    path /var/log/fluentd-aggregator-buffer
    chunk_limit_size 8MB
    total_limit_size 8GB
    flush_mode interval
    flush_interval 1s
    flush_thread_count 2
    retry_forever true
    retry_max_interval 30s
    overflow_action block
  </buffer>
</match>
`

// fluentBitAgent writes an agent's fluent-bit.conf or fluent-bit.yaml.
func fluentBitAgent(old *flow.Old, stay []kept) []byte {
	var t strings.Builder
	fmt.Fprintf(&t, agentHead, filepath.Base(old.File))
	if old.YAML {
		fluentBitYAML(&t, old, stay)
		return []byte(t.String())
	}
	t.WriteString("[SERVICE]\n")
	for _, line := range old.Service {
		t.WriteString(line + "\n")
	}
	t.WriteString(fluentBitService)
	for _, s := range old.Sources {
		fmt.Fprintf(&t, "\n# %s\n%s\n", comment(s.At, ""), strings.Join(s.Raw, "\n"))
		for _, line := range s.More {
			t.WriteString("    " + line + "\n")
		}
	}
	for _, f := range stay {
		fmt.Fprintf(&t, "\n# %s\n%s\n", comment(f.at, ""), strings.Join(f.raw, "\n"))
	}
	t.WriteString(fluentBitForward)
	return []byte(t.String())
}

const fluentBitService = `    # Chunks wait on disk, and are sent again within 30 s.
    storage.path         /var/lib/fluent-bit/chunks
    storage.sync         normal
    storage.max_chunks_up 64
    storage.backlog.mem_limit 32M
    scheduler.base       1
    scheduler.cap        30
`

const fluentBitForward = `
[OUTPUT]
    Name                 forward
    Match                *
    Host                 ${AGGREGATOR_HOST}
    Port                 24224
    Shared_Key           ${AGGREGATOR_SHARED_KEY}
    Self_Hostname        ${NODE_NAME}
    Require_ack_response True
    Retry_Limit          no_limits
    storage.total_limit_size 8G
    Compress             gzip
    Workers              2
    # With TLS: the listener's certificate is signed by this authority.
    # tls                On
    # tls.verify         On
    # tls.verify_hostname On
    # tls.ca_file        /fluent-bit/tls/ca.crt
    net.connect_timeout  10
    net.io_timeout       60
    net.tcp_keepalive    On
    net.keepalive        On
    net.keepalive_idle_timeout 30
    net.keepalive_max_recycle 200
`

// fluentBitYAML writes the YAML form.
func fluentBitYAML(t *strings.Builder, old *flow.Old, stay []kept) {
	t.WriteString("service:\n")
	for _, line := range old.Service {
		t.WriteString(line + "\n")
	}
	t.WriteString(yamlService)
	for _, name := range slices.Sorted(maps.Keys(old.Parsers)) {
		t.WriteString("\n" + name + ":\n")
		for _, raw := range old.Parsers[name] {
			yamlItem(t, raw, nil)
		}
	}
	t.WriteString("\npipeline:\n  inputs:\n")
	for _, s := range old.Sources {
		fmt.Fprintf(t, "    # %s\n", comment(s.At, ""))
		yamlItem(t, s.Raw, s.More)
	}
	if len(stay) > 0 {
		t.WriteString("  filters:\n")
		for _, f := range stay {
			fmt.Fprintf(t, "    # %s\n", comment(f.at, ""))
			yamlItem(t, f.raw, nil)
		}
	}
	t.WriteString(yamlForward)
}

// yamlItem writes an item of a list at the depth of the new file's.
func yamlItem(t *strings.Builder, raw, more []string) {
	if len(raw) == 0 {
		return
	}
	// The first line may have its dash in front; the others are below its first key.
	depth := len(raw[0]) - len(strings.TrimLeft(raw[0], " -"))
	for i, line := range raw {
		if n := len(line) - len(strings.TrimLeft(line, " ")); i > 0 && n >= depth {
			line = strings.Repeat(" ", 6) + line[depth:]
		} else if i == 0 {
			line = "    - " + strings.TrimLeft(line, " -")
		} else {
			line = "      " + strings.TrimSpace(line)
		}
		t.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	for _, line := range more {
		key, value, _ := strings.Cut(line, " ")
		t.WriteString("      " + strings.ToLower(key) + ": " + strings.TrimSpace(value) + "\n")
	}
}

const yamlService = `  # Chunks wait on disk, and are sent again within 30 s.
  storage.path: /var/lib/fluent-bit/chunks
  storage.sync: normal
  storage.max_chunks_up: 64
  storage.backlog.mem_limit: 32M
  scheduler.base: 1
  scheduler.cap: 30
`

const yamlForward = `  outputs:
    - name: forward
      match: "*"
      host: ${AGGREGATOR_HOST}
      port: 24224
      shared_key: ${AGGREGATOR_SHARED_KEY}
      self_hostname: ${NODE_NAME}
      require_ack_response: "true"
      retry_limit: no_limits
      storage.total_limit_size: 8G
      compress: gzip
      workers: 2
      # With TLS: the listener's certificate is signed by this authority.
      # tls: "on"
      # tls.verify: "on"
      # tls.verify_hostname: "on"
      # tls.ca_file: /fluent-bit/tls/ca.crt
      net.connect_timeout: 10
      net.io_timeout: 60
      net.tcp_keepalive: "on"
      net.keepalive: "on"
      net.keepalive_idle_timeout: 30
      net.keepalive_max_recycle: 200
`
