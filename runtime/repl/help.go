package repl

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/docstring"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/reference"
)

// Help returns the function help of a session, which explains with print.
func Help(modules []*module.Module, print func(text string)) *starlark.Builtin {
	return starlark.NewBuiltin("help", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var x starlark.Value
		if err := starlark.UnpackPositionalArgs("help", args, kwargs, 0, &x); err != nil {
			return nil, err
		}
		print(strings.TrimRight(explain(modules, x), "\n"))
		return starlark.None, nil
	})
}

func explain(modules []*module.Module, x starlark.Value) string {
	switch x := x.(type) {
	case nil:
		return overview(modules)
	case starlark.String:
		text, _ := reference.Find(modules, string(x))
		return text
	case *module.Namespace:
		text, _ := reference.Find(modules, x.Module().Name)
		return text
	case interface{ Help() string }: // a builtin, a schema, a method of one
		return x.Help()
	case *starlark.Function:
		return signature(x) + "\n\n" + docstring.Dedent(strings.TrimSpace(x.Doc()))
	case *starlark.Builtin:
		return x.Name() + "\n\na function of the language: https://github.com/bazelbuild/starlark/blob/master/spec.md#" + strings.ToLower(x.Name())
	}
	text := "a " + x.Type()
	if attrs, ok := x.(starlark.HasAttrs); ok {
		if names := attrs.AttrNames(); len(names) > 0 {
			text += " with " + strings.Join(names, ", ")
		}
	}
	return text
}

// overview is help().
func overview(modules []*module.Module) string {
	var b strings.Builder
	b.WriteString("Statements are executed at once, and what they do is journaled like a run.\n\n" + commandHelp() + "\n\nModules:\n")
	for _, m := range modules {
		if m.Name != "" {
			fmt.Fprintf(&b, "  %-10s %s\n", m.Name, m.Doc.Summary)
		}
	}
	for _, m := range modules {
		if m.Name == "" {
			var names []string
			for _, f := range m.Funcs() {
				names = append(names, f.Name())
			}
			fmt.Fprintf(&b, "\nFunctions without a module: %s\n", strings.Join(names, ", "))
		}
	}
	return b.String()
}

func signature(fn *starlark.Function) string {
	n := fn.NumParams()
	params := make([]string, n)
	for i := range n {
		params[i], _ = fn.Param(i)
		if v := fn.ParamDefault(i); v != nil {
			params[i] += " = " + v.String()
		}
	}
	if fn.HasKwargs() {
		params[n-1] = "**" + params[n-1]
		n--
	}
	if fn.HasVarargs() {
		params[n-1] = "*" + params[n-1]
	}
	return fn.Name() + "(" + strings.Join(params, ", ") + ")"
}
