package server

import (
	"context"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// plannedServer is a server that check mode knows.
func plannedServer(s Server) *value.Unknown { return value.NewUnknown("server %s", s.Name) }

// subject is the server that an effect changes: what these effects have in common.
type subject struct {
	Name     string `star:"name"`
	Provider string `star:"provider"`
}

func (s *subject) Validate() error              { return validName(s.Provider, s.Name) }
func (s *subject) Describe() string             { return s.Name }
func (s *subject) Touches(*effect.Env) []string { return resource(s.Provider, s.Name) }

// Repeatable: what a server is like already is no error.
func (s *subject) Repeatable() bool { return true }

// now is what the provider says of the server.
func (s *subject) now(ctx context.Context, env *effect.Env) (providers.Provider, providers.Server, error) {
	p, err := provider(env, s.Provider)
	if err != nil {
		return nil, providers.Server{}, err
	}
	now, err := complete(ctx, env, p, s.Name)
	return p, now, fault.Before(err)
}

// was is what undo has to know.
type was struct {
	ID     string           `json:"id"`
	Status providers.Status `json:"status"`
	Plan   string           `json:"plan"`
}

func (s *subject) Remember(ctx context.Context, env *effect.Env) (any, error) {
	_, now, err := s.now(ctx, env)
	if err != nil {
		return nil, err
	}
	return was{now.ID, now.Status, now.Plan}, nil
}

// before returns what there was, and the provider. found is false when the server is
// not there any more.
func (s *subject) before(ctx context.Context, env *effect.Env, past effect.Past) (w was, p providers.Provider, found bool, err error) {
	if err = past.Remembered(&w); err != nil {
		return w, nil, false, err
	}
	if p, err = provider(env, s.Provider); err != nil {
		return w, nil, false, err
	}
	_, err = p.GetServer(ctx, w.ID)
	if fault.KindOf(err) == fault.NotFound {
		return w, p, false, nil
	}
	return w, p, true, err
}

var _ = Module.Write(`
def start(name, provider = "local", wait = "2m"):
    """Turns a server on, and waits until its SSH server answers.

    Args:
      name: its name.
      provider: who has made it.
      wait: how long it may take to answer; 0 does not wait.
    Returns:
      The struct of servers.
    Errors:
      not_found when there is none of that name; failed when it does not answer in
      time.
    Example:
      server.start("web-1")
    """`, &start{}, effect.Exact)

type start struct {
	subject
	Wait time.Duration `star:"wait,tuning"`
}

var (
	_ effect.Validator  = (*start)(nil)
	_ effect.Describer  = (*start)(nil)
	_ effect.Predictor  = (*start)(nil)
	_ effect.Toucher    = (*start)(nil)
	_ effect.Undoer     = (*start)(nil)
	_ effect.Repeatable = (*start)(nil)
)

func (s *start) Perform(ctx context.Context, env *effect.Env) (any, error) {
	p, now, err := s.now(ctx, env)
	if err != nil {
		return nil, err
	}
	changed := now.Status != providers.Running
	if err := p.StartServer(ctx, now.ID); err != nil {
		return nil, err
	}
	return after(ctx, env, p, now.ID, s.Wait, changed)
}

// after describes a server that was started, once it answers.
func after(ctx context.Context, env *effect.Env, p providers.Provider, id string, patience time.Duration, changed bool) (any, error) {
	var s providers.Server
	var err error
	if patience > 0 {
		s, err = ready(ctx, p, id, patience)
	} else {
		s, err = p.GetServer(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	return resultOf(env, s, key{}, changed), nil
}

func (s *start) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	return s.becomes(ctx, env, providers.Running)
}

// becomes predicts a change of power.
func (s *subject) becomes(ctx context.Context, env *effect.Env, status providers.Status) (effect.Prediction, error) {
	_, now, err := s.now(ctx, env)
	if err != nil {
		return effect.Prediction{}, err
	}
	if now.Status == status {
		return effect.Prediction{Result: resultOf(env, now, key{}, false), Change: effect.None}, nil
	}
	diff := "status: " + string(now.Status) + " -> " + string(status) + "\n"
	now.Status = status
	return effect.Prediction{Result: resultOf(env, now, key{}, true), Change: effect.Update, Diff: diff}, nil
}

func (s *start) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	w, p, found, err := s.before(ctx, env, past)
	if err != nil || !found || w.Status != providers.Stopped {
		return err
	}
	return p.StopServer(ctx, w.ID)
}

var _ = Module.Write(`
def stop(name, provider = "local"):
    """Shuts a server down, and waits until it is off.

    Args:
      name: its name.
      provider: who has made it.
    Returns:
      The struct of servers.
    Errors:
      not_found when there is none of that name.
    Example:
      server.stop("web-1")
    """`, &stop{}, effect.Exact)

type stop struct{ subject }

var (
	_ effect.Validator  = (*stop)(nil)
	_ effect.Describer  = (*stop)(nil)
	_ effect.Predictor  = (*stop)(nil)
	_ effect.Toucher    = (*stop)(nil)
	_ effect.Undoer     = (*stop)(nil)
	_ effect.Repeatable = (*stop)(nil)
)

// offTime is how long a server may take to be off after its provider was asked.
const offTime = 2 * time.Minute

func (s *stop) Perform(ctx context.Context, env *effect.Env) (any, error) {
	p, now, err := s.now(ctx, env)
	if err != nil {
		return nil, err
	}
	changed := now.Status != providers.Stopped
	if err := p.StopServer(ctx, now.ID); err != nil {
		return nil, err
	}
	if now, err = settled(ctx, p, now.ID, providers.Stopped); err != nil {
		return nil, err
	}
	return resultOf(env, now, key{}, changed), nil
}

// settled waits for a state.
func settled(ctx context.Context, p providers.Provider, id string, want providers.Status) (providers.Server, error) {
	limited, cancel := context.WithTimeout(ctx, offTime)
	defer cancel()
	for pause := firstPoll; ; pause = min(pause*3/2, longestPoll) {
		s, err := p.GetServer(limited, id)
		switch {
		case ctx.Err() != nil:
			return s, doubtful(ctx, s)
		case limited.Err() != nil:
			return s, fault.New(fault.Failed, "the server %q is not %s after %s, but %s", s.Name, want, offTime, s.Status)
		case err != nil || s.Status == want:
			return s, err
		}
		select {
		case <-time.After(pause):
		case <-limited.Done():
		}
	}
}

func (s *stop) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	return s.becomes(ctx, env, providers.Stopped)
}

func (s *stop) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	w, p, found, err := s.before(ctx, env, past)
	if err != nil || !found || w.Status != providers.Running {
		return err
	}
	return p.StartServer(ctx, w.ID)
}
