package container

import (
	"context"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def network_inspect(name, engine = ""):
    """Describes a network.

    Args:
      name: name of the network.
      engine: the engine; "" for the one that is found.
    Returns:
      A struct with id, name, driver, subnets, gateways, internal, labels, created
      and containers (dict: address by name of those that run).
    Errors:
      not_found when there is no such network.
    Example:
      container.network_inspect("backend").containers["db"]
    """`, &networkInspect{})

type networkInspect struct {
	Name string `star:"name"`
	on
}

var (
	_ effect.Toucher = (*networkInspect)(nil)
	_ effect.Remote  = (*networkInspect)(nil)
)

func (n *networkInspect) Touches(*effect.Env) []string {
	return []string{resource(networks, n.Engine, n.Name)}
}

func (n *networkInspect) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := n.open(ctx, env)
	if err != nil {
		return nil, err
	}
	return e.InspectNetwork(ctx, n.Name)
}

var _ = Module.Read(`
def network_list(labels = {}, mine = False, engine = ""):
    """Lists networks, sorted by name.

    Args:
      labels: only those with these labels; "" for any value.
      mine: only those that this workspace has made.
      engine: the engine; "" for the one that is found.
    Returns:
      A list of what container.network_inspect returns; containers is empty.
    Example:
      [n.name for n in container.network_list(mine = True)]
    """`, &networkList{})

type networkList struct {
	chosen
	on
}

var _ effect.Remote = (*networkList)(nil)

func (n *networkList) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := n.open(ctx, env)
	if err != nil {
		return nil, err
	}
	return e.Networks(ctx, n.filter(env))
}

var _ = Module.Write(`
def network_remove(name, engine = ""):
    """Removes a network. This cannot be undone.

    Args:
      name: name of the network.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is False when there is no such network.
    Errors:
      failed when containers are on it.
    Example:
      container.network_remove("backend")
    """`, &networkRemove{}, effect.Exact)

type networkRemove struct {
	Name string `star:"name"`
	on
}

var (
	_ effect.Predictor  = (*networkRemove)(nil)
	_ effect.Toucher    = (*networkRemove)(nil)
	_ effect.Repeatable = (*networkRemove)(nil)
	_ effect.Remote     = (*networkRemove)(nil)
)

func (n *networkRemove) Repeatable() bool { return true }

func (n *networkRemove) Touches(*effect.Env) []string {
	return []string{resource(networks, n.Engine, n.Name)}
}

func (n *networkRemove) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := n.open(ctx, env)
	if err != nil {
		return nil, err
	}
	did, err := e.RemoveNetwork(ctx, n.Name)
	return changed(n.Name, did, n.Name+": removed\n", began), err
}

func (n *networkRemove) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	state := planned(env, networks, n.Engine, n.Name)
	if state == "" {
		e, err := n.open(ctx, env)
		if err != nil {
			return effect.Prediction{}, err
		}
		_, found, err := e.LookNetwork(ctx, n.Name)
		if err != nil {
			return effect.Prediction{}, err
		}
		if state = absent; found {
			state = present
		}
	}
	if state == absent {
		return prediction(n.Name, effect.None, ""), nil
	}
	plan(env, networks, n.Engine, n.Name, absent)
	return prediction(n.Name, effect.Delete, n.Name+": removed\n"), nil
}

var _ = Module.Write(`
def network_connect(network, container, ipv4 = "", ipv6 = "", aliases = [], engine = ""):
    """Puts a container on a network. Undo takes it off again.

    Args:
      network: name of the network.
      container: its name, or what container.create has returned.
      ipv4: its address there; "": the engine chooses.
      ipv6: its address there; "": the engine chooses.
      aliases: names beside its own that it is known by there.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is False when it is on it.
    Errors:
      not_found when there is no such network or container; failed when the address
      is taken.
    Example:
      container.network_connect("backend", "web", aliases = ["www"])
    """`, &networkConnect{}, effect.Exact)

type networkConnect struct {
	Network string   `star:"network"`
	IPv4    string   `star:"ipv4"`
	IPv6    string   `star:"ipv6"`
	Aliases []string `star:"aliases"`
	of
}

var (
	_ effect.Validator  = (*networkConnect)(nil)
	_ effect.Describer  = (*networkConnect)(nil)
	_ effect.Predictor  = (*networkConnect)(nil)
	_ effect.Toucher    = (*networkConnect)(nil)
	_ effect.Undoer     = (*networkConnect)(nil)
	_ effect.Repeatable = (*networkConnect)(nil)
	_ effect.Remote     = (*networkConnect)(nil)
)

func (n *networkConnect) Repeatable() bool { return true }
func (n *networkConnect) Describe() string { return n.name() + " to " + n.Network }
func (n *networkConnect) diff() string     { return n.name() + ": connected to " + n.Network + "\n" }

func (n *networkConnect) attachment() attached {
	return attached{Network: n.Network, IPv4: n.IPv4, IPv6: n.IPv6, Aliases: n.Aliases}
}

func (n *networkConnect) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := n.open(ctx, env)
	if err != nil {
		return nil, err
	}
	did, err := e.Connect(ctx, n.name(), n.attachment())
	return changed(n.name(), did, n.diff(), began), err
}

func (n *networkConnect) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	was, err := n.attachedTo(ctx, env, n.Network)
	if err != nil || was != nil {
		return prediction(n.name(), effect.None, ""), err
	}
	env.Run.Planned.Set(resource(containers, n.Engine, n.name()), unknownContainer(n.name()))
	return prediction(n.name(), effect.Update, n.diff()), nil
}

func (n *networkConnect) Remember(ctx context.Context, env *effect.Env) (any, error) {
	was, err := n.attachedTo(ctx, env, n.Network)
	if err != nil || was != nil {
		return nil, err
	}
	return kept{Name: n.name()}, nil
}

func (n *networkConnect) Undo(ctx context.Context, env *effect.Env, _ effect.Past) error {
	e, err := n.open(ctx, env)
	if err != nil {
		return err
	}
	if _, err := e.Disconnect(ctx, n.name(), n.Network); !fault.Is(err, fault.NotFound) {
		return err
	}
	return nil
}

// attachedTo is how a container is on a network; nil when it is not.
func (o *of) attachedTo(ctx context.Context, env *effect.Env, network string) (*attached, error) {
	if planned(env, containers, o.Engine, o.name()) != "" {
		return nil, nil // it is made in this run
	}
	e, err := o.open(ctx, env)
	if err != nil {
		return nil, err
	}
	c, err := e.Inspect(ctx, o.name())
	if err != nil {
		return nil, err
	}
	a, on := c.Networks[network]
	if !on {
		return nil, nil
	}
	return &attached{Network: network, IPv4: a.IPv4, IPv6: a.IPv6, Aliases: a.Aliases}, nil
}

var _ = Module.Write(`
def network_disconnect(network, container, engine = ""):
    """Takes a container off a network. Undo puts it back, with the same address.

    Args:
      network: name of the network.
      container: its name, or what container.create has returned.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is False when it is not on it.
    Errors:
      not_found when there is no such container.
    Example:
      container.network_disconnect("bridge", "web")
    """`, &networkDisconnect{}, effect.Exact)

type networkDisconnect struct {
	Network string `star:"network"`
	of
}

var (
	_ effect.Validator  = (*networkDisconnect)(nil)
	_ effect.Describer  = (*networkDisconnect)(nil)
	_ effect.Predictor  = (*networkDisconnect)(nil)
	_ effect.Toucher    = (*networkDisconnect)(nil)
	_ effect.Undoer     = (*networkDisconnect)(nil)
	_ effect.Repeatable = (*networkDisconnect)(nil)
	_ effect.Remote     = (*networkDisconnect)(nil)
)

func (n *networkDisconnect) Repeatable() bool { return true }
func (n *networkDisconnect) Describe() string { return n.name() + " from " + n.Network }
func (n *networkDisconnect) diff() string {
	return n.name() + ": disconnected from " + n.Network + "\n"
}

func (n *networkDisconnect) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := n.open(ctx, env)
	if err != nil {
		return nil, err
	}
	did, err := e.Disconnect(ctx, n.name(), n.Network)
	return changed(n.name(), did, n.diff(), began), err
}

func (n *networkDisconnect) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	was, err := n.attachedTo(ctx, env, n.Network)
	if err != nil || was == nil {
		return prediction(n.name(), effect.None, ""), err
	}
	env.Run.Planned.Set(resource(containers, n.Engine, n.name()), unknownContainer(n.name()))
	return prediction(n.name(), effect.Update, n.diff()), nil
}

// Remember keeps how the container is on the network.
func (n *networkDisconnect) Remember(ctx context.Context, env *effect.Env) (any, error) {
	was, err := n.attachedTo(ctx, env, n.Network)
	if err != nil || was == nil {
		return nil, err
	}
	return was, nil
}

func (n *networkDisconnect) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	var was attached
	if err := past.Remembered(&was); err != nil {
		return err
	}
	e, err := n.open(ctx, env)
	if err != nil {
		return err
	}
	there, err := e.InspectNetwork(ctx, n.Network)
	if err != nil {
		return err
	}
	if !there.Fixed() { // an address can be asked for only where the subnet was
		was.IPv4, was.IPv6 = "", ""
	}
	_, err = e.Connect(ctx, n.name(), was)
	return err
}
