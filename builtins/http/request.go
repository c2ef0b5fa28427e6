package http

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Request holds the arguments that all functions have.
type Request struct {
	URL        string            `star:"url"`
	Params     *starlark.Dict    `star:"params"`
	Headers    map[string]string `star:"headers"`
	Timeout    time.Duration     `star:"timeout,tuning"`
	MaxBytes   int64             `star:"max_bytes,tuning"`
	Follow     bool              `star:"follow"`
	User       string            `star:"user"`
	Password   string            `star:"password,secret"`
	Token      string            `star:"token,secret"`
	CAFile     string            `star:"ca_file"`
	ClientCert string            `star:"client_cert"`
	ClientKey  string            `star:"client_key,secret"`
	Insecure   bool              `star:"insecure"`
}

// Accept says which statuses are a success.
type Accept struct {
	OK    []int `star:"ok"`
	Check bool  `star:"check"`
}

// Payload holds the arguments of functions that send one.
type Payload struct {
	JSON starlark.Value `star:"json"`
	Form *starlark.Dict `star:"form"`
	Body []byte         `star:"body"`
}

// Key makes a write safe to repeat.
type Key struct {
	IdempotencyKey starlark.Value `star:"idempotency_key"`
}

// ok reports whether the status is a success.
func (a *Accept) ok(status int) bool {
	if len(a.OK) > 0 {
		return slices.Contains(a.OK, status)
	}
	return status >= 200 && status < 400
}

func (k *Key) given() bool {
	switch v := k.IdempotencyKey.(type) {
	case starlark.Bool:
		return bool(v)
	case starlark.String:
		return v != ""
	}
	return false
}

func (k *Key) validate() error {
	switch k.IdempotencyKey.(type) {
	case nil, starlark.Bool, starlark.String, starlark.NoneType:
		return nil
	}
	return fault.New(fault.Invalid, "idempotency_key must be a string or True, not a %s", k.IdempotencyKey.Type())
}

func (b *Payload) validate() error {
	n := 0
	for _, given := range []bool{b.hasJSON(), b.Form != nil, len(b.Body) > 0} {
		if given {
			n++
		}
	}
	if n > 1 {
		return fault.New(fault.Invalid, "only one of json, form and body can be given")
	}
	return nil
}

func (b *Payload) hasJSON() bool { return b.JSON != nil && b.JSON != starlark.None }

func (r *Request) validate() error {
	switch {
	case r.Timeout < 0 || r.MaxBytes < 0:
		return fault.New(fault.Invalid, "timeout and max_bytes cannot be negative")
	case r.Token != "" && (r.User != "" || r.Password != ""):
		return fault.New(fault.Invalid, "only one of token and user with password can be given")
	case (r.ClientCert == "") != (r.ClientKey == ""):
		return fault.New(fault.Invalid, "client_cert and client_key belong together")
	}
	for name, v := range r.Headers {
		if name == "" || strings.ContainsAny(name, " :\r\n\x00") || strings.ContainsAny(v, "\r\n\x00") {
			return fault.New(fault.Invalid, "the header %q has a character that headers cannot have", name)
		}
	}
	if value.HasMarker(r.URL) {
		return nil // Perform sees the whole
	}
	_, err := parseURL(r.URL)
	return err
}

// parseURL never repeats the text in its errors: there may be a password in it.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fault.New(fault.Invalid, "the URL cannot be read: %v", inner(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fault.New(fault.Invalid, "the URL must begin with http:// or https://")
	case u.Hostname() == "":
		return nil, fault.New(fault.Invalid, "the URL names no host")
	}
	return u, nil
}

// describe shows the request without what may be secret in its URL.
func (r *Request) describe(method string) string {
	text, query, _ := strings.Cut(r.URL, "?")
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		host, path, slash := strings.Cut(rest, "/")
		host = host[strings.LastIndexByte(host, '@')+1:]
		text = scheme + "://" + host
		if slash {
			text += "/" + path
		}
	}
	if query != "" || r.Params != nil && r.Params.Len() > 0 {
		text += "?…"
	}
	return method + " " + text
}
