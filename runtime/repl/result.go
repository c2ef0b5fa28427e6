package repl

import (
	"strings"

	"go.starlark.net/starlark"
)

// text is how a person sees the value of a statement. Results of operations and
// commands hold each machine's own and the same text several times, so these are
// shown as what has happened on each machine, with differences and outputs as they
// are. Anything else is shown as the script would write it.
func text(v starlark.Value) string {
	hosts, ok := field(v, "hosts").(*starlark.List)
	if !ok || hosts.Len() == 0 || field(v, "changed") == nil {
		return v.String()
	}
	var b strings.Builder
	for i := range hosts.Len() {
		if !hostText(&b, hosts.Index(i)) {
			return v.String() // something else that has hosts
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// hostText writes what has happened on one machine.
func hostText(b *strings.Builder, r starlark.Value) bool {
	host, ok := starlark.AsString(field(r, "host"))
	changed, is := field(r, "changed").(starlark.Bool)
	if !ok || !is {
		return false
	}
	state := "unchanged"
	if changed {
		state = "changed"
	}
	if e := field(r, "error"); e != nil && e != starlark.None {
		state = "failed"
		if msg, ok := starlark.AsString(field(e, "message")); ok {
			state += ": " + msg
		}
	} else if rc := field(r, "rc"); rc != nil && rc.String() != "0" {
		state += ", exit code " + rc.String()
	}
	b.WriteString(host + ": " + state + "\n")
	for _, name := range []string{"diff", "stdout", "stderr"} {
		said, _ := starlark.AsString(field(r, name))
		for line := range strings.Lines(said) {
			b.WriteString("  " + strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	return true
}

// field is a field of a struct; nil when there is none, which is no string, list
// or bool either.
func field(v starlark.Value, name string) starlark.Value {
	s, ok := v.(starlark.HasAttrs)
	if !ok {
		return nil
	}
	f, err := s.Attr(name)
	if err != nil {
		return nil
	}
	return f
}
