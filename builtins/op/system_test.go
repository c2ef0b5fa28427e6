package op

import (
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// golden is an operation, what is known, and what it makes of that. Scripts are
// compared by the lines that matter; what all scripts of a kind begin with is left out.
type planned struct {
	name   string
	do     operation.Operation
	known  map[fact.Fact]any
	kind   effect.Change // "": nothing has to be done
	diff   string
	script string // the last lines
	undo   string // the last lines
	err    string
}

func (g planned) check(t *testing.T) {
	c, err := g.do.Plan(worldOf(g.known))
	switch {
	case g.err != "":
		if err == nil || !strings.Contains(err.Error(), g.err) {
			t.Fatalf("the error is %v", err)
		}
		return
	case err != nil:
		t.Fatal(err)
	case g.kind == "":
		if c != nil {
			t.Fatalf("it does %+v", c)
		}
		return
	case c == nil:
		t.Fatal("it does nothing")
	}
	if c.Kind != g.kind || c.Diff != g.diff {
		t.Errorf("it is %q, with the difference\n%s", c.Kind, c.Diff)
	}
	if !strings.HasSuffix(c.Script, g.script) {
		t.Errorf("the script is\n%s", c.Script)
	}
	if g.undo != "" && (c.Undo == nil || !strings.Contains(c.Undo.Script, g.undo)) {
		t.Errorf("undo is\n%+v", c.Undo)
	}
}

// TestServicePlans says it in the words of each init system.
func TestServicePlans(t *testing.T) {
	started := &service{Base: here(), Name: "web", State: ptr("started"), Enabled: ptr(true)}
	down := func(init string) map[fact.Fact]any {
		return map[fact.Fact]any{fact.Service.Of("web"): fact.ServiceState{Init: init, Exists: true, Enabled: "disabled"}}
	}
	diff := "web: disabled -> enabled\nweb: stopped -> started\n"
	for _, g := range []planned{
		{
			name: "systemd", do: started, known: down("systemd"), kind: effect.Update, diff: diff,
			script: "systemctl -q enable -- web.service\nsystemctl start -- web.service || { systemctl status --no-pager --lines=5 -- web.service >&2 || :; exit 1; }\n",
			undo:   "systemctl stop -- web.service\nsystemctl -q disable -- web.service\n",
		},
		{
			name: "openrc", do: started, known: down("openrc"), kind: effect.Update, diff: diff,
			script: "rc-update -q add web default\nrc-service -q web start\n", undo: "rc-service -q web stop\nfor _l in /etc/runlevels/*/web; do\n",
		},
		{
			name: "openrc, back into its runlevels", do: &service{Base: here(), Name: "web", State: ptr("stopped"), Enabled: ptr(false)},
			known: map[fact.Fact]any{fact.Service.Of("web"): fact.ServiceState{Init: "openrc", Exists: true, Running: true, Enabled: "enabled", Levels: "boot default"}},
			kind:  effect.Update, diff: "web: enabled -> disabled\nweb: started -> stopped\n", script: "rc-service -q web stop\n",
			undo: "rc-update -q add web boot default\nrc-service -q web start\n",
		},
		{
			name: "runit", do: started, known: down("runit"), kind: effect.Update, diff: diff,
			script: "case $(sv status $_d/web) in run:*) ;; *) sv status $_d/web >&2; exit 1 ;; esac\n", undo: "rm -f $_d/web\n  ! sv status \"$_t\" >/dev/null 2>&1 || sv -w 20 exit \"$_t\" >&2\n",
		},
		{
			name: "runit runs what is enabled", do: &service{Base: here(), Name: "web", Enabled: ptr(true)}, known: down("runit"), kind: effect.Update, diff: diff,
		},
		{
			name: "runit, enabled and stopped", do: &service{Base: here(), Name: "web", State: ptr("stopped"), Enabled: ptr(true)}, known: down("runit"),
			kind: effect.Update, diff: "web: disabled -> enabled\n", script: "sv -w 20 stop $_d/web >&2\nfi\n",
		},
		{
			name: "runit does not run what is not enabled", do: &service{Base: here(), Name: "web", State: ptr("started")}, known: down("runit"),
			err: `the service "web" on web is not enabled, and runit runs no other`,
		},
		{
			name: "init.d", do: started, known: down("sysv"), kind: effect.Update, diff: diff,
			script: "/etc/init.d/web start </dev/null\n", undo: "/etc/init.d/web stop </dev/null\n",
		},
		{
			name: "as it shall be", do: started,
			known: map[fact.Fact]any{fact.Service.Of("web"): fact.ServiceState{Init: "systemd", Exists: true, Running: true, Enabled: "enabled"}},
		},
		{
			name: "static", do: started,
			known: map[fact.Fact]any{fact.Service.Of("web"): fact.ServiceState{Init: "systemd", Exists: true, Running: true, Enabled: "static"}},
		},
		{
			name: "masked, which is more than disabled", do: &service{Base: here(), Name: "web", Enabled: ptr(false)},
			known: map[fact.Fact]any{fact.Service.Of("web"): fact.ServiceState{Init: "systemd", Exists: true, Enabled: "masked"}},
		},
		{
			name: "masked", do: started, err: "is masked",
			known: map[fact.Fact]any{fact.Service.Of("web"): fact.ServiceState{Init: "systemd", Exists: true, Enabled: "masked"}},
		},
		{
			name: "not there", do: started, err: `web has no service "web"`,
			known: map[fact.Fact]any{fact.Service.Of("web"): fact.ServiceState{Init: "none"}},
		},
		{
			name: "not there, and stopped", do: &service{Base: here(), Name: "web", State: ptr("stopped")},
			known: map[fact.Fact]any{fact.Service.Of("web"): fact.ServiceState{Init: "systemd"}},
		},
	} {
		t.Run(g.name, g.check)
	}
}

// TestPackagePlans says it in the words of each package manager.
func TestPackagePlans(t *testing.T) {
	nginx := func(state string) *packages {
		return &packages{Base: here(), Name: words("nginx=1.2*"), State: state, Recommends: true, LockTimeout: time.Minute}
	}
	plain := &packages{Base: here(), Name: words("nginx"), State: "latest", Recommends: true, LockTimeout: time.Minute}
	world := func(p *packages, manager, from, to string) map[fact.Fact]any {
		s := fact.PackageState{Manager: manager, Installed: map[string]string{}, Age: 10, Moves: []fact.Move{{Name: "nginx", From: from, To: to}, {Name: "libssl", To: "3"}}}
		if from != "" {
			s.Installed["nginx"] = from
		}
		return map[fact.Fact]any{p.demand(): s}
	}
	present := nginx("present")
	both := "nginx: not installed -> 1.22\nlibssl: not installed -> 3\n"
	said := "printf '%s\\n' \"$_now\" | sed -n 's/^move /package /p'\n"
	for _, g := range []planned{
		{
			name: "apt", do: present, known: world(present, "apt", "", "1.22"), kind: effect.Create, diff: both,
			script: "_locked _apt install --allow-downgrades 'nginx=1.2*'\n" + said, undo: "_locked _apt --allow-downgrades install $_back",
		},
		{
			name: "dnf", do: present, known: world(present, "dnf", "", "1.22"), kind: effect.Create, diff: both,
			script: "_locked dnf -y install 'nginx-1.2*'\n" + said, undo: "_locked dnf -y --noautoremove remove $_gone",
		},
		{
			name: "apk", do: present, known: world(present, "apk", "", "1.22"), kind: effect.Create, diff: both,
			script: "_locked apk add 'nginx~=1.2'\n" + said, undo: "_locked apk del $_gone",
		},
		{
			name: "latest with apk", do: plain, known: world(plain, "apk", "1.20", "1.22"), kind: effect.Update,
			diff: "nginx: 1.20 -> 1.22\nlibssl: not installed -> 3\n", script: "_locked apk add -u nginx\n" + said,
		},
		{
			name: "latest with dnf", do: plain, known: world(plain, "dnf", "1.20", "1.22"), kind: effect.Update,
			diff: "nginx: 1.20 -> 1.22\nlibssl: not installed -> 3\n", script: "_locked dnf -y install --best nginx\n" + said,
		},
		{
			name: "provided by another one, with dnf", do: present,
			known: map[fact.Fact]any{present.demand(): fact.PackageState{Manager: "dnf", Age: 1, Installed: map[string]string{}}},
		},
		{
			name: "there", do: present,
			known: map[fact.Fact]any{present.demand(): fact.PackageState{Manager: "apt", Age: 1, Installed: map[string]string{"nginx": "1.24"}}},
		},
		{
			name: "planned", do: present, known: map[fact.Fact]any{
				present.demand():                fact.PackageState{Manager: "apt", Age: 1, Moves: []fact.Move{{Name: "nginx", To: "1.22"}}},
				fact.PlannedPackage.Of("nginx"): "1.22",
			},
		},
		{
			name: "no such package", do: present, err: "cannot be installed on web: Unable to locate package nginx",
			known: map[fact.Fact]any{present.demand(): fact.PackageState{Manager: "dnf", Age: 1, Problem: "Unable to locate package nginx"}},
		},
		{
			name: "no package manager", do: present, err: "web has no package manager that is known",
			known: map[fact.Fact]any{present.demand(): fact.PackageState{Manager: "none"}},
		},
	} {
		if g.name == "no such package" {
			present := *present
			present.UpdateCache = ptr(time.Hour)
			g.do = &present
		}
		t.Run(g.name, g.check)
	}
}

// TestSysctlPlans is for what the containers of tests may not do.
func TestSysctlPlans(t *testing.T) {
	do := &sysctl{Base: here(), Key: "net.ipv4.ip_forward", Value: starlark.MakeInt(1), State: "present"}
	world := func(s fact.SysctlState) map[fact.Fact]any {
		return map[fact.Fact]any{fact.Sysctl.Of(do.Key): s, fact.Content.Of(do.path()): fact.FileState{
			Type: "file", Known: true, Content: []byte("net.ipv4.ip_forward = 1\n"), Sum: sum([]byte("net.ipv4.ip_forward = 1\n")),
		}}
	}
	for _, g := range []planned{
		{
			name: "live", do: do, known: world(fact.SysctlState{Exists: true, Writable: true, Value: "0"}), kind: effect.Update,
			diff: "net.ipv4.ip_forward: 0 -> 1\n", script: "printf '%s\\n' 1 >/proc/sys/net/ipv4/ip_forward || { echo 'the kernel does not take \"1\" as net.ipv4.ip_forward' >&2; exit 1; }\n",
			undo: "printf '%s\\n' 0 >/proc/sys/net/ipv4/ip_forward || { echo 'the kernel does not take \"0\" as net.ipv4.ip_forward' >&2; exit 1; }\n",
		},
		{name: "as it shall be", do: do, known: world(fact.SysctlState{Exists: true, Value: "1"})},
		{name: "container", do: do, known: world(fact.SysctlState{Exists: true, Value: "0"}), err: "may not be set on web: it is 0 and not 1"},
		{name: "not there", do: do, known: world(fact.SysctlState{}), err: "has no parameter net.ipv4.ip_forward"},
	} {
		t.Run(g.name, g.check)
	}
}

// TestSystemRefusals are arguments that can never work.
func TestSystemRefusals(t *testing.T) {
	for _, c := range []struct {
		do  effect.Validator
		msg string
	}{
		{&packages{Base: here(), Name: words(), State: "present"}, "no package"},
		{&packages{Base: here(), Name: words("-o=x"), State: "present"}, "is no name of a package"},
		{&packages{Base: here(), Name: words("a b"), State: "present"}, "is no name of a package"},
		{&packages{Base: here(), Name: words("a=1; rm"), State: "present"}, "a version is for"},
		{&packages{Base: here(), Name: words("a=1"), State: "absent"}, "a version is for"},
		{&service{Base: here(), Name: "x"}, "say what the service shall be"},
		{&service{Base: here(), Name: "-x", State: ptr("started")}, "is no name of a service"},
		{&service{Base: here(), Name: "x", Enabled: ptr(true), Command: []string{"x"}}, "nothing starts a plain process"},
		{&user{Base: here(), Name: "a:b", State: "present"}, "is no name of a user"},
		{&user{Base: here(), Name: "a", State: "present", Comment: ptr("x:y")}, "must not have a colon"},
		{&group{Base: here(), Name: "g", State: "present", GID: ptr(-1)}, "cannot have the number -1"},
		{&cron{Base: here(), Name: "a.b", User: "root", State: "present"}, "is no name of a job"},
		{&cron{Base: here(), Name: "a", User: "root", State: "present", Command: "x", Schedule: "* * *"}, "is no schedule"},
		{&sysctl{Base: here(), Key: "../etc/passwd", State: "present"}, "is no parameter of the kernel"},
		{&mount{Base: here(), Path: "/x", State: "mounted"}, "needs a source and a type"},
		{&kernelModule{Base: here(), Name: "a b", State: "loaded"}, "is no name of a module"},
		{&command{Base: here(), Command: words()}, "has no program"},
		{&command{Base: here(), Command: words("x"), Changes: "("}, "is no regular expression"},
		{&repository{Base: here(), Name: "x", State: "present"}, "needs a url"},
	} {
		if err := c.do.Validate(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.msg) {
			t.Errorf("%T: %v, and not %q", c.do, err, c.msg)
		}
	}
}

// TestServiceThatIsComing: a plan does not know what a package that it only plans makes of
// its service; what comes after goes on from what was asked for.
func TestServiceThatIsComing(t *testing.T) {
	for name, c := range map[string]struct {
		do   *service
		kind effect.Change
		diff string
		then fact.ServiceState
	}{
		"started":   {&service{State: ptr("started"), Enabled: ptr(true)}, effect.Update, "web: as its package leaves it -> enabled\nweb: as its package leaves it -> started\n", fact.ServiceState{Init: "systemd", Exists: true, Running: true, Enabled: "enabled"}},
		"stopped":   {&service{State: ptr("stopped")}, effect.Update, "web: as its package leaves it -> stopped\n", fact.ServiceState{Init: "systemd", Exists: true}},
		"restarted": {&service{State: ptr("restarted")}, effect.Act, "web: as its package leaves it -> restarted\n", fact.ServiceState{Init: "systemd", Exists: true, Running: true}},
	} {
		t.Run(name, func(t *testing.T) {
			c.do.Base, c.do.Name = here(), "web"
			f := fact.Service.Of("web")
			got, err := c.do.Plan(worldOf(map[fact.Fact]any{f: fact.ServiceState{Init: "systemd"}, fact.PlannedPackage.Of("*"): ""}))
			if err != nil {
				t.Fatal(err)
			}
			if got.Kind != c.kind || got.Diff != c.diff || got.After[f] != c.then || got.Unsure != "what the packages before it make of the service web" {
				t.Errorf("it plans %+v", got)
			}
		})
	}
}
