// Package render makes texts of templates with variables in them. The language is
// that of Django and nearly that of Jinja; pongo2 executes it.
//
// pongo2 renders an undefined variable as nothing, prints floats with six
// digits, forgets the order of dicts, and can be made to read any file and to
// end the process. So a template is rewritten before pongo2 compiles it (see
// [source]): each name in it becomes a call of ours, which knows where it stands
// in the template and refuses what is not defined.
//
// Secrets among the variables stay secret: the text holds their markers.
package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/flosch/pongo2/v6"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Options say how a template is rendered.
type Options struct {
	Strict     bool     // what is not defined is an error, not nothing
	Autoescape bool     // variables are escaped for HTML
	Roots      []string // further directories whose templates may be included
}

// Text renders a text, which cannot include others.
func Text(ctx context.Context, text string, vars *starlark.Dict, o Options) (string, error) {
	r, err := newRender(ctx, vars, o.Strict, o.Autoescape)
	if err != nil {
		return "", err
	}
	return r.text(text)
}

// File renders a template file, which may include others of its directory and of
// the roots.
func File(ctx context.Context, files *sandbox.Files, path string, vars *starlark.Dict, o Options) (string, error) {
	r, err := newRender(ctx, vars, o.Strict, o.Autoescape)
	if err != nil {
		return "", err
	}
	p, err := files.Resolve(path)
	if err != nil {
		return "", err
	}
	l := &loader{r: r, files: files, roots: []string{filepath.Dir(p.Abs)}, depth: map[string]int{}}
	for _, name := range o.Roots {
		dir, err := files.Resolve(name)
		if err != nil {
			return "", err
		}
		l.roots = append(l.roots, dir.Abs)
	}
	if _, err := p.Stat(); err != nil {
		return "", err
	}
	return r.file(l, p.Abs)
}

// render is one rendering: the variables, the places where they stand in the
// templates, and what was used up.
type render struct {
	ctx        context.Context
	strict     bool
	autoescape bool
	vars       pongo2.Context
	order      orders
	loader     *loader            // nil for a text, which cannot name templates
	sources    map[string]*source // by the name that pongo2 knows
	refs       []*ref
	pos        *ref         // the last one that was evaluated
	err        *fault.Error // the first error of ours: pongo2 keeps only texts
	missed     *fault.Error // of the last template that was not there
	steps      int
	moved      int
	calls      int
}

// inline is the name that pongo2 gives to a template without a file.
const inline = "<string>"

var goodName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func newRender(ctx context.Context, vars *starlark.Dict, strict, autoescape bool) (*render, error) {
	plain, err := value.Go(vars)
	if err != nil {
		if _, unknown := errors.AsType[*value.Undecided](err); unknown {
			return nil, err
		}
		return nil, fault.Wrap(fault.Invalid, err, "cannot use the variables")
	}
	r := &render{
		ctx: ctx, strict: strict, autoescape: autoescape,
		order: orders{}, sources: map[string]*source{},
	}
	r.vars = r.order.adopt(vars, plain).(map[string]any)
	for name := range r.vars {
		if !goodName.MatchString(name) || strings.HasPrefix(name, "__") {
			return nil, fault.New(fault.Invalid, "cannot use the variable %q: its name is not one that a template can write", name).
				WithHint("names are letters, digits and _; anything can be a key of a dict: {{ labels[\"app-name\"] }}")
		}
	}
	return r, nil
}

// text renders a template that has no file.
func (r *render) text(text string) (string, error) {
	if len(text) > maxSource {
		return "", fault.New(fault.TooLarge, "the template is larger than %d bytes", maxSource)
	}
	text, err := r.rewrite(inline, "template", text)
	if err != nil {
		return "", err
	}
	return r.run(nowhere{}, func(set *pongo2.TemplateSet) (*pongo2.Template, error) { return set.FromString(text) })
}

func (r *render) file(l *loader, path string) (string, error) {
	r.loader = l
	return r.run(l, func(set *pongo2.TemplateSet) (*pongo2.Template, error) { return set.FromFile(path) })
}

func (r *render) rewrite(path, shown, text string) (string, error) {
	s := &source{r: r, path: path, shown: shown, text: text}
	r.sources[path] = s
	return s.rewrite()
}

// nowhere is the loader of templates that have no file.
type nowhere struct{}

func (nowhere) Abs(_, name string) string     { return name }
func (nowhere) Get(string) (io.Reader, error) { return nil, errLoad }
func (r *render) set(l pongo2.TemplateLoader) *pongo2.TemplateSet {
	set := pongo2.NewSet("template", l)
	for tag := range forbidden {
		must(set.BanTag(tag)) // the rewriting refuses them too, with a hint
	}
	must(set.BanFilter("random"))
	set.Globals = pongo2.Context{
		"__v": r.lookup, "__show": r.show, "__raw": r.raw, "__at": r.at, "__missing": missing{}, "__render": r,
	}
	return set
}

// run compiles and executes. pongo2 panics at several places, among them a
// division by zero.
func (r *render) run(l pongo2.TemplateLoader, load func(*pongo2.TemplateSet) (*pongo2.Template, error)) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			text, err = "", r.panicked(p)
		}
	}()
	tpl, err := load(r.set(l))
	if err != nil {
		return "", r.explain(err)
	}
	out := &bounded{r: r, most: maxOutput}
	if err := tpl.ExecuteWriterUnbuffered(r.vars, out); err != nil {
		return "", r.explain(err)
	}
	if r.err != nil {
		return "", r.err
	}
	return out.String(), nil
}

func (r *render) panicked(p any) error {
	if r.err != nil {
		return r.err
	}
	reason := strings.TrimPrefix(fmt.Sprint(p), "runtime error: ")
	if r.pos == nil {
		return fault.New(fault.Invalid, "cannot render the template: %s", reason)
	}
	return r.pos.fault(fault.Invalid, "%s", reason)
}

// explain makes our error of one of pongo2's, with the position in the template
// as it was written.
func (r *render) explain(err error) error {
	if r.err != nil {
		return r.err
	}
	e, ok := errors.AsType[*pongo2.Error](err)
	if !ok {
		return fault.Wrap(fault.Invalid, err, "cannot render the template")
	}
	if e.Sender == "fromfile" && r.missed != nil {
		return r.missed
	}
	name, line, col := e.Filename, e.Line, e.Column
	if e.Token != nil { // filters know the token, but not the file
		name, line, col = e.Token.Filename, e.Token.Line, e.Token.Col
	}
	reason := plainer(e.OrigError)
	s := r.sources[name]
	if s == nil || line < 1 {
		if r.pos != nil {
			return r.pos.fault(fault.Invalid, "%s", reason)
		}
		return fault.New(fault.Invalid, "cannot render the template: %s", reason)
	}
	return s.faultAt(fault.Invalid, line, s.original(line, col), "%s", reason)
}

// plainer says in our words what pongo2 says in its own.
func plainer(err error) string {
	for {
		inner, ok := errors.AsType[*pongo2.Error](err)
		if !ok {
			break
		}
		err = inner.OrigError
	}
	text := strings.TrimSuffix(err.Error(), ".")
	text = strings.ReplaceAll(text, " (or beginning tag not provided)", ", or its beginning is missing")
	if text == "" {
		return "the template has an error"
	}
	return strings.ToLower(text[:1]) + text[1:]
}

// fail notes the first error, and gives pongo2 one to stop with.
func (r *render) fail(e *fault.Error) error {
	if r.err == nil {
		r.err = e
	}
	return e
}

// placed is err with the place that was evaluated last, if it has none.
func (r *render) placed(err error) *fault.Error {
	e := fault.As(err)
	if e == nil {
		e = fault.Wrap(fault.Failed, err, "cannot load a template")
	}
	if _, has := e.Details["line"]; has || r.pos == nil {
		return e
	}
	return r.pos.fault(e.Kind, "%s", e.Msg).WithHint("%s", e.Hint)
}

func (r *ref) fault(kind fault.Kind, format string, args ...any) *fault.Error {
	return r.source.faultAt(kind, r.line, r.col, format, args...)
}

// step counts what takes time, so that a template ends.
func (r *render) step() error {
	r.steps++
	if r.err != nil {
		return r.err
	}
	if r.steps > maxSteps {
		return r.limit("the template does more than %d steps", maxSteps)
	}
	if r.steps%1024 == 0 && r.ctx.Err() != nil {
		return r.fail(fault.Wrap(fault.Cancelled, r.ctx.Err(), "cannot render the template"))
	}
	return nil
}

func (r *render) limit(format string, args ...any) error {
	if r.pos != nil {
		return r.fail(r.pos.fault(fault.TooLarge, format, args...))
	}
	return r.fail(fault.New(fault.TooLarge, format, args...))
}

// bounded is a buffer that takes no more than it should. pongo2 ignores the
// errors of writers, so the error is also noted in the rendering.
type bounded struct {
	bytes.Buffer
	r    *render
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		return 0, b.r.limit("the text is larger than %d bytes", b.most)
	}
	return b.Buffer.Write(p)
}
