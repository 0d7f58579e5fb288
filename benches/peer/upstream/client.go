// Package upstream asks a vendor's API, in the way that connectors on baton-sdk do: its HTTP client, its JSON
// decoding, its mapping of statuses to errors.
package upstream

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/conductorone/baton-sdk/pkg/field"
	"github.com/conductorone/baton-sdk/pkg/uhttp"
	"github.com/grpc-ecosystem/go-grpc-middleware/logging/zap/ctxzap"
)

// PageSize is the most that both vendors give at once.
const PageSize = 100

// Client sends GET requests to one API with one credential.
type Client struct {
	http          *uhttp.BaseHttpClient
	base          *url.URL
	authorization string
	accept        string
}

// RequestsField is how many requests a minute are sent; all there are where it is 0.
var RequestsField = field.IntField(
	"requests-per-minute",
	field.WithDescription("The most requests a minute; 0 for no limit."),
	field.WithDefaultValue(0),
)

// New makes a client of the API at base.
func New(ctx context.Context, base, authorization, accept string, requestsPerMinute int) (*Client, error) {
	parsed, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil {
		return nil, fmt.Errorf("parsing the address of the API: %w", err)
	}
	httpClient, err := uhttp.NewClient(ctx, uhttp.WithLogger(true, ctxzap.Extract(ctx)))
	if err != nil {
		return nil, fmt.Errorf("creating the HTTP client: %w", err)
	}
	var options []uhttp.WrapperOption
	if requestsPerMinute > 0 {
		options = append(options, uhttp.WithRateLimiter(requestsPerMinute, time.Minute))
	}
	wrapper, err := uhttp.NewBaseHttpClientWithContext(ctx, httpClient, options...)
	if err != nil {
		return nil, fmt.Errorf("creating the HTTP client: %w", err)
	}
	return &Client{http: wrapper, base: parsed, authorization: authorization, accept: accept}, nil
}

// Get decodes what is at the path of these segments into out.
func (c *Client) Get(ctx context.Context, out any, query url.Values, segments ...string) error {
	address := c.base.JoinPath(segments...)
	address.RawQuery = query.Encode()
	request, err := c.http.NewRequest(
		ctx,
		http.MethodGet,
		address,
		uhttp.WithHeader("Authorization", c.authorization),
		uhttp.WithAccept(c.accept),
	)
	if err != nil {
		return fmt.Errorf("making the request for %s: %w", address.Path, err)
	}
	response, err := c.http.Do(request, uhttp.WithJSONResponse(out))
	if err != nil {
		return fmt.Errorf("asking for %s: %w", address.Path, err)
	}
	return response.Body.Close()
}

// Page is the number of the page that a token of the SDK stands for; the first one for no token.
func Page(token string) string {
	if token == "" {
		return "1"
	}
	return token
}

// Token is the SDK's token for the next page; none after the last one.
func Token(next *int) string {
	if next == nil {
		return ""
	}
	return strconv.Itoa(*next)
}
