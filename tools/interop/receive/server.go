package receive

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"path"
	"strings"

	baton "github.com/conductorone/baton-sdk/pb/c1/connectorapi/baton/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// server listens for calls, and for requests for tokens, on one port, as C1 does.
type server struct {
	// localhost and the port.
	address string
	// The certificate, in PEM, of who says that it is localhost.
	authority string
	http      *http.Server
}

func listen(service *service, client *client) (*server, error) {
	authority, certificate, err := certificates()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	calls := grpc.NewServer(
		grpc.UnaryInterceptor(func(
			ctx context.Context, message any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler,
		) (any, error) {
			if err := client.authenticate(ctx, info.FullMethod, service.transcript); err != nil {
				return nil, err
			}
			return next(ctx, message)
		}),
		grpc.StreamInterceptor(func(
			it any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler,
		) error {
			if err := client.authenticate(stream.Context(), info.FullMethod, service.transcript); err != nil {
				return err
			}
			return next(it, stream)
		}),
	)
	baton.RegisterBatonServiceServer(calls, service)
	tokens := client.tokens(service.transcript)
	handler := http.HandlerFunc(func(out http.ResponseWriter, request *http.Request) {
		switch {
		case strings.HasPrefix(request.Header.Get("Content-Type"), "application/grpc"):
			calls.ServeHTTP(out, request)
		case request.URL.Path == "/auth/v1/token":
			tokens(out, request)
		default:
			http.NotFound(out, request)
		}
	})
	it := &server{
		address:   fmt.Sprintf("localhost:%d", listener.Addr().(*net.TCPAddr).Port),
		authority: authority,
		http: &http.Server{
			Handler:   handler,
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
			// A client that hangs up is no news.
			ErrorLog: log.New(io.Discard, "", 0),
		},
	}
	go it.http.ServeTLS(listener, "", "")
	return it, nil
}

func (s *server) close() { s.http.Close() }

// authenticate lets in whose token is good. That one has ended breaks no rule: the client cannot know.
func (c *client) authenticate(ctx context.Context, method string, transcript *transcript) error {
	token := strings.Join(metadata.ValueFromIncomingContext(ctx, "authorization"), ", ")
	token, bearer := strings.CutPrefix(token, "Bearer ")
	err := c.knows(token)
	if bearer && err == nil {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("the token is no bearer's")
	}
	transcript.write(line{Method: path.Base(method), Refused: err.Error()})
	return status.Error(codes.Unauthenticated, err.Error())
}

func (c *client) tokens(transcript *transcript) http.HandlerFunc {
	return func(out http.ResponseWriter, request *http.Request) {
		it := line{Method: "token", UserAgent: request.UserAgent()}
		if err := c.may(request); err != nil {
			it.Violations = []string{err.Error()}
			transcript.write(it)
			http.Error(out, err.Error(), http.StatusUnauthorized)
			return
		}
		transcript.write(it)
		out.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(out).Encode(map[string]any{
			"access_token": c.issue(), "token_type": "Bearer", "expires_in": int(c.said.Seconds()),
		})
	}
}
