package filter

// TrimLineEnd returns text without one last line end, \n or \r\n. Whatever matches a text with a
// pattern looks at it so: most agents leave the line end in the field, and $ means the line's end to
// people. What is kept of the text keeps the line end.
func TrimLineEnd[T string | []byte](text T) T {
	n := len(text)
	if n == 0 || text[n-1] != '\n' {
		return text
	}
	if n--; n > 0 && text[n-1] == '\r' {
		n--
	}
	return text[:n]
}
