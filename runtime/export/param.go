package export

import (
	"path"
	"regexp"
	"strings"

	"go.starlark.net/starlark"
)

// param is a parameter of main.
type param struct {
	want     string         // name that it should have
	name     string         // that of the run's own parameter, until it is named
	seen     starlark.Value // nil: there is no default
	help     string
	original bool // of the run
}

// declareParams takes over the parameters of the run. One that held a secret has
// no value that could be found, or written.
func (e *exporter) declareParams() {
	for _, p := range e.run.Params {
		q := &param{want: p.Name, name: p.Name, help: e.redact(p.Help), original: true}
		if p.Value != nil {
			q.seen = e.safe(p.Value)
		}
		e.params = append(e.params, q)
	}
}

// found are the parameters that the steps refer to.
func (e *exporter) found() map[*param]bool {
	found := map[*param]bool{}
	for _, s := range e.steps {
		s.references(func(o *origin) {
			if o.param != nil {
				found[o.param] = true
			}
			if o.secret != nil && o.secret.param != nil {
				found[o.secret.param] = true
			}
		})
	}
	return found
}

// parametrize makes parameters of the literals that two effects have, and that
// look like what changes from run to run. It reports whether there are any.
func (e *exporter) parametrize() bool {
	in := map[string]map[*step]bool{} // literal → steps that have it
	var order []string
	for _, s := range e.steps {
		for _, a := range s.args {
			eachText(a.from, func(text string) {
				if class(text) == "" {
					return
				}
				if in[text] == nil {
					in[text] = map[*step]bool{}
					order = append(order, text)
				}
				in[text][s] = true
			})
		}
	}
	added := false
	for _, text := range order {
		if len(in[text]) < 2 || e.isParam(text) {
			continue
		}
		added = true
		e.params = append(e.params, &param{
			want: nameOf(text), seen: starlark.String(text), help: helpOf(text),
		})
	}
	return added
}

func (e *exporter) isParam(text string) bool {
	for _, p := range e.params {
		if p.seen == starlark.String(text) {
			return true
		}
	}
	return false
}

// eachText calls visit for the texts that are written as they are, as a whole.
func eachText(x expr, visit func(string)) {
	switch x := x.(type) {
	case literal:
		if text, ok := x.v.(starlark.String); ok {
			visit(string(text))
		}
	case items:
		for _, elem := range x.elems {
			eachText(elem, visit)
		}
	case pairs:
		for _, v := range x.values {
			eachText(v, visit)
		}
	}
}

// classes are what changes from run to run, by how it looks.
var classes = []struct {
	name string
	like *regexp.Regexp
}{
	{"address", regexp.MustCompile(`^[a-z][a-z0-9+.-]*://[^\s/]\S*$`)},
	{"version", regexp.MustCompile(`^v?\d+(\.\d+){1,3}([-+][0-9A-Za-z.-]+)?$`)},
	{"host", regexp.MustCompile(`^\d{1,3}(\.\d{1,3}){3}(/\d{1,2})?$`)},
	{"file", regexp.MustCompile(`^[\w.@~+-]*(/[\w.@~+-]+)+/?$|^[\w@+-][\w.@+-]*\.[a-z][a-z0-9]{1,7}$`)},
}

// class is the name of the class; "" for texts that stay literals.
func class(text string) string {
	if len(text) < minText || len(text) > maxEcho || strings.HasPrefix(text, "/bin/") || strings.HasPrefix(text, "/usr/bin/") {
		return "" // programs are what a script is about
	}
	if dots := strings.Count(text, "."); dots == 3 && classes[2].like.MatchString(text) {
		return "host"
	}
	for _, c := range classes {
		if c.like.MatchString(text) {
			return c.name
		}
	}
	return ""
}

func nameOf(text string) string {
	c := class(text)
	if c != "file" {
		return c
	}
	if name := identifier(path.Base(text)); len(name) > 1 && len(name) <= 30 {
		return name
	}
	return "file"
}

func helpOf(text string) string {
	switch class(text) {
	case "address":
		return "address that the run used."
	case "version":
		return "version that the run used."
	case "host":
		return "host that the run used."
	}
	return "file, directory or host that the run used."
}
