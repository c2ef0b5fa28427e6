package fact

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Manager is which package manager a machine has: "apt", "dnf", "yum", "apk", or
// "none". Its argument is empty.
var Manager = &Kind{
	Name:   "package manager",
	Script: func([]string) string { return findManager + "echo $_pm" },
	Parse: func(args []string, text string) ([]any, error) {
		return slices.Repeat([]any{strings.TrimSpace(text)}, len(args)), nil
	},
}

// Packages is how a machine stands to a demand for packages, which [PackageDemand]
// writes down. Its value is a PackageState. The package manager is asked once for all
// that is installed; what it would do is simulated only for a demand that is not met.
var Packages = &Kind{Name: "packages", Script: packageScript, Parse: parsePackages}

// PackageState is what is known of the packages of a demand.
type PackageState struct {
	Manager   string            // as of the fact Manager
	Installed map[string]string // versions, by name and by name:architecture
	Left      map[string]bool   // those of which only configuration and data are left, where that was asked
	Moves     []Move            // what the package manager would do
	Problem   string            // why it could not say that
	// Age is how old the package lists are, in seconds; negative when there are none.
	Age int64
	// Broken says that an earlier installation was interrupted.
	Broken bool
}

// Move is what becomes of one package.
type Move struct{ Name, From, To string } // versions; "" for not installed

// LeftOver is where a move comes from when a package is purged that was removed before.
const LeftOver = "what is left"

// PlannedPackage is the version of a package by name, where a plan has changed it; ""
// where it has removed it. Under "*" it is known when there is any. Nobody can ask a
// machine for it.
var PlannedPackage = &Kind{Name: "planned packages"}

// PackageDemand writes down a demand: a state ("present", "latest", "absent", "purged"), and
// names, which may have a pattern for versions: "nginx=1.2*".
func PackageDemand(state string, words []string) Fact {
	return Packages.Of(state + " " + strings.Join(words, " "))
}

func demandOf(arg string) (state string, words []string) {
	all := strings.Fields(arg)
	return all[0], all[1:]
}

// CutVersion takes a word apart.
func CutVersion(word string) (name, pattern string) {
	name, pattern, _ = strings.Cut(word, "=")
	return name, pattern
}

// Meets reports whether a version is one of those that a pattern names.
func Meets(version, pattern string) bool {
	if pattern == "" {
		return version != ""
	}
	ok, err := path.Match(pattern, version)
	return ok && err == nil
}

// PackageWords are words as a package manager writes them.
func PackageWords(manager string, words []string) []string {
	out := make([]string, len(words))
	for i, word := range words {
		name, pattern := CutVersion(word)
		prefix, wild := strings.CutSuffix(pattern, "*")
		switch {
		case pattern == "" || manager == "apt":
			out[i] = word
		case manager != "apk":
			out[i] = name + "-" + pattern
		case wild:
			out[i] = name + "~=" + strings.TrimRight(prefix, ".")
		default:
			out[i] = word
		}
	}
	return out
}

const packageAsks = `_ok() {
  _v=$(printf '%s\n' "$_all" | while read -r _n _a _w; do if [ "$_n" = "$1" ] || [ "$_n:$_a" = "$1" ]; then echo "$_w"; break; fi; done)
  [ -n "$_v" ] || return 1
  [ -n "$2" ] || return 0
  case $_v in $2) return 0 ;; esac
  return 1
}
_age() { # how old the newest of some files is
  _at=$(stat -c %Y "$@" 2>/dev/null | sort -n | tail -n 1)
  [ -z "$_at" ] && echo "age -1" || echo "age $(($(date +%s) - _at))"
}
case $_pm in
apt)
  set -- /var/lib/apt/lists/*Packages*
  if [ -e "$1" ]; then _age /var/lib/apt/lists/partial; else echo "age -1"; fi
  [ -z "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ] && [ -z "$(dpkg --audit 2>&1)" ] || echo broken ;;
dnf | yum) _age /var/cache/$_pm/*/repomd.xml /var/cache/$_pm/*/repodata/repomd.xml /var/cache/libdnf5/*/repodata/repomd.xml ;;
apk) _age /var/cache/apk/APKINDEX* /lib/apk/db/APKINDEX* ;;
esac
`

func packageScript(args []string) string {
	var b strings.Builder
	b.WriteString(findManager + "echo manager $_pm\ncase $_pm in\n")
	for _, pm := range slices.Sorted(maps.Keys(PackageShell)) {
		fmt.Fprintf(&b, "%s)\n%s;;\n", pm, PackageShell[pm])
	}
	b.WriteString("*) _installed() { :; } ; _left() { :; } ; _would() { :; } ;;\nesac\n")
	names := map[string]bool{}
	for _, arg := range args {
		_, words := demandOf(arg)
		for _, w := range words {
			name, _ := CutVersion(w)
			names[name] = true
		}
	}
	fmt.Fprintf(&b, "_all=$(_installed%s)\nprintf '%%s\\n' \"$_all\" | sed -n 's/^[^ ]/is &/p'\n%s", quoted(slices.Sorted(maps.Keys(names))), packageAsks)
	for i, arg := range args {
		fmt.Fprintf(&b, "echo demand %d\n%s", i, simulation(arg))
	}
	return b.String()
}

// simulation has the package manager say what it would do for a demand that is not
// met.
func simulation(arg string) string {
	state, words := demandOf(arg)
	switch state {
	case "purged":
		return fmt.Sprintf("_rest=\" $(_left%s | tr '\\n' ' ') \"; set --; for _q in%[1]s; do if _ok \"$_q\" ''; then set -- \"$@\" \"$_q\"; else case $_rest in *\" $_q \"*) set -- \"$@\" \"$_q\" ;; esac; fi; done\n[ $# = 0 ] || _would purge \"$@\"\n", quoted(words))
	case "absent":
		return fmt.Sprintf("set --; for _q in%s; do if _ok \"$_q\" ''; then set -- \"$@\" \"$_q\"; fi; done\n[ $# = 0 ] || _would remove \"$@\"\n", quoted(words))
	}
	var met []string
	for _, word := range words {
		name, pattern := CutVersion(word)
		met = append(met, "_ok "+machine.Quote(name)+" "+machine.Quote(pattern))
	}
	var would strings.Builder
	would.WriteString("case $_pm in\n")
	for _, pm := range []string{"apt", "dnf | yum", "apk"} {
		short, _, _ := strings.Cut(pm, " ")
		fmt.Fprintf(&would, "%s) _would install%s ;;\n", pm, quoted(PackageWords(short, words)))
	}
	would.WriteString("esac\n")
	if state == "latest" {
		return strings.NewReplacer("yum) _would install", "yum) _would upgrade", "apk) _would install", "apk) _would upgrade").Replace(would.String())
	}
	return "if ! { " + strings.Join(met, " && ") + "; }; then\n" + would.String() + "fi\n"
}

func quoted(words []string) string {
	var b strings.Builder
	for _, w := range words {
		b.WriteString(" " + machine.Quote(w))
	}
	return b.String()
}

func parsePackages(args []string, text string) ([]any, error) {
	common := PackageState{Installed: map[string]string{}, Age: -1}
	states := make([]PackageState, len(args))
	at := -1
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		switch word {
		case "manager":
			common.Manager = rest
		case "broken":
			common.Broken = true
		case "age":
			common.Age, _ = strconv.ParseInt(rest, 10, 64)
		case "is":
			if f := strings.Fields(rest); len(f) == 3 {
				common.Installed[f[0]], common.Installed[f[0]+":"+f[1]] = f[2], f[2]
			}
		case "demand":
			n, err := strconv.Atoi(rest)
			if err != nil || n != at+1 || n >= len(args) {
				return nil, fmt.Errorf("unexpected answer %.100q", line)
			}
			at = n
			states[at].Left = map[string]bool{}
		case "move":
			if f := strings.Split(rest, "|"); len(f) == 3 && at >= 0 {
				states[at].Moves = append(states[at].Moves, Move{f[0], f[1], f[2]})
			}
		case "left":
			if at >= 0 {
				states[at].Moves = append(states[at].Moves, Move{rest, LeftOver, ""})
				states[at].Left[rest] = true
			}
		case "problem":
			if at >= 0 && states[at].Problem == "" {
				states[at].Problem = rest
			}
		}
	}
	if at != len(args)-1 {
		return nil, fmt.Errorf("%d answers to %d questions", at+1, len(args))
	}
	values := make([]any, len(args))
	for i, s := range states {
		s.Manager, s.Installed, s.Age, s.Broken = common.Manager, common.Installed, common.Age, common.Broken
		values[i] = s
	}
	return values, nil
}
