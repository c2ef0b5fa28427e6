package op

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def git(target, repository, path, ref = "HEAD", depth = 0, force = False, update = True):
    """Makes a directory be a working tree of a repository, at a branch, tag or commit.

    It changes only when the commit that ref stands for is another one than the one that
    is checked out. Undo goes back to the commit of the time before, or removes what was
    cloned. Submodules stay empty directories: they are not fetched.

    Args:
      target: the machine. It needs git, and reaches the repository by itself.
      repository: URL of the repository. A user and a password in an https URL are sent as
        a header: they get neither into the configuration of the working tree nor into the
        list of processes.
      path: absolute path of the directory. The one above it has to be there.
      ref: a branch, which is checked out as such, a tag, or all 40 digits of a commit.
      depth: how many commits of the history are fetched; 0: all.
      force: give up changes of files that git knows, and commits that the repository does
        not have. Undo brings the changes back.
      update: go on to the commit that ref stands for now; if not, what was cloned once is
        left alone.

    Returns:
      The struct of operations.

    Errors:
      not_found when there is no such ref, or no git on the machine; network when the
      repository cannot be reached; invalid when there is something at path that is no
      working tree, or when it has changes of its own and force is False.

    Example:
      op.git(web, "https://example.com/app.git", "/srv/app", ref = "v1.2.0", depth = 1)
    """`, &git{}, effect.Exact)

type git struct {
	operation.Base
	Repository string `star:"repository"`
	Path       string `star:"path"`
	Ref        string `star:"ref"`
	Depth      int    `star:"depth"`
	Force      bool   `star:"force"`
	Update     bool   `star:"update"`
}

func (g *git) Describe() string {
	bare, _ := g.remote()
	return g.On() + ": " + g.Path + " of " + bare + " at " + g.Ref
}

func (g *git) Validate() error {
	if err := g.Base.Validate(); err != nil {
		return err
	}
	if err := below(g.Path); err != nil {
		return err
	}
	for what, text := range map[string]string{"repository": g.Repository, "ref": g.Ref} {
		if text == "" || text[0] == '-' || strings.ContainsAny(text, "\n\r\x00") {
			return fault.New(fault.Invalid, "the %s %q is none", what, text)
		}
	}
	if strings.HasPrefix(g.Repository, "ext::") {
		return fault.New(fault.Invalid, "a repository that is a command is not fetched")
	}
	if g.Depth < 0 {
		return fault.New(fault.Invalid, "the depth is negative")
	}
	return nil
}

// remote is the URL without its password, and the header that has the password.
func (g *git) remote() (bare, header string) {
	u, err := url.Parse(g.Repository)
	if err != nil || u.User == nil || u.Scheme != "https" && u.Scheme != "http" {
		return g.Repository, ""
	}
	password, _ := u.User.Password()
	header = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	u.User = nil
	return u.String(), header
}

var wholeCommit = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

func (g *git) Facts() []fact.Fact {
	facts := []fact.Fact{fact.File.Of(g.Path), fact.Git.Of(g.Path)}
	if !wholeCommit.MatchString(g.Ref) {
		bare, header := g.remote()
		facts = append(facts, fact.GitRemote.Of(fact.GitRef(bare, g.Ref, header)))
	}
	return facts
}

func (g *git) Plan(w *fact.World) (*operation.Change, error) {
	there := fact.Get[fact.FileState](w, fact.File.Of(g.Path))
	now := fact.Get[fact.GitState](w, fact.Git.Of(g.Path))
	if there.Planned {
		return nil, unforeseen(g.Path, g.On())
	}
	if there.Exists() && now.Commit == "" {
		return nil, fault.New(fault.Invalid, "%s on %s is there, and is no working tree of git", g.Path, g.On()).
			WithHint("remove it first: op.directory(…, state = \"absent\")")
	}
	if now.Commit != "" && !g.Update {
		return nil, nil
	}
	goal, err := g.goal(w)
	if err != nil {
		return nil, err
	}
	then := fact.GitState{Commit: goal.Commit, Branch: branchOf(goal)}
	then.Remote, _ = g.remote()
	switch {
	case now.Dirty && !g.Force && now.Commit != then.Commit:
		return nil, fault.New(fault.Invalid, "%s on %s has files that were changed", g.Path, g.On()).
			WithHint("force = True gives the changes up")
	case now.Commit == "":
		return g.cloned(goal, then), nil
	case now == then, now.Dirty && !g.Force && now.Commit == then.Commit && now.Branch == then.Branch && now.Remote == then.Remote:
		return nil, nil
	}
	return g.updated(goal, now, then), nil
}

// goal is the commit that ref stands for.
func (g *git) goal(w *fact.World) (fact.GitTarget, error) {
	if wholeCommit.MatchString(g.Ref) {
		return fact.GitTarget{Commit: g.Ref, Name: g.Ref}, nil
	}
	bare, header := g.remote()
	t := fact.Get[fact.GitTarget](w, fact.GitRemote.Of(fact.GitRef(bare, g.Ref, header)))
	switch {
	case strings.Contains(t.Error, "git: ") && strings.Contains(t.Error, "not found"):
		return t, fault.New(fault.NotFound, "there is no git on %s", g.On()).WithHint("op.package(…, \"git\") installs it")
	case t.Error != "":
		return t, fault.New(fault.Network, "git on %s cannot ask %s: %s", g.On(), bare, t.Error)
	case t.Commit == "":
		return t, fault.New(fault.NotFound, "%s has no branch and no tag %q", bare, g.Ref).WithHint("a commit is given with all its 40 digits")
	}
	return t, nil
}

// branchOf is the branch that a goal is; "" when it is none.
func branchOf(goal fact.GitTarget) string {
	if name, ok := strings.CutPrefix(goal.Name, "refs/heads/"); ok {
		return name
	}
	return ""
}

// fetch gets the commit into the repository of the working directory.
func (g *git) fetch(goal fact.GitTarget) string {
	bare, header := g.remote()
	q := machine.Quote
	auth := fact.GitHeader(bare, header) + "export GIT_TERMINAL_PROMPT=0 GIT_SSH_COMMAND=\"${GIT_SSH_COMMAND:-ssh -o BatchMode=yes}\"\n"
	if g.Depth > 0 {
		return auth + fmt.Sprintf("git fetch -q --no-tags --depth %d origin %s\n", g.Depth, q(goal.Name)) + arrived(goal)
	}
	text := auth + "git fetch -q --tags origin '+refs/heads/*:refs/remotes/origin/*'\n"
	if goal.Name == goal.Commit {
		return text + fmt.Sprintf("git cat-file -e %s^{commit} 2>/dev/null || git fetch -q origin %[1]s\n", goal.Commit)
	}
	return text + fmt.Sprintf("git cat-file -e %s^{commit} 2>/dev/null || git fetch -q origin %s\n", goal.Commit, q(goal.Name)) + arrived(goal)
}

// arrived refuses to go on when the ref stands for something else by now.
func arrived(goal fact.GitTarget) string {
	return fmt.Sprintf("git cat-file -e %s^{commit} 2>/dev/null || { echo %s >&2; exit %d; }\n",
		goal.Commit, machine.Quote(goal.Name+" has moved on meanwhile"), operation.Moved)
}

func checkout(s fact.GitState, force bool) string {
	flags := ""
	if force {
		flags = " -f"
	}
	if s.Branch == "" {
		return fmt.Sprintf("git checkout -q%s --detach %s\n", flags, s.Commit)
	}
	return fmt.Sprintf("git checkout -q%s -B %s %s\n", flags, machine.Quote(s.Branch), s.Commit)
}

func (g *git) cloned(goal fact.GitTarget, then fact.GitState) *operation.Change {
	q := machine.Quote
	bare, header := g.remote()
	script := fmt.Sprintf("_d=%s _t=%s\n[ -d %s ] || { echo %s >&2; exit 1; }\n", q(g.Path), q(beside(g.Path)), q(path.Dir(g.Path)), q("there is no directory "+path.Dir(g.Path)))
	script += "if [ ! -e \"$_d\" ]; then\nrm -rf \"$_t\"\ngit -c init.defaultBranch=main init -q \"$_t\"\ncd \"$_t\"\ngit remote add origin " + q(bare) + "\n"
	script += g.fetch(goal) + checkout(then, false) + "cd /\nmv \"$_t\" \"$_d\"\nfi\n"
	undo := fmt.Sprintf("_d=%s\nrm -rf %s\nif [ -e \"$_d\" ]; then\n%srm -rf \"$_d\"\nfi\n", q(g.Path), q(beside(g.Path)), unmoved(then))
	after := known(g.Path, fact.FileState{Type: "directory", Mode: 0o755})
	after[fact.Git.Of(g.Path)] = then
	return &operation.Change{
		Kind: effect.Create, Diff: fmt.Sprintf("%s: %s cloned at %s (%s)\n", g.Path, bare, g.Ref, then.Commit), After: after,
		Step: operation.Step{Script: script, Hidden: header != ""}, Undo: &operation.Step{Script: undo},
	}
}

// unmoved refuses to take back what somebody else has gone on with.
func unmoved(s fact.GitState) string {
	return fmt.Sprintf("[ \"$(git -C \"$_d\" rev-parse -q --verify HEAD)\" = %s ] && [ -z \"$(git -C \"$_d\" status --porcelain --untracked-files=no)\" ] || { echo \"$_d has been changed since, which would be lost\" >&2; exit %d; }\n",
		s.Commit, operation.Moved)
}

func (g *git) updated(goal fact.GitTarget, now, then fact.GitState) *operation.Change {
	bare, header := g.remote()
	script, back := "cd "+machine.Quote(g.Path)+"\n", "cd "+machine.Quote(g.Path)+"\n"
	var diff strings.Builder
	if now.Remote != bare {
		script += setRemote(bare)
		back += setRemote(now.Remote)
		fmt.Fprintf(&diff, "%s: origin %s -> %s\n", g.Path, now.Remote, bare)
	}
	script += g.fetch(goal)
	if now.Dirty {
		script += "_w=$(git -c user.name=provisioning -c user.email=provisioning@localhost stash create)\n[ -z \"$_w\" ] || git update-ref refs/provisioning/undo \"$_w\"\n"
		fmt.Fprintf(&diff, "%s: changed files are given up\n", g.Path)
	}
	if g.Depth == 0 && !g.Force {
		script += fmt.Sprintf("git merge-base --is-ancestor HEAD %s || [ -n \"$(git for-each-ref --count=1 --contains HEAD refs/remotes refs/tags)\" ] || { echo %s >&2; exit 1; }\n",
			then.Commit, machine.Quote(g.Path+" has commits that the repository does not have; force = True gives them up"))
	}
	script += checkout(then, g.Force)
	back += checkout(now, true)
	if now.Dirty {
		back += "git stash apply -q refs/provisioning/undo\n"
	}
	if now.Commit != then.Commit {
		fmt.Fprintf(&diff, "%s: %s -> %s (%s)\n", g.Path, now.Commit, then.Commit, g.Ref)
	}
	if now.Branch != then.Branch {
		fmt.Fprintf(&diff, "%s: branch %q -> %q\n", g.Path, now.Branch, then.Branch)
	}
	return &operation.Change{
		Kind: effect.Update, Diff: diff.String(), After: map[fact.Fact]any{fact.Git.Of(g.Path): then},
		Step: operation.Step{Script: script, Hidden: header != ""}, Undo: &operation.Step{Script: back},
	}
}

func setRemote(url string) string {
	if url == "" {
		return "git remote remove origin\n"
	}
	return "git config remote.origin.url " + machine.Quote(url) + "\ngit config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'\n"
}
