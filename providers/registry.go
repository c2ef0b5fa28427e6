package providers

import (
	"maps"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
)

// Registry are the providers that there are, by name. The zero value has none; it is
// filled once, when the program starts, and only read from then on.
type Registry struct {
	makers map[string]func(Config) Provider
}

// All are the providers of this program. Its main function fills it, so that what
// is left out there is not linked.
var All Registry

// Add makes a provider known. It is not made, and nothing opened, before it is used.
func (r *Registry) Add(name string, maker func(Config) Provider) {
	if r.makers == nil {
		r.makers = map[string]func(Config) Provider{}
	}
	r.makers[name] = maker
}

// Names are sorted.
func (r *Registry) Names() []string { return slices.Sorted(maps.Keys(r.makers)) }

// Known refuses a name that no provider has.
func (r *Registry) Known(name string) error {
	if _, ok := r.makers[name]; ok {
		return nil
	}
	e := fault.New(fault.NotFound, "there is no provider %q", name)
	if near := spell.Nearest(name, r.Names()); near != "" {
		e.Msg += " (did you mean " + near + "?)"
	}
	return e.WithHint("the providers are %s", strings.Join(r.Names(), ", "))
}

// Open makes a provider of its configuration in a workspace, which has to be valid.
func (r *Registry) Open(name, workspace string) (Provider, error) {
	if err := r.Known(name); err != nil {
		return nil, err
	}
	c, err := ReadConfig(workspace, name)
	if err != nil {
		return nil, err
	}
	p := r.makers[name](c)
	if v := p.ValidateConfig(); !v.Valid {
		return nil, fault.New(fault.Config, "the configuration of the provider %s is not valid: %s", name, strings.Join(v.Errors, "; ")).
			WithHint("mend config/providers/%s.toml", name)
	}
	return p, nil
}
