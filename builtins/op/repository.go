package op

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def repository(target, name, url = None, suites = [], components = [], architectures = [], key = None, trusted = False, state = "present", update = True):
    """Makes a repository of packages be known to the package manager.

    For apt it is a file NAME.sources in /etc/apt/sources.list.d, with its key in
    /etc/apt/keyrings; for dnf and yum a file in /etc/yum.repos.d, with its key in
    /etc/pki/rpm-gpg; for apk a line in /etc/apk/repositories, with its key in
    /etc/apk/keys.

    Args:
      target: the machine.
      name: of the repository: letters, digits, _ and -. For apk it is the name of the
        key.
      url: where it is.
      suites: of apt: ["bookworm"]. A suite that ends with / needs no components.
      components: of apt: ["main"].
      architectures: of apt: only these.
      key: with which it is signed: text or bytes.
      trusted: take packages without a signature. Anybody in between can change them.
      state: "present" or "absent".
      update: fetch its package list afterwards.
    Returns:
      The struct of operations.
    Errors:
      invalid for arguments that do not go together; failed when the machine has no
      package manager that is known, or the list cannot be fetched.
    Example:
      op.repository(
          web, "nginx", "https://nginx.org/packages/debian", ["bookworm"], ["nginx"],
          key = http.get("https://nginx.org/keys/nginx_signing.key").body,
      )
    """`, &repository{}, effect.Exact)

type repository struct {
	operation.Base
	Name          string   `star:"name"`
	URL           string   `star:"url"`
	Suites        []string `star:"suites"`
	Components    []string `star:"components"`
	Architectures []string `star:"architectures"`
	Key           *[]byte  `star:"key"`
	Trusted       bool     `star:"trusted"`
	State         string   `star:"state"`
	Update        bool     `star:"update"`
}

func (r *repository) Describe() string { return r.On() + ": " + r.Name }

func (r *repository) Validate() error {
	if err := r.Base.Validate(); err != nil {
		return err
	}
	if !madeOf(r.Name, "_-") {
		return fault.New(fault.Invalid, "%q is no name of a repository: letters, digits, _ and - only", r.Name)
	}
	if err := validState(r.State, "present", "absent"); err != nil {
		return err
	}
	if r.State == "present" && r.URL == "" {
		return fault.New(fault.Invalid, "the repository %s needs a url", r.Name)
	}
	for _, word := range append(append(append([]string{r.URL}, r.Suites...), r.Components...), r.Architectures...) {
		if strings.ContainsAny(word, " \t\n\x00") {
			return fault.New(fault.Invalid, "%q has a space or a line break in it", word)
		}
	}
	return nil
}

// The paths of the files, by package manager.
func (r *repository) sources() string { return "/etc/apt/sources.list.d/" + r.Name + ".sources" }
func (r *repository) repo() string    { return "/etc/yum.repos.d/" + r.Name + ".repo" }

const apkRepositories = "/etc/apk/repositories"

// key is the path of the key. apt tells by the name whether it is text.
func (r *repository) key(manager string) string {
	switch manager {
	case "apk":
		return "/etc/apk/keys/" + r.Name + ".rsa.pub"
	case "apt":
		if r.Key != nil && bytes.HasPrefix(*r.Key, []byte("-----BEGIN")) {
			return "/etc/apt/keyrings/" + r.Name + ".asc"
		}
		return "/etc/apt/keyrings/" + r.Name + ".gpg"
	}
	return "/etc/pki/rpm-gpg/RPM-GPG-KEY-" + r.Name
}

func (r *repository) Facts() []fact.Fact {
	facts := []fact.Fact{fact.Manager.Of("")}
	for _, path := range []string{
		r.sources(), "/etc/apt/keyrings/" + r.Name + ".asc", "/etc/apt/keyrings/" + r.Name + ".gpg",
		r.repo(), r.key("dnf"), apkRepositories, r.key("apk"),
	} {
		facts = append(facts, fact.Content.Of(path))
	}
	return facts
}

func (r *repository) Plan(w *fact.World) (*operation.Change, error) {
	manager := fact.Get[string](w, fact.Manager.Of(""))
	if manager == "none" {
		return nil, noManager(r.On())
	}
	var f files
	switch {
	case r.State == "absent":
		r.removed(w, &f, manager)
	default:
		if err := r.fits(manager); err != nil {
			return nil, err
		}
		r.made(w, &f, manager)
	}
	c := f.change(r.State == "absent")
	if c == nil {
		return nil, nil
	}
	dirs := map[string]string{"apt": "/etc/apt/keyrings /etc/apt/sources.list.d", "apk": "/etc/apk/keys"}[manager]
	c.Script = "mkdir -p " + orNone(dirs, "/etc/pki/rpm-gpg /etc/yum.repos.d") + "\n" + c.Script
	if r.Update && r.State == "present" {
		c.Script += locked(manager, maxListWait) + r.fetch(manager)
	}
	return c, nil
}

// fits refuses what a package manager cannot do.
func (r *repository) fits(manager string) error {
	switch {
	case manager == "apt" && len(r.Suites) == 0:
		return fault.New(fault.Invalid, "%s has apt, where the repository %s needs suites", r.On(), r.Name)
	case manager == "apk" && r.Trusted:
		return fault.New(fault.Invalid, "apk trusts no single repository without a key").WithHint("give the key")
	case r.Key == nil && !r.Trusted && manager != "apk":
		return fault.New(fault.Invalid, "the repository %s has no key", r.Name).
			WithHint("give the key that it is signed with, or trusted = True if everybody on the way to it is trusted")
	}
	return nil
}

func (r *repository) made(w *fact.World, f *files, manager string) {
	if r.Key != nil {
		f.set(w, r.key(manager), *r.Key)
	}
	switch manager {
	case "apt":
		f.set(w, r.sources(), []byte(r.deb822()))
	case "apk":
		f.set(w, apkRepositories, []byte(r.inLines(string(fact.Get[fact.FileState](w, fact.Content.Of(apkRepositories)).Content))))
	default:
		f.set(w, r.repo(), []byte(r.ini(manager)))
	}
}

func (r *repository) removed(w *fact.World, f *files, manager string) {
	switch manager {
	case "apt":
		f.remove(w, r.sources())
		f.remove(w, "/etc/apt/keyrings/"+r.Name+".asc")
		f.remove(w, "/etc/apt/keyrings/"+r.Name+".gpg")
	case "apk":
		now := fact.Get[fact.FileState](w, fact.Content.Of(apkRepositories))
		if now.Exists() {
			f.set(w, apkRepositories, []byte(r.inLines(string(now.Content))))
		}
		f.remove(w, r.key("apk"))
	default:
		f.remove(w, r.repo())
		f.remove(w, r.key(manager))
	}
}

// deb822 is the file of apt.
func (r *repository) deb822() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Types: deb\nURIs: %s\nSuites: %s\n", r.URL, strings.Join(r.Suites, " "))
	if len(r.Components) > 0 {
		fmt.Fprintf(&b, "Components: %s\n", strings.Join(r.Components, " "))
	}
	if len(r.Architectures) > 0 {
		fmt.Fprintf(&b, "Architectures: %s\n", strings.Join(r.Architectures, " "))
	}
	if r.Key != nil {
		fmt.Fprintf(&b, "Signed-By: %s\n", r.key("apt"))
	}
	if r.Trusted {
		b.WriteString("Trusted: yes\n")
	}
	return b.String()
}

// ini is the file of dnf and yum.
func (r *repository) ini(manager string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[%s]\nname=%[1]s\nbaseurl=%s\nenabled=1\n", r.Name, r.URL)
	if r.Key != nil {
		fmt.Fprintf(&b, "gpgcheck=1\ngpgkey=file://%s\n", r.key(manager))
	} else {
		b.WriteString("gpgcheck=0\n")
	}
	return b.String()
}

// inLines puts the line of the repository into the file of apk, or takes it out: it is
// the one after a comment with the name.
func (r *repository) inLines(text string) string {
	mark := "# " + r.Name
	var lines []string
	skip, done := false, r.State == "absent"
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == mark:
			skip = true
			if !done {
				lines, done = append(lines, mark, r.URL), true
			}
		case skip:
			skip = false
		default:
			lines = append(lines, line)
		}
	}
	if !done {
		lines = append(lines, mark, r.URL)
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// fetch reads the package list of this repository alone, where that can be done.
func (r *repository) fetch(manager string) string {
	switch manager {
	case "apt":
		return "_locked apt-get -q update -o Dir::Etc::sourcelist=" + machine.Quote(r.sources()) +
			" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any\n"
	case "apk":
		return "_locked apk update\n"
	case "dnf":
		return "_locked dnf -q -y --disablerepo='*' --enablerepo=" + machine.Quote(r.Name) + " makecache\n"
	}
	return "_locked yum -q -y --disablerepo='*' --enablerepo=" + machine.Quote(r.Name) + " makecache\n"
}
