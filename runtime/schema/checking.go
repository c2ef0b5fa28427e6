package schema

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/rewrite"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// checking is one validation.
type checking struct {
	thread   *starlark.Thread // calls checks; nil: there are none
	secrets  *value.Secrets
	at       map[string]document.Position
	trial    bool // only the problems are of interest: nothing becomes a secret
	problems []Problem
	warnings []Problem
	hidden   map[string]bool // paths of what may be secret
	fatal    error
}

// place is where a value is within the whole; its text is made only when something
// is wrong there.
type place struct {
	up   *place
	name string
	i    int // with no name
	item bool
}

func (p *place) field(name string) *place { return &place{up: p, name: name} }
func (p *place) at(i int) *place          { return &place{up: p, i: i, item: true} }

func (p *place) String() string {
	switch {
	case p == nil:
		return ""
	case p.item:
		return value.ItemPath(p.up.String(), p.i)
	}
	return value.FieldPath(p.up.String(), p.name)
}

func (c *checking) hide(p *place) {
	if c.hidden == nil {
		c.hidden = map[string]bool{}
	}
	c.hidden[p.String()] = true
}

func (c *checking) add(p Problem) { c.problems = append(c.problems, p) }

// subject begins a sentence about what is at a path.
func subject(path string) string {
	if path == "" {
		return "the value"
	}
	return path
}

// wrong notes that v is not what the shape expects. more may say why.
func (c *checking) wrong(p *place, s Shape, v starlark.Value, more string) {
	path := p.String()
	problem := Problem{Path: path, Expected: s.expects()}
	if s.sensitive() {
		c.hide(p)
	} else {
		problem.Found = show(v)
	}
	problem.Message = fmt.Sprintf("%s must be %s", subject(path), problem.Expected)
	if problem.Found != "" {
		problem.Message += ", not " + problem.Found
	}
	problem.Message += more
	c.add(problem)
}

// show is what was found, for people; "" for what is or has a secret in it.
func show(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.NoneType, starlark.Bool, starlark.Int, starlark.Float:
		if text := v.String(); len(text) <= 60 {
			return text
		}
	case starlark.String:
		if value.HasMarker(string(v)) {
			return ""
		}
		text := v.String()
		if r := []rune(text); len(r) > 60 {
			text = string(r[:59]) + `…"`
		}
		return text
	case *starlark.List, starlark.Tuple:
		return count(starlark.Len(v), "element")
	case *starlark.Dict:
		return "a dict"
	}
	return "a " + v.Type()
}

func (c *checking) missing(p *place, s *Schema, v starlark.Value) {
	path := p.String()
	problem := Problem{Path: path, Expected: s.expects(), missing: true}
	if v == starlark.None {
		problem.Found = "None"
	}
	problem.Message = fmt.Sprintf("%s is required: %s", subject(path), problem.Expected)
	c.add(problem)
}

func (c *checking) warn(p *place, s *Schema) {
	path := p.String()
	c.warnings = append(c.warnings, Problem{Path: path, Message: fmt.Sprintf("%s is deprecated: %s", subject(path), s.Deprecated)})
}

// A Check looks at a completed value, for what is not a matter of one field.
type Check struct {
	Fn      starlark.Callable // gets the value
	Message string            // what is wrong when Fn returns what is not true; "": Fn says so, by a text
	Field   string            // the path, within the value, of what is to be mended; "" for the whole
}

// check makes the checks of a schema on v, which is completed as far as it can be;
// broken says that it has problems of its own.
func (c *checking) check(s *Schema, p *place, v starlark.Value, broken bool) starlark.Value {
	if c.thread == nil || c.fatal != nil {
		return v
	}
	for _, check := range s.Checks {
		message, err := c.call(check, v, broken)
		if err != nil {
			c.fatal = err
			return v
		}
		if message != "" {
			c.failed(p, check, message)
		}
	}
	return v
}

func (c *checking) failed(p *place, check Check, message string) {
	path := p.String()
	for name := range strings.SplitSeq(check.Field, ".") {
		if name != "" {
			path = value.FieldPath(path, name)
		}
	}
	text := message
	if path != "" {
		text = path + ": " + message
	}
	c.add(Problem{Path: path, Message: text})
}

// call returns what a check objects to; "" for nothing. Where the value has problems
// of its own, or is not known yet, the check may have nothing to go by: then it has
// no say.
func (c *checking) call(check Check, v starlark.Value, broken bool) (string, error) {
	if _, ok := v.(*starlarkstruct.Struct); broken && !ok {
		return "", nil
	}
	v.Freeze()
	var result starlark.Value
	var err error
	act := func() { result, err = starlark.Call(c.thread, check.Fn, starlark.Tuple{v}, nil) }
	if value.FindUnknown(v) != nil {
		rewrite.Undecided(c.thread, act)
	} else {
		act()
	}
	var undecided *value.Undecided
	switch {
	case errors.As(err, &undecided), err != nil && broken:
		return "", nil
	case err != nil:
		return "", err
	}
	return check.verdict(result)
}

// verdict is what a result says is wrong.
func (check Check) verdict(result starlark.Value) (string, error) {
	if _, ok := result.(*value.Unknown); ok {
		return "", nil
	}
	if check.Message != "" {
		if result.Truth() {
			return "", nil
		}
		return check.Message, nil
	}
	switch result := result.(type) {
	case starlark.Bool:
		if !result {
			return "does not pass the check " + check.Fn.Name(), nil
		}
		return "", nil
	case starlark.String:
		return string(result), nil
	case starlark.NoneType:
		return "", nil
	}
	return "", invalid("the check %s must return True, False or a text, not a %s", check.Fn.Name(), result.Type())
}
