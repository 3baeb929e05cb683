package chunk

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func fullHeader() Header {
	return Header{
		Seq: 7, Received: 1_800_000_000_000_000_000, Salt: 99, Codec: CodecS2, Raw: 1000, Events: 6, Cluster: "seoul",
		Tag:     "kube.a",
		Outputs: []string{"es", "archive"},
		Parts: []Part{
			{Flags: PartKeyed | PartNanos | PartLast, Key: [16]byte{1}, Conn: 5, CommitSeq: 6, Events: 2, Total: 2},
			{Flags: PartKeyed, Key: [16]byte{2}, Conn: 5, CommitSeq: 6, First: 10, Events: 1},
			{Events: 3},
		},
	}
}

// TestOldest: a chunk names the format from which on programs may read it, so that a program before passes over nothing
// that it has.
func TestOldest(t *testing.T) {
	key := Part{Flags: PartKeyed, Key: [16]byte{1}, Events: 1}
	joined, own := key, key
	joined.Joined, own.Chunk = 5, [16]byte{2}
	for _, tc := range []struct {
		name   string
		header Header
		want   int
	}{
		{"plain", Header{Parts: []Part{key, {Events: 1}}}, 1},
		{"source", Header{Source: "s", Parts: []Part{key}}, 2},
		{"handed over", Header{Source: "s", Origin: Origin{Queue: [16]byte{7}, Seq: 8}, Parts: []Part{key}}, 3},
		{"new tag", Header{NewTag: "t", Parts: []Part{key}}, 3},
		{"an agent's chunk id that the key is not made of", Header{Source: "s", Parts: []Part{key, own}}, 3},
		{"one that stands for several", Header{Parts: []Part{joined, key}}, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, p := range tc.header.Parts {
				tc.header.Events += p.Events
			}
			b := AppendHeader(nil, &tc.header)
			Seal(b)
			if got := int(b[10]); got != tc.want || tc.header.Oldest() != tc.want {
				t.Errorf("readable from format %d on, want %d", got, tc.want)
			}
			got, err := DecodeHeader(b, nil)
			if err != nil {
				t.Fatal(err)
			}
			got.Payload, got.Size = 0, 0
			for i := range got.Parts {
				got.Parts[i].Flags &^= partSame
			}
			if !reflect.DeepEqual(got, tc.header) {
				t.Errorf("got  %+v\nwant %+v", got, tc.header)
			}
		})
	}
}

func TestChunkHeader(t *testing.T) {
	want := fullHeader()
	b := append(AppendHeader([]byte("before"), &want), "payload"...)[len("before"):]
	Seal(b)
	if err := Verify(b); err != nil {
		t.Fatal(err)
	}
	got, err := DecodeHeader(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	got.Parts[1].Flags &^= partSame
	if string(b[got.Payload:got.Size]) != "payload" {
		t.Errorf("payload is %q", b[got.Payload:])
	}
	want.Payload, want.Size = got.Payload, len(b)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for i := range b {
		for _, damaged := range [][]byte{b[:i], append(append(bytes.Clone(b[:i]), b[i]^0x10), b[i+1:]...)} {
			if err := Verify(damaged); err == nil {
				t.Errorf("damage at byte %d of %d is not seen", i, len(b))
			}
		}
	}
}

// Who wants less of a header gets the rest as it is, and takes no memory for what he does not want.
func TestDecodeLess(t *testing.T) {
	whole := fullHeader()
	whole.Source, whole.NewTag, whole.Origin = "10.0.0.1:5", "new", Origin{Queue: [16]byte{7}, Seq: 8}
	b := AppendHeader(nil, &whole)
	Seal(b)
	want, err := DecodeHeader(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	forOutput := want
	forOutput.Outputs = nil
	parts := forOutput
	parts.Cluster, parts.Tag, parts.Source, parts.NewTag = "", "", "", ""
	room := make([]Part, 0, len(whole.Parts))
	for _, tc := range []struct {
		name   string
		decode func([]byte, []Part) (Header, error)
		want   Header
		allocs float64
	}{
		{"for an output", DecodeForOutput, forOutput, 4},
		{"parts", DecodeParts, parts, 0},
	} {
		got, err := tc.decode(b, room)
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s:\ngot  %+v, %v\nwant %+v", tc.name, got, err, tc.want)
		}
		if n := testing.AllocsPerRun(100, func() { _, err = tc.decode(b, room) }); n > tc.allocs || err != nil {
			t.Errorf("%s: %v allocations, %v", tc.name, n, err)
		}
		if _, err := tc.decode(b[:len(b)-1], room); err == nil {
			t.Errorf("%s: a header that is cut is read", tc.name)
		}
	}
}

// What is lent again is empty, and what is too large is not kept.
func TestPool(t *testing.T) {
	p := Pool{Keep: 100}
	p.Put(nil)
	p.Put(make([]byte, 101))
	for range 3 {
		b := p.Get()
		if len(b) != 0 || cap(b) > p.Keep {
			t.Errorf("lent: %d bytes of %d", len(b), cap(b))
		}
		p.Put(append(b, "something"...))
	}
}

func FuzzChunkHeader(f *testing.F) {
	h := fullHeader()
	b := append(AppendHeader(nil, &h), "payload"...)
	Seal(b)
	f.Add(b)
	f.Add(b[:50])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := DecodeHeader(b, nil)
		if err != nil {
			return
		}
		if len(h.Parts) > len(b) || len(h.Outputs) > len(b) {
			t.Fatalf("%d parts and %d outputs out of %d bytes", len(h.Parts), len(h.Outputs), len(b))
		}
		again := AppendHeader(nil, &h)
		Seal(again)
		h2, err := DecodeHeader(again, nil)
		if err != nil {
			t.Fatalf("%+v does not survive: %v", h, err)
		}
		h.Size, h.Payload, h2.Size, h2.Payload = 0, 0, 0, 0
		for _, parts := range [][]Part{h.Parts, h2.Parts} {
			for i := range parts {
				parts[i].Flags &^= partSame
			}
		}
		if !reflect.DeepEqual(h, h2) {
			t.Fatalf("got  %+v\nwant %+v", h2, h)
		}
	})
}

func TestCodecs(t *testing.T) {
	for _, name := range []string{"none", "s2", "zstd"} {
		p, err := NewPacker(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, src := range []string{"", "x", strings.Repeat("a line of a log ", 6000), noise(100_000)} {
			packed, how := p.Pack([]byte("before"), []byte(src))
			if string(packed[:6]) != "before" || len(packed) > len(src)+6 {
				t.Errorf("%s: %d bytes became %d", name, len(src), len(packed))
			}
			got, err := p.Unpack(nil, packed[6:], how, len(src))
			if err != nil || string(got) != src {
				t.Errorf("%s: %d bytes don't come back: %v", name, len(src), err)
			}
			if _, err := p.Unpack(nil, packed[6:], how, len(src)+1); err == nil {
				t.Errorf("%s: a wrong length is not seen", name)
			}
		}
		p.Close()
	}
	if _, err := NewPacker("lz4"); err == nil {
		t.Error("lz4 is taken")
	}
}

// noise returns n bytes that hardly compress.
func noise(n int) string {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b) // never fails
	return string(b)
}
