// Package command is commands on machines, as scripts have them run: how they are
// watched, ended and judged, and, with _once, found again by a run that was killed
// meanwhile. Modules that run commands on a machine embed [On] in their effects, make
// a [Job] of the arguments, and perform that.
package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/cmdline"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/target"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// On is the first argument of everything that is done on a machine.
type On struct {
	Target starlark.Value `star:"target"`

	parsed *target.Target
}

// Validate refuses what is no target.
func (o *On) Validate() (err error) {
	o.parsed, err = target.Parse(o.Target)
	return err
}

// Machine is the target. Where Validate was not called, as with the copy of an effect
// that has the secrets filled in, it is read now.
func (o *On) Machine() (*target.Target, error) {
	if o.parsed == nil {
		if err := o.Validate(); err != nil {
			return nil, err
		}
	}
	return o.parsed, nil
}

// Host is the name of the machine for people.
func (o *On) Host() string {
	if t, err := o.Machine(); err == nil {
		return t.Name
	}
	return "?"
}

// Endpoint is what the circuit breaker counts by.
func (o *On) Endpoint() string {
	if t, err := o.Machine(); err == nil {
		return t.ID
	}
	return ""
}

// Open returns the connection of the run to the machine.
func (o *On) Open(ctx context.Context, env *effect.Env) (machine.Conn, error) {
	t, err := o.Machine()
	if err != nil {
		return nil, err
	}
	return target.Open(ctx, env, t)
}

// Behaviour is how a command is watched and judged.
type Behaviour struct {
	Stdin   string        `star:"stdin"`
	Timeout time.Duration `star:"timeout,tuning"`
	OKCodes []int         `star:"ok_codes"`
	Check   bool          `star:"check"`
	Quiet   bool          `star:"quiet,tuning"`
}

// Job is a command that is ready to be run: options applied, secrets expanded.
type Job struct {
	On
	Behaviour
	Unnamed bool // what it prints is shown without the name of the machine
	command machine.Command
	stdin   string
	name    string // for messages, redacted
}

// isVariable reports whether sh can export a name.
func isVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// Check refuses arguments that make no command.
func Check(command starlark.Value, shell bool, timeout time.Duration) error {
	if timeout < 0 {
		return fault.New(fault.Invalid, "the timeout is negative")
	}
	_, err := cmdline.Argv(command, shell)
	return err
}

// New makes a job of the program and its arguments, or of a line for sh.
func New(env *effect.Env, o On, b Behaviour, command starlark.Value, shell bool) (*Job, error) {
	argv, err := cmdline.Argv(command, shell)
	if err != nil {
		return nil, err
	}
	c := machine.Command{Argv: argv}
	if shell { // the machine reads a line anyway
		c = machine.Command{Script: argv[2]}
	}
	return Prepare(env, o, b, c, cmdline.Clip(cmdline.Describe(command, shell), 60))
}

// Prepare makes a job of a command. Its errors lie before anything is sent.
func Prepare(env *effect.Env, o On, b Behaviour, c machine.Command, name string) (*Job, error) {
	j := &Job{On: o, Behaviour: b, command: c, name: env.Run.Secrets.Redact(name)}
	err := j.apply(env)
	if f := fault.As(err); f != nil {
		f.Unsent = true
	}
	return j, err
}

func (j *Job) apply(env *effect.Env) error {
	t, err := j.Machine()
	if err != nil {
		return err
	}
	x := expander{env: env}
	c := &j.command
	for i := range c.Argv {
		c.Argv[i] = x.expand(c.Argv[i])
	}
	c.Script, c.Dir, c.As = x.expand(c.Script), x.expand(env.Options.Cwd), t.As(env)
	for name, v := range env.Options.Env {
		if !isVariable(name) || strings.ContainsRune(v, 0) {
			return fault.New(fault.Invalid, "_env cannot set the variable %q on a target", name).
				WithHint("the name of a variable has letters, digits and _")
		}
		if c.Env == nil {
			c.Env = map[string]string{}
		}
		c.Env[name] = x.expand(v)
	}
	if strings.HasPrefix(c.As.User, "-") {
		return fault.New(fault.Invalid, "_user is %q, which is not the name of a user", c.As.User)
	}
	// What goes by stdin is in no list of processes. The door has filled in secrets
	// already, so that the command may have one in it wherever the run knows any.
	c.Hidden = c.Hidden || !env.Run.Secrets.Empty()
	j.stdin = x.expand(j.Stdin)
	return x.err
}

// expander fills in secrets.
type expander struct {
	env *effect.Env
	err error
}

func (x *expander) expand(text string) string {
	if !value.HasMarker(text) {
		return text
	}
	plain, err := x.env.Run.Secrets.Expand(text)
	if x.err == nil {
		x.err = err
	}
	return plain
}

// errFull is why a command that prints too much is ended.
var errFull = errors.New("too much output")

// watched is a command under way: its output, and what ends it.
type watched struct {
	ctx            context.Context
	cancel         context.CancelCauseFunc
	stdout, stderr *cmdline.Collector
	began          time.Time
}

func (j *Job) watch(ctx context.Context, env *effect.Env) (*watched, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	release := func() {}
	if j.Timeout > 0 && env.Options.Timeout == 0 { // _timeout is in ctx already
		ctx, release = context.WithTimeout(ctx, j.Timeout)
	}
	printer := &cmdline.Printer{}
	if !j.Quiet && env.Output != nil {
		front := ""
		if !j.Unnamed {
			front = j.Host() + ": "
		}
		printer.Out = func(stream, line string) { env.Output(stream, front+line) }
	}
	full := func() { cancel(errFull) }
	w := &watched{
		ctx: ctx, cancel: cancel, began: time.Now(),
		stdout: cmdline.NewCollector("stdout", printer, full), stderr: cmdline.NewCollector("stderr", printer, full),
	}
	return w, func() { printer.Close(); release(); cancel(nil) }
}

func (w *watched) flush() {
	w.stdout.Flush()
	w.stderr.Flush()
}

// perform runs the command over a connection that it does not outlive.
func (j *Job) perform(ctx context.Context, env *effect.Env) (operation.Result, error) {
	conn, err := j.Open(ctx, env)
	if err != nil {
		return operation.Result{}, err
	}
	w, release := j.watch(ctx, env)
	defer release()
	exit, stopped, err := machine.RunHeld(w.ctx, conn, j.command, j.stdin, machine.Streams{Stdout: w.stdout, Stderr: w.stderr})
	w.flush()
	switch {
	case err != nil:
		return operation.Result{}, err
	case stopped || w.stdout.Full || w.stderr.Full:
		return operation.Result{}, j.stopped(env, w)
	}
	return j.judge(env, w, exit.Code)
}

// judge makes the result of an end, or the error that it is.
func (j *Job) judge(env *effect.Env, w *watched, code int) (operation.Result, error) {
	r := operation.Result{
		Host: j.Host(), OK: slices.Contains(j.OKCodes, code), Changed: true, RC: code,
		Stdout: w.stdout.String(), Stderr: w.stderr.String(), Duration: time.Since(w.began),
	}
	if j.Check && !r.OK {
		return operation.Result{}, j.failed(env, r)
	}
	return r, nil
}

// detailBytes is how much of each stream goes into the details of an error.
const detailBytes = 4 << 10

func (j *Job) failed(env *effect.Env, r operation.Result) error {
	e := fault.New(fault.Failed, "on %s, the command %q ended with code %d", r.Host, j.name, r.RC)
	if r.RC > 128 && r.RC < 128+65 {
		e.Msg += fmt.Sprintf(" (signal %d)", r.RC-128)
	}
	e.Details = details(env, r.Stdout, r.Stderr)
	e.Details["host"], e.Details["code"] = r.Host, r.RC
	line := cmdline.LastLine(e.Details["stderr"].(string))
	if line == "" {
		line = cmdline.LastLine(e.Details["stdout"].(string))
	}
	if line != "" {
		e.Msg += ": " + cmdline.Clip(line, 300)
	}
	e.Hint = operation.Advice(r.Stderr)
	if word := j.shellWord(); word != "" {
		e.Hint = fmt.Sprintf("%q was an argument of the program; for sh to read it, give one string and shell = True", word)
	}
	if r.RC == 127 {
		e.Hint = "install the program on the machine, or give its full path"
	}
	return e
}

// shellWord is the first argument that means something to a shell alone, as | in
// ["ls", "|", "wc"]; "" if there is none.
func (j *Job) shellWord() string {
	for _, word := range j.command.Argv {
		if slices.Contains([]string{"|", "||", "&&", ">", ">>", "<", "2>&1", "2>/dev/null", ";", "&"}, word) {
			return word
		}
	}
	return ""
}

func details(env *effect.Env, stdout, stderr string) map[string]any {
	redact := env.Run.Secrets.Redact
	return map[string]any{
		"stdout": cmdline.Tail(stdout, detailBytes, redact),
		"stderr": cmdline.Tail(stderr, detailBytes, redact),
	}
}

// stopped is the error of a command that was ended. That it did not come to its end
// by itself is certain; after a stop of the run nobody knows how far it came.
func (j *Job) stopped(env *effect.Env, w *watched) error {
	took, cause := time.Since(w.began).Round(10*time.Millisecond), context.Cause(w.ctx)
	var e *fault.Error
	switch {
	case w.stdout.Full || w.stderr.Full:
		e = fault.New(fault.Limit, "on %s, the command %q was ended: it printed more than %d MiB", j.Host(), j.name, cmdline.MaxOutput>>20).
			WithHint("write its output to a file on the machine, or filter it")
	case errors.Is(cause, context.DeadlineExceeded), fault.Is(cause, fault.Timeout):
		e = fault.New(fault.Timeout, "on %s, the command %q was ended after %s", j.Host(), j.name, took).
			WithHint("give it more time with timeout, if it needs it")
	default:
		e = fault.New(fault.Cancelled, "on %s, the command %q was ended after %s because the run was stopped", j.Host(), j.name, took)
		e.InDoubt = true
	}
	e.Cause = cause
	e.Details = details(env, w.stdout.String(), w.stderr.String())
	e.Details["host"] = j.Host()
	return e
}
