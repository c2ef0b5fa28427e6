package fact

// PackageShell has, for a package manager, the functions with which its packages
// are looked at and changed. The facts and the changes of packages use the same:
//
//	_installed NAME…      lines "NAME ARCH VERSION", of those that are installed
//	_left NAME…           those of which only configuration and data are left
//	_would WHAT WORD…     what install, upgrade, remove or purge would do, as lines
//	                      "move NAME|FROM|TO", where FROM or TO may be empty,
//	                      "left NAME" for what is left of one and goes, and
//	                      "problem TEXT"
//
// Words are names, or names with a version as the manager writes it.
var PackageShell = map[string]string{
	"apt": aptShell, "dnf": rpmShell("dnf"), "yum": rpmShell("yum"), "apk": apkShell,
}

const aptShell = `_installed() {
  dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Architecture} ${Version}\n' "$@" 2>/dev/null | sed -n 's/^[a-z]i  *//p'
}
_left() { dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ config-files$//p'; }
_would() {
  case $1 in remove | purge) ;; *) shift; set -- install "$@" ;; esac
  LC_ALL=C apt-get -s -q -o Debug::NoLocking=1 --allow-downgrades "$@" 2>&1 </dev/null | sed -n \
    -e 's/^Inst \([^ ]*\) \[\([^]]*\)\] (\([^ ]*\) .*/move \1|\2|\3/p' -e 's/^Inst \([^ ]*\) (\([^ ]*\) .*/move \1||\2/p' \
    -e 's/^\(Remv\|Purg\) \([^ ]*\) \[\([^]]*\)\].*/move \2|\3|/p' -e 's/^Purg \([^ ]*\) *$/left \1/p' -e 's/^E: /problem /p'
}
`

// DNFUpgrade is how dnf installs the newest version of packages, which may be there in an
// older one: without --best it is content with that, unless it is configured otherwise.
const DNFUpgrade = "install --best"

// The table of a transaction, which -q would leave out, has a row for each package: one
// space, its name, architecture and version. A row goes on, behind more spaces, where a
// name is long. What stands at the beginning of a line ends what was before. The reason
// of an error may be on the line after it.
func rpmShell(program string) string {
	upgrade := "install"
	if program == "dnf" {
		upgrade = DNFUpgrade
	}
	return `_left() { :; }
_installed() { rpm -q --qf 'is %{NAME} %{ARCH} %{VERSION}-%{RELEASE}\n' "$@" 2>/dev/null | sed -n 's/^is //p'; }
_would() {
  case $1 in upgrade) shift; set -- ` + upgrade + ` "$@" ;; purge) shift; set -- remove "$@" ;; esac
  LC_ALL=C ` + program + ` --assumeno "$@" 2>&1 </dev/null | awk '
    function row() { if (what != "" && n >= 3) print what, w[1], w[3]; n = 0 }
    why { sub(/^ */, ""); print "problem " $0; why = 0; next }
    /^Error: *$/ { row(); why = 1; next }
    /^Unable to detect release version/ { next }
    /^(Error|No match|Unable|Cannot)/ { print "problem " $0; next }
    /^(Installing|Upgrading|Updating|Downgrading|Reinstalling|Removing)/ { row(); what = $1; next }
    /^[^ ]/ { row(); what = ""; next }
    what == "" || / replacing / { next }
    /^ [^ ]/ { row() }
    { for (i = 1; i <= NF; i++) w[++n] = $i }
    END { row() }' | while read -r _what _n _to; do
    [ "$_what" != problem ] || { echo "problem $_n $_to"; continue; }
    _to=${_to#*:} _from=$(_installed "$_n" | sed -n '1s/.* //p')
    case $_what in Removing*) echo "move $_n|$_to|" ;; *) echo "move $_n|$_from|$_to" ;; esac
  done
}
`
}

const apkShell = `_left() { :; }
_installed() {
  awk '/^P:/ { p = substr($0, 3) } /^V:/ { v = substr($0, 3) } /^A:/ { a = substr($0, 3) } /^$/ { print p, a, v }' /lib/apk/db/installed 2>/dev/null |
    while read -r _n _a _v; do for _q in "$@"; do [ "$_q" != "$_n" ] || echo "$_n $_a $_v"; done; done
}
_would() {
  case $1 in install) shift; set -- add "$@" ;; upgrade) shift; set -- add -u "$@" ;; remove) shift; set -- del "$@" ;; purge) shift; set -- del --purge "$@" ;; esac
  apk "$@" -s --no-progress 2>&1 </dev/null | sed -n \
    -e 's/^([0-9/]*) Installing \([^ ]*\) (\([^ ]*\)).*/move \1||\2/p' -e 's/^([0-9/]*) Purging \([^ ]*\) (\([^ ]*\)).*/move \1|\2|/p' \
    -e 's/^([0-9/]*) [UD][a-z]* \([^ ]*\) (\([^ ]*\) -> \([^ ]*\)).*/move \1|\2|\3/p' -e 's/^ERROR: /problem /p'
}
`

// findManager sets _pm.
const findManager = `_pm=none
for _c in apt-get dnf yum apk; do if command -v $_c >/dev/null 2>&1; then _pm=${_c%-get}; break; fi; done
`
