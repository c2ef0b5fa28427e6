package export_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/export"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func text(s string) starlark.Value { return starlark.String(s) }

func list(elems ...starlark.Value) starlark.Value { return starlark.NewList(elems) }

func scriptOf(t *testing.T, m *maker, secrets *value.Secrets) string {
	t.Helper()
	run := &export.Run{ID: "0123456789", Script: "x.star", State: journal.Completed, Effects: m.effects, Secrets: secrets}
	src, err := export.Script(run, export.Options{Modules: []*module.Module{world}})
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// What an effect was given is taken for a result only where it cannot well be a
// coincidence.
func TestReuse(t *testing.T) {
	for _, c := range []struct {
		name string
		gave starlark.Value
		then starlark.Value
		want string // how the second effect gets it
	}{
		{"a text", text("i-0a1b2c3d"), text("i-0a1b2c3d"), `world.put(name, None)`},
		{"without its newline", text("i-0a1b2c3d\n"), text("i-0a1b2c3d"), `world.put(name.strip(), None)`},
		{"within a text", text("i-0a1b2c3d"), text("id=i-0a1b2c3d;"), `world.put("id=%s;" % name, None)`},
		{"not within a word", text("i-0a1b2c3d"), text("i-0a1b2c3d4"), `world.put("i-0a1b2c3d4", None)`},
		{"a short word", text("main"), text("main"), `world.put("main", None)`},
		{"a short text that is no word", text("v1.2"), text("v1.2"), `world.put(name, None)`},
		{"not within a text", text("v1.2"), text("at v1.2"), `world.put("at v1.2", None)`},
		{"a small number", starlark.MakeInt(8080), starlark.MakeInt(8080), `world.put(8080, None)`},
		{"a large number", starlark.MakeInt(123456), starlark.MakeInt(123456), `world.put(look, None)`},
		{"None", starlark.None, starlark.None, `world.put(None, None)`},
		{"True", starlark.True, starlark.True, `world.put(True, None)`},
		{"the empty text", text(""), text(""), `world.put("", None)`},
		{"the only element", list(text("i-0a1b2c3d")), text("i-0a1b2c3d"), `world.put(look[0], None)`},
		{"one of several", list(text("i-0a1b2c3d"), text("x")), text("i-0a1b2c3d"), `world.put("i-0a1b2c3d", None)`},
		{"all of them", list(text("i-0a1b2c3d"), text("x")), list(text("i-0a1b2c3d"), text("x")), `world.put(look, None)`},
		{"what it was told", text("the name"), text("the name"), `world.put("the name", None)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &maker{ordinal: map[string]int{}}
			name := "name"
			if c.name == "what it was told" {
				name = "the name"
			}
			m.effect("0", "world.look", text(name)).Gave = c.gave
			m.effect("0", "world.put", c.then, starlark.None).Gave = starlark.None
			if src := scriptOf(t, m, nil); !strings.Contains(src, c.want+"\n") {
				t.Errorf("want %s in\n%s", c.want, src)
			}
		})
	}
}

// A secret is not in the script in any form, also where the journal has it in the
// clear: it was not known to be one then.
func TestSecretsAreNotWritten(t *testing.T) {
	const plain = `pa"ss/word1`
	secrets := value.NewSecrets([]byte("key"))
	s, _ := secrets.Add("db/password", plain)
	d := starlark.NewDict(1)
	_ = d.SetKey(text(plain), text("x"))
	for i, v := range []starlark.Value{
		s, text(plain), text("a " + plain), text("a " + s.String()), list(text(plain)), d,
		text(value.Through(s.String(), value.LayerJSON)), text(value.Through("a="+s.String(), value.LayerURL)),
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			m := &maker{ordinal: map[string]int{}}
			x := m.effect("0", "world.put", v, starlark.None)
			x.Gave = starlark.None
			y := m.effect("0", "world.put", text("y"), starlark.None)
			y.Status, y.Failed = journal.Erred, &journal.Fault{Message: "no " + plain}
			y.Description = "with " + plain
			src := scriptOf(t, m, secrets)
			if strings.Contains(src, "word1") || value.HasMarker(src) {
				t.Errorf("the secret is in\n%s", src)
			}
			for _, want := range []string{"def main(db_password_uri):", "db_password = secret.get(db_password_uri)"} {
				if !strings.Contains(src, want) {
					t.Errorf("want %s in\n%s", want, src)
				}
			}
		})
	}

	// A form that the script could not make again is refused.
	m := &maker{ordinal: map[string]int{}}
	m.effect("0", "world.put", text(`{"p": "pa\"ss/word1"}`), starlark.None).Gave = starlark.None
	run := &export.Run{ID: "1", Effects: m.effects, Secrets: secrets}
	if src, err := export.Script(run, export.Options{Modules: []*module.Module{world}}); err == nil {
		t.Errorf("no error for a secret in another form:\n%s", src)
	} else if strings.Contains(err.Error(), "word1") {
		t.Errorf("the error shows it: %v", err)
	}
}

// Journals that do not have the limit of branches: those that did nothing at the
// same time may depend on that.
func TestForkWithoutLimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		begun [2]int // of the branches; each takes 2
		want  string
	}{
		{"one after the other", [2]int{0, 3}, `parallel(each, ["aa", "bb"], limit = 1)`},
		{"at the same time", [2]int{0, 1}, `parallel(each, ["aa", "bb"])`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &maker{ordinal: map[string]int{}}
			m.effect("0", "parallel").Description = "lambda for 2 items"
			for i, name := range []string{"aa", "bb"} {
				x := m.effect(fmt.Sprintf("0.%d", i), "world.put", text(name), starlark.None)
				x.Gave = starlark.None
				x.Begun = time.Unix(int64(1000+c.begun[i]), 0)
				x.Ended = x.Begun.Add(2 * time.Second)
			}
			if src := scriptOf(t, m, nil); !strings.Contains(src, c.want+"\n") {
				t.Errorf("want %s in\n%s", c.want, src)
			}
		})
	}
}
