package command

import (
	"context"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/cmdline"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// Run is an effect that runs a command on a machine, but for what it predicts.
type Run struct {
	On
	operation.Many
	Command starlark.Value `star:"command"`
	Shell   bool           `star:"shell"`
	Behaviour
}

func (r *Run) RunsCommand()     {}
func (r *Run) Describe() string { return r.Host() + ": " + cmdline.Describe(r.Command, r.Shell) }
func (r *Run) Assume() any      { return operation.Result{Host: r.Host(), OK: true, Changed: true} }

// Validate refuses what is no target, and arguments that make no command.
func (r *Run) Validate() error {
	if err := r.On.Validate(); err != nil {
		return err
	}
	return Check(r.Command, r.Shell, r.Timeout)
}

func (r *Run) job(env *effect.Env) (*Job, error) {
	return New(env, r.On, r.Behaviour, r.Command, r.Shell)
}

// Perform runs the command.
func (r *Run) Perform(ctx context.Context, env *effect.Env) (any, error) {
	j, err := r.job(env)
	if err != nil {
		return nil, err
	}
	return j.Perform(ctx, env)
}

// Look runs a command that changes nothing.
func (r *Run) Look(ctx context.Context, env *effect.Env) (any, error) {
	j, err := r.job(env)
	if err != nil {
		return nil, err
	}
	return j.Look(ctx, env)
}

// Happened asks for the marker of the command.
func (r *Run) Happened(ctx context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	j, err := r.job(env)
	if err != nil {
		return effect.Answer{}, err
	}
	return j.Happened(ctx, env)
}
