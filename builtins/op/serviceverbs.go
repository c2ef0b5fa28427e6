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
	levels  string // the runlevels of OpenRC that it gets into
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
			line = openrcLine(verb, name, orNone(v.levels, "default"))
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

func openrcLine(verb, name, levels string) string {
	switch verb {
	case "enable":
		return "rc-update -q add " + name + " " + levels
	case "disable":
		// Each by itself: rc-update -a fails for those that it is not in.
		return fmt.Sprintf(`for _l in /etc/runlevels/*/%s; do
  [ ! -L "$_l" ] || { _l=${_l%%/*}; rc-update -q del %[1]s "${_l##*/}"; }
done`, name)
	case "daemon-reload":
		return ":"
	case "reload":
		return fmt.Sprintf("rc-service %s reload || rc-service %[1]s restart", name)
	}
	return "rc-service -q " + name + " " + verb
}

// runit runs what is in the directory of services: to enable one is to put it there,
// which starts it; to disable one is to take it away, which stops it. sv says on stdout
// what went wrong.
func runitLine(verb, name string) string {
	dir := "_d=/etc/service; [ -d $_d ] || _d=/var/service\n"
	switch verb {
	case "enable":
		return dir + fmt.Sprintf("[ -e $_d/%s ] || ln -s /etc/sv/%[1]s $_d/%[1]s", name)
	case "disable":
		return dir + fmt.Sprintf(`if [ -e $_d/%s ] || [ -L $_d/%[1]s ]; then
  [ -L $_d/%[1]s ] || { echo "$_d/"%[1]s "is a directory, and no link to one: it is not removed" >&2; exit 1; }
  _t=$(readlink -f $_d/%[1]s)
  rm -f $_d/%[1]s
  ! sv status "$_t" >/dev/null 2>&1 || sv -w 20 exit "$_t" >&2
fi`, name)
	case "daemon-reload":
		return ":"
	}
	// runsvdir looks for new services every five seconds.
	wait := fmt.Sprintf("_i=0; until sv status $_d/%s >/dev/null 2>&1 || [ $_i -ge 8 ]; do sleep 1; _i=$((_i + 1)); done\n", name)
	if verb == "stop" { // one that was disabled before is stopped
		return dir + fmt.Sprintf("if [ -e $_d/%s ]; then\n%ssv -w 20 stop $_d/%[1]s >&2\nfi", name, wait)
	}
	line := dir + wait + fmt.Sprintf("sv -w 20 %s $_d/%s >&2", verb, name)
	if verb != "reload" { // sv is content with a program that ends at once
		line += fmt.Sprintf("\nsleep 0.5\ncase $(sv status $_d/%s) in run:*) ;; *) sv status $_d/%[1]s >&2; exit 1 ;; esac", name)
	}
	return line
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
