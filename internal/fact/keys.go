package fact

import (
	"fmt"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// AuthorizedKeys is what lets a user in by SSH. Its argument is the name of the
// user, its value a KeysState.
var AuthorizedKeys = &Kind{Name: "authorized keys", Script: keysScript, Parse: parseKeys}

// KeysState is the directory .ssh of a user, and the file authorized_keys in it.
type KeysState struct {
	Home     string // of the user; "" when there is no such user
	UID, GID string
	Place    FileState // the home directory
	Dir      FileState
	File     FileState
}

// Paths are those of Dir and File.
func (k KeysState) Paths() (dir, file string) {
	return strings.TrimSuffix(k.Home, "/") + "/.ssh", strings.TrimSuffix(k.Home, "/") + "/.ssh/authorized_keys"
}

// Users are looked up where the machine keeps them: in a directory service too,
// when there is getent. The function prints a line of the form of /etc/passwd, or
// an empty one.
const userFunction = `_user() {
_e=$(getent passwd "$1" 2>/dev/null || while IFS= read -r _l; do case $_l in "$1":*) printf '%s\n' "$_l"; break ;; esac; done </etc/passwd)
printf '%s\n' "$_e"
_h=${_e%:*} _h=${_h##*:}
}
`

func keysScript(args []string) string {
	var b strings.Builder
	b.WriteString(fileFunction + userFunction + "set --\n")
	for _, user := range args {
		fmt.Fprintf(&b, "_user %s\n[ -z \"$_e\" ] || set -- \"$@\" \"$_h\" \"${_h%%/}/.ssh\" \"${_h%%/}/.ssh/authorized_keys\"\n", machine.Quote(user))
	}
	fmt.Fprintf(&b, "_files %d \"$@\"\n", MaxContent+1)
	return b.String()
}

func parseKeys(args []string, text string) ([]any, error) {
	users := make([]KeysState, len(args))
	var paths []string
	for i := range args {
		line, rest, ok := strings.Cut(text, "\n")
		if !ok {
			return nil, errBroken
		}
		text = rest
		w := strings.Split(line, ":")
		if len(w) < 7 {
			continue
		}
		users[i].UID, users[i].GID, users[i].Home = w[2], w[3], w[5]
		dir, file := users[i].Paths()
		paths = append(paths, w[5], dir, file)
	}
	states, err := parseStates(paths, text)
	if err != nil {
		return nil, err
	}
	values := make([]any, len(args))
	for i, u := range users {
		if u.Home != "" {
			dir, file := u.Paths()
			u.Place, u.Dir, u.File = states[u.Home], states[dir], states[file]
		}
		values[i] = u
	}
	return values, nil
}
