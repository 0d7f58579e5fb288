package receive

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// client is who may call: its credentials, and the tokens that it is given for them.
type client struct {
	id, secret string
	host       string
	key        ed25519.PublicKey
	// How long a token is said to last, and how long it does.
	said, lasts time.Duration

	lock sync.Mutex
	ends map[string]time.Time
}

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// How long an assertion may last.
	assertionLife = 2 * time.Minute
)

func newClient(id string, said, lasts time.Duration) (*client, error) {
	_, rest, named := strings.Cut(id, "@")
	host, _, suffixed := strings.Cut(rest, "/")
	if !named || !suffixed {
		return nil, fmt.Errorf("the client id %q is not <name>@<host>/<suffix>", id)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := jose.JSONWebKey{Key: private, KeyID: "interop"}.MarshalJSON()
	if err != nil {
		return nil, err
	}
	secret := "secret-token:conductorone.com:v1:" + base64.RawURLEncoding.EncodeToString(key)
	return &client{
		id: id, secret: secret, host: host, key: public, said: said, lasts: lasts, ends: map[string]time.Time{},
	}, nil
}

// issue makes another token.
func (c *client) issue() string {
	c.lock.Lock()
	defer c.lock.Unlock()
	token := rand.Text()
	c.ends[token] = time.Now().Add(c.lasts)
	return token
}

// knows says why a token is not good.
func (c *client) knows(token string) error {
	c.lock.Lock()
	defer c.lock.Unlock()
	switch ends, known := c.ends[token]; {
	case !known:
		return fmt.Errorf("the token is missing or wrong")
	case time.Now().After(ends):
		return fmt.Errorf("the token has ended")
	}
	return nil
}

// may says why a request for a token is not granted.
func (c *client) may(request *http.Request) error {
	if request.Method != http.MethodPost {
		return fmt.Errorf("the method is %s", request.Method)
	}
	for field, expected := range map[string]string{
		"client_id": c.id, "grant_type": "client_credentials", "client_assertion_type": assertionType,
	} {
		if got := request.PostFormValue(field); got != expected {
			return fmt.Errorf("%s is %q, not %q", field, got, expected)
		}
	}
	return c.verify(request.PostFormValue("client_assertion"))
}

func (c *client) verify(assertion string) error {
	token, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return fmt.Errorf("parsing the assertion: %w", err)
	}
	if token.Headers[0].Nonce == "" || token.Headers[0].KeyID != "interop" {
		return fmt.Errorf("the assertion has no nonce, or another key's id: %+v", token.Headers[0])
	}
	var claims jwt.Claims
	var raw struct {
		Audience json.RawMessage `json:"aud"`
	}
	if err := token.Claims(c.key, &claims, &raw); err != nil {
		return fmt.Errorf("verifying the assertion: %w", err)
	}
	expected := jwt.Expected{Issuer: c.id, Subject: c.id, AnyAudience: jwt.Audience{c.host}, Time: time.Now()}
	if err := claims.ValidateWithLeeway(expected, 0); err != nil {
		return fmt.Errorf("checking the assertion's claims: %w", err)
	}
	if want := fmt.Sprintf("%q", c.host); string(raw.Audience) != want {
		return fmt.Errorf("the audience is %s, not %s", raw.Audience, want)
	}
	if claims.Expiry == nil || claims.Expiry.Time().Sub(time.Now()) > assertionLife+time.Second {
		return fmt.Errorf("the assertion expires at %v", claims.Expiry)
	}
	return nil
}
