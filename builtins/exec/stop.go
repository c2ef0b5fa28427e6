package exec

import (
	"context"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def stop(process):
    """Ends a process that exec.start has started.

    It and everything it has started get the stop_signal of exec.start, and
    SIGKILL when stop_grace is over. Stopping a process that has ended is fine.

    Args:
      process: what exec.start returned, or its handle.
    Returns:
      A struct stopped: code (exit code, 128 + n when signal n ended it, None when
      the process was gone already) and output (its last lines).
    Example:
      exec.stop(proxy).code
    """`, &stop{}, effect.Approximate)

type stop struct {
	Process starlark.Value `star:"process"`
}

var (
	_ effect.Validator  = (*stop)(nil)
	_ effect.Describer  = (*stop)(nil)
	_ effect.Predictor  = (*stop)(nil)
	_ effect.Ender      = (*stop)(nil)
	_ effect.Repeatable = (*stop)(nil)
	_ effect.Assumer    = (*stop)(nil)
	_ effect.Traceless  = (*stop)(nil)
)

// Stopped is what exec.stop returns.
type Stopped struct {
	Code   *int   `star:"code"`
	Output string `star:"output"`
}

func (s *stop) Repeatable() bool { return true }
func (s *stop) LeavesNoTrace()   {} // a process that lives with the run would have ended anyway
func (s *stop) Describe() string { return "stop " + s.Ends() }
func (s *stop) Assume() any      { return Stopped{} }

// Ends returns the handle of the process.
func (s *stop) Ends() string {
	if handle, ok := s.Process.(starlark.String); ok {
		return string(handle)
	}
	if p, ok := s.Process.(starlark.HasAttrs); ok {
		v, _ := p.Attr("handle")
		handle, _ := v.(starlark.String)
		return string(handle)
	}
	return ""
}

func (s *stop) Validate() error {
	if !strings.HasPrefix(s.Ends(), handlePrefix) {
		return fault.New(fault.Invalid, "the argument \"process\" is not what exec.start returned")
	}
	return nil
}

func (s *stop) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: value.NewUnknown("exec.stop(%s)", s.Ends()), Change: effect.Act}, nil
}

func (s *stop) Perform(_ context.Context, env *effect.Env) (any, error) {
	l, ok := env.Run.Live.Get(s.Ends()).(*live)
	if !ok {
		return Stopped{}, nil
	}
	l.stop()
	env.Run.Live.Drop(s.Ends())
	return Stopped{Code: &l.process.code, Output: l.log.text()}, nil
}
