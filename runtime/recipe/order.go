package recipe

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// base is the recipe that comes before all others on every server.
const base = "os"

// Order sorts recipes into waves: all that one of a wave needs, or comes after, is in
// waves before it. Within a wave they are sorted by name. Needs that no recipe of the
// list meets do not order; [Complete] has those added.
func Order(recipes []*Recipe) ([][]*Recipe, error) {
	before := map[string][]string{}
	for _, r := range recipes {
		before[r.Name] = r.predecessors(recipes)
	}
	var waves [][]*Recipe
	done := map[string]bool{}
	for len(done) < len(recipes) {
		var wave []*Recipe
		for _, r := range recipes {
			if !done[r.Name] && !slices.ContainsFunc(before[r.Name], func(n string) bool { return !done[n] }) {
				wave = append(wave, r)
			}
		}
		if len(wave) == 0 {
			return nil, fault.New(fault.Invalid, "circular dependency detected: %s", strings.Join(circle(before, done), " -> "))
		}
		slices.SortFunc(wave, func(a, b *Recipe) int { return strings.Compare(a.Name, b.Name) })
		for _, r := range wave {
			done[r.Name] = true
		}
		waves = append(waves, wave)
	}
	return waves, nil
}

// predecessors are the names of the recipes that come before r.
func (r *Recipe) predecessors(recipes []*Recipe) []string {
	var names []string
	for _, other := range recipes {
		if other.Name == r.Name {
			if slices.ContainsFunc(r.Requires, func(n Need) bool { return n.Name == r.Name }) {
				names = append(names, r.Name) // it requires itself: a circle
			}
			continue
		}
		meets := func(n Need) bool { return other.Meets(n) }
		if other.Name == base || slices.ContainsFunc(r.Requires, meets) || slices.ContainsFunc(r.After, meets) {
			names = append(names, other.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Meets reports whether the recipe is what a need names. Versions are compared when
// they are known, see [Satisfies].
func (r *Recipe) Meets(n Need) bool { return r.Name == n.Name || slices.Contains(r.Provides, n.Name) }

// circle is a way from a recipe that is not done back to itself.
func circle(before map[string][]string, done map[string]bool) []string {
	var names []string
	for name := range before {
		if !done[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var way []string
	for at := names[0]; ; {
		if i := slices.Index(way, at); i >= 0 {
			return append(way[i:], at)
		}
		way = append(way, at)
		next := slices.IndexFunc(before[at], func(n string) bool { return !done[n] })
		at = before[at][next]
	}
}

// Finder finds recipes by name.
type Finder interface {
	// Recipe returns the recipe of a name, or of an alias.
	Recipe(name string) (*Recipe, error)
	// Providers are the names of the recipes that provide something.
	Providers(what string) []string
	// Names are those of all recipes, sorted.
	Names() []string
}

// Chooser says which of several recipes shall meet a need of r: the configuration of r
// may know. "" leaves it open.
type Chooser func(r *Recipe, n Need, among []string) (string, error)

// Complete adds what recipes need on the same server, and do not have among them, and
// refuses what does not bear each other. choose, which may be nil, is asked where several
// recipes could meet a need.
func Complete(find Finder, wanted []string, choose Chooser) ([]*Recipe, error) {
	c := completion{find: find, choose: choose}
	for _, name := range wanted {
		r, err := find.Recipe(name)
		if err != nil {
			return nil, err
		}
		c.add(r)
	}
	for i := 0; i < len(c.all); i++ { // c.all grows
		for _, n := range c.all[i].Requires {
			if err := c.meet(c.all[i], n); err != nil {
				return nil, err
			}
		}
	}
	return c.all, Conflict(c.all)
}

type completion struct {
	find   Finder
	choose Chooser
	all    []*Recipe
}

func (c *completion) add(r *Recipe) {
	if !slices.ContainsFunc(c.all, func(o *Recipe) bool { return o.Name == r.Name }) {
		c.all = append(c.all, r)
	}
}

// meet finds a recipe that meets a need of r, unless there is one.
func (c *completion) meet(r *Recipe, n Need) error {
	if slices.ContainsFunc(c.all, func(o *Recipe) bool { return o.Meets(n) }) {
		return nil
	}
	name := n.Name
	if providers := c.find.Providers(n.Name); len(providers) > 0 && !slices.Contains(c.find.Names(), n.Name) {
		var err error
		if name, err = c.pick(r, n, providers); err != nil {
			return err
		}
	}
	found, err := c.find.Recipe(name)
	if err != nil {
		e := *fault.As(err)
		e.Msg = r.Name + " requires " + n.String() + ": " + e.Msg
		return &e
	}
	if !n.Infra { // which server gets what another one has to have, nobody has said
		c.add(found)
	}
	return nil
}

// pick is the one of several recipes that shall meet a need of r.
func (c *completion) pick(r *Recipe, n Need, providers []string) (string, error) {
	if len(providers) == 1 || n.Infra {
		return providers[0], nil
	}
	if c.choose != nil {
		if name, err := c.choose(r, n, providers); name != "" || err != nil {
			return name, err
		}
	}
	e := fault.New(fault.Invalid, "%s requires %s, which several taskservs provide: %s", r.Name, n.Name, strings.Join(providers, ", "))
	hint := fmt.Sprintf("name the one to take as well: taskserv create %s %s", providers[0], r.Name)
	if key := ChosenBy[n.Name]; key != "" && c.choose != nil {
		hint += fmt.Sprintf("; or choose it in the configuration of %s: %s = %q", r.Name, key, providers[0])
	}
	return "", e.WithHint("%s", hint)
}

// ChosenBy is the key of a configuration that chooses who provides something.
var ChosenBy = map[string]string{"container-runtime": "cri", "cni": "cni", "oci-runtime": "runtime_default"}

// undecided are values of such keys that choose nobody.
var undecided = []string{"", "auto", "none"}

// Chosen reads the choice of a configuration of r: the name of one of the recipes among, or
// "" where it leaves that open.
func Chosen(find Finder, r *Recipe, n Need, among []string, config starlark.Value) (string, error) {
	key := ChosenBy[n.Name]
	d, ok := config.(*starlark.Dict)
	if key == "" || !ok {
		return "", nil
	}
	v, _, _ := d.Get(starlark.String(key)) // a string can be looked up
	text, ok := starlark.AsString(v)
	if v == nil || !ok || slices.Contains(undecided, text) {
		return "", nil
	}
	if found, err := find.Recipe(text); err == nil && slices.Contains(among, found.Name) {
		return found.Name, nil
	}
	return "", fault.New(fault.Config, "the configuration of %s has %s = %q, which does not provide %s", r.Name, key, text, n.Name).
		WithHint("these do: %s", strings.Join(among, ", "))
}

// Exclusive are what only one service on a server can provide.
var Exclusive = []string{"cni", "container-runtime"}

// Conflict refuses recipes that do not bear each other on one server.
func Conflict(recipes []*Recipe) error {
	for i, r := range recipes {
		for _, other := range recipes[i+1:] {
			if r.bears(other) && other.bears(r) {
				continue
			}
			return conflict(r, other)
		}
	}
	return nil
}

func (r *Recipe) bears(other *Recipe) bool {
	if slices.ContainsFunc(r.Conflicts, other.Meets) {
		return false
	}
	return !slices.ContainsFunc(Exclusive, func(what string) bool {
		return slices.Contains(r.Provides, what) && slices.Contains(other.Provides, what)
	})
}

func conflict(a, b *Recipe) error {
	e := fault.New(fault.Invalid, "%s and %s conflict: they cannot be on the same server", a.Name, b.Name)
	for _, what := range Exclusive {
		if slices.Contains(a.Provides, what) && slices.Contains(b.Provides, what) {
			return e.WithHint("both provide %s", what)
		}
	}
	return e
}
