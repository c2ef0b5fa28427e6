package capability

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// freeHeaders are those that rules need not name: they say what is sent, who
// sends it and what is wanted back. Any other may decide which host, path or
// method a server or a proxy takes the request to be for, as Host,
// X-Forwarded-Host, X-Original-URL and X-HTTP-Method-Override do, so that the
// pattern for the URL would not bind it.
var freeHeaders = []string{
	"accept", "accept-charset", "accept-encoding", "accept-language", "authorization", "cache-control",
	"content-encoding", "content-language", "content-type", "cookie", "idempotency-key", "if-match",
	"if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "pragma", "prefer", "private-token",
	"range", "referer", "traceparent", "tracestate", "user-agent", "x-api-key", "x-auth-token",
	"x-correlation-id", "x-request-id",
}

func freeHeader(name starlark.Value) bool {
	s, ok := starlark.AsString(name)
	return ok && slices.Contains(freeHeaders, strings.ToLower(s))
}

// onlyFreeHeaders reports whether rules need not name the headers.
func onlyFreeHeaders(v starlark.Value) bool {
	dict, ok := v.(*starlark.Dict)
	return ok && !slices.ContainsFunc(dict.Keys(), func(k starlark.Value) bool { return !freeHeader(k) })
}

// boundHeaders returns a copy without the free ones, and with the names as rules
// have them.
func boundHeaders(dict *starlark.Dict) *starlark.Dict {
	bound := new(starlark.Dict)
	for _, kv := range dict.Items() {
		if name, ok := starlark.AsString(kv[0]); !freeHeader(kv[0]) && ok {
			_ = bound.SetKey(starlark.String(strings.ToLower(name)), kv[1]) // a new dict takes texts
		} else if !ok {
			_ = bound.SetKey(starlark.String(""), kv[1]) // which no rule names
		}
	}
	return bound
}

// newHeaders reads a list of headers, "Name" with any value or "Name=pattern", or
// "*" for all of them. The case of names does not count.
func newHeaders(pattern any) (matcher, error) {
	list, ok := pattern.([]any)
	if pattern == "*" || ok && len(list) == 1 && list[0] == "*" {
		return func(starlark.Value, Paths) Verdict { return Yes }, nil
	}
	if !ok {
		return nil, errors.New(`it must be a list of "Name" or "Name=pattern", or "*"`)
	}
	lower := make([]any, len(list))
	for i, p := range list {
		s, ok := p.(string)
		if !ok {
			return nil, fmt.Errorf(`%v: it must be "Name" or "Name=pattern"`, p)
		}
		name, rest, hasValue := strings.Cut(s, "=")
		if lower[i] = strings.ToLower(name); hasValue {
			lower[i] = strings.ToLower(name) + "=" + rest
		}
	}
	match, err := newEnviron(lower)
	if err != nil {
		return nil, err
	}
	return func(v starlark.Value, paths Paths) Verdict {
		if dict, ok := v.(*starlark.Dict); ok {
			v = boundHeaders(dict)
		}
		return match(v, paths)
	}, nil
}
