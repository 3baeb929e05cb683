// Package tlstest makes authorities and certificates for tests.
package tlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	stdtls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// CA is an authority of its own.
type CA struct {
	PEM  []byte // its certificate
	Cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Spec says what a certificate is to hold.
type Spec struct {
	CommonName string
	// DNS stands for localhost, 127.0.0.1 and ::1 where IPs and URIs are empty, too.
	DNS  []string
	IPs  []string
	URIs []string
	// NotBefore may be zero: an hour ago, by time.Now.
	NotBefore time.Time
	// NotAfter may be zero: a year after NotBefore.
	NotAfter time.Time
	// Usage may be nil: server and client.
	Usage []x509.ExtKeyUsage
}

// Pair is a certificate and its key.
type Pair struct {
	CertPEM, KeyPEM []byte
	Leaf            *x509.Certificate
}

// NewCA returns an authority called name, valid from ten years before to ten years after time.Now.
func NewCA(tb testing.TB, name string) *CA {
	tb.Helper()
	now := time.Now()
	ca := &CA{key: newKey(tb)}
	ca.Cert, ca.PEM = sign(tb, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.AddDate(-10, 0, 0), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, nil, ca.key, ca.key)
	return ca
}

// Issue returns a certificate as spec says, signed by ca.
func (ca *CA) Issue(tb testing.TB, spec Spec) Pair {
	tb.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: spec.CommonName}, DNSNames: spec.DNS, ExtKeyUsage: spec.Usage,
		NotBefore: spec.NotBefore, NotAfter: spec.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, text := range spec.IPs {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(text))
	}
	for _, text := range spec.URIs {
		uri, err := url.Parse(text)
		if err != nil {
			tb.Fatal(err)
		}
		template.URIs = append(template.URIs, uri)
	}
	if len(spec.DNS)+len(spec.IPs)+len(spec.URIs) == 0 {
		template.DNSNames = []string{"localhost"}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	if spec.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if spec.NotAfter.IsZero() {
		template.NotAfter = template.NotBefore.AddDate(1, 0, 0)
	}
	if spec.Usage == nil {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	key := newKey(tb)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	p := Pair{KeyPEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}
	p.Leaf, p.CertPEM = sign(tb, template, ca.Cert, key, ca.key)
	return p
}

// Pool returns a pool that trusts ca alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	return pool
}

// File writes the authority's certificate to a file of the test's own and returns its name.
func (ca *CA) File(tb testing.TB) string {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "ca.crt")
	Write(tb, name, ca.PEM)
	return name
}

// Files writes the pair to files of the test's own and returns their names.
func (p Pair) Files(tb testing.TB) (certFile, keyFile string) {
	tb.Helper()
	dir := tb.TempDir()
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	Write(tb, certFile, p.CertPEM)
	Write(tb, keyFile, p.KeyPEM)
	return certFile, keyFile
}

// Certificate returns the pair as crypto/tls wants it.
func (p Pair) Certificate(tb testing.TB) stdtls.Certificate {
	tb.Helper()
	cert, err := stdtls.X509KeyPair(p.CertPEM, p.KeyPEM)
	if err != nil {
		tb.Fatal(err)
	}
	return cert
}

// Write puts data into the file, in place.
func Write(tb testing.TB, name string, data []byte) {
	tb.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		tb.Fatal(err)
	}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// sign gives the certificate for subject's public key a serial number and signer's signature; parent
// nil means that it signs itself.
func sign(
	tb testing.TB, template, parent *x509.Certificate, subject, signer *ecdsa.PrivateKey,
) (*x509.Certificate, []byte) {
	tb.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		tb.Fatal(err)
	}
	template.SerialNumber = serial
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &subject.PublicKey, signer)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
