package exec

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/cmdline"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def start(command, shell = False, ready = None, ready_port = 0, ready_timeout = "30s", stop_signal = "TERM", stop_grace = "5s", log_lines = 200, quiet = False):
    """Starts a command in the background, and goes on when it is ready.

    The process lives with the run: exec.stop ends it, so does the end of the
    run, and a resumed run starts it again. What it prints is shown until it is
    ready; of the rest the last lines are kept.

    Args:
      command: the program and its arguments, as a list; a string when shell is
        True. It runs in the workspace; _cwd, _env, _user and _sudo change where
        and as whom.
      shell: have /bin/sh read the command.
      ready: regular expression (RE2); the process is ready when a line that it
        prints matches.
      ready_port: TCP port on 127.0.0.1; the process is ready when it accepts
        connections. Something else that uses the port already is an error.
      ready_timeout: time until it has to be ready.
      stop_signal: signal that asks it to end: TERM, INT, QUIT, HUP, USR1, USR2
        or KILL.
      stop_grace: time between that signal and SIGKILL.
      log_lines: how many of the last lines of output to keep.
      quiet: do not show what the process prints.
    Returns:
      A struct process: handle (for exec.stop) and name (of the program).
    Errors:
      failed when it ends before it is ready, with its last output; timeout when
      it is not ready in time, and then it is killed; exists when ready_port is
      in use; not_found and permission when it cannot be started.
    Example:
      proxy = exec.start(["ssh", "-N", "-L", "5432:db:5432", "jump"], ready_port = 5432)
      exec.stop(proxy)
    """`, &start{}, effect.Approximate)

type start struct {
	Command      starlark.Value `star:"command"`
	Shell        bool           `star:"shell"`
	Ready        string         `star:"ready"`
	ReadyPort    int            `star:"ready_port"`
	ReadyTimeout time.Duration  `star:"ready_timeout,tuning"`
	StopSignal   string         `star:"stop_signal"`
	StopGrace    time.Duration  `star:"stop_grace,tuning"`
	LogLines     int            `star:"log_lines,tuning"`
	Quiet        bool           `star:"quiet,tuning"`
}

var (
	_ effect.Validator = (*start)(nil)
	_ effect.Describer = (*start)(nil)
	_ effect.Predictor = (*start)(nil)
	_ effect.Undoer    = (*start)(nil)
	_ effect.Asker     = (*start)(nil)
	_ effect.Reviver   = (*start)(nil)
	_ effect.Commander = (*start)(nil)
)

// Process is what exec.start returns.
type Process struct {
	Handle string `star:"handle"`
	Name   string `star:"name"`
}

// handlePrefix is what the handles of processes begin with.
const handlePrefix = "exec/"

var signals = map[string]syscall.Signal{
	"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "HUP": syscall.SIGHUP,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "KILL": syscall.SIGKILL,
}

func (s *start) RunsCommand()     {}
func (s *start) Describe() string { return cmdline.Describe(s.Command, s.Shell) }

func (s *start) Validate() error {
	if _, err := regexp.Compile(s.Ready); err != nil {
		return fault.Wrap(fault.Invalid, err, "the argument \"ready\" is no regular expression")
	}
	if signals[strings.TrimPrefix(s.StopSignal, "SIG")] == 0 {
		return fault.New(fault.Invalid, "there is no stop_signal %q", s.StopSignal).
			WithHint("it can be TERM, INT, QUIT, HUP, USR1, USR2 or KILL")
	}
	if s.ReadyPort < 0 || s.ReadyPort > 65535 {
		return fault.New(fault.Invalid, "ready_port is %d, which is no TCP port", s.ReadyPort)
	}
	if s.ReadyTimeout <= 0 || s.StopGrace < 0 || s.LogLines < 0 {
		return fault.New(fault.Invalid, "ready_timeout must be positive, stop_grace and log_lines cannot be negative")
	}
	_, err := cmdline.Argv(s.Command, s.Shell)
	return err
}

// process is the result, which is known before the process runs.
func (s *start) process(env *effect.Env) Process {
	name := "sh"
	if argv, err := cmdline.Argv(s.Command, s.Shell); err == nil {
		name = env.Run.Secrets.Redact(filepath.Base(argv[0]))
	}
	return Process{Handle: handlePrefix + env.Identity(), Name: name}
}

func (s *start) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: s.process(env), Change: effect.Act}, nil
}

func (s *start) Remember(_ context.Context, env *effect.Env) (any, error) {
	return s.process(env).Handle, nil
}

func (s *start) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	var handle string
	if err := past.Remembered(&handle); err != nil {
		return err
	}
	if l, ok := env.Run.Live.Get(handle).(*live); ok {
		l.stop()
		env.Run.Live.Drop(handle)
	}
	return nil
}

// Happened says no in another process, because there it has died.
func (s *start) Happened(_ context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	p := s.process(env)
	if env.Run.Live.Get(p.Handle) != nil {
		return effect.Answer{Happened: effect.Yes, Result: p, Why: "the process is running"}, nil
	}
	return effect.Answer{Happened: effect.No, Why: "it died with the program that started it"}, nil
}

func (s *start) Handle(env *effect.Env) string { return s.process(env).Handle }

func (s *start) Revive(ctx context.Context, env *effect.Env, _ effect.Past) error {
	if l, ok := env.Run.Live.Get(s.process(env).Handle).(*live); ok && !l.process.ended() {
		return nil
	}
	_, err := s.Perform(ctx, env)
	return err
}

func (s *start) Perform(ctx context.Context, env *effect.Env) (any, error) {
	c, err := prepare(env, s.Command, s.Shell)
	if err != nil {
		return nil, err
	}
	if err := s.portFree(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.ReadyTimeout)
	defer cancel()
	to := &cmdline.Printer{Out: env.Output}
	if s.Quiet {
		to.Out = nil
	}
	defer to.Close() // env serves this call only
	l, err := s.launch(c, to)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := s.await(ctx, l); err != nil {
		l.stop()
		return nil, s.notReady(env, c, l, err, time.Since(begun))
	}
	p := s.process(env)
	env.Run.Live.Put(p.Handle, l)
	return p, nil
}

func (s *start) launch(c *command, to *cmdline.Printer) (*live, error) {
	l := &live{
		log:    newLog(s.LogLines, s.Ready, to),
		signal: signals[strings.TrimPrefix(s.StopSignal, "SIG")], grace: s.StopGrace,
	}
	cmd := c.cmd()
	stdout, stderr := l.log.stream("stdout"), l.log.stream("stderr")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	var err error
	l.process, err = c.start(cmd, func(pid int) {
		stdout.lines.Flush()
		stderr.lines.Flush()
		_ = syscall.Kill(-pid, syscall.SIGKILL) // nothing of it outlives it
	})
	return l, err
}

var errEnded = errors.New("it ended")

// await returns when the process is ready, or will not be.
func (s *start) await(ctx context.Context, l *live) error {
	if s.Ready != "" {
		select {
		case <-l.log.found:
		case <-l.process.done:
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.ReadyPort != 0 && !s.answers(ctx) {
		select {
		case <-tick.C:
		case <-l.process.done:
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// answers reports whether something accepts connections on the port.
func (s *start) answers(ctx context.Context) bool {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", s.ReadyPort))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// portFree refuses a port that would make the process look ready at once.
func (s *start) portFree(ctx context.Context) error {
	if s.ReadyPort == 0 || !s.answers(ctx) {
		return nil
	}
	f := fault.New(fault.Exists, "something else already listens on port %d", s.ReadyPort).
		WithHint("stop it, or choose another ready_port")
	f.Unsent = true
	return f
}

// notReady says why the process, which is stopped by now, did not get ready.
func (s *start) notReady(env *effect.Env, c *command, l *live, err error, took time.Duration) error {
	took = took.Round(10 * time.Millisecond)
	var f *fault.Error
	output := l.log.text()
	switch {
	case errors.Is(err, errEnded):
		if f := c.sudoFault(l.process.code, output); f != nil {
			return f
		}
		f = fault.New(fault.Failed, "command %q ended with code %d before it was ready", c.name, l.process.code)
	case errors.Is(err, context.DeadlineExceeded):
		f = fault.New(fault.Timeout, "command %q was killed: it was not ready after %s", c.name, took).
			WithHint("look at its output, or give it more time with ready_timeout")
	default:
		f = fault.New(fault.Cancelled, "command %q was killed because the run was stopped", c.name)
	}
	redacted := cmdline.Tail(output, detailBytes, env.Run.Secrets.Redact)
	if line := cmdline.LastLine(redacted); line != "" {
		f.Msg += ": " + cmdline.Clip(line, 300)
	}
	f.Cause = err
	f.Details = map[string]any{"output": redacted}
	return f
}
