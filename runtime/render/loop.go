package render

import (
	"errors"
	"reflect"
	"slices"
	"sort"

	"github.com/flosch/pongo2/v6"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

var errTooLarge = errors.New("the text is too large")

// loop is the tag for. It replaces pongo2's, which knows no order of dicts,
// takes strings apart into bytes, and loops over what is no list as if it were
// empty.
type loop struct {
	start            *pongo2.Token
	names            []string // one or two
	over             pongo2.IEvaluator
	reversed, sorted bool
	body, empty      *pongo2.NodeWrapper
}

func parseFor(doc *pongo2.Parser, start *pongo2.Token, args *pongo2.Parser) (pongo2.INodeTag, *pongo2.Error) {
	l := &loop{start: start}
	for {
		name := args.MatchType(pongo2.TokenIdentifier)
		if name == nil {
			return nil, args.Error("expected the name of a variable", nil)
		}
		l.names = append(l.names, name.Val)
		if len(l.names) == 2 || args.Match(pongo2.TokenSymbol, ",") == nil {
			break
		}
	}
	if args.Match(pongo2.TokenKeyword, "in") == nil {
		return nil, args.Error("expected \"in\"", nil)
	}
	var err *pongo2.Error
	if l.over, err = args.ParseExpression(); err != nil {
		return nil, err
	}
	l.reversed = args.MatchOne(pongo2.TokenIdentifier, "reversed") != nil
	l.sorted = args.MatchOne(pongo2.TokenIdentifier, "sorted") != nil
	l.reversed = l.reversed || args.MatchOne(pongo2.TokenIdentifier, "reversed") != nil
	if args.Remaining() > 0 {
		return nil, args.Error("only \"reversed\" and \"sorted\" can follow here", nil)
	}
	return l, l.parseBody(doc)
}

func (l *loop) parseBody(doc *pongo2.Parser) *pongo2.Error {
	body, rest, err := doc.WrapUntilTag("empty", "endfor")
	if err != nil {
		return err
	}
	l.body = body
	if body.Endtag == "empty" && rest.Count() == 0 {
		if l.empty, rest, err = doc.WrapUntilTag("endfor"); err != nil {
			return err
		}
	}
	if rest.Count() > 0 {
		return rest.Error("nothing can follow here", nil)
	}
	return nil
}

// loopInfo is the variable forloop.
type loopInfo struct {
	i, n   int
	parent any
}

var loopNames = []string{"counter", "counter0", "revcounter", "revcounter0", "first", "last", "length", "parentloop"}

// get also knows the names as pongo2 writes them.
func (l loopInfo) get(name string) (any, bool) {
	switch name {
	case "counter", "Counter":
		return l.i + 1, true
	case "counter0", "Counter0":
		return l.i, true
	case "revcounter", "Revcounter":
		return l.n - l.i, true
	case "revcounter0", "Revcounter0":
		return l.n - l.i - 1, true
	case "first", "First":
		return l.i == 0, true
	case "last", "Last":
		return l.i == l.n-1, true
	case "length":
		return l.n, true
	case "parentloop", "Parentloop":
		return l.parent, l.parent != nil
	}
	return nil, false
}

func (l *loop) Execute(ctx *pongo2.ExecutionContext, w pongo2.TemplateWriter) *pongo2.Error {
	r := ctx.Public["__render"].(*render)
	over, err := l.over.Evaluate(ctx)
	if err != nil {
		return err
	}
	items, fe := l.items(r, plain(over))
	if fe != nil {
		return ctx.OrigError(r.fail(fe), l.start)
	}
	inner := pongo2.NewChildExecutionContext(ctx)
	if len(items) == 0 && l.empty != nil {
		return l.empty.Execute(inner, w)
	}
	if _, counted := w.(*counting); !counted {
		w = &counting{w, r}
	}
	for i, item := range items {
		if err := r.step(); err != nil {
			return ctx.OrigError(err, l.start)
		}
		inner.Private["forloop"] = loopInfo{i, len(items), ctx.Private["forloop"]}
		for j, name := range l.names {
			inner.Private[name] = pongo2.AsValue(item[j])
		}
		if err := l.body.Execute(inner, w); err != nil {
			return err
		}
	}
	return nil
}

// items returns what each round gives to the names.
func (l *loop) items(r *render, v any) ([][2]any, *fault.Error) {
	items, err := l.itemsOf(r, v)
	if err != nil {
		return nil, err
	}
	if l.sorted {
		sort.SliceStable(items, func(i, j int) bool { return less(items[i][0], items[j][0]) })
	}
	if l.reversed {
		slices.Reverse(items)
	}
	return items, nil
}

func (l *loop) itemsOf(r *render, v any) (items [][2]any, err *fault.Error) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range r.order.keys(v) {
			items = append(items, [2]any{k, v[k]})
		}
		return items, nil
	case string:
		for _, c := range v {
			items = append(items, [2]any{string(c)})
		}
	default:
		rv := reflect.ValueOf(v)
		if rv.Kind() != reflect.Slice {
			if !r.strict {
				return nil, nil
			}
			return nil, l.fault(r, "cannot loop over %s", kindName(v))
		}
		for i := range rv.Len() {
			items = append(items, [2]any{open(rv.Index(i).Interface())})
		}
	}
	if len(l.names) == 2 {
		return l.pairs(r, items)
	}
	return items, nil
}

// pairs takes the items apart: for name, port in [["a", 1], …].
func (l *loop) pairs(r *render, items [][2]any) ([][2]any, *fault.Error) {
	for i := range items {
		pair, ok := items[i][0].([]any)
		if !ok || len(pair) != 2 {
			return nil, l.fault(r, "item %d is %s, not a pair for %q and %q", i, kindName(items[i][0]), l.names[0], l.names[1])
		}
		items[i] = [2]any{pair[0], pair[1]}
	}
	return items, nil
}

func (l *loop) fault(r *render, format string, args ...any) *fault.Error {
	s := r.sources[l.start.Filename]
	return s.faultAt(fault.Invalid, l.start.Line, s.original(l.start.Line, l.start.Col), format, args...)
}

func less(a, b any) bool {
	va, vb := pongo2.AsValue(a), pongo2.AsValue(b)
	switch {
	case va.IsInteger() && vb.IsInteger():
		return va.Integer() < vb.Integer()
	case va.IsNumber() && vb.IsNumber():
		return va.Float() < vb.Float()
	}
	return va.String() < vb.String()
}

// counting bounds what loops write: pongo2 gives macros and includes buffers of
// its own, which have no bound.
type counting struct {
	pongo2.TemplateWriter
	r *render
}

func (c *counting) Write(p []byte) (int, error) {
	if err := c.count(len(p)); err != nil {
		return 0, err
	}
	return c.TemplateWriter.Write(p)
}

func (c *counting) WriteString(s string) (int, error) {
	if err := c.count(len(s)); err != nil {
		return 0, err
	}
	return c.TemplateWriter.WriteString(s)
}

func (c *counting) count(n int) error {
	if c.r.moved += n; c.r.moved > maxMoved {
		return c.r.limit("the texts of the template are too large")
	}
	return nil
}
