package target

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def query(target, command, shell = False, stdin = "", timeout = "1m", ok_codes = [0], check = True, quiet = True):
    """Runs a command on a machine that only looks, such as systemctl is-active.

    It is target.run for commands that change nothing. Because of that promise of
    yours it is run in check mode too, so that a plan can depend on its answer, and
    it may be run again when it fails for a reason that passes.

    Args:
      target: the machine, a list of machines, or a pool.
      command: the program and its arguments, as a list; a string when shell is True.
      shell: have the machine's sh read the command, for pipes.
      stdin: text that the command reads.
      timeout: time that the command may take; 0 for no limit. _timeout goes first.
      ok_codes: exit codes that mean success.
      check: whether another exit code is an error. If not, look at ok or rc.
      quiet: do not show what the command prints.
    Returns:
      The struct of operations, as that of target.run; changed is False.
    Errors:
      Those of target.run.
    Example:
      target.query(target.local(), ["test", "-e", "/etc/hostname"], check = False).ok
    """`, &query{})

// query is target.run as a read: what only writes have is never asked of it.
type query struct{ run }

var (
	_ effect.Validator = (*query)(nil)
	_ effect.Describer = (*query)(nil)
	_ effect.Commander = (*query)(nil)
	_ effect.Remote    = (*query)(nil)
)

func (q *query) Perform(ctx context.Context, env *effect.Env) (any, error) {
	return q.Look(ctx, env)
}
