package client

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/handshake"
)

// The hexadecimal forms are written by hand from the protocol's description.
const (
	entryHex = "92 d700 00000001 00000002 81 a161 01"
	metaHex  = "92 92 d700 00000001 00000002 81 a16d c0 81 a161 01"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestClientEncoder(t *testing.T) {
	for _, tc := range []struct {
		name    string
		message Message
		entries string
		want    string
	}{
		{"packed", Message{Events: 2}, entryHex + entryHex, "93 a174 c41e" + entryHex + entryHex + "81 a473697a65 02"},
		{
			"packed with ack",
			Message{Mode: PackedMode, Events: 1, Chunk: "id"},
			entryHex,
			"93 a174 c40f" + entryHex + "82 a473697a65 01 a56368756e6b a26964",
		},
		{"packed and empty", Message{}, "", "93 a174 c400 81 a473697a65 00"},
		{
			"forward",
			Message{Mode: ForwardMode, Events: 2},
			entryHex + metaHex,
			"93 a174 92" + entryHex + metaHex + "81 a473697a65 02",
		},
		{"message", Message{Mode: MessageMode, Events: 1}, entryHex, "94 a174 d700 00000001 00000002 81 a161 01 80"},
		{
			"message with ack",
			Message{Mode: MessageMode, Events: 1, Chunk: "id"},
			entryHex,
			"94 a174 d700 00000001 00000002 81 a161 01 81 a56368756e6b a26964",
		},
		{
			"message with metadata",
			Message{Mode: MessageMode, Events: 1},
			metaHex,
			"94 a174 d700 00000001 00000002 81 a161 01 81 a86d65746164617461 81 a16d c0",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var e Encoder
			tc.message.Tag, tc.message.Entries = "t", unhex(t, tc.entries)
			before := []byte("before")
			got, err := e.Append(before, &tc.message)
			if want := unhex(t, hex.EncodeToString(before)+tc.want); err != nil || !bytes.Equal(got, want) {
				t.Errorf("error %v, frame\n%x, want\n%x", err, got, want)
			}
		})
	}
}

func TestClientEncoder_Failure(t *testing.T) {
	one := unhex(t, entryHex)
	for text, m := range map[string]Message{
		"can't be compressed": {Mode: ForwardMode, Compress: "gzip", Entries: one},
		"no compression":      {Compress: "lz4", Entries: one},
		"no mode":             {Mode: "odd", Entries: one},
		"not one entry":       {Mode: MessageMode, Entries: append(one, one...)},
		"mode message: not":   {Mode: MessageMode, Entries: one[:12]},
		"mode message":        {Mode: MessageMode},
	} {
		_, err := new(Encoder).Append(nil, &m)
		checkClientError(t, err, nil, text)
	}
}

func TestClientEncoderCompresses(t *testing.T) {
	entries := bytes.Repeat(unhex(t, entryHex), 1000)
	var e Encoder
	for _, compress := range []string{"gzip", "zstd", "gzip", "zstd"} { // twice: compressors are kept
		frame, err := e.Append(nil, &Message{Tag: "t", Entries: entries, Events: 1000, Compress: compress, Chunk: "id"})
		if err != nil {
			t.Fatal(err)
		}
		if len(frame) > len(entries)/5 {
			t.Errorf("%s: %d bytes of %d", compress, len(frame), len(entries))
		}
		_, rest, _ := msgp.ReadArrayHeaderBytes(frame)
		_, rest, _ = msgp.ReadStringBytes(rest)
		payload, option, err := msgp.ReadBytesZC(rest)
		if err != nil {
			t.Fatal(err)
		}
		var plain []byte
		if compress == "gzip" {
			r, err := gzip.NewReader(bytes.NewReader(payload))
			if err != nil {
				t.Fatal(err)
			}
			plain, err = io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
		} else {
			r, err := zstd.NewReader(nil)
			if err != nil {
				t.Fatal(err)
			}
			plain, err = r.DecodeAll(payload, nil)
			r.Close()
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(plain, entries) {
			t.Errorf("%s: other bytes come out", compress)
		}
		if want := "\x83\xa4size\xcd\x03\xe8\xaacompressed\xa4" + compress + "\xa5chunk\xa2id"; string(option) != want {
			t.Errorf("%s: option %q, want %q", compress, option, want)
		}
	}
}

func TestNewClientChunk(t *testing.T) {
	if a, b := NewChunk(), NewChunk(); a == b || len(a) != 24 {
		t.Errorf("%q, %q", a, b)
	}
}

// FuzzClientReader: what a server sends never makes the client panic or take values apart wrongly,
// however it is split.
func FuzzClientReader(f *testing.F) {
	f.Add(heloBytes("nonce", "auth", true))
	f.Add(append(pongBytes(true, "", "server", strings.Repeat("0", 128)), ackOf("chunk")...))
	f.Add([]byte("\xdd\xff\xff\xff\xff\x91\x91\x91"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, split := reader{from: bytes.NewReader(stream)},
			reader{from: iotest.OneByteReader(bytes.NewReader(stream))}
		for at := 0; ; {
			a, err := whole.next()
			b, err2 := split.next()
			if (err == nil) != (err2 == nil) {
				t.Fatalf("at once: %v, split: %v", err, err2)
			}
			if err != nil {
				return
			}
			if !bytes.Equal(a, b) || !bytes.Equal(a, stream[at:at+len(a)]) {
				t.Fatalf("%x, %x, stream %x", a, b, stream[at:])
			}
			at += len(a)
			_, _ = handshake.ParseHelo(a)
			_, _ = readAck(a)
			_ = checkPong(a, "salt", "nonce", Login{Hostname: "agent"})
		}
	})
}

// FuzzClientHandshake has a server that does not know the key say anything: the client never takes it for the right
// one, nor tells it the key or the password.
func FuzzClientHandshake(f *testing.F) {
	f.Add(append(heloBytes("nonce", "auth", true), pongBytes(true, "", "server", strings.Repeat("0", 128))...))
	f.Add(append(heloBytes("", "", false), pongBytes(false, "no", "", "")...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var sent bytes.Buffer
		login := Login{Hostname: "agent", SharedKey: "SharedKey", User: "alice", Password: "PassWord"}
		err := logIn(&sent, &reader{from: bytes.NewReader(stream)}, login)
		if err == nil {
			t.Fatal("it lets the server in")
		}
		for _, secret := range []string{login.SharedKey, login.Password} {
			if strings.Contains(sent.String()+err.Error(), secret) && !bytes.Contains(stream, []byte(secret)) {
				t.Errorf("%s shows: %q, %v", secret, sent.String(), err)
			}
		}
	})
}
