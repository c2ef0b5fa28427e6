package export

import (
	"slices"
	"strconv"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/journal"
)

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
	if a.before != b.before || a.after != b.after {
		return false
	}
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
