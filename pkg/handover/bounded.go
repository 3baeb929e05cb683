package handover

import "github.com/vmihailenco/msgpack/v5"

// The codec takes memory for as many bytes, or elements, as a message says that it has. These take it as they come, so
// that a few bytes can't have the receiver take gigabytes.

// blob is a bin.
type blob []byte

// blobStep is how much more memory than there are bytes a blob may have taken, in bytes.
const blobStep = 1 << 20

// DecodeMsgpack satisfies msgpack.CustomDecoder.
func (b *blob) DecodeMsgpack(d *msgpack.Decoder) error {
	n, err := d.DecodeBytesLen()
	if err != nil || n < 0 {
		*b = nil
		return err
	}
	*b = make(blob, 0, min(n, blobStep))
	for len(*b) < n {
		at := len(*b)
		*b = append(*b, make(blob, min(n-at, blobStep))...)
		if err := d.ReadFull((*b)[at:]); err != nil {
			return err
		}
	}
	return nil
}

// list is an array of elements of one kind.
type list[T any] []T

// DecodeMsgpack satisfies msgpack.CustomDecoder.
func (l *list[T]) DecodeMsgpack(d *msgpack.Decoder) error {
	n, err := d.DecodeArrayLen()
	*l = nil
	for i := 0; i < n && err == nil; i++ {
		var v T
		if err = d.Decode(&v); err == nil {
			*l = append(*l, v)
		}
	}
	return err
}
