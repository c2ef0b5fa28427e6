// Package schema is typed configuration: what values may be, what they are when
// nothing is given, and what is wrong with them, all of it at once.
//
// A [Schema] is a [Shape] (a text, a number, a record …) with [Options] that any
// shape has. [Schema.Validate] completes a value, or returns all problems with their
// paths, and their positions where the value comes from a file:
//
//	doc, err := document.Read("postgres.toml", text, nil)
//	v, report, err := s.Validate(thread, doc.Value, doc.At)
//	if err := report.Fault(fault.Config, "postgres.toml"); err != nil {
//		return err
//	}
//
// Schemas are immutable, and values of scripts; they have no effect on the world.
// None is the same as nothing given, everywhere.
package schema

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Schema says what a value may be.
type Schema struct {
	Options
	shape Shape
}

// Options are what schemas of every shape have.
type Options struct {
	Default    starlark.Value // what it is when nothing is given; nil for none
	Optional   bool           // it may be missing, and is None then
	Doc        string
	Deprecated string // what to do instead; "" for what is not deprecated
	Checks     []Check

	// Secrets takes the texts that are secrets, and expands those within texts.
	Secrets *value.Secrets
}

// Shape is the kind of a value, with what limits it.
type Shape interface {
	// name is that of the function that makes it.
	name() string
	// limits are written as the arguments of that function.
	limits() []string
	// expects says what is expected: "an int from 1 to 5".
	expects() string
	// sensitive says that a value may have secrets in it, even one that does not fit.
	sensitive() bool
	// prepare finds what is wrong with the shape itself, and makes it ready.
	prepare() error
	// complete returns v with defaults in place, and notes the problems.
	complete(c *checking, p *place, v starlark.Value) starlark.Value
	// narrowed is the shape of what both it and base allow; it may not allow more
	// than base by itself.
	narrowed(base Shape) (Shape, error)
	// plain is a completed value as dicts and lists in the order of the schema.
	plain(v starlark.Value) starlark.Value
	// jsonSchema adds the keywords of JSON Schema.
	jsonSchema(d *object)
}

// New makes a schema. An error says why there can be none, such as a default that
// the schema itself does not allow.
func New(shape Shape, o Options) (*Schema, error) {
	if r, ok := shape.(*Record); ok && r.Base != nil {
		base, ok := r.Base.shape.(*Record)
		if !ok {
			return nil, invalid("the base must be a record, not %s", r.Base.expects())
		}
		o = inherit(r.Base.Options, o)
		merged, err := r.narrowed(base)
		if err != nil {
			return nil, err
		}
		shape = merged
	}
	if err := shape.prepare(); err != nil {
		return nil, err
	}
	s := &Schema{Options: o, shape: shape}
	if s.Default == starlark.None {
		s.Default = nil
	}
	if s.Default == nil {
		return s, nil
	}
	if s.Optional {
		return nil, invalid("what has a default is never missing, so it cannot be optional")
	}
	s.Default.Freeze()
	c := &checking{secrets: o.Secrets, trial: true}
	s.complete(c, nil, s.Default)
	if len(c.problems) > 0 {
		return nil, invalid("the default does not fit: %s", c.problems[0].Message)
	}
	return s, nil
}

func invalid(format string, args ...any) error { return fault.New(fault.Invalid, format, args...) }

// inherit are the options of what narrows base.
func inherit(base, own Options) Options {
	if own.Default == nil || own.Default == starlark.None {
		own.Default = base.Default
	}
	if own.Doc == "" {
		own.Doc = base.Doc
	}
	if own.Deprecated == "" {
		own.Deprecated = base.Deprecated
	}
	if own.Secrets == nil {
		own.Secrets = base.Secrets
	}
	own.Checks = append(append([]Check(nil), base.Checks...), own.Checks...)
	return own
}

// AsOptional returns the schema of what may also be missing.
func (s *Schema) AsOptional() (*Schema, error) {
	o := s.Options
	o.Optional = true
	return New(s.shape, o)
}

// Validate returns v with defaults in place: records are structs, so that fields are
// attributes. With problems, the value is of no use. at are the positions in the
// files that v comes from, and may be nil. An error is that of a check which failed
// itself. thread calls the checks; where it is nil, there are none.
func (s *Schema) Validate(thread *starlark.Thread, v starlark.Value, at map[string]document.Position) (starlark.Value, *Report, error) {
	c := &checking{thread: thread, secrets: s.Secrets, at: at}
	out := s.complete(c, nil, v)
	if c.fatal != nil {
		return nil, nil, c.fatal
	}
	return out, c.report(), nil
}

// complete is Validate for a value within another one.
func (s *Schema) complete(c *checking, p *place, v starlark.Value) starlark.Value {
	if c.fatal != nil {
		return starlark.None
	}
	given := v != nil && v != starlark.None
	if !given {
		if s.Default == nil {
			if s.Optional {
				return starlark.None
			}
			record, ok := s.shape.(*Record)
			if !ok {
				c.missing(p, s, v)
				return starlark.None
			}
			before := len(c.problems)
			v = record.complete(c, p, emptyDict)
			return c.check(s, p, v, len(c.problems) > before)
		}
		v = s.Default
	} else if s.Deprecated != "" {
		c.warn(p, s)
	}
	if _, ok := v.(*value.Unknown); ok {
		return v // it is looked at when it is known
	}
	before := len(c.problems)
	v = s.shape.complete(c, p, v)
	return c.check(s, p, v, len(c.problems) > before)
}

var emptyDict = func() *starlark.Dict {
	d := new(starlark.Dict)
	d.Freeze()
	return d
}()

func (s *Schema) expects() string { return s.shape.expects() }

func (s *Schema) sensitive() bool { return s.shape.sensitive() }

// Plain is a completed value as dicts, in the order of the fields; what is None is
// left out.
func (s *Schema) Plain(v starlark.Value) starlark.Value {
	if v == starlark.None {
		return v
	}
	return s.shape.plain(v)
}

// Defaults are what applies when nothing is given, as dicts; nil where that is
// nothing.
func (s *Schema) Defaults() starlark.Value {
	if s.Default != nil {
		return s.Plain(s.complete(&checking{secrets: s.Secrets}, nil, s.Default))
	}
	record, ok := s.shape.(*Record)
	if !ok || s.Optional {
		return nil
	}
	d := new(starlark.Dict)
	for _, f := range record.fields {
		if v := f.Schema.Defaults(); v != nil {
			_ = d.SetKey(starlark.String(f.Name), v) // a string key of a fresh dict cannot fail
		}
	}
	return d
}

// quoteList writes values as "a", "b" or "c".
func quoteList(values []starlark.Value, last string) string {
	text := ""
	for i, v := range values {
		switch {
		case i == 0:
		case i == len(values)-1 && last != "":
			text += " " + last + " "
		default:
			text += ", "
		}
		text += v.String()
	}
	return text
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
