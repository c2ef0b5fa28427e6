package export

import (
	"fmt"
	"math"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// printer writes the script.
type printer struct {
	e      *exporter
	names  *namer
	consts []constant
	body   strings.Builder
}

// constant is a text of several lines, which reads better outside of calls.
type constant struct{ name, text string }

const maxLine = 100 // characters of a call on one line

func (e *exporter) print() (string, error) {
	p := &printer{e: e, names: e.giveNames()}
	found := e.found()
	var signature []string
	var docs, lost strings.Builder
	for _, required := range []bool{true, false} {
		for _, q := range e.params {
			if (q.seen == nil) != required || !found[q] {
				continue
			}
			text := q.name
			if !required {
				x, err := newIndex(e).build(q.seen, "0")
				if err != nil {
					return "", err
				}
				text += " = " + p.expr(x, "")
			}
			signature = append(signature, text)
			help := firstLine(q.help)
			if help == "" {
				help = "as the run had it."
			}
			fmt.Fprintf(&docs, "      %s: %s\n", q.name, docText(help))
		}
	}
	for _, q := range e.params {
		if !found[q] {
			fmt.Fprintf(&lost, "    # No effect has the parameter %s in it%s.\n", q.want, p.seen(q))
		}
	}
	for _, s := range e.secrets {
		if s.lost {
			p.line("    # The run computed this secret, and the journal does not tell how: compute it here, or give it.")
		}
		if s.uri != "" {
			p.line("    %s = secret.get(%s)", s.name, quote(s.uri))
		} else {
			p.line("    %s = secret.get(%s)", s.name, s.param.name)
		}
	}
	for _, s := range e.steps {
		p.step(s, "    ")
	}
	var out strings.Builder
	for _, c := range p.consts {
		fmt.Fprintf(&out, "%s = %s\n\n", c.name, tripled(c.text))
	}
	fmt.Fprintf(&out, "def main(%s):\n    \"\"\"%s", strings.Join(signature, ", "), docText(e.summary()))
	if docs.Len() > 0 {
		fmt.Fprintf(&out, "\n\n    Args:\n%s    ", docs.String())
	}
	out.WriteString("\"\"\"\n")
	out.WriteString(e.state())
	out.WriteString(lost.String())
	out.WriteString(p.body.String())
	return out.String(), nil
}

func (e *exporter) summary() string {
	if e.run.Session {
		return "Does what the interactive session " + short(e.run.ID) + " did."
	}
	return "Does what the run " + short(e.run.ID) + " of " + firstLine(e.run.Script) + " did."
}

// state warns of a run that did not come to its end.
func (e *exporter) state() string {
	if e.run.State == journal.Completed {
		return ""
	}
	return fmt.Sprintf("    # The run is %s: this is what it came to.\n", strings.ReplaceAll(string(e.run.State), "_", " "))
}

// seen is the value of a parameter, for a comment.
func (p *printer) seen(q *param) string {
	if q.seen == nil {
		return ""
	}
	return ", which was " + firstLine(p.e.redact(q.seen.String()))
}

func (p *printer) line(format string, args ...any) { fmt.Fprintf(&p.body, format+"\n", args...) }

func (p *printer) step(s *step, indent string) {
	if s.remark != "" {
		for line := range strings.SplitSeq(s.remark, "\n") {
			p.line("%s# %s", indent, upper(line))
		}
	}
	if s.form == remarked {
		return
	}
	if s.fork != nil {
		p.fork(s.fork, indent)
		return
	}
	text := p.call(s, indent)
	if s.name != "" {
		text = s.name + " = " + text
	}
	p.line("%s%s", indent, text)
}

func (p *printer) fork(f *fork, indent string) {
	p.line("\n%sdef %s(%s):", indent, f.fn, itemName)
	for _, s := range f.body {
		p.step(s, indent+"    ")
	}
	list := p.expr(f.items, "")
	options := f.options()
	call := fmt.Sprintf("parallel(%s, %s%s)", f.fn, list, options)
	if x, ok := f.items.(items); ok && len(indent)+len(call) > maxLine {
		var lines strings.Builder
		for _, elem := range x.elems {
			fmt.Fprintf(&lines, "%s    %s,\n", indent, p.expr(elem, ""))
		}
		call = fmt.Sprintf("parallel(%s, [\n%s%s]%s)", f.fn, lines.String(), indent, options)
	}
	p.line("")
	if f.guessed() {
		p.line("%s# The journal does not say how many ran at a time; they ran one after the other.", indent)
	}
	p.line("%s%s\n", indent, call)
}

// call writes the call of a step, on several lines when it is long.
func (p *printer) call(s *step, indent string) string {
	if s.form == pausing {
		text, _, _ := s.effect.Given.Get(starlark.String("duration"))
		d, _ := starlark.AsString(text)
		return "sleep(" + quote(d) + ")"
	}
	var args []string
	for _, a := range s.args {
		text := p.argument(s, a)
		if !a.first {
			text = a.name + " = " + text
		}
		args = append(args, text)
	}
	switch s.form {
	case handled:
		return wrap("attempt", append([]string{s.fn.Name()}, args...), indent)
	case retried:
		call := wrap(s.fn.Name(), args, indent)
		if s.tries.n >= 3 {
			return fmt.Sprintf("retry(lambda: %s, attempts = %d)", call, s.tries.n+1)
		}
		return "retry(lambda: " + call + ")"
	case awaited:
		call := wrap(s.fn.Name(), args, indent)
		if p := s.tries.pause; p != "" && p != "2s" {
			return fmt.Sprintf("wait_until(lambda: %s, interval = %s)", call, quote(p))
		}
		return "wait_until(lambda: " + call + ")"
	}
	return wrap(s.fn.Name(), args, indent)
}

func wrap(fn string, args []string, indent string) string {
	one := fn + "(" + strings.Join(args, ", ") + ")"
	if len(indent)+len(one) <= maxLine || len(args) == 0 {
		return one
	}
	inner := indent + "    "
	return fn + "(\n" + inner + strings.Join(args, ",\n"+inner) + ",\n" + indent + ")"
}

func (p *printer) argument(s *step, a argument) string {
	if lit, ok := a.from.(literal); ok && a.name == "mode" {
		if n, ok := lit.v.(starlark.Int); ok {
			if i, ok := n.Int64(); ok && i > 7 {
				return fmt.Sprintf("0o%o", i) // as permissions are written
			}
		}
	}
	hint := ""
	if len(s.args) > 0 {
		hint = path.Base(head(s.args[0].value))
	}
	if hint == "" || hint == "." || hint == "/" || a.name == s.args[0].name {
		hint = strings.ReplaceAll(s.effect.Kind, ".", "_") + "_" + a.name
	}
	return p.expr(a.from, hint)
}

// expr writes an expression; a text of several lines gets its name after hint.
func (p *printer) expr(x expr, hint string) string {
	switch x := x.(type) {
	case literal:
		return p.literal(x.v, hint)
	case refer:
		return through(x.to.text(), x.layers)
	case ofItem:
		if x.field == "" {
			return itemName
		}
		return itemName + "." + x.field
	case joined:
		return p.joined(x, hint)
	case items:
		return p.items(x, hint)
	case pairs:
		return p.pairs(x, hint)
	}
	panic(fmt.Sprintf("export: no way to write a %T", x))
}

func (o *origin) text() string { return o.before + o.base() + o.after }

func (o *origin) base() string {
	switch {
	case o.param != nil:
		return o.param.name
	case o.secret != nil:
		return o.secret.name
	}
	return o.step.name + o.path
}

// joined writes a text with % and the values in it.
func (p *printer) joined(x joined, hint string) string {
	var format strings.Builder
	var args []string
	for _, part := range x.parts {
		if lit, ok := part.(literal); ok {
			text, _ := starlark.AsString(lit.v)
			format.WriteString(strings.ReplaceAll(text, "%", "%%"))
			continue
		}
		format.WriteString("%s")
		args = append(args, p.expr(part, ""))
	}
	list := args[0]
	if len(args) > 1 {
		list = "(" + strings.Join(args, ", ") + ")"
	}
	return p.literal(starlark.String(format.String()), hint) + " % " + list
}

func (p *printer) items(x items, hint string) string {
	elems := make([]string, len(x.elems))
	for i, elem := range x.elems {
		elems[i] = p.expr(elem, hint)
	}
	list := strings.Join(elems, ", ")
	switch {
	case x.kind == "tuple" && len(elems) == 1:
		return "(" + list + ",)"
	case x.kind == "tuple":
		return "(" + list + ")"
	case x.kind == "set":
		return "set([" + list + "])"
	}
	return "[" + list + "]"
}

func (p *printer) pairs(x pairs, hint string) string {
	parts := make([]string, len(x.keys))
	for i := range x.keys {
		value := p.expr(x.values[i], hint)
		if x.kind != "dict" {
			name, _ := starlark.AsString(x.keys[i].(literal).v)
			parts[i] = name + " = " + value
			continue
		}
		parts[i] = p.expr(x.keys[i], "") + ": " + value
	}
	if x.kind != "dict" {
		return x.kind + "(" + strings.Join(parts, ", ") + ")"
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (p *printer) literal(v starlark.Value, hint string) string {
	switch v := v.(type) {
	case starlark.String:
		if hint != "" && strings.Count(strings.TrimSuffix(string(v), "\n"), "\n") >= 2 && tripled(string(v)) != "" {
			return p.constant(string(v), hint)
		}
		return quote(string(v))
	case starlark.Bytes:
		return syntax.Quote(string(v), true)
	case starlark.Float:
		if f := float64(v); math.IsInf(f, 0) || math.IsNaN(f) {
			return "float(" + quote(v.String()) + ")"
		}
	case time.Duration:
		return "time.duration(" + quote(durationText(v)) + ")"
	case time.Time:
		return "time.parse(" + quote(timeText(v)) + ")"
	}
	return v.String()
}

func (p *printer) constant(text, hint string) string {
	for _, c := range p.consts {
		if c.text == text {
			return c.name
		}
	}
	name := p.names.name(strings.ToUpper(identifier(hint)))
	p.consts = append(p.consts, constant{name, text})
	return name
}

func quote(s string) string { return syntax.Quote(s, false) }

// writable reports whether a literal can hold the text.
func writable(s string) bool { return utf8.ValidString(s) }

// tripled is text as a literal of several lines; "" where that would not be the
// same text, or hard to read.
func tripled(s string) string {
	if strings.Contains(s, `"""`) || strings.HasSuffix(s, `"`) || !utf8.ValidString(s) {
		return ""
	}
	for _, r := range s {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return ""
		}
	}
	return `"""` + strings.ReplaceAll(s, `\`, `\\`) + `"""`
}

// docText is text that cannot end a docstring.
func docText(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"""`, `'''`).Replace(strings.TrimSuffix(s, `"`))
}

// upper begins a comment like a sentence.
func upper(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}
