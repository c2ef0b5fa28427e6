package exec

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def which(name):
    """Finds a command.

    Args:
      name: name of a command, which is looked for in the directories of PATH,
        or a path, relative to the workspace.
    Returns:
      The full path of the program as a string, or None when there is none.
    Example:
      if exec.which("git") == None:
          fail("git is needed")
    """`, &which{})

type which struct {
	Name string `star:"name"`
}

var _ effect.Validator = (*which)(nil)

func (w *which) Validate() error {
	if w.Name == "" {
		return fault.New(fault.Invalid, "the name is empty")
	}
	return nil
}

func (w *which) Perform(_ context.Context, env *effect.Env) (any, error) {
	path, err := lookPath(w.Name, os.Getenv("PATH"), env.Run.Files.Workspace())
	if err != nil {
		return nil, nil
	}
	return path, nil
}

// errNoProgram says that no file of that name is there at all.
var errNoProgram = errors.New("no such program")

// lookPath finds a program in the directories of path. A name with a slash in
// it is relative to dir. Relative directories in path are skipped, as os/exec
// does: they would make it depend on dir which program runs.
func lookPath(name, path, dir string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, executable(name)
	}
	found := errNoProgram
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			continue
		}
		file := filepath.Join(d, name)
		switch err := executable(file); {
		case err == nil:
			return file, nil
		case !errors.Is(err, errNoProgram):
			found = err // a later directory may still have a usable one
		}
	}
	return "", found
}

func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fs.ErrPermission
	case err != nil:
		return errNoProgram
	case info.IsDir() || info.Mode()&0o111 == 0:
		return fs.ErrPermission
	}
	return nil
}
