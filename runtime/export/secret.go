package export

import (
	"regexp"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// secretSource is a secret that no effect of the run gave: main gets it, from where
// its name says, or a parameter.
type secretSource struct {
	id    string
	shown string // its name
	uri   string // where it is; "" where a parameter says so
	param *param // not nil: holds the uri
	name  string
	lost  bool // computed in the run, and nobody knows how
}

// secretOf is the origin of a secret in the branch at.
func (e *exporter) secretOf(s *value.Secret, ix *index, at string) (*origin, error) {
	for _, o := range ix.secrets[s.ID()] {
		if ix.visible(o, at) {
			return o, nil
		}
	}
	for _, src := range e.secrets {
		if src.id == s.ID() {
			return &origin{v: s, secret: src}, nil
		}
	}
	if o, err := e.derived(s, ix, at); o != nil || err != nil {
		return o, err
	}
	src := &secretSource{id: s.ID(), shown: s.Name, lost: isDerived(s.Name)}
	if e.isURI(s.Name) && !src.lost {
		src.uri = s.Name
	} else {
		src.param = &param{
			want: secretName(s.Name) + "_uri",
			help: "where the secret " + firstLine(s.Name) + ` is: "env://NAME", "file://path" or "ws://name".`,
		}
	}
	e.secrets = append(e.secrets, src)
	return &origin{v: s, secret: src}, nil
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// isURI reports whether the name of a secret says where it is.
func (e *exporter) isURI(name string) bool {
	scheme, rest, ok := strings.Cut(name, "://")
	if !ok || rest == "" || !writable(name) || e.redact(name) != name {
		return false
	}
	return scheme == "env" && variable.MatchString(rest) || scheme == "file"
}

// through writes the encodings that a secret has been through since.
func through(text, layers string) string {
	for i := range len(layers) {
		switch value.Layer(layers[i]) {
		case value.LayerJSON:
			text = "json.encode(" + text + ")[1:-1]" // without its quotes, which are no part of the secret
		case value.LayerURL:
			text = "url.quote(" + text + ")"
		}
	}
	return text
}

// safe is the value as the default of a parameter; nil when that would show a
// secret.
func (e *exporter) safe(v starlark.Value) starlark.Value {
	shows := false
	value.Walk(v, func(x starlark.Value) bool {
		switch x := x.(type) {
		case starlark.String:
			shows = shows || value.HasMarker(string(x)) || e.redact(string(x)) != string(x)
		case starlark.Bytes:
			shows = shows || value.HasMarker(string(x)) || e.redact(string(x)) != string(x)
		case *value.Secret:
			shows = true
		}
		return !shows
	})
	if shows {
		return nil
	}
	return v
}
