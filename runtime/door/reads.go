package door

import (
	"encoding/hex"
	"sort"
	"strings"
	"sync"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Reads are the answers of the world to the reads of a plan: all its arms see the
// same one. It is safe for concurrent use.
type Reads struct {
	// Fixed are results of reads that give something else each time, in their
	// encoding, by [ReadName]: those of a plan that is applied.
	Fixed map[string][]byte

	m sync.Map // by place and content key
}

type read struct {
	Answer
	once   sync.Once
	result any
}

// Answer is what one read gave.
type Answer struct {
	Item     plan.Item
	Volatile bool
	Value    starlark.Value // nil when Err is not
	Steady   starlark.Value // the same without figures that are others each time
	Err      error
}

// All returns the answers in the order of their places.
func (r *Reads) All() []Answer {
	var all []Answer
	r.m.Range(func(_, v any) bool {
		all = append(all, v.(*read).Answer)
		return true
	})
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i].Item, all[j].Item
		if a.Place != b.Place {
			return placeLess(a.Place, b.Place)
		}
		return a.Key < b.Key
	})
	return all
}

func placeLess(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

// look makes a read, unless another arm has made it.
func (d *Door) look(s *site, item *plan.Item, do effect.Performer, env *effect.Env) (any, error) {
	if d.Reads == nil || d.overlaid(do, env) {
		return d.once(s, do, env)
	}
	v, _ := d.Reads.m.LoadOrStore(ReadName(s.place, s.key), &read{})
	r := v.(*read)
	r.once.Do(func() {
		_, volatile := do.(effect.Volatile)
		r.Answer = Answer{Item: *item, Volatile: volatile}
		if r.Value, r.Err = d.fixed(s, do); r.Value != nil || r.Err != nil {
			r.result, r.Steady = r.Value, r.Value
			return
		}
		if r.result, r.Err = d.once(s, do, env); r.Err == nil {
			r.Value = value.Of(r.result)
			r.Steady = r.Value
			if m, ok := do.(effect.Measurer); ok {
				r.Steady = value.Of(m.Steady(r.result))
			}
		}
	})
	return r.result, r.Err
}

// overlaid reports whether a read sees planned writes: these are not the same in
// all arms.
func (d *Door) overlaid(do effect.Performer, env *effect.Env) bool {
	var resources []string
	if t, ok := do.(effect.Toucher); ok {
		resources = t.Touches(env)
	}
	if l, ok := do.(effect.Looker); ok {
		resources = append(resources, l.Looks(env)...)
	}
	for _, resource := range resources {
		scheme, _, _ := strings.Cut(resource, ":")
		if d.Run.Planned.Has(scheme) {
			return true
		}
	}
	return false
}

// fixed is what a plan that is applied says a volatile read gives; nil for
// nothing.
func (d *Door) fixed(s *site, do effect.Performer) (starlark.Value, error) {
	if d.Reads == nil || d.Reads.Fixed == nil {
		return nil, nil
	}
	data, ok := d.Reads.Fixed[ReadName(s.place, s.key)]
	if _, volatile := do.(effect.Volatile); !ok || !volatile {
		return nil, nil
	}
	return d.Codec.Decode(data)
}

// ReadName names a read in Reads.Fixed.
func ReadName(place string, key []byte) string { return place + " " + hex.EncodeToString(key) }
