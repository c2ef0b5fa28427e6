package once

import (
	"fmt"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Exit codes of the scripts themselves; see sysexits.h.
const (
	codeNoMarker = 73 // the marker cannot be written; nothing was started
	codeBroken   = 75 // the input was not whole; nothing was started
)

// maxOutput is what a command may print before it is not kept any more.
const maxOutput = 64 << 20

// place finds the directory of the markers.
const place = `_u=$(umask); umask 077
if [ "$(id -u)" = 0 ]; then _d=/var/lib/provisioning/once; else _d=${HOME:-/nonexistent}/.local/state/provisioning/once; fi
`

// functions are what both the line and the runner need. The start time of a process
// is field 22 of its stat; the second one, its name, may have blanks in it.
const functions = `_start() { if [ -r "/proc/$1/stat" ]; then _x=$(cat "/proc/$1/stat" 2>/dev/null); set -- ${_x##*) }; echo "${20}"; else ps -o lstart= -p "$1" 2>/dev/null | tr ' ' _; fi; }
_boot() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo -; }
_sync() { sync "$@" 2>/dev/null || sync; }
`

// states tell how attempts stand and follow one. An attempt without a process is
// one that is just being started; where that lasts for seconds, whoever has made it
// is gone, or the machine is busy. It is closed then: the one of both who makes the link
// "go" first decides.
const states = `_alive() { read -r _p _s _b <"$1/pid" && [ "$(_start "$_p")" = "$_s" ] && [ "$(_boot)" = "$_b" ]; }
_state() {
if [ -e "$_k/$1/void" ]; then _st=void
elif [ -e "$_k/$1/end" ]; then _st=ended
elif [ ! -e "$_k/$1/pid" ]; then _st=begun
elif _alive "$_k/$1"; then _st=running
elif [ -e "$_k/$1/end" ]; then _st=ended
else _st=gone; fi
case $_st in begun|gone) [ "$(readlink "$_k/$1/go" 2>/dev/null)" != void ] || _st=void;; esac
}
_void() { ln -s void "$_k/$1/go" 2>/dev/null && _sync "$_k/$1"; _state "$1"; }
_size() { _n=0; [ ! -e "$1" ] || _n=$(($(wc -c <"$1"))); [ "$_n" -le LIMIT ] || _n=LIMIT; }
_show() { echo "$1 $(($4 - $3))"; tail -c +$(($3 + 1)) "$2" | head -c $(($4 - $3)); }
_follow() {
_o=0 _e=0 _i=0
while :; do
_state "$1"
_size "$_k/$1/out"; [ "$_n" -le $_o ] || { _show O "$_k/$1/out" $_o $_n; _o=$_n; }
_size "$_k/$1/err"; [ "$_n" -le $_e ] || { _show E "$_k/$1/err" $_e $_n; _e=$_n; }
case $_st in running) ;; begun) [ $_i -lt 20 ] || { _void "$1"; case $_st in begun) _st=gone; break;; esac; };; *) break;; esac
case $_i in 0|1|2) _w=.01;; 3|4|5) _w=.03;; 6|7|8) _w=.1;; *) _w=.4;; esac
sleep $_w 2>/dev/null || sleep 1
_i=$((_i + 1))
done
if [ $_st = ended ]; then read -r _rc _t1 <"$_k/$1/end"; read -r _t0 <"$_k/$1/began"; echo "X ended $_rc $_t0 $_t1"; else echo "X $_st"; fi
}
_last() { _h=0; while [ -e "$_k/$((_h + 1))" ]; do _h=$((_h + 1)); done; }
`

// prelude begins all scripts.
func prelude(key string) string {
	return place + functions + strings.ReplaceAll(states, "LIMIT", fmt.Sprint(maxOutput)) + "_k=$_d/" + key + "\n"
}

// startScript runs text as an attempt, unless there is such an attempt. The input of
// the command is whole on the machine before anything is begun, and its name is gone
// before the command starts.
func startScript(attempt int, turn int64, stdin int, text string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "mkdir -p \"$_k\" || exit %d\n", codeNoMarker)
	if turn > 0 {
		fmt.Fprintf(&b, lateScript, turn)
	}
	if stdin > 0 {
		fmt.Fprintf(&b, `_in=$_k/in.$$
trap 'rm -f "$_in"' EXIT
head -c %d >"$_in" || exit %d
[ $(wc -c <"$_in") -eq %[1]d ] || exit %d
`, stdin, codeNoMarker, codeBroken)
	}
	fmt.Fprintf(&b, `_a=$_k/%d
if mkdir "$_a" 2>/dev/null; then
`, attempt)
	if turn > 0 {
		b.WriteString("! _late || { : >\"$_a/void\"; _refuse; }\n")
	}
	input := "</dev/null"
	if stdin > 0 {
		b.WriteString("mv \"$_in\" \"$_a/in\"\n")
		input = "<&4"
	}
	// A pipe to the shell keeps the text out of the list of processes.
	fmt.Fprintf(&b, `_set=; ! command -v setsid >/dev/null 2>&1 || _set=setsid
printf '%%s\n' %s | _A=$_a _U=$_u $_set sh -c 'eval "$(cat)"' >/dev/null 2>&1 &
printf '\036once\n'
_follow %d
exit 0
fi
[ -d "$_a" ] || exit %d
printf '\036once\n'
_last
echo "T $_h"
_follow $_h
`, machine.Quote(runner(text, input, stdin > 0)), attempt, codeNoMarker)
	return b.String()
}

// lateScript refuses to start a command where a later turn has asked. That is looked for
// again when the attempt was made: by then that one has either seen it, or its file is
// there.
const lateScript = `_late() { for _c in "$_k"/closed-*; do [ -e "$_c" ] && [ "${_c##*-}" -ge %d ] && return; done; return 1; }
_refuse() { printf '\036once\n'; echo "X late"; exit 0; }
! _late || _refuse
`

// closeScript begins the script of a turn that asks.
func closeScript(turn int64) string {
	if turn == 0 {
		return ""
	}
	return fmt.Sprintf("mkdir -p \"$_k\" && : >\"$_k/closed-%d\" && _sync \"$_k\" || exit %d\n", turn, codeNoMarker)
}

// runner is what runs the command, apart from the line that has started it.
func runner(text, input string, stdin bool) string {
	open := ""
	if stdin {
		open = "exec 4<\"$_a/in\"; rm -f \"$_a/in\"\n"
	}
	return functions + `_a=$_A _u=$_U; unset _A _U; trap '' HUP; umask 077
: >"$_a/out"; : >"$_a/err"; date +%s >"$_a/began"
echo "$$ $(_start $$) $(_boot)" >"$_a/pid.new" && mv "$_a/pid.new" "$_a/pid" && ln -s run "$_a/go" && _sync "$_a/pid" "$_a/began" "$_a" "$_a/.." "$_a/../.." || exit 1
` + open + `(
trap - HUP; umask $_u; unset _a _u _x
` + text + `
) >"$_a/out" 2>"$_a/err" ` + input + `
echo "$? $(date +%s)" >"$_a/end.new" && _sync "$_a/end.new" "$_a/out" "$_a/err" && mv "$_a/end.new" "$_a/end" && _sync "$_a"
find "$_a/../.." -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} +`
}

// askScript says how the last attempt stands. Where there is none that was made, it
// closes the next one.
const askScript = `mkdir -p "$_k" || exit 73
while :; do
_last
_st=void; [ $_h = 0 ] || _state $_h
[ $_st = void ] || break
if mkdir "$_k/$((_h + 1))" 2>/dev/null; then : >"$_k/$((_h + 1))/void"; _h=$((_h + 1)); _sync "$_k/$_h" "$_k" "$_d"; break; fi
[ -d "$_k/$((_h + 1))" ] || exit 73
done
printf '\036once\n'
_follow $_h
`

// killScript ends the attempt that is under way. Without setsid the process has no
// group of its own, and what it has started may stay.
const killScript = `_last
printf '\036once\n'
[ $_h != 0 ] || { echo "X gone"; exit 0; }
_state $_h
if [ $_st = running ]; then
_a=$_k/$_h
kill -s TERM -- -$_p 2>/dev/null || kill -s TERM $_p 2>/dev/null
_i=0
while [ $_i -lt 50 ] && kill -s 0 -- -$_p 2>/dev/null; do _i=$((_i + 1)); sleep .1 2>/dev/null || { sleep 1; _i=$((_i + 9)); }; done
kill -s KILL -- -$_p 2>/dev/null || kill -s KILL $_p 2>/dev/null
[ -e "$_a/end" ] || { echo "143 $(date +%s)" >"$_a/end.new" && mv "$_a/end.new" "$_a/end" && _sync "$_a/end" "$_a"; }
fi
_follow $_h
`
