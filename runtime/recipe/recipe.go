// Package recipe is services as scripts describe them: what a taskserv declares, and
// in which order services that need each other are installed.
//
// A recipe is plain data with functions, the struct that taskserv.declare makes. It is
// what the script taskserv.star of a taskserv exports under the name recipe.
package recipe

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
)

// Constructor is what the structs of recipes are made with.
const Constructor = starlark.String("taskserv")

// Global is the name that the script of a taskserv exports its recipe under.
const Global = "recipe"

// Recipe is what has to be known of a service before anything is done with it.
type Recipe struct {
	Name        string
	Version     string // of the recipe
	Description string
	Category    string
	Aliases     []string

	Requires  []Need // have to be there before it
	After     []Need // come before it when they are there
	Conflicts []Need // must not be there
	Provides  []string
	Suggests  []string

	DefaultVersion string   // of the software; "": what the machine's package manager has
	Versions       []string // constraints on those that the recipe can install; empty: any

	Timeout time.Duration // for all that is done on one server

	Risk     map[string]string // of updates, by their level, where it is higher than usual
	Downtime string            // what an update takes away; "": a restart of its services

	value *starlarkstruct.Struct
}

// Need is another service that one needs, or bears no other beside.
type Need struct {
	Name    string // of a recipe, or of something that recipes provide
	Version string // constraint on the version of the software; "": any
	Infra   bool   // somewhere in the infrastructure, not on the same server
	Healthy bool   // it has to be well first, not only installed
}

func (n Need) String() string { return strings.TrimSpace(n.Name + " " + n.Version) }

// functions are those that a recipe may have.
var functions = []string{
	"install", "check", "configure", "status", "health", "update", "uninstall", "backup", "restore", "installed_version", "role",
}

var name = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// ValidName refuses what is no name of a taskserv.
func ValidName(what, text string) error {
	if !name.MatchString(text) {
		return fault.New(fault.Invalid, "%s is %q, which is not a name", what, text).
			WithHint("a name begins with a lower case letter, and has letters, digits, - and _")
	}
	return nil
}

// Of reads the recipe that the script of a taskserv exports.
func Of(globals starlark.StringDict) (*Recipe, error) {
	v, ok := globals[Global]
	if !ok {
		return nil, fault.New(fault.Invalid, "the script declares no %s", Global).
			WithHint("it ends with: %s = taskserv.declare(\"NAME\", …)", Global)
	}
	return Parse(v)
}

// Parse reads a recipe.
func Parse(v starlark.Value) (*Recipe, error) {
	s, ok := v.(*starlarkstruct.Struct)
	if !ok || s.Constructor() != starlark.Value(Constructor) {
		return nil, fault.New(fault.Invalid, "a recipe is what taskserv.declare returns, not a %s", v.Type())
	}
	f := fields{s}
	r := &Recipe{
		Name: f.text("name"), Version: f.text("version"), Description: f.text("description"), Category: f.text("category"),
		Aliases: f.texts("aliases"), Provides: f.texts("provides"), Suggests: f.texts("suggests"),
		DefaultVersion: f.text("default_version"), Versions: f.texts("versions"), Timeout: f.duration("timeout"), value: s,
	}
	r.Risk, r.Downtime = f.textsByName("risk"), f.text("downtime")
	r.Requires, r.After, r.Conflicts = f.needs("requires"), f.needs("after"), f.needs("conflicts")
	return r, nil
}

// Value is the recipe as scripts have it.
func (r *Recipe) Value() *starlarkstruct.Struct { return r.value }

// Has reports whether the recipe has a function.
func (r *Recipe) Has(function string) bool {
	v, err := r.value.Attr(function)
	_, callable := v.(starlark.Callable)
	return err == nil && callable
}

// Field is a field of the struct; None when there is none.
func (r *Recipe) Field(name string) starlark.Value {
	v, err := r.value.Attr(name)
	if err != nil {
		return starlark.None
	}
	return v
}

// Installs refuses a version of the software that the recipe does not know.
func (r *Recipe) Installs(version string) error {
	if version == "" || len(r.Versions) == 0 {
		return nil
	}
	for _, constraint := range r.Versions {
		if ok, err := Satisfies(version, constraint); err == nil && ok {
			return nil
		}
	}
	return fault.New(fault.Invalid, "%s cannot be installed in version %s; the recipe knows %s", r.Name, version, strings.Join(r.Versions, ", "))
}

// Satisfies reports whether a version meets a constraint. Versions of packages count
// without their epoch and revision: 7:7.0.15-1~deb12u5 is 7.0.15.
func Satisfies(version, constraint string) (bool, error) {
	c, err := semver.NewConstraint(constraint)
	if err != nil {
		return false, fault.New(fault.Invalid, "cannot parse the version constraint %q: %s", constraint, err).
			WithHint(`a constraint is such as ">= 1.2", "^1.2.3", "~1.2" or ">= 1.2, < 2"`)
	}
	v, err := semver.NewVersion(Upstream(version))
	if err != nil {
		return false, fault.New(fault.Invalid, "cannot compare the version %q: %s", version, err)
	}
	return c.Check(v), nil
}

var upstream = regexp.MustCompile(`^(?:[0-9]+:)?v?([0-9]+(?:\.[0-9]+){0,2})`)

// Upstream is the version of the software that a package has, without what the
// distribution adds.
func Upstream(version string) string {
	if m := upstream.FindStringSubmatch(version); m != nil {
		return m[1]
	}
	return version
}

// fields reads those of a struct that [Declare] has checked.
type fields struct{ *starlarkstruct.Struct }

func (f fields) text(name string) string {
	v, err := f.Attr(name)
	if err != nil {
		return ""
	}
	text, _ := starlark.AsString(v)
	return text
}

func (f fields) duration(name string) time.Duration {
	v, err := f.Attr(name)
	if err != nil {
		return 0
	}
	d, _ := v.(startime.Duration)
	return time.Duration(d)
}

func (f fields) values(name string) []starlark.Value {
	v, err := f.Attr(name)
	if err != nil {
		return nil
	}
	list, ok := v.(starlark.Iterable)
	if !ok {
		return nil
	}
	return slices.Collect(starlark.Elements(list))
}

func (f fields) texts(name string) []string {
	var texts []string
	for _, v := range f.values(name) {
		if text, ok := starlark.AsString(v); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

func (f fields) textsByName(name string) map[string]string {
	texts := map[string]string{}
	v, _ := f.Attr(name) // without one there are no texts
	if d, ok := v.(*starlark.Dict); ok {
		for _, item := range d.Items() {
			key, _ := starlark.AsString(item[0])
			texts[key], _ = starlark.AsString(item[1])
		}
	}
	return texts
}

func (f fields) needs(name string) []Need {
	var needs []Need
	for _, v := range f.values(name) {
		if n, err := NeedOf(v); err == nil {
			needs = append(needs, n)
		}
	}
	return needs
}

// NeedOf reads what taskserv.need has made, or a name, which may have a constraint
// behind it: "containerd >= 1.6".
func NeedOf(v starlark.Value) (Need, error) {
	var n Need
	if text, ok := starlark.AsString(v); ok {
		n.Name, n.Version, _ = strings.Cut(strings.TrimSpace(text), " ")
		n.Version = strings.TrimSpace(n.Version)
	} else if s, ok := v.(*starlarkstruct.Struct); ok && s.Constructor() == starlark.Value(NeedConstructor) {
		f := fields{s}
		n = Need{Name: f.text("name"), Version: f.text("version"), Infra: f.text("scope") == ScopeInfra}
		healthy, _ := s.Attr("wait_for_health")
		n.Healthy = healthy == starlark.True
	} else {
		return n, fault.New(fault.Invalid, "a dependency is a name or what taskserv.need returns, not a %s", v.Type())
	}
	if err := ValidName("a dependency", n.Name); err != nil {
		return n, err
	}
	if n.Version != "" {
		if _, err := semver.NewConstraint(n.Version); err != nil {
			return n, fault.New(fault.Invalid, "cannot parse the version constraint %q of %s: %s", n.Version, n.Name, err).
				WithHint(`a constraint is such as ">= 1.2", "^1.2.3", "~1.2" or ">= 1.2, < 2"`)
		}
	}
	return n, nil
}

// NeedConstructor is what the structs of taskserv.need are made with; the scopes are
// where a need has to be met.
const (
	NeedConstructor = starlark.String("need")
	ScopeServer     = "server"
	ScopeInfra      = "infra"
)

// unknownName is the error for a service that no catalogue has.
func unknownName(wanted string, known []string) error {
	e := fault.New(fault.NotFound, "there is no taskserv %q", wanted)
	if near := spell.Nearest(wanted, known); near != "" {
		e.Msg += fmt.Sprintf(" (did you mean %q?)", near)
	}
	return e.WithHint("there are %s", strings.Join(known, ", "))
}

// The structs of taskserv.check, taskserv.phase, taskserv.test and taskserv.skip.
const (
	CheckConstructor = starlark.String("check")
	PhaseConstructor = starlark.String("phase")
	TestConstructor  = starlark.String("test")
	SkipConstructor  = starlark.String("skip")
)

// Functions are the names of those that the recipe has.
func (r *Recipe) Functions() []string {
	var names []string
	for _, name := range functions {
		if r.Has(name) {
			names = append(names, name)
		}
	}
	return names
}

// Texts are the elements of a field that is a list, or the keys of one that is a dict.
func (r *Recipe) Texts(field string) []string {
	var texts []string
	for _, v := range (fields{r.value}).values(field) {
		text, ok := starlark.AsString(v)
		if !ok {
			text = v.String()
		}
		texts = append(texts, text)
	}
	return texts
}

// Profile is a configuration by its name; None when there is none.
func (r *Recipe) Profile(name string) starlark.Value {
	profiles, ok := r.Field("profiles").(*starlark.Dict)
	if !ok {
		return starlark.None
	}
	v, found, err := profiles.Get(starlark.String(name))
	if err != nil || !found {
		return starlark.None
	}
	return v
}

// At notes which argument of a call an error is about, as a path: versions[1]. Who has
// the text of the script finds the line by it, see [Argument].
func At(err error, path string) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	e := *f
	e.Details = map[string]any{argument: path}
	return &e
}

// Argument is the path that [At] has noted; "" without one.
func Argument(err error) string {
	if f := fault.As(err); f != nil {
		path, _ := f.Details[argument].(string)
		return path
	}
	return ""
}

const argument = "argument"
