// Package file writes events to files, one JSON object a line.
package file
