package ssh

import (
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sending"
)

var _ = Module.Write(`
def copy(target, source, destination, mode = None, dir_mode = None, owner = None, group = None, delete = False):
    """Copies a file or a tree of the workspace to a machine, or to all of a pool.

    It is target.put: what is equal already, by its checksum, is not sent, each file is
    replaced as a whole, and undo brings back what was there. With several machines
    hosts has a result for each, and _on_error = "continue" makes a machine that fails a
    result, too. target.get fetches.

    Args:
      target: the machine, a list of machines, or a pool.
      source: a file or a directory of the workspace.
      destination: absolute path on the machine. A directory becomes this one, not
        one in it. A file goes into the directory when it ends with a slash.
      mode: permission bits of all files, such as 0o640. None: as in the workspace.
      dir_mode: permission bits of all directories. None: as in the workspace.
      owner: name of the user that owns it all. None: the user that makes it, and
        what is there keeps its owner.
      group: name of the group of it all.
      delete: remove what is in the destination and not in the source.
    Returns:
      The struct of operations: host, ok, changed, diff, duration, error, hosts. diff
      has a line for each file that is made (+), replaced or changed (~), or
      removed (-).
    Errors:
      not_found when there is no such source, or no directory for the destination;
      permission when the user may not write there; failed when a file changes
      while it is read, or the disk is full; network when the connection is lost for
      good. Nothing is replaced before everything has arrived.
    Example:
      ssh.copy(pool, "site", "/srv/www", delete = True, _sudo = True).changed
    """`, &sending.Put{}, effect.Exact)
