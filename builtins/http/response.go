package http

import (
	"context"
	"io"
	"mime"
	nethttp "net/http"
	"strings"
	"time"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// Response is what the functions return.
type Response struct {
	Status   int               `star:"status"`
	Headers  map[string]string `star:"headers"`
	Body     string            `star:"body"`
	Bytes    any               `star:"bytes"`
	JSON     starlark.Value    `star:"json"`
	URL      string            `star:"url"`
	Duration time.Duration     `star:"duration"`
}

// perform sends a request and reads the answer.
func perform(ctx context.Context, env *effect.Env, method string, r *Request, a *Accept, b *Payload, k *Key) (any, error) {
	ctx, cancel := deadline(ctx, env, r.Timeout)
	defer cancel()
	x, err := newExchange(ctx, env, method, r, b, k)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	resp, err := x.do()
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := x.read(resp, r.MaxBytes)
	if err != nil {
		return nil, err
	}
	if a.Check && !a.ok(resp.StatusCode) {
		return nil, x.statusFault(resp, body)
	}
	return newResponse(resp, body, time.Since(begun)), nil
}

// deadline applies the timeout, unless the script gave one by _timeout, which
// is in ctx already.
func deadline(ctx context.Context, env *effect.Env, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout == 0 || env.Options.Timeout != 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}

func (x *exchange) read(resp *nethttp.Response, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, x.lost(err)
	}
	if int64(len(body)) > limit {
		return nil, x.tooLarge(resp, limit)
	}
	return body, nil
}

func (x *exchange) tooLarge(resp *nethttp.Response, limit int64) error {
	f := fault.New(fault.TooLarge, "%s: answered %d with more than %d bytes", x.shown, resp.StatusCode, limit).
		WithHint("raise max_bytes, or use http.download")
	f.Details = map[string]any{"status": resp.StatusCode}
	return f
}

func newResponse(resp *nethttp.Response, body []byte, took time.Duration) Response {
	out := Response{Status: resp.StatusCode, Headers: map[string]string{}, Duration: took}
	for name, values := range resp.Header {
		out.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	u := *resp.Request.URL
	u.User = nil
	out.URL = u.String()
	if !utf8.Valid(body) {
		out.Bytes = body
		return out
	}
	out.Body = string(body)
	if isJSON(resp.Header.Get("Content-Type")) {
		// What is not JSON in spite of its type stays readable as body.
		out.JSON, _ = decodeJSON(body)
	}
	return out
}

func isJSON(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	return media == "application/json" || strings.HasSuffix(media, "+json")
}
