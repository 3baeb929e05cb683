package forward

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"reflect"
	"sync"
	"testing"
)

// TestSlimTLS fails where crypto/tls has changed its fields, or gives back what it has read by itself: then slimTLS has
// to change, or to go.
func TestSlimTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	server := tls.Server(near, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	})
	client := tls.Client(far, &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true})
	record := bytes.Repeat([]byte("x"), 16<<10)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 3 {
			if _, err := client.Write(record); err != nil {
				t.Error(err)
			}
		}
	})
	keeps := func(name string) int {
		return (*bytes.Buffer)(reflect.ValueOf(server).Elem().FieldByName(name).Addr().UnsafePointer()).Cap()
	}
	got := make([]byte, len(record))
	for range 3 {
		if _, err := io.ReadFull(server, got[:1000]); err != nil {
			t.Fatal(err)
		}
		slimTLS(server) // within a record, nothing may get lost
		if _, err := io.ReadFull(server, got[1000:]); err != nil || !bytes.Equal(got, record) {
			t.Fatalf("%v, %.20q", err, got)
		}
	}
	if keeps("hand") != 0 {
		t.Errorf("it keeps %d bytes of its handshake", keeps("hand"))
	}
	wg.Wait()
	wg.Go(func() { _, _ = client.Write(record) })
	if _, err := io.ReadFull(server, got); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if keeps("rawInput") < len(record) {
		t.Error("there is nothing to give back any more")
	}
	slimTLS(server)
	if n := keeps("rawInput"); n != 0 {
		t.Errorf("it keeps %d bytes", n)
	}
	_ = near.Close()
	_ = far.Close()
}
