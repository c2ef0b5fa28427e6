package export

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

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
		if !ok || text == "" || strings.Contains(text, hole) {
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

func listOf(texts []string) expr {
	out := items{kind: "list"}
	for _, t := range texts {
		out.elems = append(out.elems, literal{starlark.String(t)})
	}
	return out
}
