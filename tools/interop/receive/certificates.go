package receive

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// certificates makes an authority, and by it a certificate of this host for a day.
func certificates() (string, tls.Certificate, error) {
	authority := template("An authority for tests", 1)
	authority.IsCA, authority.BasicConstraintsValid = true, true
	authority.KeyUsage = x509.KeyUsageCertSign
	authorityKey, encodedAuthority, err := sign(authority, authority, nil)
	if err != nil {
		return "", tls.Certificate{}, err
	}
	host := template("localhost", 2)
	host.KeyUsage = x509.KeyUsageDigitalSignature
	host.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	host.DNSNames = []string{"localhost"}
	host.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	key, encoded, err := sign(host, authority, authorityKey)
	if err != nil {
		return "", tls.Certificate{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: encodedAuthority})
	return string(text), tls.Certificate{Certificate: [][]byte{encoded}, PrivateKey: key}, nil
}

func template(name string, serial int64) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
	}
}

// sign makes a key and its certificate, which the parent's key signs, or else the new key itself.
func sign(it, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if parentKey == nil {
		parentKey = key
	}
	encoded, err := x509.CreateCertificate(rand.Reader, it, parent, key.Public(), parentKey)
	return key, encoded, err
}
