package s3

import "github.com/seed-afc6a195/aggregator/pkg/event"

// Targets implements outputs.Targeter.
func (c *Config) Targets() (func(ev *event.Event) string, error) {
	key, err := event.ParseTemplate(c.Key)
	if err != nil {
		return nil, err
	}
	return func(ev *event.Event) string {
		return "bucket " + c.Bucket + ", key " + string(key.Append(nil, ev, appendClean)) + "…"
	}, nil
}
