package tls

import (
	"crypto/sha256"
	stdtls "crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// files are the names of PEM files, "" for those that are not configured.
type files struct{ cert, key, authorities string }

// content is what the files held.
type content struct{ cert, key, authorities string }

// material is content that was read, parsed and found to fit together. Nobody changes one.
type material struct {
	sum [sha256.Size]byte
	// certificate is with its Leaf; nil: none is configured.
	certificate *stdtls.Certificate
	// authorities may be nil: none are configured.
	authorities *x509.CertPool
	// trusted is how many authorities are trusted.
	trusted int
}

// errUnsettled is returned when no two reads in a row agree.
var errUnsettled = errors.New("the files change while they are read")

// maxReads is how many reads in a row may disagree.
const maxReads = 5

// read returns what the files hold once two reads in a row agree: a swap of a directory's symbolic
// link is atomic, but reading several files through it is not. It may also take a file away for a
// moment, so that an error counts the second time.
func (f files) read() (content, error) {
	last, err := f.readOnce()
	for range maxReads {
		before, failed := last, err
		last, err = f.readOnce()
		if err != nil && failed != nil {
			return content{}, err
		}
		if err == nil && failed == nil && last == before {
			return last, nil
		}
	}
	return content{}, fmt.Errorf("%s: %w; write new ones beside them and rename those", f.what(), errUnsettled)
}

func (f files) readOnce() (content, error) {
	var c content
	for _, file := range []struct {
		name string
		to   *string
		what func() string
	}{{f.cert, &c.cert, f.whatPair}, {f.key, &c.key, f.whatPair}, {f.authorities, &c.authorities, f.whatAuthorities}} {
		if file.name == "" {
			continue
		}
		b, err := os.ReadFile(file.name)
		if err != nil {
			return content{}, fmt.Errorf("%s: %w; %s", file.what(), err, readHint(err))
		}
		*file.to = string(b)
	}
	return c, nil
}

func (f files) whatPair() string { return "load certificate " + f.cert + " and key " + f.key }

func (f files) whatAuthorities() string { return "load certificate authorities " + f.authorities }

func (f files) what() string {
	if f.cert == "" {
		return f.whatAuthorities()
	}
	return f.whatPair()
}

func readHint(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "let the user that the program runs as read it"
	}
	return "check the name, and that the volume that holds it is mounted"
}

// sum tells contents apart without keeping the key.
func (c content) sum() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d %d %s%s%s", len(c.cert), len(c.key), c.cert, c.key, c.authorities))
}

// parse checks c, which was read from f, and makes use of it.
func (f files) parse(c content) (*material, error) {
	m := &material{sum: c.sum()}
	if f.cert != "" {
		pair, err := stdtls.X509KeyPair([]byte(c.cert), []byte(c.key))
		if err == nil {
			_, err = certificates(c.cert)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w; %s", f.whatPair(), err, pairHint(c))
		}
		m.certificate = &pair
	}
	if f.authorities != "" {
		trusted, err := certificates(c.authorities)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; put one or more PEM certificates of authorities there", f.whatAuthorities(),
				err)
		}
		m.authorities, m.trusted = x509.NewCertPool(), len(trusted)
		for _, cert := range trusted {
			m.authorities.AddCert(cert)
		}
	}
	return m, nil
}

func pairHint(c content) string {
	switch {
	case !strings.Contains(c.cert, "-----BEGIN") || !strings.Contains(c.key, "-----BEGIN"):
		return "both must be in PEM: openssl x509 -inform der and openssl pkey -inform der convert them"
	case strings.Contains(c.key, "ENCRYPTED"):
		return "the key has a passphrase: openssl pkey -in FILE -out FILE takes it off"
	default:
		return "put a whole certificate, with its intermediate ones after it, and the key that it was made for there"
	}
}

// certificates returns all in the PEM text, which may hold other things too. It takes a block that is
// cut off or damaged for an error, where package pem skips it: half a chain looks like a whole one,
// and half a bundle would turn clients away.
func certificates(text string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	blocks := 0
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		blocks++
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(all)+1, err)
		}
		all = append(all, cert)
	}
	if started := strings.Count(text, "-----BEGIN "); started != blocks {
		return nil, fmt.Errorf("%d of its %d PEM blocks are cut off or damaged", started-blocks, started)
	}
	if len(all) == 0 {
		return nil, errors.New("it holds no PEM certificate")
	}
	return all, nil
}

// invalid says why peers would turn down the certificate at now; "" where they would not, or there
// is none.
func (m *material) invalid(now time.Time) string {
	switch {
	case m.certificate == nil:
		return ""
	case now.After(m.certificate.Leaf.NotAfter):
		return "it expired at " + m.certificate.Leaf.NotAfter.Format(time.RFC3339)
	case now.Before(m.certificate.Leaf.NotBefore):
		return "it is not valid before " + m.certificate.Leaf.NotBefore.Format(time.RFC3339)
	}
	return ""
}
