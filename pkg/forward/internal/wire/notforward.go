package wire

import (
	"bytes"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/proxyheader"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
)

// NotForward says what b, that does not begin a message, is likely to be.
func NotForward(b []byte) error {
	const hint = "only the Forward protocol is spoken here"
	switch {
	case b[0] == 0x16:
		return refusal.New(refusal.NotForward,
			"it looks like TLS, and this listener is plain: turn TLS off in the client, or on here")
	case b[0] == '{' || b[0] == '[':
		return refusal.New(refusal.NotForward, "it looks like JSON; %s: set the client's packer to msgpack", hint)
	case bytes.HasPrefix(b, []byte("PROXY ")) || bytes.HasPrefix(b, []byte(proxyheader.Signature)):
		return refusal.New(refusal.NotForward, "it looks like a PROXY header: %s", refusal.ProxyHint)
	case b[0] >= 'A' && b[0] <= 'Z':
		return refusal.New(refusal.NotForward, "it looks like HTTP or other text; %s", hint)
	case b[0] == 0xc1:
		return refusal.New(refusal.Broken, "%w", event.ErrReserved)
	}
	return refusal.New(refusal.Broken, "a message is an array, not %s", typeName(b[0]))
}

// typeName names the type of the value that begins with c.
func typeName(c byte) string {
	switch event.TypeOf(c) {
	case event.TypeNil:
		return "nil"
	case event.TypeBool:
		return "a bool"
	case event.TypeInt:
		return "an integer"
	case event.TypeFloat:
		return "a float"
	case event.TypeStr:
		return "a string"
	case event.TypeBin:
		return "binary"
	case event.TypeArray:
		return "an array"
	case event.TypeMap:
		return "a map"
	case event.TypeExt:
		return "an extension"
	default:
		return "a reserved byte"
	}
}
