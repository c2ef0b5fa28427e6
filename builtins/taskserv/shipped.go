package taskserv

import (
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

var _ = Module.Pure(`
def test(fn, nodes = 1, kinds = []):
    """Describes a test that a taskserv ships, which is not for every environment.

    One that is for all of them needs no more than its function. Where a test is not for
    an environment, it is skipped, with the reason.

    Args:
      fn: function that takes the context, as tests of taskserv.declare does.
      nodes: how many machines need to have the taskserv.
      kinds: list of the kinds of environments that it is for: "single", "server" and
        "cluster"; none for any.
    Returns:
      A struct for tests of taskserv.declare.
    Errors:
      invalid when there is no such kind, or the function does not take a context.
    Example:
      taskserv.test(replicates, nodes = 2)
    """`, &test{})

type test struct {
	Fn    starlark.Callable `star:"fn"`
	Nodes int               `star:"nodes"`
	Kinds []string          `star:"kinds"`
}

func (t *test) Compute(*effect.Env) (any, error) {
	if err := takes("fn", t.Fn, 1); err != nil {
		return nil, err
	}
	if t.Nodes < 1 {
		return nil, at("nodes", "a test needs the taskserv on at least one machine, not on %d", t.Nodes)
	}
	for _, kind := range t.Kinds {
		if !slices.Contains(testenv.Kinds, kind) {
			text := ""
			if near := spell.Nearest(kind, testenv.Kinds); near != "" {
				text = " (did you mean \"" + near + "\"?)"
			}
			return nil, at("kinds", "there is no kind %q of environments%s: they are %s", kind, text, strings.Join(testenv.Kinds, ", "))
		}
	}
	return t.value(), nil
}

func (t *test) value() *starlarkstruct.Struct {
	return starlarkstruct.FromStringDict(recipe.TestConstructor, starlark.StringDict{
		"fn": t.Fn, "nodes": starlark.MakeInt(t.Nodes), "kinds": texts(t.Kinds),
	})
}

var _ = Module.Pure(`
def skip(reason):
    """Is what a test returns that cannot be made.

    It counts as skipped then, neither as passed nor as failed.

    Args:
      reason: why, for people.
    Returns:
      A struct, which the test returns.
    Errors:
      invalid without a reason.
    Example:
      taskserv.skip("nothing is kept: persistence is none")
    """`, &skip{})

type skip struct {
	Reason string `star:"reason"`
}

func (s *skip) Compute(*effect.Env) (any, error) {
	if strings.TrimSpace(s.Reason) == "" {
		return nil, at("reason", "a test that is skipped has a reason")
	}
	return starlarkstruct.FromStringDict(recipe.SkipConstructor, starlark.StringDict{"skipped": starlark.String(s.Reason)}), nil
}

// shipped reads the tests: each is a function, or what taskserv.test returns. Those that every
// environment makes have their names already.
func (d *declare) shipped() error {
	for _, name := range slices.Sorted(maps.Keys(d.Tests)) {
		path := "tests." + name
		if name == testenv.Syntax || slices.Contains(testenv.Tests, name) {
			return recipe.At(fault.New(fault.Invalid, "%s ships a test %q, which is the name of one that is made of every taskserv", d.Name, name).
				WithHint("give it another name; taken are %s and %s", strings.Join(testenv.Tests, ", "), testenv.Syntax), path)
		}
		switch v := d.Tests[name].(type) {
		case starlark.Callable:
			if err := takes(path, v, 1); err != nil {
				return err
			}
			d.Tests[name] = (&test{Fn: v, Nodes: 1}).value()
		case *starlarkstruct.Struct:
			if v.Constructor() != starlark.Value(recipe.TestConstructor) {
				return recipe.At(noTest(name, v), path)
			}
		default:
			return recipe.At(noTest(name, v), path)
		}
	}
	return nil
}

func noTest(name string, v starlark.Value) error {
	return fault.New(fault.Invalid, "the test %q is a function that takes the context, or what taskserv.test returns, not a %s", name, v.Type())
}
