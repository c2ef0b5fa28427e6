package schema

import (
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Text is a string.
type Text struct {
	Min, Max starlark.Value // ints, of characters; texts for a format that has a size
	Pattern  string         // a regular expression, RE2, that the whole text has to match
	Expect   string         // what the pattern stands for, in words
	Format   string         // one of [formats]
	Secret   bool           // it becomes a secret

	pattern *regexp.Regexp
	format  *format
}

func (*Text) name() string { return "str" }

func (t *Text) limits() []string {
	list := append(limit("min", t.Min), limit("max", t.Max)...)
	for _, option := range []struct{ name, v string }{{"pattern", t.Pattern}, {"format", t.Format}} {
		if option.v != "" {
			list = append(list, option.name+" = "+strconv.Quote(option.v))
		}
	}
	if t.Secret {
		list = append(list, "secret = True")
	}
	return list
}

func (t *Text) expects() string {
	noun := "a string"
	switch {
	case t.Expect != "":
		return t.Expect
	case t.format != nil:
		noun = t.format.expects
		if t.format.size != nil {
			return noun + between(t.Min, t.Max)
		}
	}
	if t.Min != nil || t.Max != nil {
		noun += lengths(t.Min, t.Max, "character")
	}
	if t.Pattern != "" {
		noun += " that matches " + t.Pattern
	}
	return noun
}

// lengths says how many of something there must be.
func lengths(least, most starlark.Value, noun string) string {
	switch {
	case least != nil && most != nil:
		return fmt.Sprintf(" of %s to %s %ss", least, most, noun)
	case least != nil:
		return " of at least " + countOf(least, noun)
	case most != nil:
		return " of at most " + countOf(most, noun)
	}
	return ""
}

func countOf(n starlark.Value, noun string) string {
	i, _ := starlark.AsInt32(n)
	return count(i, noun)
}

func (t *Text) sensitive() bool                       { return t.Secret }
func (t *Text) plain(v starlark.Value) starlark.Value { return v }

func (t *Text) prepare() error {
	var err error
	if t.Format != "" {
		if t.format, err = findFormat(t.Format); err != nil {
			return err
		}
	}
	if t.Pattern != "" {
		if t.pattern, err = regexp.Compile(`^(?:` + t.Pattern + `)$`); err != nil {
			return hinted(invalid("cannot compile the pattern %s: %s", t.Pattern, err), `write patterns as raw strings: r"\d+"; they are RE2, without lookahead and backreferences`)
		}
	}
	for _, v := range []*starlark.Value{&t.Min, &t.Max} {
		if *v == starlark.None {
			*v = nil
		}
		if *v != nil && !t.isLimit(*v) {
			return invalid("min and max must be %s, not %s", t.limitNoun(), *v)
		}
	}
	if t.Min != nil && t.Max != nil && t.looser(t.Max, t.Min) {
		return invalid("min, %s, is more than max, %s", t.Min, t.Max)
	}
	return nil
}

func (t *Text) limitNoun() string {
	if t.format != nil && t.format.size != nil {
		return t.format.expects
	}
	return "numbers of characters"
}

func (t *Text) isLimit(v starlark.Value) bool {
	if t.format != nil && t.format.size != nil {
		text, ok := starlark.AsString(v)
		return ok && t.format.accepts(text)
	}
	return isLength(v)
}

func isLength(v starlark.Value) bool {
	i, err := starlark.AsInt32(v)
	return err == nil && i >= 0
}

// looser says that x is a smaller limit than y.
func (t *Text) looser(x, y starlark.Value) bool {
	if t.format == nil || t.format.size == nil {
		return less(x, y)
	}
	a, _ := starlark.AsString(x)
	b, _ := starlark.AsString(y)
	n, _ := t.format.size(a)
	m, _ := t.format.size(b)
	return n < m
}

func (t *Text) complete(c *checking, p *place, v starlark.Value) starlark.Value {
	if t.Secret {
		c.hide(p)
	}
	var text string
	switch v := v.(type) {
	case starlark.String:
		text = string(v)
	case *value.Secret:
		text = v.String()
	default:
		more := ""
		switch v.(type) {
		case starlark.Int, starlark.Float:
			more = "; put it in quotes"
		}
		c.wrong(p, t, v, more)
		return v
	}
	plain, known := c.expand(text)
	if t.Secret { // before anything is said about it
		if secret := c.conceal(p, text); secret != nil {
			v = secret
		}
	}
	if known && !t.allows(plain) {
		c.wrong(p, t, v, "")
	}
	return v
}

// conceal makes a secret of a text; nil where it is empty, or has one in it.
func (c *checking) conceal(p *place, text string) starlark.Value {
	if c.trial || c.secrets == nil || text == "" || value.HasMarker(text) {
		return nil
	}
	secret, _ := c.secrets.Add(subject(p.String()), text)
	return secret
}

// expand puts the secrets of a text in place, to look at it; known is false where
// that cannot be done.
func (c *checking) expand(text string) (plain string, known bool) {
	if !value.HasMarker(text) {
		return text, true
	}
	if c.secrets == nil {
		return "", false
	}
	plain, err := c.secrets.Expand(text)
	return plain, err == nil
}

func (t *Text) allows(text string) bool {
	if t.pattern != nil && !t.pattern.MatchString(text) || t.format != nil && !t.format.accepts(text) {
		return false
	}
	if t.Min == nil && t.Max == nil {
		return true
	}
	var v starlark.Value = starlark.String(text)
	if t.format == nil || t.format.size == nil {
		v = starlark.MakeInt(utf8.RuneCountInString(text))
	}
	return (t.Min == nil || !t.looser(v, t.Min)) && (t.Max == nil || !t.looser(t.Max, v))
}

func (t *Text) narrowed(base Shape) (Shape, error) {
	b, ok := base.(*Text)
	if !ok {
		return nil, contradicts(t, base)
	}
	merged := *t
	for _, option := range []struct {
		name      string
		own, base *string
	}{{"format", &merged.Format, &b.Format}, {"pattern", &merged.Pattern, &b.Pattern}} {
		if *option.own == "" {
			*option.own = *option.base
		} else if *option.base != "" && *option.own != *option.base {
			return nil, invalid("the base has another %s, %s", option.name, *option.base)
		}
	}
	if merged.Expect == "" {
		merged.Expect = b.Expect
	}
	merged.Secret = t.Secret || b.Secret
	if err := merged.prepare(); err != nil {
		return nil, err
	}
	var err error
	if merged.Min, err = tighter("min", t.Min, b.Min, merged.looser); err != nil {
		return nil, err
	}
	merged.Max, err = tighter("max", t.Max, b.Max, func(x, y starlark.Value) bool { return merged.looser(y, x) })
	return &merged, err
}

func (t *Text) jsonSchema(d *object) {
	d.set("type", starlark.String("string"))
	if t.format != nil {
		if t.format.json != "" {
			d.set("format", starlark.String(t.format.json))
		} else if t.Pattern == "" {
			d.set("pattern", starlark.String(t.format.pattern))
		}
	}
	if t.format == nil || t.format.size == nil {
		if t.Min != nil {
			d.set("minLength", t.Min)
		}
		if t.Max != nil {
			d.set("maxLength", t.Max)
		}
	}
	if t.Pattern != "" {
		d.set("pattern", starlark.String("^(?:"+t.Pattern+")$"))
	}
	if t.Secret {
		d.set("writeOnly", starlark.True)
	}
	if t.Format != "" || t.Expect != "" {
		d.comment = t.expects()
	}
}
