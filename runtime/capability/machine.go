package capability

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/target"
)

// machinePattern is a pattern for the machine of a target: "local", or
// "ssh://USER@HOST:PORT" or "container://USER@NAME". Without a user it stands for
// targets that name none, and without a port for those that name none but 22.
type machinePattern struct {
	kind, host, port string
	user, name       glob // name is that of a container
}

// newMachines reads the pattern of a target. With a list, each machine that the target
// leads to has to match one of its patterns: the jump hosts, and the machine once more
// as root when the target says so.
func newMachines(pattern any) (matcher, error) {
	list, ok := pattern.([]any)
	if !ok {
		list = []any{pattern}
	}
	if len(list) == 0 {
		return nil, errors.New("the list is empty")
	}
	var patterns []machinePattern
	for _, p := range list {
		text, ok := p.(string)
		if !ok {
			return nil, fmt.Errorf("a %T is no pattern", p)
		}
		if text == "*" {
			return func(starlark.Value, Paths) Verdict { return Yes }, nil
		}
		m, err := newMachine(text)
		if err != nil {
			return nil, fmt.Errorf("the pattern %q: %w", text, err)
		}
		patterns = append(patterns, m)
	}
	return known(func(v starlark.Value, _ Paths) bool {
		machines, ok := machinesOf(v)
		return ok && !slices.ContainsFunc(machines, func(m machineRef) bool {
			return !slices.ContainsFunc(patterns, func(p machinePattern) bool { return p.match(m) })
		})
	}), nil
}

func newMachine(pattern string) (m machinePattern, err error) {
	kind, rest, _ := strings.Cut(pattern, "://")
	m.kind = kind
	user, place := "", rest
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, place = rest[:at], rest[at+1:]
	}
	if m.user, err = newGlob(user); err != nil {
		return m, err
	}
	switch {
	case kind == "local" && rest == "":
		return m, nil
	case kind == "container" && place != "":
		m.name, err = newGlob(place)
		return m, err
	case kind != "ssh" || place == "":
		return m, errors.New(`it must be "local", "ssh://USER@HOST:PORT", "container://NAME" or "*"`)
	}
	u, err := url.Parse("ssh://" + strings.Replace(place, ":*", ":0", 1))
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return m, errors.New(`its machine must be HOST or HOST:PORT`)
	}
	m.host, m.port = strings.ToLower(u.Hostname()), u.Port()
	if m.host != "*" && !plainHost(strings.TrimPrefix(m.host, "*.")) && net.ParseIP(m.host) == nil {
		return m, errors.New("its host must be ASCII, with * only as the whole or at its beginning: *.example.com")
	}
	return m, nil
}

func (p machinePattern) match(m machineRef) bool {
	if p.kind != m.kind || !p.user.match(m.user) {
		return false
	}
	switch p.kind {
	case "container":
		return p.name.match(m.host)
	case "ssh":
		port := p.port == m.port || p.port == "0" // that is how * was read
		return port && (plainHost(m.host) || net.ParseIP(m.host) != nil) && addressPattern{host: p.host}.matchHost(m.host)
	}
	return true
}

// machineRef is a machine that a target leads to, in the words of patterns.
type machineRef struct{ kind, user, host, port string }

func (m machineRef) String() string {
	if m.kind == "local" {
		return m.kind
	}
	text, host := m.kind+"://", m.host
	if m.kind == "container" {
		host = escape(host)
	}
	if m.user != "" {
		text += escape(m.user) + "@"
	}
	switch {
	case m.port != "":
		return text + net.JoinHostPort(host, m.port)
	case strings.Contains(host, ":"):
		return text + "[" + host + "]"
	}
	return text + host
}

// decided are the fields of a target that decide neither which machine is reached nor
// what runs there. Any other one that is not looked at below is in no entry but "*".
var decided = map[string][]string{
	"local": {"kind", "name", "become", "sudo_password"},
	"ssh": {
		"kind", "name", "become", "sudo_password", "key", "certificate", "password", "passphrase", "host_key", "host_keys", "connect_timeout", "keepalive",
		"address", "user", "port", "jump", "sudo",
	},
	"container": {"kind", "name", "container", "user"},
}

// machinesOf are all machines that a target, a list of them or a pool leads to; ok is
// false where only "*" may stand for it.
func machinesOf(v starlark.Value) (all []machineRef, ok bool) {
	if several, err := target.Several(v); err != nil {
		return nil, false
	} else if several != nil {
		for _, item := range several.Items {
			more, ok := machinesOf(item)
			if !ok {
				return nil, false
			}
			all = append(all, more...)
		}
		return all, true
	}
	s, isStruct := v.(*starlarkstruct.Struct)
	if _, err := target.Parse(v); err != nil || !isStruct {
		return nil, false
	}
	fields := starlark.StringDict{}
	s.ToStringDict(fields)
	text := func(name string) string { t, _ := starlark.AsString(orNone(fields[name])); return t }
	m := machineRef{kind: text("kind"), user: text("user"), host: strings.ToLower(text("address"))}
	for name, v := range fields {
		switch {
		case slices.Contains(decided[m.kind], name):
		case m.kind == "ssh" && (name == "config" || name == "agent") && v == starlark.String("none"):
		default:
			return nil, false
		}
	}
	if m.kind == "container" {
		m.host = text("container")
	}
	if port, err := starlark.AsInt32(orNone(fields["port"])); err == nil && port != 0 && port != 22 {
		m.port = strconv.Itoa(port)
	}
	all = append(all, m)
	if sudo := fields["sudo"]; sudo != nil && bool(sudo.Truth()) {
		m.user = "root"
		all = append(all, m)
	}
	if jump := fields["jump"]; jump != nil && jump != starlark.String("none") {
		way, ok := machinesOf(jump) // a text is none: it is read by other rules
		return append(all, way...), ok
	}
	return all, true
}

func orNone(v starlark.Value) starlark.Value {
	if v == nil {
		return starlark.None
	}
	return v
}

// machinesPattern is the pattern that a target and no other matches.
func machinesPattern(v starlark.Value) any {
	machines, ok := machinesOf(v)
	if !ok {
		return "*"
	}
	var list []any
	for _, m := range machines {
		if text := m.String(); !slices.Contains(list, any(text)) {
			list = append(list, text)
		}
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}
