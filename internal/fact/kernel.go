package fact

import (
	"fmt"
	"strings"
)

// Sysctl is a parameter of the kernel. Its value is a SysctlState.
var Sysctl = &Kind{Name: "kernel parameters", Script: sysctlScript, Parse: parseSysctls}

// SysctlState is what is known of a parameter of the kernel.
type SysctlState struct {
	Exists   bool
	Writable bool
	Value    string // with single spaces between its parts
}

// SysctlPath is the file of a parameter: net.ipv4.ip_forward, or with slashes where a
// part has a dot: net/ipv4/conf/eth0.100/forwarding.
func SysctlPath(key string) string {
	if !strings.Contains(key, "/") {
		key = strings.ReplaceAll(key, ".", "/")
	}
	return "/proc/sys/" + key
}

func sysctlScript(args []string) string {
	paths := make([]string, len(args))
	for i, key := range args {
		paths[i] = SysctlPath(key)
	}
	return `for _f in` + quoted(paths) + `; do
  if [ ! -f "$_f" ]; then echo none
  else
    # Opened, without writing anything: to the sh of busybox, root may write everywhere.
    if (: >>"$_f") 2>/dev/null; then _w=rw; else _w=ro; fi
    echo "$_w" $(tr '\n' ' ' <"$_f" 2>/dev/null | tr -s ' \t' ' ')
  fi
done
`
}

func parseSysctls(args []string, text string) ([]any, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != len(args) {
		return nil, fmt.Errorf("%d lines for %d parameters", len(lines), len(args))
	}
	values := make([]any, len(args))
	for i, line := range lines {
		word, v, _ := strings.Cut(line, " ")
		values[i] = SysctlState{Exists: word != "none", Writable: word == "rw", Value: v}
	}
	return values, nil
}

// KernelModule is a module of the kernel. Its value is a ModuleState.
var KernelModule = &Kind{Name: "kernel modules", Script: moduleScript, Parse: parseModules}

// ModuleState is what is known of a module of the kernel.
type ModuleState struct {
	Loaded  bool
	BuiltIn bool // part of the kernel: it cannot be unloaded
	Known   bool // the machine has a file of it for its kernel
}

func moduleScript(args []string) string {
	return `for _n in` + quoted(args) + `; do
  _u=$(printf %s "$_n" | tr - _)
  if grep -q "^$_u " /proc/modules 2>/dev/null; then echo loaded
  elif grep -q "/$_n\.ko\|/$_u\.ko" "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null || [ -d "/sys/module/$_u" ]; then echo builtin
  elif modprobe -n -q -- "$_n" 2>/dev/null; then echo known
  else echo none; fi
done
`
}

func parseModules(args []string, text string) ([]any, error) {
	words := strings.Fields(text)
	if len(words) != len(args) {
		return nil, fmt.Errorf("%d answers about %d modules", len(words), len(args))
	}
	values := make([]any, len(args))
	for i, word := range words {
		values[i] = ModuleState{Loaded: word == "loaded" || word == "builtin", BuiltIn: word == "builtin", Known: word != "none"}
	}
	return values, nil
}
