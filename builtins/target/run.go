package target

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/command"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def run(target, command, shell = False, stdin = "", timeout = "10m", ok_codes = [0], check = True, quiet = False):
    """Runs a command on a machine and waits for its end.

    What the command prints is shown as it comes, with the name of the machine in
    front. When the time is over, the run is stopped or the connection is cut, the
    command and everything of its process group gets SIGTERM, and SIGKILL 5 seconds
    later. What it leaves in the background goes on.

    Args:
      target: the machine, a list of machines, or a pool.
      command: the program and its arguments, as a list; a string when shell is
        True. It runs in the home directory of the user; _cwd, _env, _user and
        _sudo change where and as whom.
      shell: have the machine's sh read the command, for pipes and redirections.
        Do not put texts that others chose into such a command.
      stdin: text that the command reads. Without it, it reads nothing.
      timeout: time that the command may take; 0 for no limit. _timeout goes first.
      ok_codes: exit codes that mean success.
      check: whether another exit code is an error. If not, look at ok or rc.
      quiet: do not show what the command prints.
    Returns:
      The struct of operations: host, ok (whether rc is one of ok_codes), changed
      (always True), rc (128 + n when signal n ended the command), stdout, stderr,
      diff (empty), duration, error.
    Errors:
      failed for another exit code, with host, code, stdout and stderr (their last
      4 KiB) in details; timeout when it was ended after its time; limit when it
      printed more than 64 MiB; permission when sudo refuses; network when the
      machine cannot be reached.
    Note:
      When the connection is cut, or the program killed, nobody knows how far the
      command came, and the run waits for an answer. With _once = True the command
      is started apart from the connection and leaves a marker on the machine: it
      goes on when the connection is cut, is waited for by the resumed run, and its
      result is taken from the marker. Only when it has vanished without a result,
      as after a loss of power, the run waits. Markers are in
      /var/lib/provisioning/once, or ~/.local/state/provisioning/once for users
      other than root, until the run is complete, and for 30 days at most.

      Secrets in command, _env and stdin are not in the list of processes, unless
      the command passes them on as arguments to a program.
    Example:
      target.run(target.local(), ["uname", "-r"]).stdout.strip()
      target.run(target.local(), "ls /etc | wc -l", shell = True, quiet = True).rc
    """`, &run{}, effect.Blind)

type run struct{ command.Run }

var (
	_ effect.Validator = (*run)(nil)
	_ effect.Describer = (*run)(nil)
	_ effect.Predictor = (*run)(nil)
	_ effect.Asker     = (*run)(nil)
	_ effect.Assumer   = (*run)(nil)
	_ effect.Commander = (*run)(nil)
	_ effect.Remote    = (*run)(nil)
	_ effect.Leaver    = (*run)(nil)
)

func (r *run) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: value.NewUnknown("target.run(%s)", r.Describe()), Change: effect.Act}, nil
}
