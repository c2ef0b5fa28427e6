package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/once"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// marker is the one of the effect on the machine.
func (j *job) marker(ctx context.Context, env *effect.Env) (*once.Marker, error) {
	conn, err := j.open(ctx, env)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(env.IdempotencyKey()))
	m := &once.Marker{Conn: conn, As: j.command.As, Key: hex.EncodeToString(sum[:])}
	markersOf(env.Run, m).add(m.Key)
	return m, nil
}

// killTime is how long it may take to end a command and to hear of it.
const killTime = 20 * time.Second

// performOnce runs the command apart from the connection.
func (j *job) performOnce(ctx context.Context, env *effect.Env) (operation.Result, error) {
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
		e := fault.New(fault.Failed, "on %s, the command %q has vanished without a result", j.host(), j.name)
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
func (j *job) end(ctx context.Context, env *effect.Env, m *once.Marker, w *watched) error {
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

// markers are those of the run on one machine. They go when the run is complete.
type markers struct {
	conn machine.Conn
	as   machine.As
	mu   sync.Mutex
	keys []string
}

var _ effect.Finisher = (*markers)(nil)

var noting sync.Mutex

func markersOf(run *effect.Run, m *once.Marker) *markers {
	noting.Lock()
	defer noting.Unlock()
	handle := fmt.Sprintf("once:%p:%s:%s", m.Conn, m.As.Method, m.As.User)
	if have, ok := run.Live.Get(handle).(*markers); ok {
		return have
	}
	made := &markers{conn: m.Conn, as: m.As}
	run.Live.Put(handle, made)
	return made
}

func (m *markers) add(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys = append(m.keys, key)
}

// finishTime bounds how long the end of a run waits for machines.
const finishTime = 10 * time.Second

// Finish removes the markers. What cannot be removed now goes after 30 days.
func (m *markers) Finish() {
	ctx, cancel := context.WithTimeout(context.Background(), finishTime)
	defer cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	for keys := m.keys; len(keys) > 0; {
		n := min(len(keys), 1000) // a line has an end
		if once.Forget(ctx, m.conn, m.as, keys[:n]) != nil {
			return
		}
		keys = keys[n:]
	}
}
