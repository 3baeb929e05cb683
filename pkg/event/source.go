package event

// Source returns who sent a chunk as it is stored and delivered: a JSON object with the peer's address and the hostname
// that it claims, as far as there are any.
func Source(address, hostname string) string {
	b := []byte{'{'}
	member := func(name, value string) {
		if value == "" {
			return
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendString(appendName(b, name), value)
	}
	member("address", address)
	member("hostname", hostname)
	return string(append(b, '}'))
}
