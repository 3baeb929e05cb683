package event

// Fields names what is added to every delivered event; an empty name leaves that out.
type Fields struct {
	Time     string `yaml:"time" default:"\"@timestamp\"" help:"RFC 3339 in UTC"`
	Tag      string `yaml:"tag" default:"tag" help:"the event's tag"`
	Cluster  string `yaml:"cluster" default:"cluster" help:"the event's cluster"`
	Metadata string `yaml:"metadata" default:"\"\"" help:"Fluent Bit's metadata, as an object"`
	Source   string `yaml:"source" default:"\"\""`
	ID       string `yaml:"id" default:"\"\"" help:"an id that is stable over retries and restarts"`
}

// Help implements setting.Explained.
func (Fields) Help() map[string]string {
	return map[string]string{
		"source": "who sent it, as an object: the agent's address, and the hostname that it gave when it logged in",
	}
}
