package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/capability"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

const config = "config/provisioning.toml"

func TestSetGrantLeavesTheRest(t *testing.T) {
	whole := &capability.Grant{Grant: "manifest", Hash: "sha256:1"}
	const text = "[extensions.kit]\ngrant = \"manifest\"\nhash = \"sha256:1\"\n"
	tests := []struct {
		name, before, after string
		grant               *capability.Grant
	}{
		{"into nothing", "", text, whole},
		{"at the end", "# c\na = 1", "# c\na = 1\n\n" + text, whole},
		{
			"in its place", "a = 1 # x\n[extensions.kit]\n# old\ngrant = \"manifest\"\nhash = \"sha256:0\"\n\n# of b\n[b]\nc = '''\n[extensions.kit]\n'''\n",
			"a = 1 # x\n" + text + "\n# of b\n[b]\nc = '''\n[extensions.kit]\n'''\n", whole,
		},
		{
			"several tables", "[[extensions.kit.allow]]\neffect = \"fs.read\"\n[extensions.kit.allow.args]\npath = \"x\"\n[[extensions.kit.allow]]\neffect = \"fs.list\"\n# of z\n[extensions.z]\n",
			text + "\n# of z\n[extensions.z]\n", whole,
		},
		{"taken out", "[a]\nb = 1\n\n" + text + "\n# d\n[d]\n", "[a]\nb = 1\n\n\n# d\n[d]\n", nil},
		{"the only one taken out", text, "", nil},
		{"the last one taken out", "a = 1\n\n" + text, "a = 1\n", nil},
	}
	for _, test := range tests {
		dir := t.TempDir()
		write(t, dir, config, test.before)
		if err := capability.SetGrant(dir, "kit", test.grant); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		got, _ := os.ReadFile(filepath.Join(dir, config))
		if string(got) != test.after {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.after)
		}
		if info, _ := os.Stat(filepath.Join(dir, config)); info.Mode().Perm() != 0o640 {
			t.Errorf("%s: the mode is %v", test.name, info.Mode())
		}
	}
}

// TestSetGrantByHand: what cannot be edited safely is left as it is.
func TestSetGrantByHand(t *testing.T) {
	for _, before := range []string{
		"extensions = {kit = {grant = \"manifest\", hash = \"x\"}}\n",
		"[extensions]\nkit.grant = \"manifest\"\nkit.hash = \"x\"\n",
		"extensions.kit.grant = \"manifest\"\nextensions.kit.hash = \"x\"\n",
	} {
		for _, g := range []*capability.Grant{nil, {Grant: "manifest", Hash: "y"}} {
			dir := t.TempDir()
			write(t, dir, config, before)
			err := capability.SetGrant(dir, "kit", g)
			if err == nil || !strings.Contains(err.Error(), "not in a table of its own") {
				t.Errorf("%s: got %v", before, err)
			}
			if got, _ := os.ReadFile(filepath.Join(dir, config)); string(got) != before {
				t.Errorf("it was changed to\n%s", got)
			}
		}
	}
}

func TestGrantMistakes(t *testing.T) {
	tests := []struct{ text, want string }{
		{"[extensions.kit]\ngrnt = \"manifest\"", `did you mean "grant"?`},
		{"[extensions.kit]\ngrant = \"all\"", `grant is "all"`},
		{"[extensions.kit]\ngrant = \"manifest\"\n[[extensions.kit.allow]]\neffect = \"fs.read\"", "both grant and allow"},
		{"[extensions.kit]\nhash = \"x\"", "belongs to grant"},
		{"[extensions.Kit]\n", "no name of an extension"},
		{"[[extensions.kit.allow]]\neffect = \"fs.raed\"", "no such effect"},
		{"extensions = 1", "cannot decode"},
	}
	for _, test := range tests {
		_, err := capability.ParseGrants([]byte(test.text), catalog)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\ngot %v, want %q", test.text, err, test.want)
		}
	}
	if grants, err := capability.ParseGrants([]byte("[server]\nunknown = 1\n"), catalog); err != nil || len(grants) > 0 {
		t.Errorf("other sections: %v, %v", grants, err)
	}
}

func TestWhoseCode(t *testing.T) {
	paths := workspace(t)
	root := paths.Files.Workspace()
	const manifest = "[extension]\ntype = \"workflow\"\nversion = \"1.0.0\"\nname = "
	write(t, root, "extensions/kit/extension.toml", manifest+"\"kit\"")
	write(t, root, "extensions/kit/kit.star", "")
	write(t, root, "extensions/kit/inner/extension.toml", manifest+"\"inner\"") // an impostor
	write(t, root, "extensions/taskservs/db/postgres/extension.toml", manifest+"\"postgres\"")
	write(t, root, "infra/prod/extensions/mine/extension.toml", manifest+"\"mine\"")
	if err := os.Symlink("extensions/kit", filepath.Join(root, "linked")); err != nil {
		t.Fatal(err)
	}
	guard := capability.NewGuard(catalog, paths.Files)
	tests := []struct{ file, want string }{
		{"main.star", ""},
		{"lib/extensions/x.star", ""},
		{"repl/1", ""},
		{"@std//lists.star", ""},
		{"/elsewhere/extensions/kit/kit.star", ""},
		{"extensions/kit/kit.star", "extensions/kit"},
		{"extensions/kit/deep/er/x.star", "extensions/kit"},
		{"extensions/kit/inner/x.star", "extensions/kit"},
		{"extensions/taskservs/db/postgres/lib/x.star", "extensions/taskservs/db/postgres"},
		{"extensions/none/x.star", "extensions/none"},
		{"extensions/x.star", "extensions"},
		{"infra/prod/extensions/mine/x.star", "infra/prod/extensions/mine"},
		{"linked/kit.star", "extensions/kit"},
		{root + "/extensions/kit/kit.star", "extensions/kit"},
		{"EXTENSIONS/none/x.star", "EXTENSIONS/none"},
		{"exten\u017fions/none/x.star", "exten\u017fions/none"}, // folds to "extensions"
	}
	for _, test := range tests {
		if got := strings.Join(guard.Restricted([]string{test.file}), " "); got != test.want {
			t.Errorf("%s belongs to %q, want %q", test.file, got, test.want)
		}
	}
}

// TestSynthesize: for calls by chance, what is synthesised allows all of them,
// and without any one entry it does not.
func TestSynthesize(t *testing.T) {
	paths := workspace(t)
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	words := []string{"a", "b*", `c\d`, "-x", "path:y", "url:z", "e f", "«x»", `"q"`, "\u007f"}
	random := func() (string, string) {
		switch r.IntN(6) {
		case 0:
			return "fs.read", fmt.Sprintf("path = %q", pick("x/", "x/y/", "", "src/")+pick(words[:3]...)+pick("1", "2", "3", "4", "5"))
		case 1:
			return "fs.copy", fmt.Sprintf("source = %q, target = %q", "s/"+pick("1", "2", "3", "4", "5"), "t/x")
		case 2:
			return "exec.run", fmt.Sprintf("command = [%q, %q, 5]", pick("git", "x*y"), pick(words...))
		case 3:
			return "exec.run", fmt.Sprintf("command = [\"ls\"], _env = {%q: %q}, _cwd = \"src\"", pick("A", "B"), pick(words...))
		case 4:
			return "http.get", fmt.Sprintf("url = %q", "https://"+pick("a", "b")+".example/"+pick("", "x", "x/y", "x/y?z=1"))
		}
		return "secret.get", fmt.Sprintf("uri = %q", pick("ws://", "env://")+pick("a", "b"))
	}
	for range 200 {
		var calls []capability.Call
		for range 1 + r.IntN(12) {
			kind, args := random()
			calls = append(calls, callOf(t, kind, args))
		}
		entries, never, err := capability.Synthesize(calls, catalog, paths, value.NewSecrets(nil))
		if err != nil || len(never) > 0 {
			t.Fatalf("%v, never %v", err, never)
		}
		m := capability.Manifest{Extension: capability.Identity{Name: "x", Type: "workflow", Version: "1.0.0"}, Capabilities: entries}
		read, err := capability.ParseManifest([]byte(m.String()), catalog)
		if err != nil {
			t.Fatalf("%v\n%s", err, &m)
		}
		refused := func(entries []capability.Capability) bool {
			return slices.ContainsFunc(calls, func(c capability.Call) bool {
				return capability.AllowedBy(entries, c, catalog, paths) != capability.Yes
			})
		}
		if refused(read.Capabilities) {
			t.Fatalf("it does not allow %v\n%s", calls, &m)
		}
		for i := range read.Capabilities {
			if !refused(slices.Delete(slices.Clone(read.Capabilities), i, i+1)) {
				t.Fatalf("%s is not needed\n%s", read.Capabilities[i], &m)
			}
		}
		slices.Reverse(calls)
		again, _, _ := capability.Synthesize(calls, catalog, paths, value.NewSecrets(nil))
		if fmt.Sprint(again) != fmt.Sprint(entries) {
			t.Fatal("the order of the calls matters")
		}
	}
}

func TestSynthesizeHidesSecrets(t *testing.T) {
	secrets := value.NewSecrets(make([]byte, 32))
	s, _ := secrets.Add("db", "hunter2hunter2")
	call := capability.Call{Kind: "exec.run", Args: map[string]starlark.Value{
		"command": starlark.NewList([]starlark.Value{starlark.String("login"), s, starlark.String("--password=" + s.String())}),
	}}
	entries, never, err := capability.Synthesize([]capability.Call{call}, catalog, workspace(t), secrets)
	if err != nil || len(never) > 0 || len(entries) != 1 || entries[0].String() != `exec.run command = ["login", "*", "--password=*"]` {
		t.Errorf("got %v, never %v, %v", entries, never, err)
	}
}

// BenchmarkGuard is what an effect pays in a run without extensions.
func BenchmarkGuard(b *testing.B) {
	guard := capability.NewGuard(catalog, workspace(b).Files)
	modules := []string{"main.star", "lib/a.star", "@std//lists.star"}
	b.ReportAllocs()
	for b.Loop() {
		if len(guard.Restricted(modules)) > 0 {
			b.Fatal("they are the user's own")
		}
	}
}
