package export

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// fork is a call of parallel.
type fork struct {
	effect   *Effect
	branches [][]*step // in the order of the items
	nested   bool      // one of them has forks of its own
	body     []*step   // of the function, when the fork is written as one
	items    expr
	fn       string
}

// findForks finds out which branches belong together.
func (e *exporter) findForks(effects []*Effect) {
	open := map[string]*fork{} // by the path of the parent: the last one so far
	for _, x := range effects {
		path := branch.PathOf(x.Place)
		e.join(path, open)
		if x.Kind != kindFork {
			continue
		}
		f := &fork{effect: x}
		open[path] = f
		e.forks = append(e.forks, f)
		if outer := e.forkOf[path]; outer != nil {
			outer.nested = true
		}
	}
}

// join notes of which fork a branch is, and those that it is within. A branch
// that comes later belongs to a later fork of its parent.
func (e *exporter) join(path string, open map[string]*fork) {
	for {
		i := strings.LastIndexByte(path, '.')
		if i < 0 || e.forkOf[path] != nil {
			return
		}
		if f := open[path[:i]]; f != nil {
			e.forkOf[path] = f
		}
		path = path[:i]
	}
}

// noteForks tells people where branches were, and collects their steps.
func (e *exporter) noteForks() {
	byPath := map[*fork]map[string][]*step{}
	for _, s := range e.steps {
		f := e.forkOf[s.path()]
		if f == nil {
			continue
		}
		if byPath[f] == nil {
			byPath[f] = map[string][]*step{}
		}
		byPath[f][s.path()] = append(byPath[f][s.path()], s)
	}
	for f, paths := range byPath {
		for _, steps := range paths {
			f.branches = append(f.branches, steps)
		}
		slices.SortFunc(f.branches, func(a, b []*step) int { return number(a[0].path()) - number(b[0].path()) })
	}
}

// number is that of a branch within its parent.
func number(path string) int {
	n, _ := strconv.Atoi(path[strings.LastIndexByte(path, '.')+1:])
	return n
}

// joinForks writes those forks as parallel whose branches did the same, but for
// their items.
func (e *exporter) joinForks() {
	for _, f := range e.forks {
		if f.nested || len(f.branches) < 2 || !e.unify(f) {
			e.remarkFork(f)
			continue
		}
		joined := &step{effect: f.effect, form: forked, fork: f}
		at := slices.IndexFunc(e.steps, func(s *step) bool { return e.forkOf[s.path()] == f })
		e.steps[at] = joined
		e.steps = slices.DeleteFunc(e.steps, func(s *step) bool { return s != joined && e.forkOf[s.path()] == f })
	}
}

// remarkFork says where the effects of branches begin that are written one after
// the other.
func (e *exporter) remarkFork(f *fork) {
	for _, s := range e.steps {
		if e.forkOf[s.path()] == f {
			note := "in parallel then, here one after the other: " + firstLine(e.redact(f.effect.Description))
			if s.remark != "" {
				note += "\n" + s.remark
			}
			s.remark = note
			return
		}
	}
}

// unify makes one body of the branches.
func (e *exporter) unify(f *fork) bool {
	first := f.branches[0]
	if f.effect.Status != journal.Done || e.escapes(f) {
		return false
	}
	for _, b := range f.branches {
		if len(b) != len(first) {
			return false
		}
	}
	u := &unifier{fork: f}
	for i, s := range first {
		if s.form == remarked {
			return false
		}
		t := *s
		t.args = slices.Clone(s.args)
		for _, b := range f.branches {
			if !alike(s, b[i]) {
				return false
			}
		}
		for j := range t.args {
			all := make([]expr, len(f.branches))
			for k, b := range f.branches {
				all[k] = b[i].args[j].from
			}
			u.field = t.args[j].name
			from, ok := u.unify(all)
			if !ok {
				return false
			}
			t.args[j].from = from
		}
		u.body = append(u.body, &t)
	}
	if len(u.vectors) == 0 {
		return false
	}
	e.own(u)
	f.body = u.body
	f.items = e.itemsOf(u)
	return true
}

// own makes the references of the body, which are to the steps of the first
// branch, ones to the body.
func (e *exporter) own(u *unifier) {
	for _, t := range u.body {
		for j := range t.args {
			t.args[j].from = replace(t.args[j].from, func(x expr) expr {
				r, ok := x.(refer)
				if !ok || r.to.step == nil {
					return x
				}
				for i, s := range u.fork.branches[0] {
					if r.to.step == s {
						o := *r.to
						o.step = u.body[i]
						return refer{&o, r.layers}
					}
				}
				return x
			})
		}
	}
}

// escapes reports whether something outside of the fork needs what its branches
// gave.
func (e *exporter) escapes(f *fork) bool {
	escapes := false
	for _, s := range e.steps {
		if e.forkOf[s.path()] == f {
			continue
		}
		s.references(func(o *origin) {
			escapes = escapes || o.step != nil && e.forkOf[o.step.path()] == f
		})
	}
	return escapes
}

func alike(a, b *step) bool {
	return a.effect.Kind == b.effect.Kind && a.form == b.form && a.remark == b.remark &&
		a.effect.Status == b.effect.Status &&
		slices.EqualFunc(a.args, b.args, func(x, y argument) bool { return x.name == y.name })
}

// unifier puts the arguments of several branches into one.
type unifier struct {
	fork    *fork
	body    []*step
	field   string // the argument that it is at
	vectors []vector
}

// vector is what differs, by branch.
type vector struct {
	field  string
	values []starlark.Value
}

func (u *unifier) unify(all []expr) (expr, bool) {
	first := all[0]
	same := true
	for k, x := range all[1:] {
		same = same && equal(first, x, func(a, b *origin) bool { return u.sameOrigin(a, b, k+1) })
	}
	if same {
		return first, true
	}
	switch first := first.(type) {
	case literal:
		return u.vary(all)
	case joined:
		parts, ok := u.each(all, func(x expr) ([]expr, bool) { j, ok := x.(joined); return j.parts, ok })
		return joined{parts}, ok
	case items:
		elems, ok := u.each(all, func(x expr) ([]expr, bool) { i, ok := x.(items); return i.elems, ok && i.kind == first.kind })
		return items{first.kind, elems}, ok
	case pairs:
		keys, ok := u.each(all, func(x expr) ([]expr, bool) { p, ok := x.(pairs); return p.keys, ok && p.kind == first.kind })
		if !ok {
			return nil, false
		}
		values, ok := u.each(all, func(x expr) ([]expr, bool) { p, ok := x.(pairs); return p.values, ok })
		return pairs{first.kind, keys, values}, ok
	}
	return nil, false
}

func (u *unifier) each(all []expr, of func(expr) ([]expr, bool)) ([]expr, bool) {
	lists := make([][]expr, len(all))
	for k, x := range all {
		var ok bool
		if lists[k], ok = of(x); !ok || len(lists[k]) != len(lists[0]) {
			return nil, false
		}
	}
	out := make([]expr, len(lists[0]))
	for i := range out {
		column := make([]expr, len(all))
		for k := range all {
			column[k] = lists[k][i]
		}
		var ok bool
		if out[i], ok = u.unify(column); !ok {
			return nil, false
		}
	}
	return out, true
}

// sameOrigin: what is outside of the fork, or at the same place within the branch.
func (u *unifier) sameOrigin(a, b *origin, k int) bool {
	if a.param != nil || b.param != nil {
		return a.param == b.param
	}
	if a.secret != nil || b.secret != nil {
		return a.secret == b.secret
	}
	if a.path != b.path {
		return false
	}
	if a.step == b.step {
		return !slices.Contains(u.fork.branches[0], a.step)
	}
	i := slices.Index(u.fork.branches[0], a.step)
	return i >= 0 && u.fork.branches[k][i] == b.step
}

// vary notes literals of one type that differ.
func (u *unifier) vary(all []expr) (expr, bool) {
	v := vector{field: u.field}
	for _, x := range all {
		lit, ok := x.(literal)
		if !ok || len(v.values) > 0 && lit.v.Type() != v.values[0].Type() {
			return nil, false
		}
		v.values = append(v.values, lit.v)
	}
	u.vectors = append(u.vectors, v)
	return ofItem{field: strconv.Itoa(len(u.vectors) - 1)}, true
}

// itemsOf chooses what the items are: texts that all that differs is made of, or
// structs with a field for each thing that differs.
func (e *exporter) itemsOf(u *unifier) expr {
	for _, c := range e.candidates(u) {
		if parts, ok := u.madeOf(c.texts); ok {
			u.fill(parts)
			if c.param != nil {
				return refer{to: &origin{v: c.param.seen, param: c.param}}
			}
			return listOf(c.texts)
		}
	}
	fields := u.fields()
	all := items{kind: "list"}
	for k := range u.fork.branches {
		item := pairs{kind: "struct"}
		for i, v := range u.vectors {
			if slices.Index(fields, fields[i]) == i {
				item.keys = append(item.keys, literal{starlark.String(fields[i])})
				item.values = append(item.values, literal{v.values[k]})
			}
		}
		all.elems = append(all.elems, item)
	}
	parts := make([]expr, len(u.vectors))
	for i := range parts {
		parts[i] = ofItem{field: fields[i]}
	}
	if len(u.vectors) == 1 { // numbers, say
		for k, x := range all.elems {
			all.elems[k] = x.(pairs).values[0]
		}
		parts[0] = ofItem{}
	}
	u.fill(parts)
	return all
}

// fields names what differs after the arguments; equal columns share a name.
func (u *unifier) fields() []string {
	names := make([]string, len(u.vectors))
	for i, v := range u.vectors {
		for j := range i {
			if slices.EqualFunc(v.values, u.vectors[j].values, func(a, b starlark.Value) bool { return key(a) == key(b) }) {
				names[i] = names[j]
			}
		}
		if names[i] != "" {
			continue
		}
		name := strings.TrimPrefix(v.field, "_")
		for n := 2; slices.Contains(names, name); n++ {
			name = fmt.Sprintf("%s_%d", strings.TrimPrefix(v.field, "_"), n)
		}
		names[i] = name
	}
	return names
}

type candidate struct {
	texts []string
	param *param // has them
}

func (e *exporter) candidates(u *unifier) []candidate {
	var all []candidate
	for _, p := range e.params {
		if list, ok := p.seen.(*starlark.List); ok && p.original && list.Len() == len(u.fork.branches) {
			if texts := textsOf(elementsOf(list)); texts != nil {
				all = append(all, candidate{texts, p})
			}
		}
	}
	for _, v := range u.vectors {
		if texts := textsOf(v.values); texts != nil {
			all = append(all, candidate{texts: core(texts)}, candidate{texts: texts})
		}
	}
	return all
}

func elementsOf(list *starlark.List) []starlark.Value {
	values := make([]starlark.Value, list.Len())
	for i := range values {
		values[i] = list.Index(i)
	}
	return values
}

// textsOf is nil unless all values are texts, and none is empty.
func textsOf(values []starlark.Value) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		text, ok := starlark.AsString(v)
		if !ok || text == "" {
			return nil
		}
		texts[i] = text
	}
	return texts
}

// core is what is left of texts without the words that all begin or end with.
func core(texts []string) []string {
	begin, end := len(texts[0]), len(texts[0])
	for _, t := range texts[1:] {
		n := 0
		for n < min(begin, len(t)) && t[n] == texts[0][n] {
			n++
		}
		begin = n
		n = 0
		for n < min(end, len(t)) && t[len(t)-1-n] == texts[0][len(texts[0])-1-n] {
			n++
		}
		end = n
	}
	first := texts[0]
	for begin > 0 && !isBreak(first[begin-1]) {
		begin--
	}
	for end > 0 && !isBreak(first[len(first)-end]) {
		end--
	}
	out := make([]string, len(texts))
	for i, t := range texts {
		if len(t) <= begin+end {
			return texts
		}
		out[i] = t[begin : len(t)-end]
	}
	return out
}

// isBreak: a byte that ends a word, and is a whole character.
func isBreak(b byte) bool { return b < 0x80 && !isWord(rune(b)) }

const hole = "\x00" // no text that is written has it

// madeOf says how all that differs is made of one text each.
func (u *unifier) madeOf(texts []string) ([]expr, bool) {
	parts := make([]expr, len(u.vectors))
	for i, v := range u.vectors {
		values := textsOf(v.values)
		if values == nil {
			return nil, false
		}
		pattern := ""
		for k, text := range values {
			p := strings.ReplaceAll(text, texts[k], hole)
			if !strings.Contains(p, hole) || k > 0 && p != pattern {
				return nil, false
			}
			pattern = p
		}
		var pieces []expr
		for n, piece := range strings.Split(pattern, hole) {
			if n > 0 {
				pieces = append(pieces, ofItem{})
			}
			if piece != "" {
				pieces = append(pieces, literal{starlark.String(piece)})
			}
		}
		parts[i] = joined{pieces}
		if len(pieces) == 1 {
			parts[i] = pieces[0]
		}
	}
	return parts, true
}

// fill puts parts where the body has what differs.
func (u *unifier) fill(parts []expr) {
	for _, t := range u.body {
		for j := range t.args {
			t.args[j].from = replace(t.args[j].from, func(x expr) expr {
				if item, ok := x.(ofItem); ok {
					i, _ := strconv.Atoi(item.field)
					return parts[i]
				}
				return x
			})
		}
	}
}

// replace returns x with every part replaced by what with makes of it.
func replace(x expr, with func(expr) expr) expr {
	all := func(xs []expr) []expr {
		out := make([]expr, len(xs))
		for i, x := range xs {
			out[i] = replace(x, with)
		}
		return out
	}
	switch x := x.(type) {
	case joined:
		var parts []expr
		for _, p := range all(x.parts) {
			if inner, ok := p.(joined); ok {
				parts = append(parts, inner.parts...)
				continue
			}
			parts = append(parts, p)
		}
		return joined{parts}
	case items:
		return items{x.kind, all(x.elems)}
	case pairs:
		return pairs{x.kind, all(x.keys), all(x.values)}
	}
	return with(x)
}

func listOf(texts []string) expr {
	out := items{kind: "list"}
	for _, t := range texts {
		out.elems = append(out.elems, literal{starlark.String(t)})
	}
	return out
}

var describedFork = regexp.MustCompile(`^([a-zA-Z]\w*) for \d+ items$`)

// wish is the name of the function that the branches called; lambdas have none.
func (f *fork) wish() string {
	m := describedFork.FindStringSubmatch(f.effect.Description)
	if m == nil || m[1] == "lambda" {
		return "each"
	}
	return m[1]
}
