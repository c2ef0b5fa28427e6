package inspect

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"mvdan.cc/sh/v3/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// lookAtHealth looks whether the checks of health are well formed. A function that makes
// them is called with a server that there is not, the defaults and every profile.
func (i *inspection) lookAtHealth() {
	if i.recipe == nil {
		return
	}
	v := i.recipe.Field("health")
	if _, ok := v.(starlark.Callable); ok {
		for _, p := range i.profiles() {
			i.askHealth(p)
		}
		return
	}
	list, _ := v.(starlark.Iterable)
	if list == nil || starlark.Len(v) == 0 {
		i.warn(health, i.declared("health", i.recipe.Name+" has no health checks: nobody notices when it is not well", "health = [taskserv.check(…)]"))
		return
	}
	n := 0
	for check := range starlark.Elements(list) {
		i.lookAtCheck(fmt.Sprintf("health[%d]", n), check)
		n++
	}
}

// askHealth calls the function, at the top level of a script: it can do nothing there
// but compute. One that asks its server is not looked at.
func (i *inspection) askHealth(p profile) {
	if s := i.schema(); s != nil {
		if _, report, err := s.Validate(i.thread(), p.given, nil); err != nil || !report.OK() {
			return
		}
	}
	globals, err := i.tools.Ask(i.healthScript(p))
	if e := fault.As(err); e != nil {
		if strings.Contains(e.Msg, "cannot be used at the top level") { // it asks its server
			return
		}
		x := i.failed(e)
		x.Message = p.in(x.Message)
		i.wrong(health, x)
		return
	}
	list, ok := globals["checks"].(starlark.Iterable)
	if !ok {
		i.wrong(health, i.declared("health", "health must return a list of what taskserv.check returns", ""))
		return
	}
	for check := range starlark.Elements(list) {
		i.lookAtCheck("health", check)
	}
}

func (i *inspection) healthScript(p profile) string {
	config := "struct()"
	if i.schema() != nil {
		config = "recipe.config({})"
		if p.name != "" {
			config = fmt.Sprintf("recipe.config(recipe.profiles[%s])", strconv.Quote(p.name))
		}
	}
	return fmt.Sprintf(`load(%q, "recipe")

me = struct(name = "server-1", address = "192.0.2.1", target = None, facts = struct(
    os = "debian", version = "12", arch = "x86_64", memory = 1 << 30, cpus = 1, disks = [], hostname = "server-1", init = "systemd",
))
settings = %s
checks = recipe.health(struct(
    target = None, server = me, peers = [me], config = settings, given = {}, version = recipe.default_version, updating = False,
    profile = %q, installed = None, restart = "restart", reload = "reload",
))
`, i.Place.Module, config, p.name)
}

// lookAtCheck looks at what taskserv.check has made; that looks at the rest itself.
func (i *inspection) lookAtCheck(argument string, v starlark.Value) {
	s, ok := v.(*starlarkstruct.Struct)
	if !ok {
		i.wrong(health, i.declared(argument, "health must have what taskserv.check returns, not a "+v.Type(), ""))
		return
	}
	kind, what := text(s, "kind"), text(s, "what")
	switch kind {
	case "http":
		if message := badURL(what); message != "" {
			i.wrong(health, i.declared(argument, message, "a URL is such as http://127.0.0.1:9090/-/healthy"))
		}
	case "command":
		if _, _, message := shellMistake(what, syntax.LangPOSIX); message != "" {
			i.wrong(health, i.declared(argument, fmt.Sprintf("the command %q cannot be read by a shell: %s", what, message), ""))
		}
	}
}

func text(s *starlarkstruct.Struct, name string) string {
	v, err := s.Attr(name)
	if err != nil {
		return ""
	}
	out, _ := starlark.AsString(v)
	return out
}

func badURL(what string) string {
	u, err := url.Parse(what)
	if err != nil {
		return strings.TrimPrefix(err.Error(), "parse ")
	}
	if u.Hostname() == "" {
		return fmt.Sprintf("the URL %q has no host", what)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Sprintf("there is no port %s, which the URL %q has", port, what)
		}
	}
	return ""
}
