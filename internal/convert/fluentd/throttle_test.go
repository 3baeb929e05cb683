package fluentd_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestOtherFilters(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "dedot at the top alone", Old: `
@type dedot
de_dot true
`, New: `
dedot: {separator: "_", nested: false}
`},
		{Name: "flatten_hash as it is", Old: `
@type flatten_hash
flatten_array false
`, New: `
modify: {flatten: {separator: "."}}
`},
		{Name: "throttle of all", Old: `
@type throttle
`, New: `
throttle: {rate: 100, interval: "60s", burst: 6000}
`},
		{Name: "throttle that is none", Old: `
@type throttle
group_bucket_limit 0
`, New: `
lost: <filter **> throttle: its limit is no number of events in a time
`},
		{Name: "throttle by several keys", Old: `
@type throttle
group_key kubernetes.namespace_name,$.app
group_bucket_period_s 60
group_bucket_limit 30
group_reset_rate_s 50
`, New: `
throttle: {rate: 0.5, interval: "60s", burst: 30, key: "{record.kubernetes.namespace_name}/{record.app}"}
`},
		{Name: "what the aggregator does by itself", Old: `
@type elasticsearch_genid
hash_id_key _hash
`, New: `
said: <filter **> elasticsearch_genid: left out: every event has an id that is stable over retries: id: auto
    of the output
`},
		{Name: "what has no like", Old: `
@type geoip
`, New: `
lost: <filter **> geoip: it needs a database and a library of its own
`},
		{Name: "what nobody knows", Old: `
@type unheard_of
`, New: `
lost: <filter **> unheard_of: there is no step for it
`},
		{Name: "a setting that there is none of", Old: `
@type grep
speed 11
`, New: `
lost: <filter **> grep speed: the setting has no like that is known here
`},
	}, steps)
}
