package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	nethttp "net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// exchange is one request on its way.
type exchange struct {
	env    *effect.Env
	req    *nethttp.Request
	client *nethttp.Client
	shown  string // method and URL for messages, without secrets
	write  bool
	repeat bool        // may be sent twice
	sent   atomic.Bool // a part of it may have reached the server
}

// newExchange makes the request. Its errors lie before the sending.
func newExchange(ctx context.Context, env *effect.Env, method string, r *Request, b *Payload, k *Key) (*exchange, error) {
	x, err := build(ctx, env, method, r, b, k)
	if f := fault.As(err); f != nil {
		f.Unsent = true
	}
	return x, err
}

func build(ctx context.Context, env *effect.Env, method string, r *Request, b *Payload, k *Key) (*exchange, error) {
	expand := env.Run.Secrets.Expand
	u, err := r.target(expand)
	if err != nil {
		return nil, err
	}
	body, contentType, err := b.encode(expand)
	if err != nil {
		return nil, err
	}
	x := &exchange{env: env, write: method != "GET" && method != "HEAD", shown: show(env, method, u)}
	x.repeat = !x.write || method == "PUT" || method == "DELETE" || k.given()
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { x.sent.Store(true) }}
	ctx = httptrace.WithClientTrace(ctx, trace)
	x.req, err = nethttp.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, fault.New(fault.Invalid, "cannot make the request: %v", inner(err))
	}
	if body != nil {
		x.setBody(body, contentType)
	}
	if err := x.setHeaders(r, k, expand); err != nil {
		return nil, err
	}
	x.client, err = clientFor(env, r)
	return x, err
}

func (r *Request) target(expand func(string) (string, error)) (*url.URL, error) {
	text, err := expand(r.URL)
	if err != nil {
		return nil, err
	}
	u, err := parseURL(text)
	if err != nil || r.Params == nil || r.Params.Len() == 0 {
		return u, err
	}
	params, err := encodeForm(r.Params, "params", expand)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" {
		params = u.RawQuery + "&" + params
	}
	u.RawQuery = params
	return u, nil
}

// show is the request for messages. Its query is left out: values in it are
// encoded, so that a secret would not be recognised.
func show(env *effect.Env, method string, u *url.URL) string {
	text := u.Scheme + "://" + u.Host + u.Path
	if u.RawQuery != "" {
		text += "?…"
	}
	return method + " " + env.Run.Secrets.Redact(text)
}

func (x *exchange) setBody(body []byte, contentType string) {
	x.req.ContentLength = int64(len(body))
	x.req.GetBody = func() (io.ReadCloser, error) { // for redirects
		if len(body) == 0 {
			return nethttp.NoBody, nil
		}
		return io.NopCloser(bytes.NewReader(body)), nil
	}
	x.req.Body, _ = x.req.GetBody()
	if contentType != "" {
		x.req.Header.Set("Content-Type", contentType)
	}
}

func (x *exchange) setHeaders(r *Request, k *Key, expand func(string) (string, error)) error {
	h := x.req.Header
	h.Set("User-Agent", "provisioning")
	set := func(name, v string) error {
		v, err := expand(v)
		if err != nil {
			return err
		}
		if strings.ContainsAny(v, "\r\n\x00") {
			return fault.New(fault.Invalid, "the header %q has a character that headers cannot have", name).
				WithHint("a secret that was read from a file often ends with a newline: strip it")
		}
		h.Set(name, v)
		return nil
	}
	if k.given() {
		key := x.env.IdempotencyKey()
		if s, ok := k.IdempotencyKey.(starlark.String); ok {
			key = string(s)
		}
		if err := set("Idempotency-Key", key); err != nil {
			return err
		}
	}
	if r.Token != "" {
		if err := set("Authorization", "Bearer "+r.Token); err != nil {
			return err
		}
	}
	if r.User != "" || r.Password != "" {
		user, err := expand(r.User)
		if err != nil {
			return err
		}
		password, err := expand(r.Password)
		if err != nil {
			return err
		}
		x.req.SetBasicAuth(user, password)
	}
	for name, v := range r.Headers {
		if err := set(name, v); err != nil {
			return err
		}
	}
	if host := h.Get("Host"); host != "" {
		x.req.Host = host
		h.Del("Host")
	}
	return nil
}

// encode makes the bytes to send. nil means that there is no body at all.
func (b *Payload) encode(expand func(string) (string, error)) (body []byte, contentType string, err error) {
	switch {
	case b.hasJSON():
		body, err = encodeJSON(b.JSON, expand)
		return body, "application/json", err
	case b.Form != nil:
		text, err := encodeForm(b.Form, "form", expand)
		return []byte(text), "application/x-www-form-urlencoded", err
	case len(b.Body) > 0:
		text, err := expand(string(b.Body))
		return []byte(text), "", err
	}
	return nil, "", nil
}

func encodeJSON(v starlark.Value, expand func(string) (string, error)) ([]byte, error) {
	plain, err := value.Go(v)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot send this as JSON")
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(plain); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot send this as JSON")
	}
	text, err := expand(value.Through(strings.TrimSuffix(out.String(), "\n"), value.LayerJSON))
	return []byte(text), err
}

// encodeForm encodes a dict as a query. A list repeats its key, None leaves it out.
func encodeForm(d *starlark.Dict, what string, expand func(string) (string, error)) (string, error) {
	var pairs []string
	add := func(key string, v starlark.Value) error {
		text, ok := scalar(v)
		if !ok {
			return fault.New(fault.Invalid, "the argument %q at key %q must be a string, a number, a bool or a list of them, not a %s", what, key, v.Type())
		}
		text, err := expand(text)
		pairs = append(pairs, url.QueryEscape(key)+"="+url.QueryEscape(text))
		return err
	}
	for _, kv := range d.Items() {
		key, ok := starlark.AsString(kv[0])
		if !ok {
			return "", fault.New(fault.Invalid, "the argument %q has the key %s, which must be a string", what, kv[0])
		}
		values := []starlark.Value{kv[1]}
		seq, isSeq := kv[1].(starlark.Sequence)
		if _, isDict := kv[1].(*starlark.Dict); isSeq && !isDict {
			values = nil
			for v := range starlark.Elements(seq) {
				values = append(values, v)
			}
		}
		for _, v := range values {
			if v == starlark.None {
				continue
			}
			if err := add(key, v); err != nil {
				return "", err
			}
		}
	}
	return strings.Join(pairs, "&"), nil
}

func scalar(v starlark.Value) (string, bool) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), true
	case starlark.Bool:
		return strings.ToLower(v.String()), true
	case starlark.Int, starlark.Float:
		return v.String(), true
	case *value.Secret:
		return v.String(), true
	}
	return "", false
}

// do sends the request. The caller closes the body of the response.
func (x *exchange) do() (*nethttp.Response, error) {
	resp, err := x.client.Do(x.req)
	if err != nil {
		return nil, x.lost(err)
	}
	return resp, nil
}

// inner is err without the URL that net/http puts around it.
func inner(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
