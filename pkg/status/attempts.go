package status

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// A source may be wrong maxWrong times in a row, and once more with each wrongEvery that passes.
const (
	maxWrong   = 20
	wrongEvery = 3 * time.Second
	// maxSources is how many are remembered at most.
	maxSources = 4096
)

// attempts slows those who guess credentials. Safe for concurrent use.
type attempts struct {
	mu sync.Mutex
	// until is when all that a source did wrong is forgotten.
	until map[netip.Prefix]time.Time
}

// wait returns how long nothing that the source presents is looked at; 0: not at all.
func (a *attempts) wait(source netip.Prefix) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	// Until saturates where there is none.
	return max(0, max(0, time.Until(a.until[source]))-(maxWrong-1)*wrongEvery)
}

// wrong notes that the source has presented what is wrong.
func (a *attempts) wrong(source netip.Prefix) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if len(a.until) >= maxSources {
		for s, until := range a.until {
			if !until.After(now) {
				delete(a.until, s)
			}
		}
		// So many sources guess in vain, whatever is forgotten.
		if len(a.until) >= maxSources {
			clear(a.until)
		}
	}
	if a.until == nil {
		a.until = map[netip.Prefix]time.Time{}
	}
	until := a.until[source]
	if until.Before(now) {
		until = now
	}
	a.until[source] = until.Add(wrongEvery)
}

// sourceOf returns whom address, "host:port", belongs to: an IPv4 address, or an IPv6 network of 64
// bits, in which a host may take any address. All addresses that can't be read are one source.
func sourceOf(address string) netip.Prefix {
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	// The bits fit.
	source, _ := ip.Prefix(bits)
	return source
}
