package interpreter

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Inputs are the arguments of a run as they were given.
type Inputs struct {
	Entry string
	File  map[string]starlark.Value // of the parameter file
	Flags map[string][]string
}

// Bind finds the entry function and its arguments; fn is nil for a script that
// has none.
func (in Inputs) Bind(globals starlark.StringDict) (fn *starlark.Function, kwargs []starlark.Tuple, err error) {
	name := in.Entry
	if name == "" {
		name = "main"
	}
	fn, _ = globals[name].(*starlark.Function)
	if fn == nil {
		if in.Entry != "" {
			return nil, nil, noEntry(in.Entry, globals)
		}
		if len(in.File)+len(in.Flags) > 0 {
			return nil, nil, fault.New(fault.Usage, "the script has no function main that could take parameters")
		}
		return nil, nil, nil
	}
	args, err := script.Arguments(fn, in.File, in.Flags)
	if err != nil {
		return nil, nil, err
	}
	return fn, args.Items(), nil
}

func noEntry(entry string, globals starlark.StringDict) error {
	var names []string
	for _, name := range globals.Keys() {
		if _, ok := globals[name].(*starlark.Function); ok && !strings.HasPrefix(name, "_") {
			names = append(names, name)
		}
	}
	e := fault.New(fault.Usage, "the script has no function %q", entry)
	if near := spell.Nearest(entry, names); near != "" {
		e.Msg += fmt.Sprintf(" (did you mean %q?)", near)
	}
	return e.WithHint("it has %s", strings.Join(names, ", "))
}

// Encode gives the inputs the form that the journal keeps.
func (in Inputs) Encode() ([]byte, error) {
	file := starlark.NewDict(len(in.File))
	for k, v := range in.File {
		_ = file.SetKey(starlark.String(k), v) // a string key of a fresh dict
	}
	flags := value.Of(in.Flags)
	if in.Flags == nil {
		flags = starlark.NewDict(0)
	}
	return new(codec.Codec).Encode(starlark.Tuple{file, flags})
}

// DecodeInputs reads what Encode has written.
func DecodeInputs(entry string, data []byte) (Inputs, error) {
	in := Inputs{Entry: entry, File: map[string]starlark.Value{}, Flags: map[string][]string{}}
	v, err := new(codec.Codec).Decode(data)
	if err != nil {
		return in, err
	}
	both, ok := v.(starlark.Tuple)
	if !ok || both.Len() != 2 {
		return in, codec.ErrCorrupt
	}
	for _, kv := range both[0].(*starlark.Dict).Items() {
		in.File[string(kv[0].(starlark.String))] = kv[1]
	}
	for _, kv := range both[1].(*starlark.Dict).Items() {
		name := string(kv[0].(starlark.String))
		list := kv[1].(*starlark.List)
		for i := range list.Len() {
			in.Flags[name] = append(in.Flags[name], string(list.Index(i).(starlark.String)))
		}
	}
	return in, nil
}
