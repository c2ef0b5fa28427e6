package container

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

var _ = Module.Pure(`
def target(container, user = "", engine = ""):
    """Names a container as a machine: for target.run and for operations.

    Commands run by its sh. _sudo and _user work without sudo in the container.

    Args:
      container: its name, or what container.create has returned. It is looked up
        when something is done in it.
      user: user that commands run as; "" for that of the container.
      engine: the engine; "" for the one that is found.
    Returns:
      A target.
    Example:
      web = container.target("web")
      op.file(web, "/etc/motd", content = "Welcome.")
    """`, &targetOf{})

type targetOf struct {
	of
	User string `star:"user"`
}

func (t *targetOf) Compute(*effect.Env) (any, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	return targetStruct(t.name(), t.User, t.Engine), nil
}

func targetStruct(name, user, engine string) starlark.Value {
	fields := starlark.StringDict{"container": starlark.String(name)}
	if user != "" {
		fields["user"] = starlark.String(user)
	}
	if engine != "" {
		fields["engine"] = starlark.String(engine)
	}
	return target.Make("container", name, fields)
}
