package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/console"
)

// sound is a workspace with a taskserv in which there is nothing wrong, and some that it
// may come to require by mistake.
var sound = map[string]string{
	"config/provisioning.toml":   "",
	"extensions/hello/README.md": "# hello\n",
	"extensions/hello/extension.toml": `[extension]
name = "hello"
type = "taskserv"
version = "1.2.0"

[[capabilities]]
effect = "op.package"
why = "installs it"
args = { target = "*", name = "hello", state = "*", lock_timeout = "*", recommends = true }

[[capabilities]]
effect = "op.file"
why = "configures it"
args = { target = "*", path = "/etc/hello.conf", content = "*", state = "present" }
`,
	"extensions/hello/taskserv.star": `"""Says hello."""

load("./templates/hello.conf", conf = "text")

Config = schema.record(
    port = schema.int(default = 8080, min = 1, max = 65535),
    greeting = schema.str(
        default = "hello",
    ),
)

def install(ctx):
    op.package(ctx.target, "hello")

def configure(ctx):
    text = template.string(conf, {"config": ctx.config, "server": ctx.server.name})
    op.file(ctx.target, "/etc/hello.conf", content = text)

def health(ctx):
    return [taskserv.check(tcp = ctx.config.port)]

recipe = taskserv.declare(
    "hello",
    version = "1.2.0",
    install = install,
    configure = configure,
    health = health,
    config = Config,
    profiles = {
        "loud": {"greeting": "HELLO"},
        "high": {"port": 18080},
    },
    requires = [
        "os",
        "redis",
    ],
    supported_os = ["debian", "ubuntu-22.04"],
    versions = ["~1.2"],
    ports = [8080],
)
`,
	"extensions/hello/templates/hello.conf": "port {{ config.port }}\ngreeting {{ config.greeting }}\nserver {{ server }}\n",
	"extensions/hello/scripts/hello.sh":     "#!/bin/sh\nset -e\necho hello\n",
	"extensions/cilium/extension.toml":      "[extension]\nname = \"cilium\"\ntype = \"taskserv\"\nversion = \"0.1.0\"\n",
	"extensions/cilium/taskserv.star":       "recipe = taskserv.declare(\"cilium\", install = lambda ctx: None, provides = [\"cni\"])\n",
	"extensions/calico/extension.toml":      "[extension]\nname = \"calico\"\ntype = \"taskserv\"\nversion = \"0.1.0\"\n",
	"extensions/calico/taskserv.star":       "recipe = taskserv.declare(\"calico\", install = lambda ctx: None, provides = [\"cni\"])\n",
	"extensions/circle/README.md":           "# circle\n",
	"extensions/circle/extension.toml":      "[extension]\nname = \"circle\"\ntype = \"taskserv\"\nversion = \"0.1.0\"\n",
	"extensions/circle/taskserv.star":       "recipe = taskserv.declare(\"circle\", install = lambda ctx: None, requires = [\"hello\"])\n",
}

const (
	star     = "extensions/hello/taskserv.star"
	manifest = "extensions/hello/extension.toml"
	conf     = "extensions/hello/templates/hello.conf"
)

// mistakes are changes of what is sound: in a file, one text is replaced by another one.
// With it, validate says so at this line, which begins with the text.
var mistakes = []struct {
	name, file, from, to string
	at                   string // file:line
	text, says           string
}{
	{"version constraint", star, `"~1.2"`, `"~1,2 or so"`, star + ":38", `versions =`, `cannot parse the version constraint "~1,2 or so"`},
	{"circle", star, `"redis",`, `"circle",`, star + ":35", `"circle"`, "circular dependency detected: circle -> hello -> circle"},
	{"itself", star, `"redis",`, `"hello",`, star + ":35", `"hello"`, "circular dependency detected: hello -> hello"},
	{"unknown field of declare", star, "    versions = ", "    version_s = ", star + ":38", "version_s", `did you mean versions?`},
	{"unknown field of the manifest", manifest, "version =", "verzion =", manifest + ":4", "verzion", `unknown key "extension.verzion" (did you mean "version"?)`},
	{"template syntax", conf, "{{ config.greeting }}", "{% if config.greeting %}", conf + ":3", "server", "expected tag elif or else or endif"},
	{"template that uses what the configuration has not", conf, "config.greeting", "config.greetings", conf + ":2", "greeting {{", `has no "greetings" (did you mean "greeting"?)`},
	{"template that uses what it does not get", conf, "{{ server }}", "{{ sever }}", conf + ":3", "server {{", `"sever" is not among the variables that the template gets (did you mean "server"?)`},
	{"missing template", star, "hello.conf", "helo.conf", star + ":3", "load(", "helo.conf"},
	{"type of a default", star, "default = 8080", `default = "8080"`, star + ":6", "port =", `the default does not fit: the value must be an int from 1 to 65535, not "8080"`},
	{"type of a default on a line of its own", star, `default = "hello"`, `default = 1`, star + ":8", "default =", "the default does not fit"},
	{"default out of range", star, "default = 8080", "default = 80800", star + ":6", "port =", "not 80800"},
	{"profile that the schema refuses", star, `"port": 18080`, `"port": 0`, star + ":31", `"high":`, "profile high: port must be an int from 1 to 65535, not 0"},
	{"profile with an unknown field", star, `"greeting": "HELLO"`, `"greting": "HELLO"`, star + ":30", `"loud":`, `did you mean`},
	{"shell syntax", "extensions/hello/scripts/hello.sh", "echo hello", "if true; then", "extensions/hello/scripts/hello.sh:3", "if true", "if"},
	{"port of a health check", star, "tcp = ctx.config.port", "tcp = 99999", star + ":20", "return [taskserv.check", "there is no port 99999"},
	{"URL of a health check", star, "tcp = ctx.config.port", `http = "localhost:8080"`, star + ":20", "return [taskserv.check", "begins with http:// or https://"},
	{"URL with a wrong port", star, "health = health", `health = [taskserv.check(http = "http://127.0.0.1:99999/")]`, star + ":27", "health = [", "there is no port 99999"},
	{"command of a health check", star, "health = health", `health = [taskserv.check(command = "echo 'hello")]`, star + ":27", "health = [", "cannot be read by a shell"},
	{"name of the recipe", star, `    "hello",`, `    "helo",`, star + ":23", `"helo"`, `the recipe is called "helo", its directory "hello"`},
	{"name of the manifest", manifest, `"hello"`, `"helo"`, manifest + ":2", "name =", `extension.name is "helo", but the directory is "hello"`},
	{"no README", "extensions/hello/README.md", "", "", manifest + ":1", "[extension]", "there is no README.md"},
	{"type of the manifest", manifest, `"taskserv"`, `"cluster"`, manifest + ":3", "type =", `extension.type is "cluster"`},
	{"unknown type of the manifest", manifest, `"taskserv"`, `"tasksrv"`, manifest + ":3", "type =", `did you mean "taskserv"?`},
	{"version of the manifest", manifest, `"1.2.0"`, `"1.3.0"`, manifest + ":4", "version =", "extension.version is 1.3.0, but the recipe declares 1.2.0"},
	{"no version", manifest, `"1.2.0"`, `"one"`, manifest + ":4", "version =", `extension.version is "one"`},
	{"effect at the top level", star, "Config = ", "HOME = env.get(\"HOME\")\nConfig = ", star + ":5", "HOME =", "top level"},
	{"not exported", star, "recipe = task", "service = task", star + ":22", "service =", "the script declares no recipe"},
	{"parameters of a function", star, "def install(ctx):", "def install(ctx, more):", star + ":25", "install = install", "install is called with 1 arguments, which install does not take"},
	{"unknown requirement", star, `"redis",`, `"reddis",`, star + ":35", `"reddis"`, `there is no taskserv "reddis" (did you mean "redis"?)`},
	{"conflict with what it requires", star, "    ports = [8080],", "    conflicts = [\"redis\"],", star + ":35", `"redis"`, "hello requires redis, and conflicts with it"},
	{"two that exclude each other", star, `"redis",`, `"cilium", "calico",`, star + ":35", `"cilium"`, "cilium and calico conflict"},
	{"asks for what it does not need", manifest, "[[cap", "[[capabilities]]\neffect = \"http.get\"\nwhy = \"x\"\nargs = { url = \"https://example.org/\" }\n\n[[cap", manifest + ":7", "effect =", "it asks for http.get, which no script needs"},
	{"does what it does not ask for", manifest, `name = "hello",`, `name = "bye",`, star + ":13", "op.package", "op.package is not among what extension.toml asks for"},
	{"unknown system", star, `"ubuntu-22.04"`, `"ubunto-22.04"`, star + ":37", "supported_os", `there is no operating system "ubunto-22.04" (did you mean "ubuntu"?)`},
	{"Starlark syntax", star, "def configure(ctx):", "def configure(ctx:", star + ":15", "def configure", "want"},
	{"undefined name", star, "content = text", "content = txt", star + ":17", "op.file", "undefined: txt"},
	{"port of the service", star, "ports = [8080]", "ports = [80800]", star + ":39", "ports =", "there is no port 80800"},
}

func TestValidate(t *testing.T) {
	t.Parallel()
	a := &app{console: console.New()}
	if got := inspected(t, a, nil); len(got) != 1 || !strings.Contains(got[0], "shellcheck is not installed") {
		t.Errorf("what is sound: %q", got)
	}
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{}
			if m.from != "" {
				if files[m.file] = strings.Replace(sound[m.file], m.from, m.to, 1); files[m.file] == sound[m.file] {
					t.Fatalf("%s has no %q", m.file, m.from)
				}
			} else {
				files[m.file] = ""
			}
			found := inspected(t, &app{console: console.New()}, files)
			for _, p := range found {
				if strings.HasPrefix(p, m.at+": "+m.text) && strings.Contains(p, m.says) {
					return
				}
			}
			t.Errorf("want %s: %s … %s\ngot  %s", m.at, m.text, m.says, strings.Join(found, "\n     "))
		})
	}
}

// inspected is what validate says of hello in a workspace where some files are others;
// an empty one is not there.
func inspected(t *testing.T, a *app, files map[string]string) []string {
	t.Helper()
	root := t.TempDir()
	for name, text := range sound {
		if changed, ok := files[name]; ok {
			if text = changed; text == "" {
				continue
			}
		}
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.flags.workspace = root
	report, err := a.inspectTaskserv("hello", "all")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, g := range report.Groups {
		for _, p := range append(g.Errors, g.Warnings...) {
			lines = append(lines, fmt.Sprintf("%s:%d: %s | %s", p.File, p.Line, p.Text, p.Message))
		}
	}
	return lines
}
