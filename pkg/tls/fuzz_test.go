package tls

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

func FuzzCertificates(f *testing.F) {
	ca := tlstest.NewCA(f, "authority")
	pair := ca.Issue(f, tlstest.Spec{})
	f.Add(string(ca.PEM))
	f.Add("# ours\n" + string(ca.PEM) + string(pair.KeyPEM) + string(pair.CertPEM))
	f.Add(string(ca.PEM) + string(pair.CertPEM[:200]))
	f.Add("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := certificates(text)
		if (err == nil) != (len(all) > 0) {
			t.Fatalf("%d certificates and %v", len(all), err)
		}
		if err == nil && strings.Count(text, "-----BEGIN CERTIFICATE-----") != len(all) {
			t.Errorf("%d certificates of more", len(all))
		}
		if err == nil { // what follows must not be lost without a word
			if _, err := certificates(text + "\n" + string(ca.PEM[:200])); err == nil {
				t.Error("a certificate that is cut off is skipped")
			}
		}
	})
}
