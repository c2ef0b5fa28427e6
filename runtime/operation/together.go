package operation

import (
	"strings"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/target"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// NoCode is the rc of a machine on which nothing has ended: it could not be
// reached, or the operation was refused before.
const NoCode = -1

// Many lets an effect whose parameter target is a machine, and whose result is a
// [Result], be called with several machines. [Base] has it.
type Many struct{}

// Spreads names the parameter.
func (Many) Spreads() string { return "target" }

// Several takes apart a list or a pool of targets.
func (Many) Several(v starlark.Value) (*effect.Several, error) { return target.Several(v) }

// Together makes one result of those of the machines. It has the fields of each,
// and hosts, the list of them: so a script that was written for one machine works
// for many.
func (Many) Together(parts []effect.Part, one bool) (starlark.Value, error) {
	hosts := make([]starlark.Value, len(parts))
	for i, p := range parts {
		hosts[i] = resultOf(p)
	}
	fields := starlark.StringDict{"hosts": starlark.NewList(hosts)}
	if one {
		for _, name := range resultFields {
			fields[name] = fieldOf(hosts[0], name)
		}
	} else {
		for name, join := range joining {
			fields[name] = joined(hosts, name, join)
		}
		fields["error"] = starlark.None
	}
	err := failures(parts, hosts, one)
	if err != nil && !one {
		fields["error"] = value.Of(branch.FailureOf(err))
		err.Details["hosts"] = starlark.NewList(shortened(hosts))
	}
	r := starlarkstruct.FromStringDict(resultName, fields)
	if err == nil {
		return r, nil // without the type: a nil *fault.Error is no nil error
	}
	return r, err
}

const resultName = starlark.String("result")

// resultFields are those of every result.
var resultFields = []string{"host", "ok", "changed", "rc", "stdout", "stderr", "diff", "duration", "error"}

// resultOf is the result of one machine.
func resultOf(p effect.Part) starlark.Value {
	if p.Err != nil {
		return value.Of(failed(p))
	}
	if p.Unsure == nil {
		return p.Value
	}
	fields := starlark.StringDict{}
	for _, name := range resultFields {
		fields[name] = fieldOf(p.Value, name)
	}
	fields["ok"] = p.Unsure
	fields["error"] = value.UnknownOf(starlark.Tuple{p.Unsure}, func(starlark.Tuple) (starlark.Value, error) { return starlark.None, nil },
		"the error that goes with %s", p.Unsure.Text)
	return starlarkstruct.FromStringDict(resultName, fields)
}

// failed is the result of a machine that could not be reached, or where something
// went wrong.
func failed(p effect.Part) Result {
	r := Result{Host: HostOf(p), RC: NoCode, Error: branch.FailureOf(p.Err)}
	e := fault.As(p.Err)
	if e == nil {
		return r
	}
	if code, ok := e.Details["code"]; ok {
		r.RC = intOf(code)
	}
	r.Stdout, r.Stderr = textOf(e.Details["stdout"]), textOf(e.Details["stderr"])
	return r
}

// HostOf is the name of the machine that a part is about.
func HostOf(p effect.Part) string {
	if t, err := target.Parse(p.Item); err == nil {
		return t.Name
	}
	if text, ok := starlark.AsString(p.Item); ok {
		return text
	}
	return value.Show(p.Item)
}

// Details are Go values when they come from an effect, and Starlark values when
// they come from the journal.
func intOf(v any) int {
	n, err := starlark.AsInt32(value.Of(v))
	if err != nil {
		return NoCode
	}
	return n
}

func textOf(v any) string {
	text, _ := starlark.AsString(value.Of(v))
	return text
}

func fieldOf(v starlark.Value, name string) starlark.Value {
	if h, ok := v.(starlark.HasAttrs); ok {
		if f, err := h.Attr(name); err == nil && f != nil {
			return f
		}
	}
	return starlark.None
}

// joining says how the fields of many results become one. All but the first of
// the arguments are values of the field; the first are the names of the machines.
var joining = map[string]func(hosts, values []starlark.Value) starlark.Value{
	"host":    func(hosts, _ []starlark.Value) starlark.Value { return joinNames(hosts) },
	"ok":      func(_, v []starlark.Value) starlark.Value { return starlark.Bool(!anyOf(v, false)) },
	"changed": func(_, v []starlark.Value) starlark.Value { return starlark.Bool(anyOf(v, true)) },
	"rc":      func(_, v []starlark.Value) starlark.Value { return firstCode(v) },
	"stdout":  prefixed, "stderr": prefixed, "diff": prefixed,
	"duration": func(_, v []starlark.Value) starlark.Value { return longest(v) },
}

// joined is one field of all results. It is unknown when one of them is.
func joined(results []starlark.Value, name string, join func(hosts, values []starlark.Value) starlark.Value) starlark.Value {
	operands := make(starlark.Tuple, 0, 2*len(results))
	for _, r := range results {
		operands = append(operands, fieldOf(r, "host"))
	}
	for _, r := range results {
		operands = append(operands, fieldOf(r, name))
	}
	do := func(v starlark.Tuple) (starlark.Value, error) { return join(v[:len(results)], v[len(results):]), nil }
	if value.FindUnknown(operands) != nil {
		return value.UnknownOf(operands, do, "%s on %d machines", name, len(results))
	}
	v, _ := do(operands) // never fails
	return v
}

func joinNames(hosts []starlark.Value) starlark.Value {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i], _ = starlark.AsString(h)
	}
	return starlark.String(strings.Join(names, ", "))
}

func anyOf(values []starlark.Value, want bool) bool {
	for _, v := range values {
		if bool(v.Truth()) == want {
			return true
		}
	}
	return false
}

func firstCode(values []starlark.Value) starlark.Value {
	for _, v := range values {
		if v.Truth() {
			return v
		}
	}
	return starlark.MakeInt(0)
}

// prefixed puts the name of the machine before each of its lines.
func prefixed(hosts, values []starlark.Value) starlark.Value {
	var b strings.Builder
	for i, v := range values {
		host, _ := starlark.AsString(hosts[i])
		text, _ := starlark.AsString(v)
		for line := range strings.Lines(text) {
			b.WriteString(host + ": " + line)
			if !strings.HasSuffix(line, "\n") {
				b.WriteByte('\n')
			}
		}
	}
	return starlark.String(b.String())
}

// longest is the time of the slowest machine: how long they took together is a
// matter of timing, and would be something else when the run is resumed.
func longest(values []starlark.Value) starlark.Value {
	var most time.Duration
	for _, v := range values {
		if d, ok := v.(startime.Duration); ok {
			most = max(most, time.Duration(d))
		}
	}
	return startime.Duration(most)
}

// failures is the error of those machines that have failed; nil when none has.
func failures(parts []effect.Part, hosts []starlark.Value, one bool) *fault.Error {
	names, errs := make([]string, len(parts)), make([]error, len(parts))
	for i, p := range parts {
		names[i], errs[i] = textOf(fieldOf(hosts[i], "host")), p.Err
	}
	e := branch.Together("machines", names, errs)
	if e != nil && one {
		return fault.As(e.Cause)
	}
	return e
}

// shortened are results for the details of an error: with the end of the outputs.
func shortened(results []starlark.Value) []starlark.Value {
	short := make([]starlark.Value, len(results))
	for i, r := range results {
		if value.FindUnknown(r) != nil {
			short[i] = r
			continue
		}
		fields := starlark.StringDict{}
		for _, name := range resultFields {
			fields[name] = fieldOf(r, name)
			if text, ok := starlark.AsString(fields[name]); ok && name != "host" {
				fields[name] = starlark.String(tail(text))
			}
		}
		short[i] = starlarkstruct.FromStringDict(resultName, fields)
	}
	return short
}
