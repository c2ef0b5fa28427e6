package op

import (
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def package(target, name, state = "present", update_cache = None, recommends = True, purge = False, lock_timeout = "5m"):
    """Makes packages be installed, or not, with apt, dnf, yum or apk.

    All packages of one call are installed together. Nothing is asked; configuration
    files that were edited are kept. While another program has the package database,
    it is waited for; an installation that was interrupted is completed first.

    The difference lists all packages that come, change and go, with their versions,
    as the package manager has simulated it. Where the package lists have to be
    fetched first, check mode knows the names only.

    Undo removes what came, with its dependencies, and brings back former versions as
    long as the repository has them. It refuses to remove what other packages have come
    to depend on. Configuration of what came goes as well where nothing can be lost by
    that: apt knew nothing of the package before, nobody has edited its files, and no
    script of the package removes anything by itself. Else it stays, with all data.

    Args:
      target: the machine.
      name: a name or a list of names. "nginx=1.24*" asks for a version that the
        pattern matches.
      state: "present", "latest" (the newest that the lists have) or "absent".
      update_cache: fetch the package lists first when they are older than this: "1h".
        "0s" always does. None: when there are none, or a package is not in them.
      purge: configuration and data go with the packages, whatever has become of them: with
        state "absent", and when undo takes back an installation. Undo brings back none of
        it. (rpm knows no such thing: it keeps edited files under other names.)
      recommends: apt also installs what packages recommend.
      lock_timeout: how long to wait for another program that installs something.
    Returns:
      The struct of operations.
    Errors:
      invalid for a name that is none; failed when there is no such package,
      or the machine has no package manager that is known.
    Example:
      op.package(web, ["nginx", "certbot"], update_cache = "1h", _sudo = True)
      op.package(web, "postgresql-15=15.4*")
      op.package(web, "telnetd", state = "absent", purge = True)
    """`, &packages{}, effect.Exact)

type packages struct {
	operation.Base
	Name        starlark.Value `star:"name"`
	State       string         `star:"state"`
	UpdateCache *time.Duration `star:"update_cache"`
	Recommends  bool           `star:"recommends"`
	Purge       bool           `star:"purge"`
	LockTimeout time.Duration  `star:"lock_timeout,tuning"`

	words []string
}

func (p *packages) Describe() string { return p.On() + ": " + strings.Join(p.named(), " ") }

// named are the packages that are asked for.
func (p *packages) named() []string {
	if p.words == nil {
		p.words, _ = texts("name", p.Name)
	}
	return p.words
}

func (p *packages) Validate() error {
	if err := p.Base.Validate(); err != nil {
		return err
	}
	words, err := texts("name", p.Name)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return fault.New(fault.Invalid, "there is no package to care for")
	}
	for _, word := range words {
		if err := validPackage(word, p.State); err != nil {
			return err
		}
	}
	p.words = words
	return validState(p.State, "present", "latest", "absent")
}

func validPackage(word, state string) error {
	name, pattern := fact.CutVersion(word)
	switch {
	case !madeOf(name, "+._:@-") || strings.ContainsAny(name[:1], "+._:-"):
		return fault.New(fault.Invalid, "%q is no name of a package", word)
	case strings.Contains(word, "=") && (!madeOf(pattern, "+._:~^*?-") || state != "present"):
		return fault.New(fault.Invalid, "%q: a version is for packages that shall be present, and is made of letters, digits and +._:~^-, * and ?", word)
	}
	return nil
}

func (p *packages) demand() fact.Fact {
	state := p.State
	if state == "absent" && p.Purge {
		state = "purged"
	}
	return fact.PackageDemand(state, p.named())
}

func (p *packages) Facts() []fact.Fact { return []fact.Fact{p.demand()} }

func (p *packages) Plan(w *fact.World) (*operation.Change, error) {
	now := fact.Get[fact.PackageState](w, p.demand())
	if now.Manager == "none" {
		return nil, noManager(p.On())
	}
	var open []string
	for _, word := range p.named() {
		if !p.met(w, now, word) {
			open = append(open, word)
		}
	}
	update := p.State != "absent" && p.stale(now)
	if len(open) == 0 && (p.State != "latest" || !update && len(now.Moves) == 0 && now.Problem == "") {
		return nil, nil
	}
	if len(open) > 0 && len(now.Moves) == 0 && now.Problem == "" && !update && !now.Broken {
		return nil, nil // another package provides it
	}
	if now.Problem != "" && !update && !now.Broken {
		return nil, fault.New(fault.Failed, "%s cannot be installed on %s: %s", strings.Join(p.named(), " "), p.On(), now.Problem)
	}
	return p.change(now, update), nil
}

// met reports whether nothing has to be done for one package.
func (p *packages) met(w *fact.World, now fact.PackageState, word string) bool {
	name, pattern := fact.CutVersion(word)
	version := now.Installed[name]
	if planned := fact.PlannedPackage.Of(name); w.Has(planned) {
		version = fact.Get[string](w, planned)
		if p.State != "absent" && version != "" {
			return pattern == "" || version == planning || fact.Meets(version, pattern)
		}
	}
	if p.State == "absent" {
		return version == "" && (!now.Left[name] || w.Has(fact.PlannedPackage.Of(name)))
	}
	return fact.Meets(version, pattern)
}

// planning stands for a version that only the run will know.
const planning = "?"

// stale reports whether the package lists have to be fetched.
func (p *packages) stale(now fact.PackageState) bool {
	if p.UpdateCache == nil {
		return now.Age < 0 && now.Manager == "apt" || now.Problem != ""
	}
	return now.Age < 0 || now.Age > int64(*p.UpdateCache/time.Second)
}

func (p *packages) change(now fact.PackageState, update bool) *operation.Change {
	c := &operation.Change{Kind: effect.Update, Step: p.step(now, update), After: map[fact.Fact]any{fact.PlannedPackage.Of("*"): ""}}
	c.Diff = p.diff(now, update)
	c.Undo = &operation.Step{Script: p.undo(now.Manager)}
	for _, word := range p.named() {
		name, _ := fact.CutVersion(word)
		c.After[fact.PlannedPackage.Of(name)] = map[bool]string{true: "", false: planning}[p.State == "absent"]
		switch {
		case p.State == "absent":
			c.Kind = effect.Delete
		case now.Installed[name] == "" && c.Kind == effect.Update:
			c.Kind = effect.Create
		}
	}
	for _, m := range now.Moves {
		if !update {
			c.After[fact.PlannedPackage.Of(m.Name)] = m.To
		}
	}
	if update {
		c.Did = moved
	}
	return c
}

// moved finds out what a step has changed that had to fetch the package lists first.
func moved(stdout string) (changed bool, diff string) {
	for line := range strings.Lines(stdout) {
		if f := strings.Split(strings.TrimRight(strings.TrimPrefix(line, movedMark), "\n"), "|"); len(f) == 3 && strings.HasPrefix(line, movedMark) {
			diff += movement(fact.Move{Name: f[0], From: f[1], To: f[2]})
		}
	}
	return diff != "", diff
}

func movement(m fact.Move) string {
	return fmt.Sprintf("%s: %s -> %s\n", m.Name, orNone(m.From, "not installed"), orNone(m.To, "removed"))
}

func (p *packages) diff(now fact.PackageState, update bool) string {
	var b strings.Builder
	if len(now.Moves) > 0 && !update {
		for _, m := range now.Moves {
			b.WriteString(movement(m))
		}
		return b.String()
	}
	for _, word := range p.named() {
		name, pattern := fact.CutVersion(word)
		to := map[string]string{"present": orNone(pattern, "the newest version"), "latest": "the newest version", "absent": "removed"}[p.State]
		from := now.Installed[name]
		if p.State == "present" && pattern == "" && from != "" || p.State == "absent" && from == "" {
			continue
		}
		fmt.Fprintf(&b, "%s: %s -> %s\n", name, orNone(from, "not installed"), to)
	}
	if update {
		b.WriteString("the package lists are fetched first\n")
	}
	return b.String()
}

func orNone(text, none string) string {
	if text == "" {
		return none
	}
	return text
}

func noManager(host string) error {
	return fault.New(fault.Failed, "%s has no package manager that is known: apt, dnf, yum or apk", host)
}
