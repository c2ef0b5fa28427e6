package script

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"go.starlark.net/starlark"
	"go.yaml.in/yaml/v3"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/docstring"
)

// Param is a parameter of an entry function.
type Param struct {
	Name     string
	Default  starlark.Value // nil: it has to be given
	Type     string         // string, int, float, bool, list, dict or any
	Help     string
	rest     bool // **kwargs takes what has no parameter of its own
	wildcard bool // *args takes nothing from the command line
}

// Flag is the name of the parameter on the command line, without the dashes.
func (p Param) Flag() string { return strings.ReplaceAll(p.Name, "_", "-") }

// Params returns the parameters of an entry function, described by its
// docstring: the type is that of the default, else the one that the docstring
// names ("port (int): …"), else string.
func Params(fn *starlark.Function) []Param {
	doc := docstring.Parse(fn.Doc())
	types, help := map[string]string{}, map[string]string{}
	for _, a := range doc.Args {
		types[a.Name], help[a.Name] = a.Type, a.Text
	}
	n := fn.NumParams()
	params := make([]Param, 0, n)
	for i := range n {
		name, _ := fn.Param(i)
		p := Param{Name: name, Default: fn.ParamDefault(i), Help: help[name], Type: types[name]}
		switch {
		case fn.HasKwargs() && i == n-1:
			p.rest = true
		case fn.HasVarargs() && (i == n-1 || fn.HasKwargs() && i == n-2):
			p.wildcard = true
		}
		if p.Default != nil && p.Default != starlark.None {
			p.Type = p.Default.Type()
		}
		if p.Type == "" {
			p.Type = "string"
		}
		params = append(params, p)
	}
	return params
}

// Arguments puts together the arguments of an entry function: those of the
// parameter file below those of the command line, as text by parameter name. A
// missing, superfluous or unfit one is a usage fault.
func Arguments(fn *starlark.Function, file map[string]starlark.Value, flags map[string][]string) (*starlark.Dict, error) {
	args := starlark.NewDict(len(file) + len(flags))
	var params []Param
	var names []string
	takesRest := false
	for _, p := range Params(fn) {
		takesRest = takesRest || p.rest
		if !p.rest && !p.wildcard {
			params, names = append(params, p), append(names, p.Name)
		}
	}
	// First what was given for nothing: a misspelt name is why another is missing.
	for _, given := range superfluous(names, file, flags) {
		if !takesRest {
			return nil, unknownParam(given, names, fn.Name())
		}
		v := file[given]
		if texts := flags[given]; texts != nil {
			v = starlark.String(texts[len(texts)-1])
		}
		_ = args.SetKey(starlark.String(given), v) // a string key of a fresh dict
	}
	for _, p := range params {
		v, err := p.value(file, flags)
		if err != nil {
			return nil, err
		}
		if v != nil {
			_ = args.SetKey(starlark.String(p.Name), v) // see above
		}
	}
	return args, nil
}

func (p Param) value(file map[string]starlark.Value, flags map[string][]string) (starlark.Value, error) {
	if texts := flags[p.Name]; texts != nil {
		v, err := p.parse(texts)
		if err != nil {
			return nil, fault.New(fault.Usage, "--%s %s", p.Flag(), err)
		}
		return v, nil
	}
	if v, ok := file[p.Name]; ok {
		if err := p.fits(v); err != nil {
			return nil, fault.New(fault.Usage, "the parameter %q %s", p.Name, err)
		}
		return v, nil
	}
	if p.Default == nil {
		e := fault.New(fault.Usage, "the parameter --%s is missing", p.Flag())
		if p.Help != "" {
			e.Hint = fmt.Sprintf("--%s %s: %s", p.Flag(), p.Type, p.Help)
		}
		return nil, e
	}
	return nil, nil
}

func superfluous(names []string, file map[string]starlark.Value, flags map[string][]string) []string {
	known := map[string]bool{}
	for _, n := range names {
		known[n] = true
	}
	var extra []string
	for n := range file {
		if !known[n] && flags[n] == nil {
			extra = append(extra, n)
		}
	}
	for n := range flags {
		if !known[n] {
			extra = append(extra, n)
		}
	}
	sort.Strings(extra)
	return extra
}

func unknownParam(given string, names []string, fn string) error {
	e := fault.New(fault.Usage, "%s has no parameter %q", fn, given)
	if near := spell.Nearest(given, names); near != "" {
		e.Msg += fmt.Sprintf(" (did you mean %q?)", near)
	}
	if len(names) > 0 {
		e.Hint = "its parameters are --" + strings.ReplaceAll(strings.Join(names, ", --"), "_", "-")
	}
	return e
}

// parse reads the texts of a flag; only lists and dicts take more than one.
func (p Param) parse(texts []string) (starlark.Value, error) {
	text := texts[len(texts)-1]
	switch p.Type {
	case "int":
		i, ok := new(big.Int).SetString(text, 0)
		if !ok {
			return nil, fmt.Errorf("must be a whole number, not %q", text)
		}
		return starlark.MakeBigInt(i), nil
	case "float":
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("must be a number, not %q", text)
		}
		return starlark.Float(f), nil
	case "bool":
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("must be true or false, not %q", text)
		}
		return starlark.Bool(b), nil
	case "list":
		return parseList(texts), nil
	case "dict":
		return parseDict(texts)
	}
	return starlark.String(text), nil
}

// parseList reads "a,b,c", "[a, b]", JSON and repeated flags.
func parseList(texts []string) starlark.Value {
	var elems []starlark.Value
	for _, text := range texts {
		text = strings.TrimSpace(text)
		if list, ok := parseJSON(text).(*starlark.List); ok {
			for i := range list.Len() {
				elems = append(elems, list.Index(i))
			}
			continue
		}
		if inner, ok := strings.CutPrefix(text, "["); ok {
			text = strings.TrimSuffix(inner, "]")
		}
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				elems = append(elems, starlark.String(part))
			}
		}
	}
	return starlark.NewList(elems)
}

// parseJSON returns nil for a text that is not JSON.
func parseJSON(text string) starlark.Value {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var plain any
	if dec.Decode(&plain) != nil || dec.More() {
		return nil
	}
	v, err := plainValue(plain)
	if err != nil {
		return nil
	}
	return v
}

// parseDict reads repeated "key=value", and JSON.
func parseDict(texts []string) (starlark.Value, error) {
	d := starlark.NewDict(len(texts))
	for _, text := range texts {
		if dict, ok := parseJSON(text).(*starlark.Dict); ok {
			for _, kv := range dict.Items() {
				_ = d.SetKey(kv[0], kv[1]) // string keys
			}
			continue
		}
		k, v, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("must be key=value, not %q", text)
		}
		_ = d.SetKey(starlark.String(strings.TrimSpace(k)), starlark.String(v))
	}
	return d, nil
}

// fits reports whether a value from a file is of the type of the parameter.
func (p Param) fits(v starlark.Value) error {
	got := v.Type()
	if v == starlark.None || p.Type == got || p.Type == "any" || (p.Type == "float" && got == "int") {
		return nil
	}
	switch p.Type {
	case "string", "int", "float", "bool", "list", "dict":
		return fmt.Errorf("must be of type %s, not %s", p.Type, got)
	}
	return nil
}

// ReadParams reads a parameter file: TOML, JSON or YAML by its name.
func ReadParams(file string) (map[string]starlark.Value, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot read the parameter file %q: %v", file, reason(err))
	}
	var m map[string]any
	switch ext := filepath.Ext(file); ext {
	case ".toml":
		err = toml.Unmarshal(data, &m)
	case ".json":
		dec := json.NewDecoder(strings.NewReader(string(data)))
		dec.UseNumber()
		if err = dec.Decode(&m); err == nil {
			if _, end := dec.Token(); end != io.EOF {
				err = errors.New("there is something after the end of the object")
			}
		}
	case ".yaml", ".yml":
		err = yaml.Unmarshal(data, &m)
	default:
		return nil, fault.New(fault.Usage, "the parameter file %q must end in .toml, .json, .yaml or .yml", file)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot read the parameter file %q: %v", file, err)
	}
	params := make(map[string]starlark.Value, len(m))
	for k, v := range m {
		if params[k], err = plainValue(v); err != nil {
			return nil, fault.New(fault.Usage, "cannot read the parameter file %q: %s: %v", file, k, err)
		}
	}
	return params, nil
}
