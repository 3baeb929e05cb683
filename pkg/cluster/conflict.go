package cluster

import (
	"net/netip"
	"slices"
	"strings"
)

// Conflict is what makes two clusters indistinguishable. Its texts hold no secret.
type Conflict struct {
	Cluster, Other int // indexes, that of the later one first
	// Key is the setting of it: "shared_key".
	Key string
	// Same is what is the same: "key".
	Same string
	Hint string
}

// Conflicts returns what in configs could not be told apart, in order.
func Conflicts(configs []Config) (all []Conflict) {
	for j := range configs {
		b := &configs[j]
		for i := range configs[:j] {
			a := &configs[i]
			add := func(key, hint, same string) { all = append(all, Conflict{j, i, key, same, hint}) }
			if a.Name == b.Name {
				add("name", "give each its own", "name")
			}
			switch same := sameLogin(a, b); same {
			case "":
			case "key":
				add("shared_key",
					"a key decides which cluster an agent belongs to: give each its own, or users of its own beside it",
					same)
			default:
				add("users", "a user decides which cluster an agent belongs to: give each its own", same)
			}
			for _, name := range b.TLSNames {
				if slices.ContainsFunc(a.TLSNames, func(n string) bool { return strings.EqualFold(n, name) }) {
					add("tls_names", "a name decides which cluster an agent belongs to: give each its own",
						"certificate name")
				}
			}
			if a.Open() || b.Open() {
				for _, network := range networks(b) {
					if slices.Contains(networks(a), network) {
						add("sources", "the network alone can't decide which one an agent belongs to", "network")
					}
				}
			}
		}
	}
	return all
}

// sameLogin says what of a login would fit both clusters: "key", "user and password", or "" if none would.
func sameLogin(a, b *Config) string {
	for _, k := range a.keys() {
		for _, l := range b.keys() {
			if !k.Equal(l) {
				continue
			}
			if len(a.Users) == 0 || len(b.Users) == 0 { // else the users decide
				return "key"
			}
		}
	}
	for _, u := range a.Users {
		for _, v := range b.Users {
			if u.Name == v.Name && u.Password.Equal(v.Password) {
				return "user and password"
			}
		}
	}
	return ""
}

func networks(c *Config) (all []netip.Prefix) {
	for _, text := range c.Sources {
		if p, err := parseNetwork(text); err == nil {
			all = append(all, p)
		}
	}
	return all
}
