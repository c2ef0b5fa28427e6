package exec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/cmdline"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// detailBytes is how much of each stream goes into the details of an error.
const detailBytes = 4 << 10

// exitFault is the error of an exit code that was not expected.
func (c *command) exitFault(env *effect.Env, r Result) error {
	f := fault.New(fault.Failed, "command %q ended with code %d", c.name, r.Code)
	if r.Code > 128 && r.Code < 128+65 {
		f.Msg += fmt.Sprintf(" (signal %d)", r.Code-128)
	}
	redact := env.Run.Secrets.Redact
	line := cmdline.LastLine(cmdline.Tail(r.Stderr, detailBytes, redact))
	if line == "" {
		line = cmdline.LastLine(cmdline.Tail(r.Stdout, detailBytes, redact))
	}
	if line != "" {
		f.Msg += ": " + cmdline.Clip(line, 300)
	}
	f.Details = details(r.Stdout, r.Stderr, redact)
	f.Details["code"] = r.Code
	return f
}

func details(stdout, stderr string, redact func(string) string) map[string]any {
	return map[string]any{
		"stdout": cmdline.Tail(stdout, detailBytes, redact),
		"stderr": cmdline.Tail(stderr, detailBytes, redact),
	}
}

// sudoFault reads what sudo itself said, when it refused to run anything.
func (c *command) sudoFault(code int, stderr string) error {
	name, line := c.name, cmdline.LastLine(stderr)
	if !c.sudo || code != 1 || !strings.HasPrefix(line, "sudo: ") {
		return nil
	}
	var f *fault.Error
	switch {
	case strings.Contains(line, "password"):
		f = fault.New(fault.Permission, "cannot run the command %q by sudo: it asks for a password", name).
			WithHint("allow the command without a password in sudoers (NOPASSWD), or run this program as that user")
	case strings.Contains(line, "command not found"):
		f = fault.New(fault.NotFound, "there is no command %q for sudo", name).WithHint("give its full path")
	case strings.Contains(line, "unknown user"):
		f = fault.New(fault.NotFound, "cannot run the command %q: %s", name, strings.TrimPrefix(line, "sudo: "))
	default:
		return nil
	}
	f.Unsent = true
	return f
}

// stoppedFault is the error of a command that was killed. After a timeout that
// is the outcome, like an exit code; when the run was stopped it is not known
// how far the command came.
func (c *command) stoppedFault(ctx context.Context, env *effect.Env, took time.Duration, stdout, stderr *cmdline.Collector) error {
	took = took.Round(10 * time.Millisecond)
	var f *fault.Error
	switch {
	case errors.Is(context.Cause(ctx), errFull):
		f = fault.New(fault.TooLarge, "command %q was killed: it printed more than %d MiB", c.name, cmdline.MaxOutput>>20).
			WithHint("write its output to a file, or filter it")
	case endKind(ctx) == fault.Timeout:
		f = fault.New(fault.Timeout, "command %q was killed after %s", c.name, took).
			WithHint("give it more time with timeout, if it needs it")
	default:
		f = fault.New(fault.Cancelled, "command %q was killed after %s because the run was stopped", c.name, took)
		f.InDoubt = true
	}
	f.Cause = context.Cause(ctx)
	f.Details = details(stdout.String(), stderr.String(), env.Run.Secrets.Redact)
	return f
}

func endKind(ctx context.Context) fault.Kind {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.Timeout
	}
	return fault.Cancelled
}
