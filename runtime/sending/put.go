// Package sending is what makes a file or a tree on a machine like one of the workspace,
// as an effect that modules give names to, and the workspace as transfers see it.
package sending

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

// Put is the effect.
type Put struct {
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
	_ effect.Validator  = (*Put)(nil)
	_ effect.Describer  = (*Put)(nil)
	_ effect.Predictor  = (*Put)(nil)
	_ effect.Looker     = (*Put)(nil)
	_ effect.Sparing    = (*Put)(nil)
	_ effect.Asker      = (*Put)(nil)
	_ effect.Repeatable = (*Put)(nil)
	_ effect.Commander  = (*Put)(nil)
	_ effect.Remote     = (*Put)(nil)
)

func (p *Put) RunsCommand()     {}
func (p *Put) Repeatable() bool { return true }
func (p *Put) Describe() string { return p.Source + " -> " + p.Host() + ":" + p.Destination }

func (p *Put) Looks(env *effect.Env) []string {
	at, err := env.Run.Files.Resolve(p.Source)
	if err != nil {
		return nil
	}
	return []string{at.Resource()}
}

func (p *Put) Validate() error {
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
	return FarPath("destination", p.Destination)
}

// FarPath refuses paths that mean something else on every machine, or nothing.
func FarPath(what, name string) error {
	if !path.IsAbs(name) {
		return fault.New(fault.Invalid, "the %s %q is not absolute", what, name).
			WithHint("a machine has no workspace: say where it is from the root on")
	}
	if strings.ContainsRune(name, 0) || path.Clean(name) == "/" {
		return fault.New(fault.Invalid, "the %s cannot be %q", what, name)
	}
	return nil
}

func (p *Put) options() transfer.Options {
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

// Far is the machine as transfers see it.
func Far(ctx context.Context, env *effect.Env, o *command.On) (*transfer.Machine, error) {
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

func (p *Put) plan(ctx context.Context, env *effect.Env) (*transfer.Put, error) {
	at, err := env.Run.Files.Resolve(p.Source)
	if err != nil {
		return nil, err
	}
	m, err := Far(ctx, env, &p.On)
	if err != nil {
		return nil, err
	}
	return m.PlanPut(ctx, &Tree{Root: at}, p.Source, p.Destination, p.options())
}

func (p *Put) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	plan, err := p.plan(ctx, env)
	if err != nil {
		return effect.Prediction{}, err
	}
	diff := plan.Plan.Diff(plan.Root)
	return effect.Prediction{Result: p.result(diff, 0), Change: KindOf(plan.Plan), Diff: diff}, nil
}

// KindOf is the kind of change that a plan makes.
func KindOf(p *transfer.Plan) effect.Change {
	switch {
	case p.Empty():
		return effect.None
	case len(p.Create) > 0 && p.Create[0].Path == ".":
		return effect.Create
	}
	return effect.Update
}

func (p *Put) result(diff string, took time.Duration) operation.Result {
	return operation.Result{Host: p.Host(), OK: true, Changed: diff != "", Diff: diff, Duration: took}
}

// Memory is what the intent keeps.
type Memory struct {
	Undo *transfer.Undo `json:"undo"`
	Diff string         `json:"diff"`
}

func (p *Put) Remember(ctx context.Context, env *effect.Env) (any, error) {
	plan, err := p.plan(ctx, env)
	if err != nil {
		return nil, fault.Before(err)
	}
	p.planned = plan
	if plan.Plan.Empty() {
		return nil, nil
	}
	return Memory{plan.Undo(), plan.Plan.Diff(plan.Root)}, nil
}

// Idle reports whether everything is there already.
func (p *Put) Idle() bool { return p.planned != nil && p.planned.Plan.Empty() }

func (p *Put) Perform(ctx context.Context, env *effect.Env) (any, error) {
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

func (p *Put) Happened(ctx context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	plan, err := p.plan(ctx, env)
	if err != nil {
		return effect.Answer{}, err
	}
	if !plan.Plan.Empty() {
		return effect.Answer{Happened: effect.No, Why: "not everything is there yet"}, nil
	}
	var m Memory
	if err := past.Remembered(&m); err != nil {
		return effect.Answer{}, err
	}
	return effect.Answer{Happened: effect.Yes, Result: p.result(m.Diff, 0), Why: "everything is there"}, nil
}

func (p *Put) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	var was Memory
	if err := past.Remembered(&was); err != nil {
		return err
	}
	if was.Undo == nil {
		return nil
	}
	m, err := Far(ctx, env, &p.On)
	if err != nil {
		return err
	}
	if err := m.Undo(ctx, was.Undo); err != nil {
		return fmt.Errorf("cannot bring back %s: %w", was.Undo.Root, err)
	}
	return nil
}
