package container

import (
	"context"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"

	"go.starlark.net/starlark"
)

var _ = Module.Write(`
def network_create(name, subnet = "", gateway = "", internal = False, driver = "", options = {}, labels = {}, engine = ""):
    """Makes a network. Containers on it know each other by their names.

    Where there is one of that name that is made of the same, nothing changes. Undo
    removes a network that was made.

    Args:
      name: name of the network.
      subnet: its addresses, such as "10.9.0.0/24"; "": the engine chooses.
      gateway: address of the engine's machine on it; "": the engine chooses.
      internal: no way out of it.
      driver: what makes it; "" for a bridge.
      options: options of the driver.
      labels: labels beside those of the run and the workspace.
      engine: the engine; "" for the one that is found.
    Returns:
      What container.network_inspect returns, with changed.
    Errors:
      exists when there is another network under that name; failed when another
      network has these addresses.
    Example:
      container.network_create("backend", subnet = "10.9.0.0/24", internal = True)
    """`, &networkCreate{}, effect.Exact)

type networkCreate struct {
	Name     string            `star:"name"`
	Subnet   string            `star:"subnet"`
	Gateway  string            `star:"gateway"`
	Internal bool              `star:"internal"`
	Driver   string            `star:"driver"`
	Options  map[string]string `star:"options"`
	Labels   map[string]string `star:"labels"`
	on
}

var (
	_ effect.Validator  = (*networkCreate)(nil)
	_ effect.Predictor  = (*networkCreate)(nil)
	_ effect.Toucher    = (*networkCreate)(nil)
	_ effect.Undoer     = (*networkCreate)(nil)
	_ effect.Repeatable = (*networkCreate)(nil)
	_ effect.Remote     = (*networkCreate)(nil)
)

func (n *networkCreate) spec() engine.NetworkSpec {
	return engine.NetworkSpec{
		Name: n.Name, Subnet: n.Subnet, Gateway: n.Gateway, Internal: n.Internal, Driver: n.Driver, Options: n.Options, Labels: n.Labels,
	}
}

func (n *networkCreate) Repeatable() bool { return true }
func (n *networkCreate) Validate() error  { return n.spec().Validate() }

func (n *networkCreate) Touches(*effect.Env) []string {
	return []string{resource(networks, n.Engine, n.Name)}
}

func (n *networkCreate) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := n.open(ctx, env)
	if err != nil {
		return nil, err
	}
	there, made, err := e.CreateNetwork(ctx, n.spec(), owner(env))
	if err != nil {
		return nil, err
	}
	return withChanged(there, made), nil
}

// withChanged is a struct of Go for scripts, with one more field.
func withChanged(v any, changed bool) starlark.Value {
	fields := fieldsOf(v)
	fields["changed"] = starlark.Bool(changed)
	return structOf(fields)
}

// unknownOf is the struct of something that is not there yet: its name is known.
func unknownOf(v any, what, name string) starlark.Value {
	fields := starlark.StringDict{}
	for field := range fieldsOf(v) {
		fields[field] = value.NewUnknown("%s of the %s %s", field, what, name)
	}
	fields["name"], fields["changed"] = starlark.String(name), starlark.True
	return structOf(fields)
}

func (n *networkCreate) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	state := planned(env, networks, n.Engine, n.Name)
	if state == "" {
		e, err := n.open(ctx, env)
		if err != nil {
			return effect.Prediction{}, err
		}
		there, found, err := e.LookNetwork(ctx, n.Name)
		if err != nil || found {
			return effect.Prediction{Result: withChanged(there, false), Change: effect.None}, orMatches(err, n.spec().Matches(there))
		}
	}
	if state == present {
		return effect.Prediction{Result: value.NewUnknown("the network %s", n.Name), Change: effect.None}, nil
	}
	plan(env, networks, n.Engine, n.Name, present)
	return effect.Prediction{
		Result: unknownOf(engine.Network{}, networks, n.Name), Change: effect.Create, Diff: engine.Difference(n.Name, "", n.spec().Print()),
	}, nil
}

func orMatches(err, matches error) error {
	if err != nil {
		return err
	}
	return matches
}

// Remember keeps whose network it will be, unless it is there.
func (n *networkCreate) Remember(ctx context.Context, env *effect.Env) (any, error) {
	e, err := n.open(ctx, env)
	if err != nil {
		return nil, err
	}
	if _, found, err := e.LookNetwork(ctx, n.Name); err != nil || found {
		return nil, err
	}
	return kept{Name: n.Name, Owner: owner(env)}, nil
}

func (n *networkCreate) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	var was kept
	if err := past.Remembered(&was); err != nil {
		return err
	}
	e, err := n.open(ctx, env)
	if err != nil {
		return err
	}
	there, found, err := e.LookNetwork(ctx, was.Name)
	if err != nil || !found || !was.Owner.Owns(there.Labels) {
		return err
	}
	_, err = e.RemoveNetwork(ctx, there.ID)
	return err
}
