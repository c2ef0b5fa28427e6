package op

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// movedMark begins a line of what a step has printed for every package that it has
// changed.
const movedMark = "package "

// notes is the file on the machine that has the packages that were about to change,
// each time that the step was begun. Undo goes by them.
func (p *packages) notes() string {
	sum := sha256.Sum256([]byte(p.Key()))
	return undoDir + "/packages-" + hex.EncodeToString(sum[:8])
}

// step installs or removes. It notes what is going to change before it changes
// anything: a step that was cut off and is made again sees the rest only.
func (p *packages) step(now fact.PackageState, update bool) operation.Step {
	var b strings.Builder
	b.WriteString(locked(now.Manager, p.LockTimeout))
	fmt.Fprintf(&b, "_notes=%s\nmkdir -p -m 700 %s\n", machine.Quote(p.notes()), undoDir)
	b.WriteString(packageRepair[now.Manager])
	if update {
		b.WriteString(packageUpdate[now.Manager] + "\n")
	}
	what, words := "install", fact.PackageWords(now.Manager, p.named())
	switch {
	case p.State == "absent":
		what, words = "remove", nil
		if p.Purge {
			what = "purge"
		}
		for _, name := range p.named() {
			if now.Installed[name] != "" || now.Left[name] {
				words = append(words, name)
			}
		}
	case p.State == "latest" && now.Manager != "apt":
		what = "upgrade"
	}
	fmt.Fprintf(&b, "_now=$(_would %s%s)\n%sprintf '%%s\\n' \"$_now\" | sed -n 's/^move //p' >>\"$_notes\"\n", what, quoted(words), packageNotes[now.Manager])
	fmt.Fprintf(&b, "%s%s\n", p.command(now, what), quoted(words))
	b.WriteString("printf '%s\\n' \"$_now\" | sed -n 's/^move /" + movedMark + "/p'\n")
	return operation.Step{Script: b.String()}
}

// command is how the package manager is called.
func (p *packages) command(now fact.PackageState, what string) string {
	switch now.Manager {
	case "apt":
		options := ""
		if strings.Contains(p.demand().Arg, "=") {
			options = " --allow-downgrades"
		}
		if !p.Recommends {
			options += " --no-install-recommends"
		}
		return "_locked _apt " + what + options
	case "apk":
		return map[string]string{"install": "_locked apk add", "upgrade": "_locked apk add -u", "remove": "_locked apk del", "purge": "_locked apk del --purge"}[what]
	}
	switch what {
	case "purge":
		what = "remove"
	case "upgrade":
		what = map[string]string{"dnf": fact.DNFUpgrade, "yum": "install"}[now.Manager]
	}
	return "_locked " + now.Manager + " -y " + what
}

// maxListWait is how long another program may have the package lists.
const maxListWait = 5 * time.Minute

// locked has what all steps begin with: the functions of the package manager, and
// _locked, which runs a command again as long as another program has the database.
func locked(manager string, wait time.Duration) string {
	return fact.PackageShell[manager] + fmt.Sprintf(`export LC_ALL=C DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none
_locked() {
  _end=$(($(date +%%s) + %d))
  while :; do
    _rc=0; _said=$("$@" 2>&1 </dev/null) || _rc=$?
    [ $_rc != 0 ] || { printf '%%s\n' "$_said"; return 0; }
    case $_said in
    *'ould not get lock'* | *'nable to acquire'* | *'nable to lock'* | *' locked by another'*) [ $(date +%%s) -lt $_end ] || break; sleep 1 ;;
    *) break ;;
    esac
  done
  printf '%%s\n' "$_said" >&2
  return $_rc
}
_apt() { apt-get -y -q -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"; }
`, int(wait/time.Second))
}

// packageRepair completes what was interrupted.
var packageRepair = map[string]string{
	"apt": `if [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ] || [ -n "$(dpkg --audit 2>&1)" ]; then
  _locked dpkg --force-confdef --force-confold --configure -a
  _locked _apt --fix-broken install
fi
`,
	"apk": "apk fix -s --no-progress >/dev/null 2>&1 || _locked apk fix\n",
}

var packageUpdate = map[string]string{
	"apt": "_locked apt-get -q update", "dnf": "_locked dnf -q -y makecache --refresh", "yum": "_locked yum -q -y makecache", "apk": "_locked apk update",
}

// packageNotes notes, before anything changes, what undo has to know besides: once, as a
// step that is made again would see what the first one has done.
var packageNotes = map[string]string{
	"apt": noteOnce + `_note auto apt-mark showauto
_note known dpkg-query -W -f '${Package}\n'
`,
	// It takes a second, and only what goes may come back.
	"dnf": noteOnce + `! printf '%s\n' "$_now" | grep -q '^move [^|]*|[^|]' || _note auto dnf -q repoquery --installed --qf '%{name} %{reason}'
`,
}

const noteOnce = `_note() { [ -e "$_notes.$1" ] || { _as=$_notes.$1; shift; "$@" >"$_as.new"; mv -f "$_as.new" "$_as"; }; }
`

// undo takes back what the notes say, as far as it is still like that.
func (p *packages) undo(manager string) string {
	remove := map[string]string{
		"apt": "_locked _apt remove", "apk": "_locked apk del",
		"dnf": "_locked dnf -y --noautoremove remove", "yum": "_locked yum -y remove",
	}[manager]
	restore := map[string]string{
		"apt": "_locked _apt --allow-downgrades install", "apk": "_locked apk add",
		"dnf": "_locked dnf -y --allowerasing install", "yum": "_locked yum -y install",
	}[manager]
	if p.Purge && manager == "apk" {
		remove += " --purge"
	}
	join := "="
	if manager == "dnf" || manager == "yum" {
		join = "-"
	}
	return locked(manager, p.LockTimeout) + fmt.Sprintf(`_notes=%s
[ -e "$_notes" ] || exit 0
%s_gone='' _back='' _again=''
while IFS='|' read -r _n _from _to; do
  case " $_gone $_again " in *" $_n "*) continue ;; esac
  _is=$(_installed "$_n" </dev/null | sed -n '1s/.* //p')
  if [ -n "$_from" ]; then [ "$_is" = "$_from" ] || { _back="$_back $_n%s$_from"; _again="$_again $_n"; }
  elif [ "$_is" = "$_to" ]; then _gone="$_gone $_n"; fi
done <"$_notes"
if [ -n "$_gone" ]; then
  for _n in $(_would remove $_gone | sed -n 's/^move \([^|]*\)|.*/\1/p'); do
    case " $_gone " in *" $_n "*) ;; *) echo "$_n is still needed, and needs what was installed" >&2; exit 1 ;; esac
  done
  %s $_gone
fi
[ -z "$_back" ] || %s $_back
%s%srm -f "$_notes" "$_notes.auto" "$_notes.known"
`+leaveUndoDir, machine.Quote(p.notes()), packageRepair[manager], join, remove, restore, packageMarks[manager], p.purges(manager))
}

// packageMarks marks what came back as it was marked: what a package manager is asked to
// install counts as wanted, and would not go with what has needed it.
var packageMarks = map[string]string{
	"apt": `for _n in $_again; do
  ! grep -qxF -- "$_n" "$_notes.auto" 2>/dev/null || apt-mark auto "$_n" >/dev/null
done
`,
	"dnf": `for _n in $_again; do
  ! grep -qxE -- "$_n (weak-)?dependency" "$_notes.auto" 2>/dev/null || dnf -q mark remove "$_n" >/dev/null 2>&1 || dnf -q mark dependency "$_n" >/dev/null
done
`,
}

// purges removes the configuration of what has come and is gone again. What apt knew of
// before, it does not touch.
func (p *packages) purges(manager string) string {
	if manager != "apt" {
		return ""
	}
	pure := `_pure() { :; }
`
	if !p.Purge {
		// What debhelper has written into the script of a package does away with what was
		// done for it when it was installed, and nothing else.
		pure = `_pure() {
  _script=/var/lib/dpkg/info/$1.postrm
  [ ! -e "$_script" ] || ! sed '/^# Automatically added by/,/^# End automatically added/d' "$_script" | grep -q purge || return 1
  dpkg-query -W -f '${Conffiles}\n' "$1" | while read -r _f _sum _; do
    [ -z "$_f" ] || [ ! -e "$_f" ] || [ "$(md5sum <"$_f")" = "$_sum  -" ] || exit 1
  done
}
`
	}
	return pure + `_purge=''
_came=$(sed -n 's/^\([^|]*\)||.*/\1/p' "$_notes")
for _n in $([ -z "$_came" ] || _left $_came); do
  grep -qxF -- "$_n" "$_notes.known" || ! _pure "$_n" || _purge="$_purge $_n"
done
[ -z "$_purge" ] || _locked dpkg --purge $_purge
`
}
