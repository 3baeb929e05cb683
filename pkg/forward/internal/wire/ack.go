package wire

// AppendAck appends {"ack": chunk}, with the chunk as a str of the same bytes.
func AppendAck(dst []byte, chunk string) []byte {
	dst = append(dst, 0x81, 0xa3, 'a', 'c', 'k')
	switch n := len(chunk); {
	case n < 32:
		dst = append(dst, 0xa0|byte(n))
	case n < 1<<8:
		dst = append(dst, 0xd9, byte(n))
	case n < 1<<16:
		dst = append(dst, 0xda, byte(n>>8), byte(n))
	default:
		dst = append(dst, 0xdb, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(dst, chunk...)
}
