package receive

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

type nonce string

func (n nonce) Nonce() (string, error) { return string(n), nil }

// assertion signs what a client of the SDK would claim, changed by change, with the key in secret.
func assertion(t *testing.T, secret, id string, change func(*jwt.Claims)) string {
	t.Helper()
	encoded, err := base64.RawURLEncoding.DecodeString(strings.Split(secret, ":")[3])
	if err != nil {
		t.Fatal(err)
	}
	key := &jose.JSONWebKey{}
	if err := key.UnmarshalJSON(encoded); err != nil {
		t.Fatal(err)
	}
	options := &jose.SignerOptions{NonceSource: nonce("00112233445566778899aabbccddeeff")}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	claims := jwt.Claims{
		Issuer: id, Subject: id, Audience: jwt.Audience{"acme.example"},
		Expiry: jwt.NewNumericDate(now.Add(assertionLife)), IssuedAt: jwt.NewNumericDate(now),
		NotBefore: jwt.NewNumericDate(now.Add(-assertionLife)),
	}
	change(&claims)
	signed, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestOnlyAGoodAssertionIsTaken(t *testing.T) {
	const id = "name@acme.example/pcc"
	ours, err := newClient(id, time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	other, err := newClient(id, time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, it := range map[string]struct {
		secret string
		change func(*jwt.Claims)
		broken string
	}{
		"good":             {ours.secret, func(*jwt.Claims) {}, ""},
		"another key":      {other.secret, func(*jwt.Claims) {}, "verifying"},
		"another audience": {ours.secret, func(it *jwt.Claims) { it.Audience = jwt.Audience{"else"} }, "claims"},
		"two audiences": {
			ours.secret, func(it *jwt.Claims) { it.Audience = jwt.Audience{"acme.example", "else"} }, "audience",
		},
		"another subject": {ours.secret, func(it *jwt.Claims) { it.Subject = "else" }, "claims"},
		"expired": {
			ours.secret, func(it *jwt.Claims) { it.Expiry = jwt.NewNumericDate(time.Now().Add(-time.Second)) }, "claims",
		},
		"good for too long": {
			ours.secret, func(it *jwt.Claims) { it.Expiry = jwt.NewNumericDate(time.Now().Add(time.Hour)) }, "expires",
		},
	} {
		err := ours.verify(assertion(t, it.secret, id, it.change))
		if (err == nil) != (it.broken == "") || err != nil && !strings.Contains(err.Error(), it.broken) {
			t.Errorf("%s: %v, not %q", name, err, it.broken)
		}
	}
}

func TestATokenIsGoodUntilItEnds(t *testing.T) {
	client, err := newClient("name@acme.example/pcc", time.Hour, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	token := client.issue()
	if err := client.knows(token); err != nil {
		t.Error(err)
	}
	if err := client.knows("another"); err == nil || !strings.Contains(err.Error(), "wrong") {
		t.Errorf("another token: %v", err)
	}
	time.Sleep(60 * time.Millisecond)
	if err := client.knows(token); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("later: %v", err)
	}
}
