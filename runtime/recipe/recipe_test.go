package recipe

import (
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// needs reads lists such as "a, b >= 1.2".
func needs(t *testing.T, text string) []Need {
	t.Helper()
	var all []Need
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		n, err := NeedOf(starlark.String(word))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

func TestOrder(t *testing.T) {
	one := func(name, requires, after string) *Recipe {
		return &Recipe{Name: name, Requires: needs(t, requires), After: needs(t, after)}
	}
	containerd := one("containerd", "os, oci-runtime", "")
	containerd.Provides = []string{"container-runtime"}
	runc := one("runc", "os", "")
	runc.Provides = []string{"oci-runtime"}
	for _, c := range []struct {
		name    string
		recipes []*Recipe
		want    string // waves; or what the error says
	}{
		{"nothing", nil, ""},
		{"os comes first though nobody requires it", []*Recipe{one("z", "", ""), one("os", "", "")}, "os | z"},
		{"a name that is provided", []*Recipe{containerd, runc, one("os", "", ""), one("kubernetes", "container-runtime", "")}, "os | runc | containerd | kubernetes"},
		{"by name within a wave", []*Recipe{one("b", "", ""), one("a", "", ""), one("c", "a", "")}, "a b | c"},
		{"after orders what is there", []*Recipe{one("a", "", "b"), one("b", "", "")}, "b | a"},
		{"after does not mind what is not there", []*Recipe{one("a", "", "b")}, "a"},
		{"a circle", []*Recipe{one("a", "b", ""), one("b", "c", ""), one("c", "a", "")}, "error: circular dependency detected: a -> b -> c -> a"},
		{"a circle that others lead to", []*Recipe{one("a", "b", ""), one("b", "c", ""), one("c", "", "b")}, "error: circular dependency detected: b -> c -> b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			waves, err := Order(c.recipes)
			got := ""
			if err != nil {
				got = "error: " + err.Error()
			}
			for i, wave := range waves {
				if i > 0 {
					got += " | "
				}
				got += strings.Join(namesOf(wave), " ")
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func namesOf(recipes []*Recipe) []string {
	var names []string
	for _, r := range recipes {
		names = append(names, r.Name)
	}
	return names
}

// shelf finds recipes in a list.
type shelf []*Recipe

func (s shelf) Names() []string { return namesOf(s) }

func (s shelf) Recipe(name string) (*Recipe, error) {
	for _, r := range s {
		if r.Name == name {
			return r, nil
		}
	}
	return nil, unknownName(name, s.Names())
}

func (s shelf) Providers(what string) (names []string) {
	for _, r := range s {
		if slices.Contains(r.Provides, what) {
			names = append(names, r.Name)
		}
	}
	return names
}

func TestComplete(t *testing.T) {
	all := shelf{
		{Name: "os"},
		{Name: "runc", Requires: needs(t, "os"), Provides: []string{"oci-runtime"}},
		{Name: "crun", Requires: needs(t, "os"), Provides: []string{"oci-runtime"}},
		{Name: "containerd", Requires: needs(t, "oci-runtime"), Provides: []string{"container-runtime"}},
		{Name: "crio", Requires: needs(t, "crun"), Provides: []string{"container-runtime"}},
		{Name: "kubernetes", Requires: needs(t, "container-runtime"), Conflicts: needs(t, "docker")},
		{Name: "docker", Requires: needs(t, "os")},
		{Name: "lost", Requires: needs(t, "kubernets")},
		{Name: "single", Requires: needs(t, "one-of-it")},
		{Name: "only", Provides: []string{"one-of-it"}},
		{Name: "worker", Requires: []Need{{Name: "kubernetes", Infra: true}, {Name: "oci-runtime", Infra: true}}},
		{Name: "stray", Requires: []Need{{Name: "kubernets", Infra: true}}},
	}
	for _, c := range []struct {
		name   string
		wanted string
		chosen map[string]string
		want   string
	}{
		{"what is required is added behind", "runc", nil, "runc os"},
		{"the only one that provides it", "single", nil, "single only"},
		{"one that is wanted anyway", "containerd crun", nil, "containerd crun os"},
		{"several could", "containerd", nil, "error: containerd requires oci-runtime, which several taskservs provide: runc, crun"},
		{"the choice", "containerd", map[string]string{"runtime_default": "crun"}, "containerd crun os"},
		{"a key that chooses something else", "containerd", map[string]string{"cri": "crun"}, "error: containerd requires oci-runtime, which several taskservs provide: runc, crun"},
		{"a choice that leaves it open", "containerd", map[string]string{"runtime_default": "auto"}, "error: containerd requires oci-runtime, which several taskservs provide: runc, crun"},
		{"a choice that nobody has", "containerd", map[string]string{"runtime_default": "os"}, `error: the configuration of containerd has runtime_default = "os", which does not provide oci-runtime`},
		{"a name that nobody has", "lost", nil, `error: lost requires kubernets: there is no taskserv "kubernets" (did you mean "kubernetes"?)`},
		{"two that provide what only one can", "containerd runc crio", nil, "error: containerd and crio conflict: they cannot be on the same server"},
		{"what another server has is not added", "worker", nil, "worker"},
		{"a name of another server that nobody has", "stray", nil, `error: stray requires kubernets: there is no taskserv "kubernets" (did you mean "kubernetes"?)`},
		{"a conflict", "kubernetes containerd runc docker", nil, "error: kubernetes and docker conflict: they cannot be on the same server"},
		{"an unknown one", "reddis", nil, `error: there is no taskserv "reddis"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			recipes, err := Complete(all, strings.Fields(c.wanted), func(r *Recipe, n Need, among []string) (string, error) {
				config := starlark.NewDict(len(c.chosen))
				for key, name := range c.chosen {
					_ = config.SetKey(starlark.String(key), starlark.String(name)) // a fresh dict takes strings
				}
				return Chosen(all, r, n, among, config)
			})
			got := strings.Join(namesOf(recipes), " ")
			if err != nil {
				got = "error: " + err.Error()
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestSatisfies(t *testing.T) {
	for _, c := range []struct {
		version, constraint string
		want                bool
	}{
		{"7:7.0.15-1~deb12u5", "~7.0", true},
		{"5:7.0.15-1~deb12u10", ">= 7.0.15", true},
		{"15+248", "15", true},
		{"3.4.23+dfsg-4", "^3.5", false},
		{"v1.28.4", ">= 1.28, < 1.29", true},
		{"1.6.20~ds1-1+deb12u1", "<1.6.20", false},
	} {
		if got, err := Satisfies(c.version, c.constraint); err != nil || got != c.want {
			t.Errorf("%s satisfies %s: %t, %v", c.version, c.constraint, got, err)
		}
	}
	for _, c := range [][2]string{{"1.0", "about 1"}, {"yesterday", ">1"}} {
		if _, err := Satisfies(c[0], c[1]); fault.As(err) == nil {
			t.Errorf("%q: %v", c, err)
		}
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "512MiB": 512 << 20, "1.5GiB": 3 << 29, "10GB": 10e9, "7 B": 7} {
		if got, err := Bytes(text); err != nil || got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"512", "MiB", "-1GB", "1e30TB", "1 G", "NaNB"} {
		if n, err := Bytes(text); err == nil {
			t.Errorf("%q is %d", text, n)
		}
	}
}

func TestNotARecipe(t *testing.T) {
	for _, v := range []starlark.Value{starlark.None, starlarkstruct.FromStringDict(starlark.String("other"), nil)} {
		if _, err := Of(starlark.StringDict{Global: v}); err == nil || !strings.Contains(err.Error(), "taskserv.declare") {
			t.Errorf("%v: %v", v, err)
		}
	}
	if _, err := Of(nil); err == nil || !strings.Contains(err.Error(), "declares no recipe") {
		t.Error(err)
	}
}
