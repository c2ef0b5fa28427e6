package inspect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// Systems are the words for operating systems that facts know: the ID of os-release.
var Systems = []string{
	"almalinux", "alpine", "amzn", "arch", "centos", "debian", "fedora", "gentoo", "ol", "opensuse-leap", "opensuse-tumbleweed",
	"raspbian", "rhel", "rocky", "sles", "ubuntu", "void",
}

// Architectures are the words for processors that facts know: what uname -m says.
var Architectures = []string{"aarch64", "armv6l", "armv7l", "i686", "ppc64le", "riscv64", "s390x", "x86_64"}

// lookAtRequirements looks whether there is what the taskserv requires, and whether all
// of it can be on one server.
func (i *inspection) lookAtRequirements() {
	r := i.recipe
	if r == nil {
		return
	}
	i.words()
	for _, l := range []struct {
		argument string
		needs    []recipe.Need
	}{{"requires", r.Requires}, {"after", r.After}, {"conflicts", r.Conflicts}} {
		for n, need := range l.needs {
			i.lookAtNeed(fmt.Sprintf("%s[%d]", l.argument, n), l.argument == "requires", need)
		}
	}
	for n, name := range r.Suggests {
		if _, err := i.tools.Find.Recipe(name); fault.Is(err, fault.NotFound) {
			i.warn(dependencies, i.declared(fmt.Sprintf("suggests[%d]", n), err.Error(), ""))
		}
	}
	i.together()
}

func (i *inspection) words() {
	for n, text := range i.recipe.Texts("supported_os") {
		if !slices.ContainsFunc(Systems, func(os string) bool { return text == os || strings.HasPrefix(text, os+"-") }) {
			name := text
			if n := strings.LastIndex(text, "-"); n > 0 && strings.ContainsAny(text[n:], "0123456789") {
				name = text[:n]
			}
			i.wrong(dependencies, i.declared(fmt.Sprintf("supported_os[%d]", n), fmt.Sprintf("there is no operating system %q%s", text, near(name, Systems)), "it is NAME or NAME-VERSION; names are "+strings.Join(Systems, ", ")))
		}
	}
	for n, text := range i.recipe.Texts("arch") {
		if !slices.Contains(Architectures, text) {
			i.wrong(dependencies, i.declared(fmt.Sprintf("arch[%d]", n), fmt.Sprintf("there is no architecture %q%s", text, near(text, Architectures)), "it is what uname -m says: "+strings.Join(Architectures, ", ")))
		}
	}
}

// lookAtNeed looks at one thing that is required, or come after, or not borne.
func (i *inspection) lookAtNeed(argument string, required bool, need recipe.Need) {
	found := i.candidates(need)
	if len(found) == 0 {
		_, err := i.tools.Find.Recipe(need.Name)
		message, hint := fmt.Sprintf("there is no taskserv %q", need.Name), ""
		if e := fault.As(err); e != nil {
			message, hint = e.Msg, e.Hint
		}
		p := i.declared(argument, message, hint)
		if required {
			i.wrong(dependencies, p)
		} else {
			i.warn(dependencies, p) // it does no harm
		}
		return
	}
	if !required {
		return
	}
	for _, c := range i.recipe.Conflicts {
		if found[0].Meets(c) {
			i.wrong(dependencies, i.declared(argument, fmt.Sprintf("%s requires %s, and conflicts with it", i.recipe.Name, need.Name), "it is in requires and in conflicts"))
		}
	}
	if need.Version == "" || len(found) > 1 || found[0].DefaultVersion == "" {
		return
	}
	if ok, err := recipe.Satisfies(found[0].DefaultVersion, need.Version); err == nil && !ok {
		i.warn(dependencies, i.declared(argument, fmt.Sprintf("%s installs version %s by default, which is not %s", found[0].Name, found[0].DefaultVersion, need.Version), ""))
	}
}

// candidates are the recipes that meet a need.
func (i *inspection) candidates(need recipe.Need) []*recipe.Recipe {
	names := i.tools.Find.Providers(need.Name)
	var found []*recipe.Recipe
	if r, err := i.tools.Find.Recipe(need.Name); err == nil {
		return append(found, r)
	}
	for _, name := range names {
		if r, err := i.tools.Find.Recipe(name); err == nil {
			found = append(found, r)
		}
	}
	return found
}

// together looks at the taskserv with all that it requires: whether they require each
// other in a circle, and whether they bear each other. Of several that would do, the
// first one is taken.
func (i *inspection) together() {
	all := []*recipe.Recipe{i.recipe}
	first := map[string]int{} // which requirement of ours has brought a recipe
	for n := 0; n < len(all); n++ {
		for k, need := range all[n].Requires {
			if slices.ContainsFunc(all, func(r *recipe.Recipe) bool { return r.Meets(need) }) {
				continue
			}
			found := i.candidates(need)
			if len(found) == 0 {
				continue // said above, or of the other one
			}
			all = append(all, found[0])
			first[found[0].Name] = k
			if n > 0 {
				first[found[0].Name] = first[all[n].Name]
			}
		}
	}
	if _, err := recipe.Order(all); err != nil {
		i.wrong(dependencies, i.declared(fmt.Sprintf("requires[%d]", i.towards(err.Error(), first)), err.Error(), "one of them has to do without the other, or say after instead of requires"))
	}
	for n, a := range all {
		for _, b := range all[n+1:] {
			if a == i.recipe && slices.ContainsFunc(a.Conflicts, b.Meets) && slices.ContainsFunc(a.Requires, b.Meets) {
				continue // said above
			}
			if err := recipe.Conflict([]*recipe.Recipe{a, b}); err != nil {
				i.wrong(dependencies, i.declared(fmt.Sprintf("requires[%d]", first[b.Name]), err.Error(), fault.As(err).Hint))
			}
		}
	}
}

// towards is which requirement of ours leads to a circle.
func (i *inspection) towards(circle string, first map[string]int) int {
	_, names, _ := strings.Cut(circle, ": ")
	for name := range strings.SplitSeq(names, " -> ") {
		if k, ok := first[name]; ok {
			return k
		}
	}
	return 0
}
