package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/runtime/capability"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/target"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// These tests are here because they need the builtins, which the runtime does not
// know: what matters is which arguments those have.
var catalog = capability.NewCatalog(builtins.All)

// workspace has templates/a.txt, a link templates/out that leads to the root, and
// a link templates/in that stays below templates.
func workspace(t testing.TB) capability.InWorkspace {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"templates/sub", "src", "[x]", ".provisioning"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"templates/out": "..", "templates/in": "sub", "templates/abs": "/etc", "[x]/link": "../src"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := sandbox.OpenFiles(dir, filepath.Join(dir, ".provisioning"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(files.Close)
	return capability.InWorkspace{Files: files}
}

func entriesOf(t testing.TB, text string) []capability.Capability {
	t.Helper()
	m, err := capability.ParseManifest([]byte(head+text), catalog)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m.Capabilities
}

const head = "[extension]\nname = \"x\"\ntype = \"workflow\"\nversion = \"1.0.0\"\n"

// callOf evaluates kind(args) for the names of the arguments.
func callOf(t testing.TB, kind, args string) capability.Call {
	t.Helper()
	env := starlark.StringDict{"unknown": value.NewUnknown("x"), "machine": starlark.NewBuiltin("machine", makeTarget)}
	v, err := starlark.EvalOptions(&syntax.FileOptions{Set: true}, new(starlark.Thread), "args", "dict("+args+")", env)
	if err != nil {
		t.Fatal(err)
	}
	call, err := capability.CallFrom(kind, v.(*starlark.Dict))
	if err != nil {
		t.Fatal(err)
	}
	return call
}

// makeTarget makes a target of its kind and fields.
func makeTarget(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	fields := starlark.StringDict{}
	for _, kv := range kwargs {
		fields[string(kv[0].(starlark.String))] = kv[1]
	}
	return target.Make(string(args[0].(starlark.String)), "name", fields), nil
}

func TestMachines(t *testing.T) {
	paths := workspace(t)
	const web, sudo = `machine("ssh", address = "web-1")`, `machine("ssh", address = "web-1", sudo = True)`
	for _, c := range []struct{ pattern, target, want string }{
		{`"ssh://web-1"`, web, "yes"},
		{`"ssh://web-1"`, `machine("ssh", address = "WEB-1", port = 22, key = "k", host_keys = "first-use")`, "yes"},
		{`"ssh://web-1"`, `machine("ssh", address = "web-2", name = "web-1")`, "no"},
		{`"ssh://web-1"`, `machine("ssh", address = "web-1.evil")`, "no"},
		{`"ssh://web-1"`, `machine("ssh", address = "web-1", port = 2222)`, "no"},
		{`"ssh://web-1"`, `machine("ssh", address = "web-1", user = "root")`, "no"},
		{`"ssh://web-1"`, sudo, "no"},
		{`"ssh://web-1"`, `machine("ssh", address = "web-1", config = "out/config")`, "no"},
		{`"ssh://web-1"`, `machine("ssh", address = "web-1", config = "none")`, "yes"},
		{`"ssh://web-1"`, `machine("ssh", address = "web-1", agent = "/tmp/socket")`, "no"},
		{`"ssh://web-1"`, `machine("ssh", address = "web-1", later = "x")`, "no"},
		{`"ssh://web-1"`, `machine("ssh", address = "web-1", jump = machine("ssh", address = "evil"))`, "no"},
		{`"ssh://web-1"`, `machine("ssh", address = "web-1", jump = "evil")`, "no"},
		{`"ssh://web-1"`, `machine("ssh", address = "web-1", jump = "none")`, "yes"},
		{`"ssh://web-1"`, `machine("local")`, "no"},
		{`"ssh://web-1"`, `machine("container", container = "web-1")`, "no"},
		{`"ssh://web-1"`, `"web-1"`, "no"},
		{`"ssh://web-1"`, `[` + web + `]`, "yes"},
		{`"ssh://web-1"`, `[` + web + `, machine("local")]`, "no"},
		{`"ssh://web-1"`, `unknown`, "maybe"},
		{`["ssh://web-1", "ssh://bastion"]`, `machine("ssh", address = "web-1", jump = machine("ssh", address = "bastion"))`, "yes"},
		{`["ssh://web-1", "ssh://root@web-1"]`, sudo, "yes"},
		{`"ssh://*@web-1"`, sudo, "yes"},
		{`"ssh://*@web-1"`, `machine("ssh", address = "web-2", user = "root")`, "no"},
		{`"ssh://deploy@*.example.org:*"`, `machine("ssh", address = "a.example.org", user = "deploy", port = 2222)`, "yes"},
		{`"ssh://deploy@*.example.org"`, `machine("ssh", address = "example.org", user = "deploy")`, "no"},
		{`"ssh://[::1]:2222"`, `machine("ssh", address = "::1", port = 2222)`, "yes"},
		{`"local"`, `machine("local")`, "yes"},
		{`"local"`, `machine("local", sudo = True)`, "no"},
		{`"container://db-*"`, `machine("container", container = "db-1")`, "yes"},
		{`"container://db-*"`, `machine("container", container = "db-1", user = "root")`, "no"},
		{`"container://db-*"`, `machine("container", container = "db-1", engine = "tcp://evil:2375")`, "no"},
		{`"*"`, `machine("local", sudo = True)`, "yes"},
	} {
		entries := entriesOf(t, "[[capabilities]]\neffect = \"target.facts\"\nargs.target = "+c.pattern+"\n")
		call := callOf(t, "target.facts", "target = "+c.target)
		got := map[capability.Verdict]string{capability.Yes: "yes", capability.No: "no", capability.Maybe: "maybe"}[capability.AllowedBy(entries, call, catalog, paths)]
		if got != c.want {
			t.Errorf("%s for %s: %s, want %s", c.pattern, c.target, got, c.want)
		}
		if c.want == "maybe" {
			continue
		}
		// What is made of what was done allows that, unless nothing can.
		exact, never, err := capability.Synthesize([]capability.Call{call}, catalog, paths, value.NewSecrets(nil))
		if err != nil || len(never) > 0 || capability.AllowedBy(exact, call, catalog, paths) != capability.Yes {
			t.Errorf("%s: %v, %v, %v", c.target, exact, never, err)
		}
	}
	for _, pattern := range []string{"web-1", "ssh://", "ssh://web*", "ssh://web-1/x", "local://x", "container://", "https://web-1", "ssh://web-1:x"} {
		if _, err := capability.ParseManifest([]byte(head+"[[capabilities]]\neffect = \"target.facts\"\nargs.target = \""+pattern+"\"\n"), catalog); err == nil {
			t.Errorf("%q is a pattern", pattern)
		}
	}
}

func TestAllowedBy(t *testing.T) {
	paths := workspace(t)
	const (
		yes   = capability.Yes
		no    = capability.No
		maybe = capability.Maybe
	)
	type attempt struct {
		args string
		want capability.Verdict
	}
	tests := []struct {
		name, entry, kind string
		attempts          []attempt
	}{
		{"paths below a directory", `effect = "fs.read"
args.path = "templates/**"`, "fs.read", []attempt{
			{`path = "templates/a.txt"`, yes},
			{`path = "//templates/a.txt"`, yes},
			{`path = "./templates/sub/../a.txt"`, yes},
			{`path = "templates"`, yes},
			{`path = "templates/in/x"`, yes},
			{`path = "templates/a.txt", limit = 3, binary = True, _timeout = "3s"`, yes},
			{`path = "templates/../secret"`, no},
			{`path = "templates/sub/../../secret"`, no},
			{`path = "templatesX/a"`, no},
			{`path = "Templates/a.txt"`, no},
			{`path = "templates\u2215..\u2215x"`, no}, // a slash that is none
			{`path = "x/templates/a"`, no},
			{`path = "/templates/a"`, no},
			{`path = "templates/out/src/x"`, no}, // by a link
			{`path = "templates/out"`, no},
			{`path = "templates/abs/passwd"`, no},
			{`path = "templates/a\x00b"`, no},
			{`path = ""`, no},
			{`path = "."`, no},
			{`path = ".provisioning/journal.db"`, no},
			{`path = unknown`, maybe},
		}},
		{"a link in a name with wildcards", `effect = "fs.read"
args.path = "[x]/**"`, "fs.read", []attempt{{`path = "[x]/a"`, yes}, {`path = "[x]/link/a"`, no}}},
		{"one component", `effect = "fs.write"
args.path = "out/*.txt"`, "fs.write", []attempt{
			{`path = "out/a.txt", content = "x"`, yes},
			{`path = "out/a/b.txt", content = "x"`, no},
			{`path = "out/a.txt.sh", content = "x"`, no},
		}},
		{"code is not reached by wildcards", `effect = "fs.*"
args.path = ["**", "src/*"]
args.source = "**"
args.target = "**"`, "fs.write", []attempt{
			{`path = "lib/u.txt", content = "x"`, yes},
			{`path = "lib/u.star", content = "x"`, no},
			{`path = "src/u.STAR", content = "x"`, no},
			{`path = "lib/sub/../u.star", content = "x"`, no},
			{`path = ".git/hooks/pre-commit", content = "x"`, no},
			{`path = "sub/.GIT/config", content = "x"`, no},
			{`path = ".git", content = "x"`, no},
			{`path = "src/extension.toml", content = "x"`, no},
		}},
		{"nor as a target", `effect = "fs.*"
args.source = "**"
args.target = "**"`, "fs.copy", []attempt{
			{`source = "lib/u.star", target = "out/u.txt"`, yes},
			{`source = "u.txt", target = "lib/u.star"`, no},
			{`source = "hooks", target = ".git/hooks", recursive = True`, no},
		}},
		{"what moves is changed, too", `effect = "fs.move"
args.source = "**"
args.target = "**"`, "fs.move", []attempt{{`source = "lib/u.star", target = "out/u.txt"`, no}, {`source = "a", target = "b"`, yes}}},
		{"code that is read", `effect = "fs.read"
args.path = "**"`, "fs.read", []attempt{{`path = "lib/u.star"`, yes}, {`path = ".git/config"`, yes}}},
		{"code that is named", `effect = "fs.write"
args.path = ["lib/**/*.star", ".git/hooks/*", "src/extension.toml"]`, "fs.write", []attempt{
			{`path = "lib/u.star", content = "x"`, yes},
			{`path = "lib/a/u.star", content = "x"`, yes},
			{`path = ".git/hooks/pre-commit", content = "x"`, yes},
			{`path = ".git/hooks/x.star", content = "x"`, no},
			{`path = "lib/.git/x.star", content = "x"`, no},
			{`path = "src/extension.toml", content = "x"`, yes},
		}},
		{"every file has to be named", `effect = "fs.*"
args.path = "out/**"`, "fs.copy", []attempt{{`source = "secret", target = "out/x"`, no}}},
		{"defaults count", `effect = "fs.list"`, "fs.list", []attempt{{``, no}}},
		{"patterns of fs.glob", `effect = "fs.glob"
args.pattern = "templates/**"`, "fs.glob", []attempt{
			{`pattern = "templates/*/x"`, yes},
			{`pattern = "templat*/x"`, no},
			{`pattern = "*/x"`, no},
			{`pattern = "templates/out/*"`, no},
			{`pattern = "templates/*/../../x"`, no},
		}},
		{"commands", `effect = "exec.run"
args.command = ["git", ["clone", "fetch"], "*"]`, "exec.run", []attempt{
			{`command = ["git", "clone", "x"]`, yes},
			{`command = ("git", "fetch", "x")`, yes},
			{`command = ["git", "clone", "x"], check = False, quiet = True`, yes},
			{`command = ["git", "clone", unknown]`, maybe},
			{`command = [unknown, "clone", "x"]`, maybe},
			{`command = ["git", "push", unknown]`, no},
			{`command = ["git", "clone"]`, no},
			{`command = ["git", "clone", "x", "y"]`, no},
			{`command = ["git", "clone", "--upload-pack=touch x"]`, no},
			{`command = ["git", "-c", "core.sshCommand=x", "clone", "x"]`, no},
			{`command = ["/tmp/git", "clone", "x"]`, no},
			{`command = ["./git", "clone", "x"]`, no},
			{`command = ["Git", "clone", "x"]`, no},
			{`command = "git clone x", shell = True`, no},
			{`command = ["git", "clone", "x"], stdin = "x"`, no},
			{`command = ["git", "clone", "x"], _sudo = True`, no},
			{`command = ["git", "clone", "x"], _sudo = False`, yes},
			{`command = ["git", "clone", "x"], _user = "root"`, no},
			{`command = ["git", "clone", "x"], _env = {"GIT_SSH_COMMAND": "x"}`, no},
			{`command = ["git", "clone", "x"], _cwd = "src"`, no},
		}},
		{"any number of words", `effect = "exec.run"
args.command = ["ls", "**"]`, "exec.run", []attempt{
			{`command = ["ls"]`, yes}, {`command = ["ls", "a", "b"]`, yes}, {`command = ["ls", "a", "-l"]`, no},
		}},
		{"options when they are named", `effect = "exec.run"
args.command = ["git", "log", "--depth=*", "-**"]`, "exec.run", []attempt{
			{`command = ["git", "log", "--depth=1", "-x", "y"]`, yes}, {`command = ["git", "log", "--deep=1"]`, no},
		}},
		{"files and URLs in commands", `effect = "exec.run"
args._cwd = "src"
args.command = ["git", "clone", "url:https://github.com/acme", "path:src/*"]`, "exec.run", []attempt{
			{`command = ["git", "clone", "https://github.com/acme/x", "src/x"]`, yes},
			{`command = ["git", "clone", "https://github.com/acme/x", "x"], _cwd = "src"`, yes},
			{`command = ["git", "clone", "https://github.com/acme/x", "src/x"], _cwd = "src"`, no},
			{`command = ["git", "clone", "https://github.com/acme/x", "src/x"], _cwd = "/"`, no},
			{`command = ["git", "clone", "https://github.com/acme/x", "//src/x"]`, no}, // /src/x for git
			{`command = ["git", "clone", "https://github.com/acme/x", "src/../src/x"]`, no},
			{`command = ["git", "clone", "https://github.com/acme/x", "-x"]`, no},
			{`command = ["git", "clone", "ext::sh -c x", "src/x"]`, no},
			{`command = ["git", "clone", "https://github.com/acmeX/x", "src/x"]`, no},
		}},
		{"the shell", `effect = "exec.run"
args.shell = true
args.command = "ls | wc -l"`, "exec.run", []attempt{
			{`command = "ls | wc -l", shell = True`, yes},
			{`command = "ls | wc -l; x", shell = True`, no},
			{`command = ["ls | wc -l"]`, no},
		}},
		{"variables", `effect = "exec.run"
args.command = ["env"]
args._env = ["A", "B=x*"]`, "exec.run", []attempt{
			{`command = ["env"]`, yes},
			{`command = ["env"], _env = {"A": "anything", "B": "xy"}`, yes},
			{`command = ["env"], _env = {"B": "y"}`, no},
			{`command = ["env"], _env = {"LD_PRELOAD": "x"}`, no},
			{`command = ["env"], _env = {"A": unknown}`, maybe},
			{`command = ["env"], _env = {"C": unknown}`, no},
		}},
		{"URLs", `effect = "http.get"
args.follow = true
args.url = "https://good.example/api"`, "http.get", []attempt{
			{`url = "https://good.example/api"`, yes},
			{`url = "https://good.example/api/x?y=z#f"`, yes},
			{`url = "HTTPS://GOOD.example:443/api/"`, yes},
			{`url = "https://good.example/api", follow = False, token = "t", headers = {"accept": "b", "Authorization": unknown}`, yes},
			{`url = "https://good.example/api", headers = {"Host": "internal"}`, no},
			{`url = "https://good.example/api", headers = {"hOST": "internal"}`, no},
			{`url = "https://good.example/api", headers = {"X-Forwarded-Host": "internal"}`, no},
			{`url = "https://good.example/api", headers = {"X-HTTP-Method-Override": "DELETE"}`, no},
			{`url = "https://good.example/api", headers = {1: "x"}`, no},
			{`url = "https://good.example/api", headers = unknown`, maybe},
			{`url = "https://good.example/apix"`, no},
			{`url = "https://good.example/"`, no},
			{`url = "http://good.example/api"`, no},
			{`url = "https://good.example:8443/api"`, no},
			{`url = "https://good.example.evil/api"`, no},
			{`url = "https://good.example@evil.example/api"`, no},
			{`url = "https://evil.example#@good.example/api"`, no},
			{`url = "https://user:pw@good.example/api"`, no},
			{`url = "https://good.example\\@evil.example/api"`, no},
			{`url = "https://evil.example/https://good.example/api"`, no},
			{`url = "https://good.example./api"`, no},
			{`url = "https://good\uff0eexample/api"`, no}, // a full stop that is none
			{`url = "https://g\u043e\u043ed.example/api"`, no},
			{`url = "https://good%2eexample/api"`, no},
			{`url = "https://good.example/api/../admin"`, no},
			{`url = "https://good.example/api/%2e%2e/admin"`, no},
			{`url = "https://good.example/api%2f..%2fadmin"`, no},
			{`url = "https://good.example/api/..;/admin"`, no},
			{`url = "https://good.example/api\\..\\admin"`, no},
			{`url = "https://good.example//api"`, no},
			{`url = "https:good.example/api"`, no},
			{`url = "//good.example/api"`, no},
			{`url = " https://good.example/api"`, no},
			{`url = "https://good.example/api", insecure = True`, no},
			{`url = "https://good.example/api", ca_file = "x"`, no},
			{`url = unknown`, maybe},
		}},
		{"headers", `effect = "http.get"
args.url = "https://good.example"
args.follow = true
args.headers = ["Host=*.good.example", "x-mine"]`, "http.get", []attempt{
			{`url = "https://good.example/"`, yes},
			{`url = "https://good.example/", headers = {"host": "a.good.example", "X-Mine": "y", "Accept": "z"}`, yes},
			{`url = "https://good.example/", headers = {"Host": "internal"}`, no},
			{`url = "https://good.example/", headers = {"Host": unknown}`, maybe},
			{`url = "https://good.example/", headers = {"X-Other": "y"}`, no},
			{`url = "https://good.example/", headers = {1: "y"}`, no},
		}},
		{"any headers", `effect = "http.get"
args.url = "https://good.example"
args.follow = true
args.headers = "*"`, "http.get", []attempt{{`url = "https://good.example/", headers = {"Host": "internal"}`, yes}}},
		{"redirects have to be named", `effect = "http.get"
args.url = "https://good.example"`, "http.get", []attempt{
			{`url = "https://good.example/"`, no}, {`url = "https://good.example/", follow = False`, yes},
		}},
		{"hosts of a domain", `effect = "http.get"
args.follow = true
args.url = ["https://*.example.com", "http://127.0.0.1:80"]`, "http.get", []attempt{
			{`url = "https://a.example.com/x"`, yes},
			{`url = "https://a.b.example.com/"`, yes},
			{`url = "http://127.0.0.1/"`, yes},
			{`url = "https://example.com/"`, no},
			{`url = "https://evilexample.com/"`, no},
			{`url = "https://a.example.com.evil/"`, no},
			{`url = "http://2130706433/"`, no},
			{`url = "http://127.0.0.1:8080/"`, no},
		}},
		{"files that come from a machine", `effect = "target.get"
args.target = "*"
args.source = "*"
args.destination = "src/**"`, "target.get", []attempt{
			{`target = "t", source = "/a", destination = "src/x"`, yes},
			{`target = "t", source = "/a", destination = "src/../lib/x"`, no},
			{`target = "t", source = "/a", destination = "src/u.star"`, no},
		}},
		{"files that go to a machine", `effect = "target.put"
args.target = "*"
args.source = "src/**"
args.destination = "/srv/*"`, "target.put", []attempt{
			{`target = "t", source = "src/u.star", destination = "/srv/x"`, yes},
			{`target = "t", source = "src/../key", destination = "/srv/x"`, no},
		}},
		{"commands on machines", `effect = "ssh.exec"
args.target = "*"
args.shell = true
args.command = ["systemctl", "status", "*"]`, "ssh.exec", []attempt{
			{`target = "t", command = ["systemctl", "status", "nginx"]`, yes},
			{`target = "t", command = ["status", "systemctl", "nginx"]`, no},
			{`target = "t", command = ["systemctl", "status", "--force"]`, no},
			{`target = "t", command = "systemctl status x; rm -rf /", shell = True`, no},
		}},
		{"secrets", `effect = "secret.get"
args.uri = ["ws://db/*", "env://DB_PASSWORD", "file://templates/**"]`, "secret.get", []attempt{
			{`uri = "ws://db/password"`, yes},
			{`uri = "env://DB_PASSWORD"`, yes},
			{`uri = "file://templates/key"`, yes},
			{`uri = "ws://db/a/b"`, no},
			{`uri = "ws://dbx/a"`, no},
			{`uri = "env://DB_PASSWORD2"`, no},
			{`uri = "env://db/a"`, no},
			{`uri = "file://templates/../key"`, no},
			{`uri = "file://templates/out/src/key"`, no},
		}},
		{"a mode", `effect = "fs.*"
mode = "read"
args.path = "templates/**"`, "fs.write", []attempt{{`path = "templates/x", content = "x"`, no}}},
		{"another effect", `effect = "fs.read"
args.path = "**"`, "fs.write", []attempt{{`path = "x", content = "x"`, no}}},
		{"numbers", `effect = "fs.chmod"
args.path = "src/*"
args.mode = 0o600`, "fs.chmod", []attempt{{`path = "src/x", mode = 0o600`, yes}, {`path = "src/x", mode = 0o4755`, no}, {`path = "src/x", mode = True`, no}}},
		{"texts", `effect = "env.get"
args.name = ["APP_*", "HOME"]`, "env.get", []attempt{{`name = "APP_X"`, yes}, {`name = "HOME"`, yes}, {`name = "AWS_SECRET"`, no}, {`name = "xAPP_"`, no}}},
	}
	for _, test := range tests {
		entries := entriesOf(t, "[[capabilities]]\n"+test.entry)
		for _, a := range test.attempts {
			got := capability.AllowedBy(entries, callOf(t, test.kind, a.args), catalog, paths)
			if got != a.want {
				t.Errorf("%s: %s(%s) is %d, want %d", test.name, test.kind, a.args, got, a.want)
			}
		}
	}
}

// TestArgumentsThatNeedNoNaming: the tables of the package name only arguments
// that there are.
func TestArgumentsThatNeedNoNaming(t *testing.T) {
	for _, stale := range capability.Stale(catalog) {
		t.Errorf("no builtin has %s", stale)
	}
}

func TestNothingIsAllowedByNothing(t *testing.T) {
	for kind := range catalog {
		if got := capability.AllowedBy(nil, capability.Call{Kind: kind}, catalog, workspace(t)); got != capability.No {
			t.Errorf("%s is %d", kind, got)
		}
	}
}

func TestManifestMistakes(t *testing.T) {
	tests := []struct{ text, want string }{
		{`[[capabilities]]
efect = "fs.read"`, `unknown key "capabilities.efect" (did you mean "effect"?)`},
		{`[[capability]]`, `unknown key "capability"`},
		{`[[capabilities]]
effect = "fs.raed"`, `capabilities[0] fs.raed: there is no such effect (did you mean "fs.read"?)`},
		{`[[capabilities]]
effect = "*"`, "no such effect"},
		{`[[capabilities]]
effect = "fs.read"
mode = "rw"`, `mode is "rw"`},
		{`[[capabilities]]
effect = "fs.read"
mode = "write"`, "it is no write"},
		{`[[capabilities]]
effect = "fs.read"
args.pth = "x"`, `it has no argument "pth" (did you mean "path"?)`},
		{`[[capabilities]]
effect = "fs.read"
args.path = "../x"`, `it has the component ".."`},
		{`[[capabilities]]
effect = "fs.read"
args.path = "x/"`, "empty component"},
		{`[[capabilities]]
effect = "fs.read"
args.path = "**/x/**"`, "twice"},
		{`[[capabilities]]
effect = "fs.read"
args.path = true`, "must be a string"},
		{`[[capabilities]]
effect = "fs.read"
args.path = []`, "the list is empty"},
		{`[[capabilities]]
effect = "exec.run"
args.command = ["*"]`, "the program must be exact"},
		{`[[capabilities]]
effect = "exec.run"
args.command = ["a", "**", "b"]`, "can only be the last word"},
		{`[[capabilities]]
effect = "exec.run"
args.command = "ls *"`, "a text for the shell must be exact"},
		{`[[capabilities]]
effect = "exec.run"
args._env = ["*"]`, "the name exact"},
		{`[[capabilities]]
effect = "http.get"
args.url = "example.com"`, "it must be a URL"},
		{`[[capabilities]]
effect = "http.get"
args.url = "https://ex*mple.com"`, "its host must be ASCII"},
		{`[[capabilities]]
effect = "http.get"
args.url = "https://u@example.com"`, "neither a user"},
	}
	for _, test := range tests {
		_, err := capability.ParseManifest([]byte(head+test.text), catalog)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\ngot %v, want %q", test.text, err, test.want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	a := entriesOf(t, "[[capabilities]]\neffect = \"fs.read\"\nargs.path = \"a\"\n[[capabilities]]\neffect = \"fs.read\"\nargs.path = \"b\"\nwhy = \"x\"")
	b := entriesOf(t, "[[capabilities]]\neffect = \"fs.read\"\nargs.path = \"b\"\n[[capabilities]]\neffect = \"fs.read\"\nargs.path = \"a\"")
	c := entriesOf(t, "[[capabilities]]\neffect = \"fs.read\"\nargs.path = \"b\"\n[[capabilities]]\neffect = \"fs.read\"\nargs.path = \"c\"")
	if capability.Fingerprint(a) != capability.Fingerprint(b) {
		t.Error("the order or the reasons count")
	}
	if capability.Fingerprint(a) == capability.Fingerprint(c) {
		t.Error("another path does not count")
	}
}

// FuzzManifest: no text crashes the parser, and what it accepts is written and
// read again as the same.
func FuzzManifest(f *testing.F) {
	f.Add(head + "[[capabilities]]\neffect = \"fs.read\"\nargs.path = \"a/**\"")
	f.Add(head + "[[capabilities]]\neffect = \"exec.run\"\nargs.command = [\"git\", [\"a\", \"b\"], \"url:https://x/y\", \"path:a/*\", \"-**\"]\nargs._env = [\"A=*\"]")
	f.Add(head + "[[capabilities]]\neffect = \"http.*\"\nmode = \"read\"\nargs.url = \"https://*.x.y:1/z\"\nargs.follow = true")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := capability.ParseManifest([]byte(text), catalog)
		if err != nil {
			return
		}
		again, err := capability.ParseManifest([]byte(m.String()), catalog)
		if err != nil {
			t.Fatalf("%v\n%s", err, m)
		}
		if capability.Fingerprint(m.Capabilities) != capability.Fingerprint(again.Capabilities) {
			t.Errorf("it was\n%s\nand is\n%s", m, again)
		}
	})
}

// FuzzConfined: whatever path is allowed lies, links followed, in the directory;
// whatever URL is allowed has the host.
func FuzzConfined(f *testing.F) {
	f.Add("templates/../x", "https://good.example@evil")
	f.Add("templates/in/x", "https://good.example/a/../b")
	f.Add("templates/out/..", "https://good.example:443/a")
	paths := workspace(f)
	root := paths.Files.Workspace()
	read := entriesOf(f, "[[capabilities]]\neffect = \"fs.read\"\nargs.path = \"templates/**\"")
	get := entriesOf(f, "[[capabilities]]\neffect = \"http.get\"\nargs.follow = true\nargs.url = \"https://good.example/a\"")
	f.Fuzz(func(t *testing.T, path, url string) {
		call := capability.Call{Kind: "fs.read", Args: map[string]starlark.Value{"path": starlark.String(path)}}
		if capability.AllowedBy(read, call, catalog, paths) != capability.No {
			p, err := paths.Files.Resolve(path)
			if err != nil || p.Real() != root+"/templates" && !strings.HasPrefix(p.Real(), root+"/templates/") {
				t.Errorf("%q is allowed: %v", path, err)
			}
		}
		call = capability.Call{Kind: "http.get", Args: map[string]starlark.Value{"url": starlark.String(url)}}
		if capability.AllowedBy(get, call, catalog, paths) != capability.No {
			rest, ok := strings.CutPrefix(strings.ToLower(url), "https://good.example")
			if !ok || !strings.HasPrefix(rest, "/a") && !strings.HasPrefix(rest, ":443/a") && !strings.HasPrefix(rest, ":/a") && !strings.HasPrefix(rest, "/%61") && !strings.HasPrefix(rest, ":443/%61") && !strings.HasPrefix(rest, ":/%61") {
				t.Errorf("%q is allowed", url)
			}
		}
	})
}
