package target

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/filemode"
	"github.com/provisioning-systems/provisioning/internal/transfer"
	"github.com/provisioning-systems/provisioning/runtime/command"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
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

type put struct {
	command.On
	operation.Many
	Source      string  `star:"source"`
	Destination string  `star:"destination"`
	Mode        *int    `star:"mode"`
	DirMode     *int    `star:"dir_mode"`
	Owner       *string `star:"owner"`
	Group       *string `star:"group"`
	Delete      bool    `star:"delete"`

	planned *transfer.Put
}

var (
	_ effect.Validator  = (*put)(nil)
	_ effect.Describer  = (*put)(nil)
	_ effect.Predictor  = (*put)(nil)
	_ effect.Looker     = (*put)(nil)
	_ effect.Sparing    = (*put)(nil)
	_ effect.Asker      = (*put)(nil)
	_ effect.Repeatable = (*put)(nil)
	_ effect.Commander  = (*put)(nil)
	_ effect.Remote     = (*put)(nil)
)

func (p *put) RunsCommand()     {}
func (p *put) Repeatable() bool { return true }
func (p *put) Describe() string { return p.Source + " -> " + p.Host() + ":" + p.Destination }

func (p *put) Looks(env *effect.Env) []string {
	at, err := env.Run.Files.Resolve(p.Source)
	if err != nil {
		return nil
	}
	return []string{at.Resource()}
}

func (p *put) Validate() error {
	if err := p.On.Validate(); err != nil {
		return err
	}
	if p.Source == "" {
		return fault.New(fault.Invalid, "the source is empty")
	}
	for _, mode := range []*int{p.Mode, p.DirMode} {
		if mode == nil {
			continue
		}
		if err := filemode.Check(*mode); err != nil {
			return err
		}
	}
	for _, name := range []*string{p.Owner, p.Group} {
		if name != nil && (*name == "" || strings.HasPrefix(*name, "-") || strings.ContainsAny(*name, ":\x00\n")) {
			return fault.New(fault.Invalid, "%q is not the name of a user or a group", *name)
		}
	}
	return farPath("destination", p.Destination)
}

// farPath refuses paths that mean something else on every machine, or nothing.
func farPath(what, name string) error {
	if !path.IsAbs(name) {
		return fault.New(fault.Invalid, "the %s %q is not absolute", what, name).
			WithHint("a machine has no workspace: say where it is from the root on")
	}
	if strings.ContainsRune(name, 0) || path.Clean(name) == "/" {
		return fault.New(fault.Invalid, "the %s cannot be %q", what, name)
	}
	return nil
}

func (p *put) options() transfer.Options {
	o := transfer.Options{Delete: p.Delete, Mode: bits(p.Mode), DirMode: bits(p.DirMode)}
	if p.Owner != nil {
		o.Owner = *p.Owner
	}
	if p.Group != nil {
		o.Group = *p.Group
	}
	return o
}

func bits(mode *int) *uint32 {
	if mode == nil {
		return nil
	}
	m := uint32(*mode)
	return &m
}

// far is the machine as transfers see it.
func far(ctx context.Context, env *effect.Env, o *command.On) (*transfer.Machine, error) {
	t, err := o.Machine()
	if err != nil {
		return nil, err
	}
	conn, err := o.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	m := &transfer.Machine{Conn: conn, As: t.As(env), Key: env.IdempotencyKey()}
	if env.Progress != nil {
		m.Progress = func(done, total int64) { env.Progress(done, total, "bytes") }
	}
	return m, nil
}

func (p *put) plan(ctx context.Context, env *effect.Env) (*transfer.Put, error) {
	at, err := env.Run.Files.Resolve(p.Source)
	if err != nil {
		return nil, err
	}
	m, err := far(ctx, env, &p.On)
	if err != nil {
		return nil, err
	}
	return m.PlanPut(ctx, &tree{root: at}, p.Source, p.Destination, p.options())
}

func (p *put) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	plan, err := p.plan(ctx, env)
	if err != nil {
		return effect.Prediction{}, err
	}
	diff := plan.Plan.Diff(plan.Root)
	return effect.Prediction{Result: p.result(diff, 0), Change: kindOf(plan.Plan), Diff: diff}, nil
}

// kindOf is the kind of change that a plan makes.
func kindOf(p *transfer.Plan) effect.Change {
	switch {
	case p.Empty():
		return effect.None
	case len(p.Create) > 0 && p.Create[0].Path == ".":
		return effect.Create
	}
	return effect.Update
}

func (p *put) result(diff string, took time.Duration) operation.Result {
	return operation.Result{Host: p.Host(), OK: true, Changed: diff != "", Diff: diff, Duration: took}
}

// putMemory is what the intent keeps.
type putMemory struct {
	Undo *transfer.Undo `json:"undo"`
	Diff string         `json:"diff"`
}

func (p *put) Remember(ctx context.Context, env *effect.Env) (any, error) {
	plan, err := p.plan(ctx, env)
	if err != nil {
		return nil, fault.Before(err)
	}
	p.planned = plan
	if plan.Plan.Empty() {
		return nil, nil
	}
	return putMemory{plan.Undo(), plan.Plan.Diff(plan.Root)}, nil
}

// Idle reports whether everything is there already.
func (p *put) Idle() bool { return p.planned != nil && p.planned.Plan.Empty() }

func (p *put) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	plan := p.planned
	p.planned = nil // another attempt looks anew
	if plan == nil {
		var err error
		if plan, err = p.plan(ctx, env); err != nil {
			return nil, fault.Before(err)
		}
	}
	if plan.Plan.Empty() {
		return p.result("", time.Since(began)), nil
	}
	if err := plan.Do(ctx, plan.Undo()); err != nil {
		return nil, err
	}
	return p.result(plan.Plan.Diff(plan.Root), time.Since(began)), nil
}

func (p *put) Happened(ctx context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	plan, err := p.plan(ctx, env)
	if err != nil {
		return effect.Answer{}, err
	}
	if !plan.Plan.Empty() {
		return effect.Answer{Happened: effect.No, Why: "not everything is there yet"}, nil
	}
	var m putMemory
	if err := past.Remembered(&m); err != nil {
		return effect.Answer{}, err
	}
	return effect.Answer{Happened: effect.Yes, Result: p.result(m.Diff, 0), Why: "everything is there"}, nil
}

func (p *put) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	var was putMemory
	if err := past.Remembered(&was); err != nil {
		return err
	}
	if was.Undo == nil {
		return nil
	}
	m, err := far(ctx, env, &p.On)
	if err != nil {
		return err
	}
	if err := m.Undo(ctx, was.Undo); err != nil {
		return fmt.Errorf("cannot bring back %s: %w", was.Undo.Root, err)
	}
	return nil
}
