package fact

import (
	"fmt"
	"strings"
)

// Init is what starts the services of a machine: "systemd", "openrc", "runit", or
// "none". Its argument is empty.
var Init = &Kind{
	Name:   "init system",
	Script: func([]string) string { return findInit + "echo $_init\n" },
	Parse: func(args []string, text string) ([]any, error) {
		values := make([]any, len(args))
		for i := range values {
			values[i] = strings.TrimSpace(text)
		}
		return values, nil
	},
}

// A machine may have the tools of an init system that does not run: containers do.
const findInit = `_init=none
if [ -d /run/systemd/system ]; then _init=systemd
elif [ -e /run/openrc/softlevel ] && command -v rc-service >/dev/null 2>&1; then _init=openrc
elif command -v sv >/dev/null 2>&1 && { [ -d /run/runit ] || [ -d /etc/runit/runsvdir/current ] || ps 2>/dev/null | grep -q '[r]unsvdir'; }; then _init=runit
fi
`

// Service is a service by name. Its value is a ServiceState.
var Service = &Kind{Name: "services", Script: serviceScript, Parse: parseServices}

// ServiceState is what is known of a service.
type ServiceState struct {
	Init    string // as of the fact Init, and "sysv" for a script that needs none
	Exists  bool
	Running bool
	Enabled string // "enabled", "disabled", "static" (nobody can enable it), "masked"
	Stale   bool   // its unit file is newer than what systemd knows
	Levels  string // the runlevels of OpenRC that it is in, with spaces between them
}

// Process is a process by the file with its number. Its value is a ProcessState.
var Process = &Kind{Name: "processes", Script: processScript, Parse: parseProcesses}

// ProcessState is what is known of a process.
type ProcessState struct{ Running bool }

// Unit is the name of a service as systemd has it.
func Unit(name string) string {
	for _, suffix := range []string{".service", ".socket", ".timer", ".mount", ".path", ".target", ".slice", ".scope", ".swap", ".automount"} {
		if strings.HasSuffix(name, suffix) {
			return name
		}
	}
	return name + ".service"
}

func serviceScript(args []string) string {
	units := make([]string, len(args))
	for i, name := range args {
		units[i] = Unit(name)
	}
	return findInit + `echo $_init
_sysv() {
  [ -x "/etc/init.d/$1" ] || { echo no; return; }
  if "/etc/init.d/$1" status >/dev/null 2>&1; then _r=yes; else _r=no; fi
  set -- /etc/rc[2-5].d/S[0-9][0-9]"$1"
  if [ -e "$1" ]; then echo "sysv $_r enabled"; else echo "sysv $_r disabled"; fi
}
_openrc() {
  rc-service -e "$1" || { echo no; return; }
  if rc-service "$1" status >/dev/null 2>&1; then _r=yes; else _r=no; fi
  _levels=
  for _l in /etc/runlevels/*/"$1"; do [ ! -L "$_l" ] || { _l=${_l%/*}; _levels="$_levels ${_l##*/}"; }; done
  if [ -n "$_levels" ]; then echo "openrc $_r enabled$_levels"; else echo "openrc $_r disabled"; fi
}
_runit() {
  _at=''
  for _d in /etc/service /var/service /service; do [ -e "$_d/$1" ] && _at=$_d/$1; done
  if [ -z "$_at" ]; then [ -d "/etc/sv/$1" ] && echo "runit no disabled" || echo no; return; fi
  case $(sv status "$_at" 2>/dev/null) in run:*) echo "runit yes enabled" ;; *) echo "runit no enabled" ;; esac
}
case $_init in
systemd)
  _s=$(systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload --` + quoted(units) + `)
  case $_s in *UnitFileState=generated*) for _n in` + quoted(args) + `; do
    set -- /etc/rc[2-5].d/S[0-9][0-9]"${_n%.service}"
    [ ! -e "$1" ] || echo "starts $_n"
  done ;; esac
  printf '%s\n' "$_s" ;;
openrc) for _n in` + quoted(args) + `; do _openrc "$_n"; done ;;
runit) for _n in` + quoted(args) + `; do _runit "$_n"; done ;;
*) for _n in` + quoted(args) + `; do _sysv "$_n"; done ;;
esac
`
}

func parseServices(args []string, text string) ([]any, error) {
	kind, rest, _ := strings.Cut(text, "\n")
	if kind == "systemd" {
		return parseUnits(args, rest)
	}
	lines := strings.Split(strings.TrimSuffix(rest, "\n"), "\n")
	if len(lines) != len(args) {
		return nil, fmt.Errorf("%d lines for %d services", len(lines), len(args))
	}
	values := make([]any, len(args))
	for i, line := range lines {
		w := strings.Fields(line)
		switch {
		case line == "no":
			values[i] = ServiceState{Init: kind, Enabled: "disabled"}
		case len(w) >= 3:
			values[i] = ServiceState{Init: w[0], Exists: true, Running: w[1] == "yes", Enabled: w[2], Levels: strings.Join(w[3:], " ")}
		default:
			return nil, fmt.Errorf("%s: unexpected answer %.100q", args[i], line)
		}
	}
	return values, nil
}

// parseUnits reads the properties of units, with an empty line between them. Before
// them are the names of the scripts in init.d that start with the machine: systemd says
// of their units only that it has made them.
func parseUnits(args []string, text string) ([]any, error) {
	starts := map[string]bool{}
	for {
		name, ok := strings.CutPrefix(text, "starts ")
		if !ok {
			break
		}
		name, text, _ = strings.Cut(name, "\n")
		starts[name] = true
	}
	blocks := strings.Split(strings.TrimSpace(text), "\n\n")
	if len(blocks) != len(args) {
		return nil, fmt.Errorf("systemd tells of %d units instead of %d", len(blocks), len(args))
	}
	values := make([]any, len(args))
	for i, block := range blocks {
		p := map[string]string{}
		for line := range strings.Lines(block) {
			name, v, _ := strings.Cut(strings.TrimSpace(line), "=")
			p[name] = v
		}
		s := ServiceState{Init: "systemd", Exists: p["LoadState"] != "not-found", Stale: p["NeedDaemonReload"] == "yes"}
		switch p["ActiveState"] {
		case "active", "activating", "reloading":
			s.Running = true
		}
		switch p["UnitFileState"] {
		case "enabled", "alias":
			s.Enabled = "enabled"
		case "disabled", "enabled-runtime", "linked", "linked-runtime", "":
			s.Enabled = "disabled"
		case "masked", "masked-runtime":
			s.Enabled = "masked"
		case "generated": // of a script in init.d
			s.Enabled = map[bool]string{true: "enabled", false: "disabled"}[starts[args[i]]]
		default: // static, indirect, transient
			s.Enabled = "static"
		}
		values[i] = s
	}
	return values, nil
}

// ProcessBegan prints when the process $1 began, in ticks: the number of a process may
// be that of another one by now.
const ProcessBegan = `_began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
`

// The second line of the file, where there is one, says when the process began.
func processScript(args []string) string {
	return ProcessBegan + `_alive() {
  [ -r "$1" ] && { read -r _p; read -r _at || :; } <"$1" || { echo no; return; }
  if [ -n "$_p" ] && kill -0 "$_p" 2>/dev/null && { [ -z "$_at" ] || [ "$_at" = "$(_began "$_p")" ]; }; then echo yes; else echo no; fi
}
for _f in` + quoted(args) + `; do _p='' _at=''; _alive "$_f"; done
`
}

func parseProcesses(args []string, text string) ([]any, error) {
	lines := strings.Fields(text)
	if len(lines) != len(args) {
		return nil, fmt.Errorf("%d answers about %d processes", len(lines), len(args))
	}
	values := make([]any, len(args))
	for i, line := range lines {
		values[i] = ProcessState{line == "yes"}
	}
	return values, nil
}
