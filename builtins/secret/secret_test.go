package secret

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// shown runs a script and returns its global "got" with secrets in the clear,
// and as people see it.
func shown(t *testing.T, f *builtintest.Fixture, script string) (clear, seen string) {
	t.Helper()
	globals, err := f.Exec(script)
	if err != nil {
		t.Fatalf("%s\n%v", script, err)
	}
	v := globals["got"]
	text, ok := starlark.AsString(v)
	if !ok {
		text = v.String()
	}
	if clear, err = f.Run.Secrets.Expand(text); err != nil {
		t.Fatal(err)
	}
	return clear, f.Run.Secrets.Redact(text)
}

func TestValues(t *testing.T) {
	t.Setenv("PT_PW", "hunter22")
	for script, want := range map[string][2]string{
		`got = secret.get("env://PT_PW")`:                                                                 {"hunter22", "«secret env://PT_PW»"},
		`got = secret.get("file://pw.txt")`:                                                               {"fromfile", "«secret file://pw.txt»"},
		"secret.put(\"db/pw\", \"kept-it\")\ngot = secret.get(\"ws://db/pw\")":                            {"kept-it", "«secret ws://db/pw»"},
		`got = secret.put("a", secret.get("env://PT_PW"))`:                                                {"hunter22", "«secret ws://a»"},
		`got = secret.wrap("u:" + secret.get("env://PT_PW"), "x")`:                                        {"u:hunter22", "«secret x»"},
		`got = secret.equals(secret.get("env://PT_PW"), "hunter22")`:                                      {"True", "True"},
		`got = secret.equals(secret.wrap("a", "n"), secret.wrap("a", "m"))`:                               {"True", "True"},
		`got = secret.equals(secret.wrap("a", "n"), secret.wrap("b", "n"))`:                               {"False", "False"},
		`got = secret.unseal(secret.seal(secret.get("env://PT_PW")), "t")`:                                {"hunter22", "«secret t»"},
		`got = secret.unseal("sealed:other-thing", "t")`:                                                  {"other-thing", "«secret t»"},
		`got = secret.generate("g", 5, "ab") == secret.generate("g", 5, "cd")`:                            {"False", "False"},
		"secret.put(\"b\", \"x\")\nsecret.put(\"a/c\", \"x\")\ngot = secret.list() + secret.list(\"a/\")": {`["a/c", "b", "a/c"]`, `["a/c", "b", "a/c"]`},
		`got = secret.list()`: {"[]", "[]"},
		"secret.put(\"a/b\", \"x\")\ngot = [secret.remove(\"a/b\"), secret.remove(\"a/b\"), secret.list()]": {"[True, False, []]", "[True, False, []]"},
		"secret.put(\"a/b\", \"x\")\nsecret.remove(\"a/b\")\ngot = secret.put(\"a\", \"new-value\")":        {"new-value", "«secret ws://a»"},
	} {
		f := builtintest.New(t, Module)
		f.WriteFile("pw.txt", "fromfile\r\n")
		clear, seen := shown(t, f, script)
		if clear != want[0] || seen != want[1] {
			t.Errorf("%s: %q %q, want %q", script, clear, seen, want)
		}
	}
}

func TestGenerate(t *testing.T) {
	f := builtintest.New(t, Module)
	clear, seen := shown(t, f, `got = secret.generate("g")`)
	if len(clear) != 32 || seen != "«secret g»" || len(f.Calls) != 1 {
		t.Error(clear, seen)
	}
	if clear, _ := shown(t, f, `got = secret.generate("g", length = 9, alphabet = "ab")`); len(clear) != 9 || strings.Trim(clear, "ab") != "" {
		t.Error(clear)
	}
}

func TestErrors(t *testing.T) {
	for script, c := range map[string]struct {
		kind fault.Kind
		want string
	}{
		`secret.get("env://PT_NOT_THERE")`:                     {fault.NotFound, `no environment variable "PT_NOT_THERE"`},
		`secret.get("file://nope")`:                            {fault.NotFound, `cannot open "nope"`},
		`secret.get("file://../x")`:                            {fault.Permission, "outside of the workspace"},
		`secret.get("ws://nope")`:                              {fault.NotFound, `the workspace has no secret "nope"`},
		`secret.get("ws://../x")`:                              {fault.Invalid, "cannot be the name"},
		`secret.get("en://X")`:                                 {fault.Invalid, `did you mean "env://"?`},
		`secret.get("hunter22")`:                               {fault.Invalid, "does not say where"},
		`secret.put("a/../b", "x")`:                            {fault.Invalid, "cannot be the name"},
		`secret.put("A", "x")`:                                 {fault.Invalid, "cannot be the name"},
		`secret.put("a/", "x")`:                                {fault.Invalid, "cannot be the name"},
		`secret.put("/a", "x")`:                                {fault.Invalid, "cannot be the name"},
		`secret.put("a", 1)`:                                   {fault.Invalid, "must be a string"},
		`secret.put("a", "x" * 1048577)`:                       {fault.TooLarge, "larger than"},
		"secret.put(\"a\", \"x\")\nsecret.put(\"a/b\", \"x\")": {fault.Invalid, "cannot keep"},
		"secret.put(\"a/b\", \"x\")\nsecret.put(\"a\", \"x\")": {fault.Invalid, "cannot keep"},
		`secret.remove("..")`:                                  {fault.Invalid, "cannot be the name"},
		`secret.generate("g", 0)`:                              {fault.Invalid, "within 1 and 4096"},
		`secret.generate("g", 5, "aa")`:                        {fault.Invalid, "two characters"},
		`secret.generate("g", 5, "")`:                          {fault.Invalid, "two characters"},
		`secret.generate("")`:                                  {fault.Invalid, "the name is empty"},
		`secret.wrap("x", "")`:                                 {fault.Invalid, "the name is empty"},
		`secret.equals(1, "x")`:                                {fault.Invalid, "only strings and secrets"},
		`secret.unseal("sealed:x", "")`:                        {fault.Invalid, "the name is empty"},
		`secret.wrap("x", nam = "y")`:                          {fault.Invalid, `did you mean "name"?`},
	} {
		_, err := builtintest.New(t, Module).Exec(script)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, c.kind) {
			t.Errorf("%s: %v (%s)", script, err, fault.KindOf(err))
		}
		if err != nil && strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: %v shows it", script, err)
		}
	}
}

func TestWithoutKey(t *testing.T) {
	f := builtintest.New(t, Module)
	f.Run.Seal, f.Run.Unseal = nil, func(string) (string, error) { return "", errors.New("wrong key") }
	for _, script := range []string{`secret.put("a", "x")`, `secret.seal("x")`, `secret.unseal("x", "n")`} {
		if _, err := f.Exec(script); !fault.Is(err, fault.Config) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

func TestStoreIsSealedAndPrivate(t *testing.T) {
	f := builtintest.New(t, Module)
	shown(t, f, `got = secret.put("db/pw", "kept-it")`)
	data, err := os.ReadFile(f.Run.State + "/secrets/db/pw")
	if err != nil || string(data) != "sealed:kept-it" {
		t.Error(string(data), err)
	}
	for name, want := range map[string]os.FileMode{"secrets": 0o700, "secrets/db": 0o700, "secrets/db/pw": 0o600} {
		if info, err := os.Stat(f.Run.State + "/" + name); err != nil || info.Mode().Perm() != want {
			t.Error(name, info.Mode(), err)
		}
	}
	if entries, _ := os.ReadDir(f.Run.State + "/secrets/db"); len(entries) != 1 {
		t.Error(entries)
	}
	if d := f.Calls[0].Describe(); d != "db/pw" {
		t.Error(d)
	}
	if d := (&effect.Call{Do: &sealing{Value: "x"}}).Describe(); d != "" {
		t.Error(d)
	}
}

func TestCheckMode(t *testing.T) {
	f := builtintest.New(t, Module)
	shown(t, f, "secret.put(\"old\", \"old-value\")\ngot = secret.put(\"gone\", \"gone-value\")")
	f.Run.Check = true
	clear, _ := shown(t, f, `
secret.put("new", "new-value")
secret.put("old", "old-value")
secret.put("old", "other-value")
secret.remove("gone")
secret.remove("gone")
got = secret.get("ws://new") + "," + secret.get("ws://old") + "," + ",".join(secret.list())
`)
	if clear != "new-value,other-value,new,old" {
		t.Error(clear)
	}
	var changes []effect.Change
	for _, p := range f.Predicts {
		changes = append(changes, p.Change)
	}
	want := []effect.Change{effect.Create, effect.None, effect.Update, effect.Delete, effect.None}
	if got, _ := json.Marshal(changes); string(got) != func() string { w, _ := json.Marshal(want); return string(w) }() {
		t.Error(changes)
	}
	if _, err := f.Exec(`secret.get("ws://gone")`); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if _, err := os.Stat(f.Run.State + "/secrets/new"); err == nil {
		t.Error("check mode has written")
	}
}

// past is what an effect remembered, as the journal keeps it.
type past struct{ data []byte }

func (p past) Remembered(into any) error {
	if p.data == nil {
		return errors.New("nothing was remembered")
	}
	return json.Unmarshal(p.data, into)
}
func (past) Result() starlark.Value { return nil }
func (past) Begun() time.Time       { return time.Time{} }

func remembered(t *testing.T, do effect.Undoer, env *effect.Env) past {
	t.Helper()
	v, err := do.Remember(context.Background(), env)
	if err != nil {
		t.Fatal(err)
	}
	if v == nil {
		return past{}
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return past{data}
}

func TestUndoAndHappened(t *testing.T) {
	for _, c := range []struct {
		name, before string // "" for none
		do           interface {
			effect.Performer
			effect.Undoer
			effect.Asker
		}
		after string
	}{
		{"create", "", &put{Name: "a/n", Value: "new-value"}, "new-value"},
		{"update", "old-value", &put{Name: "a/n", Value: "new-value"}, "new-value"},
		{"remove", "old-value", &remove{Name: "a/n"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := context.Background()
			f := builtintest.New(t, Module)
			env := f.Env()
			if c.before != "" {
				shown(t, f, `got = secret.put("a/n", "`+c.before+`")`)
			}
			p := remembered(t, c.do, env)
			happened(t, c.do, env, p, effect.No)
			if _, err := c.do.Perform(ctx, env); err != nil {
				t.Fatal(err)
			}
			kept(t, env, c.after)
			happened(t, c.do, env, p, effect.Yes)
			for range 2 {
				if err := c.do.Undo(ctx, env, p); err != nil {
					t.Fatal(err)
				}
				kept(t, env, c.before)
			}
		})
	}
}

func happened(t *testing.T, do effect.Asker, env *effect.Env, p effect.Past, want effect.Doubt) {
	t.Helper()
	if a, err := do.Happened(context.Background(), env, p); err != nil || a.Happened != want {
		t.Errorf("%+v %v", a, err)
	}
}

func kept(t *testing.T, env *effect.Env, want string) {
	t.Helper()
	sealed, ok, err := load(env, "a/n")
	if err != nil || ok != (want != "") || strings.TrimPrefix(sealed, "sealed:") != want {
		t.Errorf("%q %v %v, want %q", sealed, ok, err, want)
	}
}

func TestNothingToUndo(t *testing.T) {
	f := builtintest.New(t, Module)
	shown(t, f, `got = secret.put("a", "same-value")`)
	if p := remembered(t, &put{Name: "a", Value: "same-value"}, f.Env()); p.data != nil {
		t.Error("put remembers")
	}
	if p := remembered(t, &remove{Name: "none"}, f.Env()); p.data != nil {
		t.Error("remove remembers")
	}
	a, err := (&remove{Name: "none"}).Happened(context.Background(), f.Env(), past{})
	if err != nil || a.Happened != effect.Yes || a.Result != false {
		t.Error(a, err)
	}
}
