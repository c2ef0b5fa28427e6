package secret

import (
	"context"
	"os"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Read(`
def get(uri):
    """Returns a secret.

    Args:
      uri: "env://NAME" for an environment variable; "file://path" for a file of
        the workspace, of 1 MiB at most, without the newline at its end;
        "ws://name" for what secret.put keeps.

    Returns:
      A secret, named after the uri.

    Errors:
      not_found: there is no such variable, file or secret.
      invalid: the uri is of no known kind.
      permission: the file is outside of the workspace.
      config: it was sealed for another key than this machine's.

    Example:
      secret.get("env://DB_PASSWORD")
    """`, &get{})

// get is the effect secret.get.
type get struct {
	URI string `star:"uri"`
}

var (
	_ effect.Validator = (*get)(nil)
	_ effect.Describer = (*get)(nil)
	_ effect.Toucher   = (*get)(nil)
)

// sources are the kinds of URIs.
var sources = map[string]func(env *effect.Env, uri, rest string) (any, error){
	"env": fromEnv, "file": fromFile, "ws": fromStore,
}

func (g *get) split() (scheme, rest string) {
	scheme, rest, _ = strings.Cut(g.URI, "://")
	return scheme, rest
}

func (g *get) Validate() error {
	scheme, rest := g.split()
	switch {
	case sources[scheme] == nil || rest == "":
		// The URI itself is not shown: people pass the secret by mistake.
		e := fault.New(fault.Invalid, "the uri does not say where the secret is")
		if near := spell.Nearest(scheme, []string{"env", "file", "ws"}); near != "" && rest != "" {
			e.Msg += ` (did you mean "` + near + `://"?)`
		}
		return e.WithHint(`write "env://NAME", "file://path" or "ws://name"`)
	case scheme == "ws":
		return checkName(rest)
	}
	return nil
}

func (g *get) Describe() string { return g.URI }

func (g *get) Touches(env *effect.Env) []string {
	switch scheme, rest := g.split(); scheme {
	case "ws":
		return []string{resource(rest)}
	case "file":
		if p, err := env.Run.Files.Resolve(rest); err == nil {
			return []string{p.Resource()}
		}
	}
	return nil
}

func (g *get) Perform(_ context.Context, env *effect.Env) (any, error) {
	scheme, rest := g.split()
	return sources[scheme](env, g.URI, rest)
}

func fromEnv(env *effect.Env, uri, name string) (any, error) {
	text, ok := os.LookupEnv(name)
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no environment variable %q", name).
			WithHint("set it before the run")
	}
	return add(env, uri, text), nil
}

func fromFile(env *effect.Env, uri, name string) (any, error) {
	p, err := env.Run.Files.Resolve(name)
	if err != nil {
		return nil, err
	}
	if env.Run.Check {
		if _, touched := env.Run.Planned.Get(p.Resource()); touched {
			return value.NewUnknown("secret.get(%q)", uri), nil
		}
	}
	data, err := p.ReadFile(maxSize)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(string(data), "\n")
	return add(env, uri, strings.TrimSuffix(text, "\r")), nil
}

func fromStore(env *effect.Env, _, name string) (any, error) {
	v, err := current(env, name)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, fault.New(fault.NotFound, "the workspace has no secret %q", name).
			WithHint("keep one with secret.put(%q, …)", name)
	}
	return v, nil
}
