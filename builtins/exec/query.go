package exec

import "github.com/provisioning-systems/provisioning/runtime/effect"

var _ = Module.Read(`
def query(command, shell = False, stdin = "", timeout = "1m", ok_codes = [0], check = True, quiet = True):
    """Runs a command that only looks, such as systemctl is-active or git status.

    It is exec.run for commands that change nothing. Because of that promise of
    yours it is run in check mode too, so that a plan can depend on its answer, and
    it may be run again when it fails for a reason that passes.

    Args:
      command: the program and its arguments, as a list; a string when shell is True.
      shell: have /bin/sh read the command, for pipes.
      stdin: text that the command reads.
      timeout: time that the command may take; 0 for no limit. _timeout goes first.
      ok_codes: exit codes that mean success.
      check: whether another exit code is an error. If not, look at ok or code.
      quiet: do not show what the command prints.
    Returns:
      A struct result, as that of exec.run.
    Errors:
      Those of exec.run.
    Example:
      if not exec.query(["systemctl", "is-active", "nginx"], check = False).ok:
          exec.run(["systemctl", "start", "nginx"], _sudo = True)
    """`, &query{})

// query is exec.run as a read: what only writes have is never asked of it.
type query struct{ run }

var (
	_ effect.Validator = (*query)(nil)
	_ effect.Describer = (*query)(nil)
	_ effect.Commander = (*query)(nil)
)
