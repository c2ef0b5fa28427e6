package op

import (
	"fmt"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// serviceVerbs is what is done with a service, one thing after the other: "start",
// "stop", "restart", "reload", "enable", "disable", "daemon-reload".
type serviceVerbs struct {
	service *service
	init    string
	done    []string
	diff    string
}

// script says it in the words of the init system.
func (v *serviceVerbs) script() string {
	if v.init == "process" {
		return v.process()
	}
	name := machine.Quote(v.service.Name)
	var b strings.Builder
	for _, verb := range v.done {
		line := ""
		switch v.init {
		case "systemd":
			line = systemdLine(verb, machine.Quote(fact.Unit(v.service.Name)))
		case "openrc":
			line = openrcLine(verb, name)
		case "runit":
			line = runitLine(verb, name)
		default:
			line = sysvLine(verb, name)
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func systemdLine(verb, unit string) string {
	switch verb {
	case "daemon-reload":
		return "systemctl daemon-reload"
	case "reload":
		return "systemctl reload-or-restart -- " + unit
	case "stop":
		return "systemctl stop -- " + unit
	case "start", "restart":
		// What it has said last is why it does not start.
		return fmt.Sprintf("systemctl %s -- %s || { systemctl status --no-pager --lines=5 -- %[2]s >&2 || :; exit 1; }", verb, unit)
	}
	return "systemctl -q " + verb + " -- " + unit
}

func openrcLine(verb, name string) string {
	switch verb {
	case "enable":
		return "rc-update -q add " + name + " default"
	case "disable":
		return "rc-update -q -a del " + name
	case "daemon-reload":
		return ":"
	case "reload":
		return fmt.Sprintf("rc-service %s reload || rc-service %[1]s restart", name)
	}
	return "rc-service -q " + name + " " + verb
}

// runit runs what is in the directory of services: to enable one is to put it there,
// which starts it; its file down keeps it from starting by itself.
func runitLine(verb, name string) string {
	dir := "_d=/etc/service; [ -d $_d ] || _d=/var/service\n"
	switch verb {
	case "enable":
		return dir + fmt.Sprintf("[ -e $_d/%s ] || ln -s /etc/sv/%[1]s $_d/%[1]s", name)
	case "disable":
		return dir + fmt.Sprintf("[ ! -e $_d/%s ] || { sv down $_d/%[1]s || :; rm -f $_d/%[1]s; }", name)
	case "daemon-reload":
		return ":"
	}
	word := map[string]string{"start": "start", "stop": "stop", "restart": "restart", "reload": "reload"}[verb]
	// runsvdir looks for new services every five seconds.
	return dir + fmt.Sprintf("_i=0; until sv status $_d/%s >/dev/null 2>&1 || [ $_i -ge 8 ]; do sleep 1; _i=$((_i + 1)); done\nsv -w 20 %s $_d/%[1]s", name, word)
}

func sysvLine(verb, name string) string {
	switch verb {
	case "enable", "disable":
		return fmt.Sprintf("if command -v update-rc.d >/dev/null 2>&1; then update-rc.d %s defaults >/dev/null; update-rc.d %[1]s %[2]s; else chkconfig %[1]s %[3]s; fi",
			name, verb, map[string]string{"enable": "on", "disable": "off"}[verb])
	case "daemon-reload":
		return ":"
	case "reload":
		return fmt.Sprintf("/etc/init.d/%s reload </dev/null || /etc/init.d/%[1]s restart </dev/null", name)
	}
	return "/etc/init.d/" + name + " " + verb + " </dev/null"
}

// process is for a plain process. Its number is in the file before it becomes the
// program: a step that was cut off finds what it has started.
func (v *serviceVerbs) process() string {
	s := v.service
	var b strings.Builder
	fmt.Fprintf(&b, "_f=%s\n%s", machine.Quote(s.pidfile()), fact.ProcessBegan)
	b.WriteString(`_alive() {
  _p='' _at=''
  [ -r "$_f" ] && { read -r _p; read -r _at || :; } <"$_f" || return 1
  [ -n "$_p" ] && kill -0 "$_p" 2>/dev/null && { [ -z "$_at" ] || [ "$_at" = "$(_began "$_p")" ]; }
}
`)
	fmt.Fprintf(&b, `_stop() {
  ! _alive || kill "$_p"
  _i=0
  while _alive; do
    [ $_i -lt %d ] || kill -9 "$_p" 2>/dev/null || :
    _i=$((_i + 1)); sleep 0.2
  done
  rm -f "$_f"
}
`, s.StopTimeout/(200*time.Millisecond))
	log := orNone(s.Log, "/dev/null")
	run := "exec" + quoted(s.Command)
	if s.User != "" {
		run = "exec su -s /bin/sh " + machine.Quote(s.User) + " -c " + machine.Quote(run)
		run = fmt.Sprintf("if command -v setpriv >/dev/null 2>&1 && setpriv --reuid=%s --regid=%[1]s --init-groups true 2>/dev/null; then exec setpriv --reuid=%[1]s --regid=\"$(id -g %[1]s)\" --init-groups%[2]s; fi; %[3]s",
			machine.Quote(s.User), quoted(s.Command), run)
	}
	inner := fact.ProcessBegan + `{ echo $$; _began $$; } >"$1.new"; mv -f "$1.new" "$1"; ` + run
	fmt.Fprintf(&b, `_start() {
  ! _alive || return 0
  if command -v setsid >/dev/null 2>&1; then set -- setsid; else set --; fi
  "$@" sh -c %s sh "$_f" </dev/null >>%s 2>&1 &
  _i=0
  until _alive || [ $_i -ge 25 ]; do sleep 0.2; _i=$((_i + 1)); done
  sleep 0.2
  _alive || { echo %s >&2; exit 1; }
}
`, machine.Quote(inner), machine.Quote(log), machine.Quote(s.Name+" has ended at once; what it printed is in "+log))
	for _, verb := range v.done {
		switch verb {
		case "start":
			b.WriteString("_start\n")
		case "stop":
			b.WriteString("_stop\n")
		case "restart":
			b.WriteString("_stop\n_start\n")
		case "reload":
			b.WriteString("_alive\nkill -HUP \"$_p\"\n")
		}
	}
	return b.String()
}
