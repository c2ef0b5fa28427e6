package inspect

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// ValidatorsDir is the directory of a workspace that has rules of its own for taskservs.
const ValidatorsDir = "extensions/validators"

// validatorFunction is what a script of [ValidatorsDir] defines.
const validatorFunction = "validate_taskserv"

// lookWithValidators asks the rules of the workspace, with the configuration that it gives
// the taskserv, and with every profile. They are called at the top level of a module, where
// nothing has effects.
func (i *inspection) lookWithValidators() {
	if i.recipe == nil {
		return
	}
	for _, module := range i.tools.Validators {
		globals, err := i.tools.Evaluate(module)
		if err != nil {
			i.wrong(validators, inValidator(module, err))
			continue
		}
		if _, ok := globals[validatorFunction].(*starlark.Function); !ok {
			i.wrong(validators, Problem{File: fileOf(module), Line: 1, Message: "it defines no " + validatorFunction, Hint: "def " + validatorFunction + "(recipe, config): return struct(errors = [], warnings = [])"})
			continue
		}
		for _, p := range i.configurations() {
			i.askValidator(module, p)
		}
	}
}

// configurations are that of the workspace, and the profiles over it; those that the schema
// refuses are left out.
func (i *inspection) configurations() []profile {
	var fit []profile
	for _, p := range i.profiles() {
		if p.name == "" && i.tools.Given != nil {
			p.given = i.tools.Given
		}
		if s := i.schema(); s != nil {
			if _, report, err := s.Validate(i.thread(), p.given, nil); err != nil || !report.OK() {
				continue
			}
		}
		fit = append(fit, p)
	}
	return fit
}

func (i *inspection) askValidator(module string, p profile) {
	globals, err := i.tools.Ask(i.validatorScript(module, p))
	if err != nil {
		i.wrong(validators, inValidator(module, err))
		return
	}
	found := globals["found"]
	for _, l := range []struct {
		field string
		add   func(string, Problem)
	}{{"errors", i.wrong}, {"warnings", i.warn}} {
		list, ok := entry(found, l.field).(starlark.Iterable)
		if !ok {
			if found != starlark.None {
				i.wrong(validators, Problem{File: fileOf(module), Line: 1, Message: fmt.Sprintf("%s returned a %s without the list %s", validatorFunction, found.Type(), l.field), Hint: "it returns struct(errors = [], warnings = []), or None"})
			}
			continue
		}
		for v := range starlark.Elements(list) {
			g := i.group(validators)
			if !slices.Contains(slices.Concat(g.Errors, g.Warnings), i.told(module, profile{}, v)) { // said without a profile, it is said of all
				l.add(validators, i.told(module, p, v))
			}
		}
	}
}

// told is what a validator says: a text, or a dict or struct with message, and with
// argument, the part of taskserv.declare that it is about.
func (i *inspection) told(module string, p profile, v starlark.Value) Problem {
	message, ok := starlark.AsString(v)
	argument := ""
	if !ok {
		message, _ = starlark.AsString(entry(v, "message"))
		argument, _ = starlark.AsString(entry(v, "argument"))
	}
	if message == "" {
		message = v.String()
	}
	return i.declared(argument, p.in(message)+", says "+fileOf(module), "")
}

// entry is a field of a struct, or of a dict by its key; nil when there is none.
func entry(v starlark.Value, name string) starlark.Value {
	switch v := v.(type) {
	case *starlark.Dict:
		found, _, _ := v.Get(starlark.String(name)) // a string can be looked up
		return found
	case starlark.HasAttrs:
		found, _ := v.Attr(name) // without one it is nil
		return found
	}
	return nil
}

func (i *inspection) validatorScript(module string, p profile) string {
	config := "struct()"
	if i.schema() != nil {
		config = fmt.Sprintf("recipe.config(%s)", p.given.String())
	}
	return fmt.Sprintf("load(%q, %q)\nload(%q, %q)\n\nfound = %s(recipe, %s)\n",
		i.Place.Module, recipe.Global, module, validatorFunction, validatorFunction, config)
}

// inValidator is an error of a validator, at its line.
func inValidator(module string, err error) Problem {
	file := fileOf(module)
	p := Problem{File: file, Line: 1, Message: err.Error()}
	e := fault.As(err)
	if e == nil {
		return p
	}
	p.Message, p.Hint = e.Error(), e.Hint
	for _, frame := range e.Stack {
		if strings.TrimPrefix(frame.File, "//") == file {
			p.Line, p.Col, p.Text = frame.Line, frame.Col, frame.Text
			break
		}
	}
	return p
}

func fileOf(module string) string { return path.Clean(strings.TrimPrefix(module, "//")) }
