package composition

import (
	"strings"
	"testing"
)

func TestOrder(t *testing.T) {
	c := func(name string, requires, after string) Component {
		return Component{Name: name, Requires: strings.Fields(requires), After: strings.Fields(after)}
	}
	for _, test := range []struct {
		what       string
		components []Component
		want, err  string
	}{
		{"nothing", nil, "", ""},
		{"side by side, by name", []Component{c("b", "", ""), c("a", "", "")}, "a b", ""},
		{"a chain", []Component{c("web", "app", ""), c("app", "db", ""), c("db", "", "")}, "db|app|web", ""},
		{"a diamond", []Component{c("top", "l r", ""), c("l", "base", ""), c("r", "base", ""), c("base", "", "")}, "base|l r|top", ""},
		{"after what is there", []Component{c("b", "", "a"), c("a", "", "")}, "a|b", ""},
		{"after what is not there", []Component{c("b", "", "a")}, "b", ""},
		{"missing", []Component{c("b", "a", "")}, "", "b requires a, and there is no such component"},
		{"twice", []Component{c("a", "", ""), c("a", "", "")}, "", `two components "a"`},
		{"of itself", []Component{c("a", "a", "")}, "", "a -> a"},
		{"a circle behind a tail", []Component{c("x", "a", ""), c("a", "b", ""), c("b", "", "a")}, "", "Circular dependency detected in cluster components: a -> b -> a"},
		{"not wanted", []Component{{Name: "b", Disabled: true}, c("a", "", "b")}, "a", ""},
		{"requires what is not wanted", []Component{{Name: "b", Disabled: true}, c("a", "b", "")}, "", "a requires b, which is not enabled"},
		{"not wanted, and requires what is not there", []Component{{Name: "b", Disabled: true, Requires: []string{"z"}}, c("a", "", "")}, "a", ""},
	} {
		waves, err := Order(test.components)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: the error is %v, not %q", test.what, err, test.err)
			}
			continue
		}
		var texts []string
		for _, wave := range waves {
			var names []string
			for _, c := range wave {
				names = append(names, c.Name)
			}
			texts = append(texts, strings.Join(names, " "))
		}
		if got := strings.Join(texts, "|"); err != nil || got != test.want {
			t.Errorf("%s: %q, %v; want %q", test.what, got, err, test.want)
		}
	}
}
