package op

import (
	"fmt"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def service(target, name, state = None, enabled = None, command = None, user = None, pidfile = None, log = None, stop_timeout = "20s"):
    """Starts or stops a service, and says whether it starts with the machine.

    The service is one of systemd, OpenRC or runit, whatever the machine runs, or a
    script in /etc/init.d. Where systemd's unit file is newer than what systemd knows,
    it is read again first.

    With a command the service is a plain process, for containers that have no init
    system: it is started in the background, and found again by its pidfile.

    "restarted" and "reloaded" act every time; most often a handler wants them (see
    op.handler). In check mode a service that there is not, after packages that are
    only planned, is taken to come with them; whether it then runs already is up to
    them, and not known before the run.

    Args:
      target: the machine.
      name: of the service.
      state: "started", "stopped", "restarted" or "reloaded". None: whatever it is.
      enabled: it starts with the machine. None: whatever it is.
      command: the program and its arguments, as a list: a plain process.
      user: that the process runs as. None: the user that starts it.
      pidfile: of the process. None: /run/NAME.pid.
      log: file that what the process prints is added to. None: it is dropped.
      stop_timeout: how long the process may take to end by SIGTERM before SIGKILL.
    Returns:
      The struct of operations.
    Errors:
      invalid for arguments that do not go together; not_found when the machine has
      no such service; failed when it does not start.
    Example:
      op.service(web, "nginx", state = "started", enabled = True, _sudo = True)
      op.service(box, "api", state = "started", command = ["/opt/api", "-p", "80"], user = "www-data")
    """`, &service{}, effect.Exact)

type service struct {
	operation.Base
	Name        string        `star:"name"`
	State       *string       `star:"state"`
	Enabled     *bool         `star:"enabled"`
	Command     []string      `star:"command"`
	User        string        `star:"user"`
	Pidfile     string        `star:"pidfile"`
	Log         string        `star:"log"`
	StopTimeout time.Duration `star:"stop_timeout,tuning"`
}

var _ effect.Repeatable = (*service)(nil)

func (s *service) Describe() string { return s.On() + ": " + s.Name }

// Repeatable says that a service may be restarted twice.
func (s *service) Repeatable() bool { return s.acts() }

// acts reports whether something is done whatever the facts are.
func (s *service) acts() bool {
	return s.State != nil && (*s.State == "restarted" || *s.State == "reloaded")
}

func (s *service) Validate() error {
	if err := s.Base.Validate(); err != nil {
		return err
	}
	if !madeOf(s.Name, "@._:\\-") || s.Name[0] == '-' {
		return fault.New(fault.Invalid, "%q is no name of a service", s.Name)
	}
	if s.State == nil && s.Enabled == nil {
		return fault.New(fault.Invalid, "say what the service shall be: state, enabled, or both")
	}
	if s.State != nil {
		if err := validState(*s.State, "started", "stopped", "restarted", "reloaded"); err != nil {
			return err
		}
	}
	return s.validProcess()
}

func (s *service) validProcess() error {
	if len(s.Command) == 0 {
		if s.User != "" || s.Pidfile != "" || s.Log != "" {
			return fault.New(fault.Invalid, "user, pidfile and log are of a plain process, which needs a command")
		}
		return nil
	}
	if s.Enabled != nil {
		return fault.New(fault.Invalid, "nothing starts a plain process with the machine").
			WithHint("leave enabled out, or make a service of the init system and leave command out")
	}
	if s.Pidfile == "" {
		s.Pidfile = "/run/" + s.Name + ".pid"
	}
	for _, path := range []string{s.Pidfile, s.Log} {
		if path != "" {
			if err := validPath(path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *service) Facts() []fact.Fact {
	if len(s.Command) > 0 {
		return []fact.Fact{fact.Process.Of(s.pidfile())}
	}
	return []fact.Fact{fact.Service.Of(s.Name)}
}

func (s *service) pidfile() string { return orNone(s.Pidfile, "/run/"+s.Name+".pid") }

func (s *service) Plan(w *fact.World) (*operation.Change, error) {
	if len(s.Command) > 0 {
		running := fact.Get[fact.ProcessState](w, fact.Process.Of(s.pidfile())).Running
		now := fact.ServiceState{Init: "process", Exists: true, Running: running}
		return s.change(now, fact.Process.Of(s.pidfile()), func(then fact.ServiceState) any { return fact.ProcessState{Running: then.Running} }), nil
	}
	f := fact.Service.Of(s.Name)
	now := fact.Get[fact.ServiceState](w, f)
	if !now.Exists && w.Has(fact.PlannedPackage.Of("*")) {
		return s.coming(f, now), nil
	}
	if !now.Exists {
		if s.gone() {
			return nil, nil
		}
		return nil, fault.New(fault.NotFound, "%s has no service %q", s.On(), s.Name).WithHint("%s", noService(now.Init))
	}
	if s.Enabled != nil && *s.Enabled && now.Enabled == "masked" {
		return nil, fault.New(fault.Failed, "the service %q on %s is masked", s.Name, s.On()).
			WithHint("somebody has made it impossible to start it; systemctl unmask %s allows it again", s.Name)
	}
	if now.Init == "runit" {
		if now.Enabled == "disabled" && s.State != nil && *s.State != "stopped" && (s.Enabled == nil || !*s.Enabled) {
			return nil, fault.New(fault.Failed, "the service %q on %s is not enabled, and runit runs no other", s.Name, s.On()).
				WithHint("enabled = True puts it into the directory of services")
		}
		if s.Enabled != nil && !*s.Enabled && s.State != nil && *s.State != "stopped" {
			return nil, fault.New(fault.Invalid, "runit stops the service %q on %s when it is disabled", s.Name, s.On())
		}
	}
	return s.change(now, f, func(then fact.ServiceState) any { return then }), nil
}

// coming is the change of a service that packages bring along which are only planned.
// Whether it runs then, and starts with the machine, is up to them: those of Debian start
// what they bring, unless a policy forbids it, those of others do not.
func (s *service) coming(f fact.Fact, now fact.ServiceState) *operation.Change {
	then := now
	then.Exists = true
	c := &operation.Change{Kind: effect.Update, Unsure: "what the packages before it make of the service " + s.Name}
	add := func(state string) { c.Diff += fmt.Sprintf("%s: as its package leaves it -> %s\n", s.Name, state) }
	if s.Enabled != nil {
		then.Enabled = map[bool]string{true: "enabled", false: "disabled"}[*s.Enabled]
		add(then.Enabled)
	}
	switch {
	case s.acts():
		c.Kind, then.Running = effect.Act, true
		add(*s.State)
	case s.State != nil:
		then.Running = *s.State == "started"
		add(*s.State)
	}
	c.After = map[fact.Fact]any{f: then}
	return c
}

// gone reports whether a service that there is not is as it shall be.
func (s *service) gone() bool {
	return (s.State == nil || *s.State == "stopped") && (s.Enabled == nil || !*s.Enabled)
}

func noService(init string) string {
	if init == "none" {
		return "the machine runs no init system; with command = [...] the service is a plain process"
	}
	return "install the package that has it, or put its file in place, before"
}

// change compares; f is the fact that says how it is, with the value that value makes.
func (s *service) change(now fact.ServiceState, f fact.Fact, value func(fact.ServiceState) any) *operation.Change {
	then := now
	then.Stale, then.Exists = false, true
	if s.State != nil {
		then.Running = *s.State != "stopped"
	}
	if s.Enabled != nil && now.Enabled != "static" && (*s.Enabled || now.Enabled != "masked") {
		then.Enabled = map[bool]string{true: "enabled", false: "disabled"}[*s.Enabled]
	}
	enables, disables := then.Enabled != now.Enabled && then.Enabled == "enabled", then.Enabled != now.Enabled && then.Enabled == "disabled"
	if now.Init == "runit" && s.State == nil && (enables || disables) {
		then.Running = enables // what is in the directory of services runs
	}
	if now.Init == "openrc" && (enables || disables) {
		then.Levels = map[bool]string{true: "default"}[enables]
	}
	c := &operation.Change{Kind: effect.Update, After: map[fact.Fact]any{f: value(then)}}
	do, undo := s.verbs(now.Init), s.verbs(now.Init)
	undo.levels = now.Levels
	if now.Stale || !now.Exists && now.Init == "systemd" {
		do.add("reload the units", now.Stale, "daemon-reload")
	}
	switch {
	case enables:
		do.add(now.Enabled+" -> enabled", true, "enable")
	case disables:
		do.add(now.Enabled+" -> disabled", true, "disable")
		undo.add("", true, "enable") // before it is started: runit knows it only then
		if now.Init == "runit" && !now.Running {
			undo.add("", true, "stop")
		}
	}
	switch {
	case then.Running != now.Running && then.Running:
		do.add("stopped -> started", true, "start")
		undo.add("", true, "stop")
	case then.Running != now.Running:
		do.add("started -> stopped", true, "stop")
		undo.add("", true, "start")
	case enables && now.Init == "runit" && !then.Running:
		do.add("", false, "stop")
	case s.acts():
		c.Kind = effect.Act
		do.add(*s.State, true, strings.TrimSuffix(*s.State, "ed"))
	}
	if do.diff == "" {
		return nil
	}
	if enables {
		undo.add("", true, "disable")
	}
	c.Script, c.Diff = do.script(), do.diff
	if len(undo.done) > 0 {
		c.Undo = &operation.Step{Script: undo.script()}
	}
	return c
}

func (s *service) verbs(init string) *serviceVerbs {
	return &serviceVerbs{service: s, init: init}
}

func (v *serviceVerbs) add(what string, shown bool, verb string) {
	if shown {
		v.diff += fmt.Sprintf("%s: %s\n", v.service.Name, what)
	}
	v.done = append(v.done, verb)
}
