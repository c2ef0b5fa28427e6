package recipe

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Script is the file of a taskserv that declares its recipe.
const Script = "taskserv.star"

// Place is where a taskserv is.
type Place struct {
	Name   string // of its directory, which is that of the recipe
	Module string // the script, as load names it
	Source string // "infrastructure", "workspace" or "built in"
}

// Dir is the directory of the taskserv, as a module name without the script.
func (p Place) Dir() string { return strings.TrimSuffix(p.Module, "/"+Script) }

// BuiltIn finds the taskservs of the program, which load names below root.
func BuiltIn(fsys fs.FS, root string) []Place {
	files, _ := fs.Glob(fsys, "*/*/"+Script) // the pattern is well formed
	places := make([]Place, 0, len(files))
	for _, file := range files {
		places = append(places, Place{Name: path.Base(path.Dir(file)), Module: root + file, Source: "built in"})
	}
	return places
}

// Catalogue is the taskservs that a workspace can use. It evaluates scripts when
// somebody asks for their recipes.
type Catalogue struct {
	places []Place // the nearest of each name, sorted
	load   func(module string) (starlark.StringDict, error)
	loaded map[string]answer
}

type answer struct {
	recipe *Recipe
	err    error
}

// NewCatalogue makes a catalogue of places, the nearest ones first: one hides those of
// the same name after it. load evaluates a script.
func NewCatalogue(places []Place, load func(module string) (starlark.StringDict, error)) *Catalogue {
	c := &Catalogue{load: load, loaded: map[string]answer{}}
	for _, p := range places {
		if c.place(p.Name) == nil {
			c.places = append(c.places, p)
		}
	}
	slices.SortFunc(c.places, func(a, b Place) int { return strings.Compare(a.Name, b.Name) })
	return c
}

var _ Finder = (*Catalogue)(nil)

// Places are where the taskservs are, sorted by name.
func (c *Catalogue) Places() []Place { return c.places }

// Names are those of all taskservs, sorted.
func (c *Catalogue) Names() []string {
	names := make([]string, len(c.places))
	for i, p := range c.places {
		names[i] = p.Name
	}
	return names
}

func (c *Catalogue) place(name string) *Place {
	for i := range c.places {
		if c.places[i].Name == name {
			return &c.places[i]
		}
	}
	return nil
}

// Place is where a taskserv is, by its name or an alias.
func (c *Catalogue) Place(name string) (Place, error) {
	if p := c.place(name); p != nil {
		return *p, nil
	}
	for _, p := range c.places { // an alias is known only when the script has been read
		if r, err := c.recipe(p); err == nil && slices.Contains(r.Aliases, name) {
			return p, nil
		}
	}
	return Place{}, unknownName(name, c.Names())
}

// Recipe returns the recipe of a name, or of an alias.
func (c *Catalogue) Recipe(name string) (*Recipe, error) {
	p, err := c.Place(name)
	if err != nil {
		return nil, err
	}
	return c.recipe(p)
}

func (c *Catalogue) recipe(p Place) (*Recipe, error) {
	if a, ok := c.loaded[p.Name]; ok {
		return a.recipe, a.err
	}
	r, err := c.read(p)
	c.loaded[p.Name] = answer{r, err}
	return r, err
}

func (c *Catalogue) read(p Place) (*Recipe, error) {
	globals, err := c.load(p.Module)
	if err != nil {
		return nil, err
	}
	r, err := Of(globals)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s", strings.TrimPrefix(p.Module, "//"))
	}
	if r.Name != p.Name {
		return nil, fault.New(fault.Invalid, "%s: the recipe is called %q, its directory %q", strings.TrimPrefix(p.Module, "//"), r.Name, p.Name).
			WithHint("give them the same name")
	}
	return r, nil
}

// Providers are the names of the recipes that provide something. A taskserv whose
// script is broken provides nothing.
func (c *Catalogue) Providers(what string) []string {
	var names []string
	for _, p := range c.places {
		if r, err := c.recipe(p); err == nil && slices.Contains(r.Provides, what) {
			names = append(names, p.Name)
		}
	}
	return names
}
