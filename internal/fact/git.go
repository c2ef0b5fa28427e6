package fact

import (
	"fmt"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Git is a working tree. Its argument is the path of the directory, its value a
// GitState.
var Git = &Kind{Name: "working trees", Script: gitScript, Parse: parseGit}

// GitState is what is checked out in a directory.
type GitState struct {
	Commit string // "" when it is no working tree, or has no commit
	Branch string // "" when none is checked out
	Remote string // URL of origin
	Dirty  bool   // files that git knows were changed
}

func gitScript(args []string) string {
	var b strings.Builder
	b.WriteString(`_git() {
if [ ! -e "$1/.git" ]; then printf '\n\n\n\n'; return; fi
git -C "$1" rev-parse -q --verify HEAD || echo
git -C "$1" symbolic-ref -q --short HEAD || echo
git -C "$1" config remote.origin.url || echo
[ -z "$(git -C "$1" status --porcelain --untracked-files=no)" ] || printf dirty
echo
}
`)
	for _, path := range args {
		b.WriteString("_git " + machine.Quote(path) + "\n")
	}
	return b.String()
}

func parseGit(args []string, text string) ([]any, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4*len(args)+1 {
		return nil, errBroken
	}
	values := make([]any, len(args))
	for i := range args {
		l := lines[4*i:]
		values[i] = GitState{Commit: l[0], Branch: l[1], Remote: l[2], Dirty: l[3] != ""}
	}
	return values, nil
}

// GitRemote is what a ref of a repository stands for. Its argument is a
// GitRef, its value a GitTarget. The question may have a password in it.
var GitRemote = &Kind{Name: "remote repositories", Script: gitRemoteScript, Parse: parseGitRemote, Hidden: true}

// GitTarget is what a ref stands for.
type GitTarget struct {
	Commit string // "" when there is no such ref
	Name   string // full: "refs/heads/main"
	Error  string // what git says when it cannot ask
}

// GitRef is the argument of GitRemote. header is an HTTP header for the
// repository, such as one with a password; it may be empty.
func GitRef(url, ref, header string) string { return url + "\n" + ref + "\n" + header }

// GitHeader makes git send a header to a repository, where nobody on the machine
// sees it.
func GitHeader(url, header string) string {
	if header == "" {
		return ""
	}
	return fmt.Sprintf("export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=%s GIT_CONFIG_VALUE_0=%s\n",
		machine.Quote("http."+url+".extraHeader"), machine.Quote(header))
}

func gitRemoteScript(args []string) string {
	var b strings.Builder
	for _, arg := range args {
		w := strings.SplitN(arg, "\n", 3)
		fmt.Fprintf(&b, `(
%sexport GIT_TERMINAL_PROMPT=0 GIT_SSH_COMMAND="${GIT_SSH_COMMAND:-ssh -o BatchMode=yes}"
git ls-remote --symref -- %s %s %s 2>&1
echo "code $?"
)
`, GitHeader(w[0], w[2]), machine.Quote(w[0]), machine.Quote(w[1]), machine.Quote(w[1]+"^{}"))
	}
	return b.String()
}

func parseGitRemote(args []string, text string) ([]any, error) {
	values := make([]any, len(args))
	for i, arg := range args {
		part, rest, ok := strings.Cut(text, "code ")
		if !ok {
			return nil, errBroken
		}
		code, rest, ok := strings.Cut(rest, "\n")
		if !ok {
			return nil, errBroken
		}
		text = rest
		if code != "0" {
			values[i] = GitTarget{Error: strings.TrimSpace(part)}
			continue
		}
		values[i] = refOf(part, strings.Split(arg, "\n")[1])
	}
	return values, nil
}

// refOf chooses as git does where a name stands for several: a tag before a branch.
// The commit of a tag that is an object of its own has a line with ^{}.
func refOf(text, ref string) GitTarget {
	found, head := map[string]string{}, ""
	for line := range strings.Lines(text) {
		commit, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if to, symbolic := strings.CutPrefix(commit, "ref: "); ok && symbolic {
			head = to
		} else if ok {
			found[name] = commit
		}
	}
	if ref == "HEAD" && head != "" {
		return GitTarget{Commit: found[ref], Name: head}
	}
	for _, name := range []string{ref, "refs/tags/" + ref, "refs/heads/" + ref} {
		if commit, ok := found[name+"^{}"]; ok {
			return GitTarget{Commit: commit, Name: name}
		}
		if commit, ok := found[name]; ok {
			return GitTarget{Commit: commit, Name: name}
		}
	}
	return GitTarget{}
}
