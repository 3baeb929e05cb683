package tls

import (
	"context"
	"time"
)

// WatchEvery is how often Watch looks where it is not told otherwise. A kubelet takes up to a minute
// to bring a changed secret into a pod and certificates are replaced days before they expire, so
// five seconds add nothing that can be noticed; a look costs a few reads from the page cache.
const WatchEvery = 5 * time.Second

// Reloader is a Server or a Client.
type Reloader interface {
	Reload() (changed bool, err error)
}

// Watch reloads what list returns each time that every (0: WatchEvery) has passed, until ctx ends.
// Errors are the reloaders' own to keep and log. It runs in the caller's goroutine and starts none.
//
// It reads instead of asking the kernel for changes: comparing content sees a symbolic link
// swapped, a file renamed or written in place alike, on network and overlay file systems too, can't
// miss an event, and tries again what could not be used a moment ago.
func Watch(ctx context.Context, every time.Duration, list func() []Reloader) {
	if every <= 0 {
		every = WatchEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for _, r := range list() {
				// Kept in its State and logged by it.
				_, _ = r.Reload()
			}
		}
	}
}
