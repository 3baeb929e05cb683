package elasticsearch

// flavor is a family of servers that are talked to in the same way.
type flavor string

// The flavors, as the configuration has them.
const (
	auto          flavor = "auto"
	elasticsearch flavor = "elasticsearch" // from 7.14 on
	opensearch    flavor = "opensearch"
	legacy        flavor = "legacy" // Elasticsearch before 7.14
)

// server is what is known of the servers.
type server struct {
	flavor  flavor
	version string // "" where the server does not tell
	typed   bool   // Elasticsearch 6.x: wants "_type":"_doc" in the actions of a bulk request
}
