package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/once"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// marker is the one of the effect on the machine.
func (j *Job) marker(ctx context.Context, env *effect.Env) (*once.Marker, error) {
	conn, err := j.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	j.Left(env)
	return &once.Marker{Conn: conn, As: j.command.As, Key: markersOf(env.Run) + sum(env.IdempotencyKey()), Turn: env.Turn}, nil
}

// markersOf is what the names of all markers of a run begin with.
func markersOf(run *effect.Run) string { return sum(run.ID) + "-" }

func sum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// killTime is how long it may take to end a command and to hear of it.
const killTime = 20 * time.Second

// performOnce runs the command apart from the connection.
func (j *Job) performOnce(ctx context.Context, env *effect.Env) (operation.Result, error) {
	m, err := j.marker(ctx, env)
	if err != nil {
		return operation.Result{}, err
	}
	w, release := j.watch(ctx, env)
	defer release()
	end, err := m.Start(w.ctx, j.command, j.stdin, once.Output{Stdout: w.stdout, Stderr: w.stderr})
	w.flush()
	full, late := w.stdout.Full || w.stderr.Full, w.ctx.Err() != nil && isLate(w.ctx)
	if (full || late) && (err != nil || full) {
		return operation.Result{}, j.end(ctx, env, m, w)
	}
	switch {
	case err != nil:
		return operation.Result{}, err
	case end.State == once.Gone:
		e := fault.New(fault.Failed, "on %s, the command %q has vanished without a result", j.Host(), j.name)
		e.InDoubt = true
		return operation.Result{}, e
	}
	return j.judge(env, w, end.Code)
}

func isLate(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return cause == context.DeadlineExceeded || fault.Is(cause, fault.Timeout)
}

// end ends a command that took too long or printed too much. Where that cannot be
// done, or not be heard of, the outcome is in doubt.
func (j *Job) end(ctx context.Context, env *effect.Env, m *once.Marker, w *watched) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTime)
	defer cancel()
	err := m.Kill(ctx)
	e := fault.As(j.stopped(env, w))
	if err != nil {
		e.InDoubt = true
		e.Msg += "; whether that was done is not known: " + err.Error()
	}
	return e
}

// markers are those of the run on one machine. They go when the run is complete,
// also those that processes have left which did not live to see that.
type markers struct {
	on  On
	env *effect.Env
}

var _ effect.Finisher = (*markers)(nil)

// Left notes that the run has markers on the machine.
func (o *On) Left(env *effect.Env) {
	t, err := o.Machine()
	if err != nil || !env.Options.Once {
		return
	}
	as := t.As(env)
	env.Run.Live.Or(fmt.Sprintf("once:%s:%s:%s", t.ID, as.Method, as.User), &markers{on: *o, env: env})
}

// finishTime bounds how long the end of a run waits for machines.
const finishTime = 10 * time.Second

// Finish removes the markers. What cannot be removed now goes after 30 days.
func (m *markers) Finish() {
	ctx, cancel := context.WithTimeout(context.Background(), finishTime)
	defer cancel()
	conn, err := m.on.Open(ctx, m.env)
	if err != nil {
		return
	}
	_ = once.Forget(ctx, conn, m.on.parsed.As(m.env), markersOf(m.env.Run)) // see above
}

// Perform runs the command; with _once, so that it outlives the connection.
func (j *Job) Perform(ctx context.Context, env *effect.Env) (any, error) {
	run := j.perform
	if env.Options.Once {
		run = j.performOnce
	}
	r, err := run(ctx, env)
	if err != nil {
		return nil, err // and no result, which would go to the journal
	}
	return r, nil
}

// Look runs a command that changes nothing.
func (j *Job) Look(ctx context.Context, env *effect.Env) (any, error) {
	r, err := j.perform(ctx, env)
	if err != nil {
		return nil, err
	}
	r.Changed = false
	return r, nil
}

// Happened knows only of commands that left a marker.
func (j *Job) Happened(ctx context.Context, env *effect.Env) (effect.Answer, error) {
	if !env.Options.Once {
		return effect.Answer{Why: "a command leaves no trace of its own; with _once = True it would"}, nil
	}
	m, err := j.marker(ctx, env)
	if err != nil {
		return effect.Answer{}, err
	}
	w, release := j.watch(ctx, env)
	defer release()
	end, err := m.Ask(w.ctx, once.Output{Stdout: w.stdout, Stderr: w.stderr})
	w.flush()
	switch {
	case err != nil:
		return effect.Answer{}, err
	case end.State == once.None:
		return effect.Answer{Happened: effect.No, Why: "the machine has no marker of it"}, nil
	case end.State == once.Gone:
		return effect.Answer{Why: "its marker says that it was started, but it is not there any more and has left no result"}, nil
	case j.Check && !slices.Contains(j.OKCodes, end.Code):
		return effect.Answer{Why: "its marker says that it failed, with code " + strconv.Itoa(end.Code)}, nil
	}
	r, err := j.judge(env, w, end.Code)
	r.Duration = end.Took
	return effect.Answer{Happened: effect.Yes, Result: r, Why: "its marker holds the result"}, err
}
