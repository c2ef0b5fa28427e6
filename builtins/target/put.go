package target

import (
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sending"
)

var _ = Module.Write(`
def put(target, source, destination, mode = None, dir_mode = None, owner = None, group = None, delete = False):
    """Makes a file or a tree on a machine like one of the workspace.

    What is equal already, by its checksum, is not sent. Each file is replaced as a
    whole: others see the old one or the new one. Links are made as links. The
    machine needs sh, find and tar, and no SFTP server.

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
      The struct of operations. diff has a line for each file that is made (+),
      replaced or changed (~), or removed (-).
    Errors:
      not_found when there is no such source, or no directory for the destination;
      permission when the user may not write there; failed when a file changes
      while it is read, or the disk is full; network when the connection is lost for
      good. Nothing is replaced before everything has arrived.
    Note:
      Undo brings back what was replaced and removed, of which the machine keeps a
      copy in /var/lib/provisioning/undo, or ~/.local/state/provisioning/undo for
      users other than root, for 30 days.

      When the transfer of a large file breaks off, the next attempt goes on where
      it was. Directories of the destination that are mount points of their own get
      their files by copying, not by rename.
    Example:
      target.put(target.local(), "site", "/srv/www", delete = True, _sudo = True)
    """`, &put{}, effect.Exact)

type put = sending.Put
