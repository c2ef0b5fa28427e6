package ssh

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/command"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def exec(target, command, shell = False, stdin = "", timeout = "10m", ok_codes = [0], check = False, quiet = False):
    """Runs a command on a machine, or on all of a pool, and returns how it ended.

    It is target.run for those who look at exit codes themselves: one that is not 0
    is no error. A machine that cannot be reached is one; with several machines
    _on_error = "continue" makes that a result, too.

    Args:
      target: the machine, a list of machines, or a pool.
      command: the program and its arguments, as a list; a string when shell is
        True.
      shell: have the machine's sh read the command, for pipes and redirections.
        Do not put texts that others chose into such a command.
      stdin: text that the command reads. Without it, it reads nothing.
      timeout: time that the command may take; 0 for no limit. _timeout goes first.
      ok_codes: exit codes that mean success.
      check: whether another exit code is an error.
      quiet: do not show what the command prints.
    Returns:
      The struct of operations: host, ok, changed, rc (128 + n when signal n ended
      the command), stdout, stderr, diff, duration, error, hosts. With several
      machines hosts has a result for each.
    Errors:
      network when a machine cannot be reached; timeout when the command was ended
      after its time; limit when it printed more than 64 MiB; failed for another
      exit code, with check.
    Note:
      When the connection is cut, or the program killed, nobody knows how far the
      command came, and the run waits for an answer. With _once = True the command
      leaves a marker on the machine, as described in target.run.
    Example:
      ssh.exec(pool, ["systemctl", "is-active", "nginx"]).ok
      [h.host for h in ssh.exec(pool, "df / | grep -q 9.%", shell = True).hosts if h.ok]
    """`, &execute{}, effect.Blind)

type execute struct{ command.Run }

var (
	_ effect.Validator = (*execute)(nil)
	_ effect.Describer = (*execute)(nil)
	_ effect.Predictor = (*execute)(nil)
	_ effect.Asker     = (*execute)(nil)
	_ effect.Assumer   = (*execute)(nil)
	_ effect.Commander = (*execute)(nil)
	_ effect.Remote    = (*execute)(nil)
	_ effect.Leaver    = (*execute)(nil)
	_ effect.Spreader  = (*execute)(nil)
)

func (x *execute) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: value.NewUnknown("ssh.exec(%s)", x.Describe()), Change: effect.Act}, nil
}
