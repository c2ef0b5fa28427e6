package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// dialFault is a connection that was not made. It says nothing that the client of
// the engine looks for in texts, so that it comes through as it is.
type dialFault struct {
	at    Endpoint
	cause error
}

func (d *dialFault) Error() string {
	switch {
	case errors.Is(d.cause, fs.ErrPermission):
		return "this user may not use the socket"
	case errors.Is(d.cause, fs.ErrNotExist):
		return "there is no such socket"
	case strings.Contains(d.cause.Error(), "refused"):
		return "nobody listens there"
	}
	return strings.ReplaceAll(d.cause.Error(), "dial unix", "unix")
}

func (d *dialFault) Unwrap() error { return d.cause }

// fault makes an error for people of what a call of the engine has returned. One
// that may have been carried out is in doubt; one that was not sent is known to be.
func (e *Engine) fault(ctx context.Context, err error, format string, args ...any) *fault.Error {
	if f := fault.As(err); f != nil {
		return f
	}
	what := fmt.Sprintf(format, args...)
	var dial *dialFault
	if errors.As(err, &dial) {
		return e.notReached(what, dial)
	}
	if ctx.Err() != nil {
		return stopped(ctx, what)
	}
	if !answered(err) {
		f := fault.Wrap(fault.Network, err, "%s: the connection to the container engine at %s was lost", what, e.at.Host)
		f.InDoubt = true
		return f.WithHint("see whether the engine still runs: docker info")
	}
	f := fault.New(kindOf(err), "%s: %s", what, said(err))
	f.Cause = err
	return f
}

// said is what the engine has answered, without what every client puts before it.
func said(err error) string {
	text := strings.TrimSpace(err.Error())
	for _, prefix := range []string{"Error response from daemon: ", "Error: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

// answered reports whether an error is an answer of the engine.
func answered(err error) bool {
	var among *engineFault
	return errors.As(err, &among) || errdefs.IsNotFound(err) || errdefs.IsConflict(err) || errdefs.IsInvalidArgument(err) || errdefs.IsPermissionDenied(err) ||
		errdefs.IsUnauthorized(err) || errdefs.IsInternal(err) || errdefs.IsUnavailable(err) || errdefs.IsNotImplemented(err) ||
		errdefs.IsNotModified(err) || errdefs.IsUnknown(err) || strings.HasPrefix(err.Error(), "Error response from daemon") ||
		strings.Contains(err.Error(), "requires API version")
}

func kindOf(err error) fault.Kind {
	switch {
	case errdefs.IsNotFound(err):
		return fault.NotFound
	case errdefs.IsInvalidArgument(err):
		return fault.Invalid
	case errdefs.IsPermissionDenied(err), errdefs.IsUnauthorized(err):
		return fault.Permission
	case errdefs.IsUnavailable(err):
		return fault.Unavailable
	}
	return fault.Failed
}

// notReached is the error of a call that lies before a connection.
func (e *Engine) notReached(what string, dial *dialFault) *fault.Error {
	kind := fault.Network
	hint := e.at.hint()
	if errors.Is(dial.cause, fs.ErrPermission) {
		kind = fault.Permission
		hint = "let the user into the group of the socket (usermod -aG docker USER, then log in again), use a rootless engine, or run this as root"
	}
	f := fault.New(kind, "%s: cannot connect to the container engine at %s: %s", what, e.at.Host, dial)
	f.Cause, f.Unsent = dial, true
	return f.WithHint("%s", hint)
}

// noAnswer is the error of an engine that did not say which version it speaks.
func (e *Engine) noAnswer(ctx, patient context.Context, err error) error {
	what := "cannot use containers"
	var dial *dialFault
	switch {
	case errors.As(err, &dial) && patient.Err() == nil:
		return e.notReached(what, dial)
	case ctx.Err() != nil:
		return unsent(stopped(ctx, what))
	case patient.Err() != nil:
		return unsent(fault.New(fault.Unavailable, "%s: the container engine at %s takes connections, and has not answered for %s",
			what, e.at.Host, Patience).WithHint("the engine hangs: look at its log (journalctl -u docker), and restart it"))
	case answered(err):
		return unsent(e.fault(ctx, err, "%s: the container engine at %s refuses", what, e.at.Host))
	}
	return unsent(fault.New(fault.Config, "%s: what listens at %s is no container engine", what, e.at.Host).WithHint("%s", e.at.hint()))
}

// stopped is the error of a call whose context has ended: nobody knows whether the
// engine carries it out.
func stopped(ctx context.Context, what string) *fault.Error {
	cause := context.Cause(ctx)
	f := fault.Wrap(fault.KindOf(cause), cause, "%s: it was stopped", what)
	f.InDoubt = true
	switch {
	case errors.Is(cause, context.DeadlineExceeded):
		f.Kind = fault.Timeout
	case errors.Is(cause, context.Canceled):
		f.Kind = fault.Cancelled
	}
	return f
}

func unsent(f *fault.Error) *fault.Error {
	f.Unsent, f.InDoubt = true, false
	return f
}
