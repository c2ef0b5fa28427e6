package exec

import (
	"errors"
	"io/fs"
	"os"
	osexec "os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/cmdline"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// command is a command ready to be started: options applied, secrets expanded.
type command struct {
	name string // for messages, redacted
	path string // of the program
	argv []string
	dir  string
	env  []string
	sudo bool
}

// prepare makes a command of the arguments. Its errors lie before the start.
func prepare(env *effect.Env, text starlark.Value, shell bool) (*command, error) {
	c, err := build(env, text, shell)
	if f := fault.As(err); f != nil {
		f.Unsent = true
	}
	return c, err
}

func build(env *effect.Env, text starlark.Value, shell bool) (*command, error) {
	argv, err := cmdline.Argv(text, shell)
	if err != nil {
		return nil, err
	}
	c := &command{argv: argv, name: filepath.Base(argv[0])}
	if shell {
		c.name = cmdline.Clip(strings.Join(strings.Fields(argv[2]), " "), 40)
	}
	c.name = env.Run.Secrets.Redact(c.name)
	for i := range argv {
		if argv[i], err = env.Run.Secrets.Expand(argv[i]); err != nil {
			return nil, err
		}
	}
	if c.dir, err = directory(env); err != nil {
		return nil, err
	}
	names, err := c.environ(env)
	if err != nil {
		return nil, err
	}
	if err := c.become(env.Options, names); err != nil {
		return nil, err
	}
	c.path, err = lookPath(c.argv[0], c.lookup("PATH"), c.dir)
	if err != nil {
		return nil, c.startFault(err)
	}
	return c, nil
}

// directory is the one that the command runs in. An absolute one may lie
// anywhere: the command could go there by itself.
func directory(env *effect.Env) (string, error) {
	dir := env.Options.Cwd
	if dir == "" {
		return env.Run.Files.Workspace(), nil
	}
	if !filepath.IsAbs(dir) || strings.HasPrefix(dir, "//") {
		p, err := env.Run.Files.Resolve(dir)
		if err != nil {
			return "", err
		}
		dir = p.Abs
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fault.New(fault.NotFound, "the directory %q of _cwd does not exist", env.Options.Cwd)
	case err != nil:
		return "", fault.Wrap(fault.Permission, err, "cannot use the directory %q of _cwd", env.Options.Cwd)
	case !info.IsDir():
		return "", fault.New(fault.Invalid, "_cwd is %q, which is not a directory", env.Options.Cwd)
	}
	return dir, nil
}

// environ fills in the environment, and returns the names that _env adds.
func (c *command) environ(env *effect.Env) ([]string, error) {
	c.env = append(os.Environ(), "PWD="+c.dir)
	var names []string
	for name, v := range env.Options.Env {
		v, err := env.Run.Secrets.Expand(v)
		if err != nil {
			return nil, err
		}
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(v, 0) {
			return nil, fault.New(fault.Invalid, "_env cannot set the variable %q", name)
		}
		names = append(names, name)
		c.env = append(c.env, name+"="+v)
	}
	slices.Sort(names)
	return names, nil
}

// lookup returns a variable of the environment; the last one set counts.
func (c *command) lookup(name string) string {
	for _, entry := range slices.Backward(c.env) {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			return v
		}
	}
	return ""
}

// become puts sudo in front. The variables of _env pass by name, because their
// values would be seen in the list of processes.
func (c *command) become(o effect.Options, names []string) error {
	if !o.Sudo && o.User == "" {
		return nil
	}
	name := o.User
	if name == "" {
		name = "root"
	}
	if strings.HasPrefix(name, "-") {
		return fault.New(fault.Invalid, "_user is %q, which is not the name of a user", name)
	}
	if me, err := user.Current(); err == nil && (me.Username == name || name == "root" && me.Uid == "0") {
		return nil
	}
	sudo := []string{"sudo", "-n", "-u", name}
	if len(names) > 0 {
		sudo = append(sudo, "--preserve-env="+strings.Join(names, ","))
	}
	c.argv = append(append(sudo, "--"), c.argv...)
	c.sudo = true
	return nil
}

func (c *command) cmd() *osexec.Cmd {
	return &osexec.Cmd{
		Path: c.path, Args: c.argv, Dir: c.dir, Env: c.env,
		SysProcAttr: ownGroup(),
		WaitDelay:   drainDelay,
	}
}

// startFault says why a command cannot be started.
func (c *command) startFault(err error) error {
	f := fault.New(fault.Failed, "cannot start the command %q: %v", c.name, cause(err))
	f.Cause, f.Unsent = err, true
	switch {
	case errors.Is(err, errNoProgram) && c.sudo:
		f.Kind, f.Msg = fault.NotFound, "_sudo and _user need sudo, which is not installed"
		f.Hint = "install sudo, or run this program as that user"
	case errors.Is(err, errNoProgram):
		f.Kind, f.Msg = fault.NotFound, "there is no command \""+c.name+"\""
		f.Hint = "install it, give its full path, or add its directory to PATH, with _env if need be"
	case errors.Is(err, fs.ErrNotExist):
		f.Kind = fault.NotFound
		f.Hint = "the file exists, but the interpreter that its first line names does not"
	case errors.Is(err, fs.ErrPermission):
		f.Kind, f.Hint = fault.Permission, "make it executable with chmod +x, or check whose it is"
	case errors.Is(err, syscall.ENOEXEC):
		f.Hint = "it is no program for this machine; a script begins with #! and its interpreter"
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ETXTBSY), errors.Is(err, syscall.ENOMEM):
		f.Kind = fault.Unavailable
	case errors.Is(err, syscall.E2BIG):
		f.Kind, f.Hint = fault.Invalid, "pass large texts by stdin or in a file"
	}
	return f
}

// cause is the reason within a system call's error.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
