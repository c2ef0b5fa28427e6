package machine

import (
	"fmt"
	"path"
)

// Private is a script that makes a directory which only its user can enter, unless it
// is there, and goes into it. It ends the script when that directory cannot be trusted.
//
// Things that are put together in a directory of somebody else are put together there:
// whoever owns the directory around it can give its name to something else at any
// moment, such as a link to /etc, but what was gone into stays the same, and nobody
// else reaches what is in it. So what follows names things relative to where it is:
// "./x" is in the private directory, and "../x" beside it, wherever names lead by then.
//
// Not $PWD, but -ef tells whether this is the directory with that name, and no link to
// another one: some shells compute $PWD from names.
func Private(dir string) string {
	return fmt.Sprintf(`_q=%s _n=%s _new=
[ -d %[3]s ] || { echo %[3]s": No such file or directory" >&2; exit 1; }
cd -P %[3]s 2>/dev/null || { echo %[3]s": Permission denied" >&2; exit 1; }
if (umask 077; mkdir "./$_n") 2>/dev/null; then _new=1; elif [ ! -d "./$_n" ]; then (umask 077; mkdir "$_q") || exit 1; _new=1; fi
cd -P "./$_n" || exit 1
if [ -L "../$_n" ] || [ ! . -ef "../$_n" ] || [ ! -O . ]; then echo "$_q: Permission denied: it belongs to somebody else" >&2; exit 1; fi
if [ "$_new" ]; then chmod 700 . || exit 1; fi
case $(stat -c %%a .) in *[2367]?|*[2367]) echo "$_q: Permission denied: others can write in it" >&2; exit 1;; esac
`, Quote(dir), Quote(path.Base(dir)), Quote(path.Dir(dir)))
}
