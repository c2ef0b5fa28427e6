package op

import (
	"fmt"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// What undo needs and is too large for the journal is kept on the machine itself:
// files by their SHA-256, trees by the sum of their listing. It goes when it was
// brought back, or after 30 days.

// undoDir is the directory of root, for operations that only root can do.
const undoDir = "/var/lib/provisioning/undo"

// keepDir sets _k to the directory, which only its owner can look into.
const keepDir = "_k=" + undoDir + `
[ "$(id -u)" = 0 ] || _k=${HOME:?}/.local/state/provisioning/undo
`

const makeKeepDir = keepDir + `(umask 077; mkdir -p "$_k")
find "$_k" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} + 2>/dev/null || :
`

// leaveKeepDir and leaveUndoDir remove the directory when nothing is in it any more: it may
// be all that is left of what a run has made.
const (
	leaveKeepDir = `rmdir "$_k" 2>/dev/null || :
`
	leaveUndoDir = "rmdir " + undoDir + " 2>/dev/null || :\n"
)

// keepLarge copies a file whose content the facts do not have, for undo. The copy
// has a time of its own, by which it gets old.
func keepLarge(now fact.FileState, file string) string {
	if now.Type != "file" || now.Known || now.Sum == "" {
		return ""
	}
	return makeKeepDir + fmt.Sprintf(`_c="$_k"/%s
if [ ! -e "$_c" ] && [ -f %s ]; then
  (umask 077; cat %[2]s >"$_c.new")
  [ "$(sha256sum <"$_c.new")" = '%[1]s  -' ] || { rm -f "$_c.new"; echo %[3]s >&2; exit %[4]d; }
  mv -f "$_c.new" "$_c"
fi
`, now.Sum, machine.Quote(file), machine.Quote(file+" has been changed meanwhile"), operation.Moved)
}

// restoredLarge brings a file back that keepLarge has kept.
func restoredLarge(file string, now fact.FileState) string {
	copied := placing(file, now, true, "")
	copied = strings.Replace(copied, "cat >&3", `cat "$_c" >&3`, 1)
	return keepDir + fmt.Sprintf(`_c="$_k"/%s
if [ -e "$_c" ]; then
%srm -f "$_c"
%[6]selse
  [ "$(sha256sum <%[3]s)" = '%[1]s  -' ] || { echo %[4]s >&2; exit 1; }
%[5]sfi
`, now.Sum, copied, machine.Quote(file), machine.Quote("the copy of "+file+" that was kept for undo is gone"),
		attributes(file, fact.FileState{}, now), leaveKeepDir)
}
