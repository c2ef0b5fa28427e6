package fact

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// User is an account by name. Its value is a UserState.
var User = &Kind{Name: "users", Script: userScript, Parse: parseUsers}

// UserState is what is known of an account.
type UserState struct {
	Exists  bool
	UID     int
	Group   string   // the primary one: its name, or its number where it has none
	GID     int      // its number
	Groups  []string // the others, sorted
	Comment string
	Home    string
	Shell   string
	// Password is its hash, as /etc/shadow has it; "" when it may not be read.
	Password string
	HasHome  bool   // the directory is there
	Tool     string // what changes accounts: "shadow" (useradd), "busybox" (adduser), or "none"
}

// Group is a group by name. Its value is a GroupState.
var Group = &Kind{Name: "groups", Script: groupScript, Parse: parseGroups}

// GroupState is what is known of a group.
type GroupState struct {
	Exists  bool
	GID     int
	Members []string // sorted; those whose primary group it is do not count
	Tool    string
}

const findAccounts = `if command -v useradd >/dev/null 2>&1; then echo tool shadow
elif command -v adduser >/dev/null 2>&1; then echo tool busybox
else echo tool none; fi
sed -n 's/^[^#]/group &/p' /etc/group
`

// grepNames prints the lines of a file, in the manner of /etc/passwd, about names.
func grepNames(file, label string, names []string) string {
	var b strings.Builder
	b.WriteString("grep")
	for _, name := range names {
		b.WriteString(" -e " + machine.Quote("^"+strings.ReplaceAll(name, ".", `\.`)+":"))
	}
	return b.String() + " " + file + " 2>/dev/null | sed 's/^/" + label + " /'\n"
}

// Names that are not in the files may come from a directory service.
func userScript(args []string) string {
	return findAccounts + grepNames("/etc/passwd", "user", args) + `if command -v getent >/dev/null 2>&1; then
  for _n in` + quoted(args) + `; do grep -q "^$_n:" /etc/passwd || getent passwd "$_n" | sed 's/^/user /'; done
fi
` + grepNames("/etc/shadow", "shadow", args) + `for _n in` + quoted(args) + `; do
  _h=$({ grep "^$_n:" /etc/passwd || getent passwd "$_n"; } 2>/dev/null | cut -d : -f 6)
  [ -z "$_h" ] || [ ! -d "$_h" ] || echo "home $_n"
done
`
}

func groupScript([]string) string { return findAccounts }

// accounts are the lines of the scripts, by their first word and the name.
type accounts struct {
	tool   string
	lines  map[string]map[string][]string
	groups []string // in the order of the file
}

func readAccounts(text string) accounts {
	a := accounts{lines: map[string]map[string][]string{"user": {}, "group": {}, "shadow": {}, "home": {}}}
	for line := range strings.Lines(text) {
		label, rest, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		if label == "tool" {
			a.tool = rest
		}
		fields := strings.Split(rest, ":")
		if m := a.lines[label]; m != nil && m[fields[0]] == nil {
			m[fields[0]] = fields
			if label == "group" {
				a.groups = append(a.groups, fields[0])
			}
		}
	}
	return a
}

func members(group []string) []string {
	if len(group) < 4 || group[3] == "" {
		return nil
	}
	all := strings.Split(group[3], ",")
	slices.Sort(all)
	return slices.Compact(all)
}

func parseUsers(args []string, text string) ([]any, error) {
	a := readAccounts(text)
	byID := map[string]string{}
	of := map[string][]string{}
	for _, name := range a.groups {
		g := a.lines["group"][name]
		if len(g) > 2 && byID[g[2]] == "" {
			byID[g[2]] = name
		}
		for _, member := range members(g) {
			of[member] = append(of[member], name)
		}
	}
	values := make([]any, len(args))
	for i, name := range args {
		s := UserState{Tool: a.tool}
		f := a.lines["user"][name]
		if f == nil {
			values[i] = s
			continue
		}
		if len(f) < 7 {
			return nil, fmt.Errorf("%s: unexpected line %.100q", name, strings.Join(f, ":"))
		}
		uid, err := strconv.Atoi(f[2])
		if err != nil {
			return nil, fmt.Errorf("%s: unexpected number %.20q", name, f[2])
		}
		s.Exists, s.UID, s.Group, s.Comment, s.Home, s.Shell = true, uid, byID[f[3]], f[4], f[5], f[6]
		if s.Group == "" {
			s.Group = f[3]
		}
		s.GID, _ = strconv.Atoi(f[3])
		for _, g := range of[name] {
			if g != s.Group {
				s.Groups = append(s.Groups, g)
			}
		}
		slices.Sort(s.Groups)
		if shadow := a.lines["shadow"][name]; len(shadow) > 1 {
			s.Password = shadow[1]
		}
		s.HasHome = a.lines["home"][name] != nil
		values[i] = s
	}
	return values, nil
}

func parseGroups(args []string, text string) ([]any, error) {
	a := readAccounts(text)
	values := make([]any, len(args))
	for i, name := range args {
		s := GroupState{Tool: a.tool}
		if f := a.lines["group"][name]; len(f) > 2 {
			gid, err := strconv.Atoi(f[2])
			if err != nil {
				return nil, fmt.Errorf("%s: unexpected number %.20q", name, f[2])
			}
			s.Exists, s.GID, s.Members = true, gid, members(f)
		}
		values[i] = s
	}
	return values, nil
}
