package container

import (
	"context"
	"errors"
	"time"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def image_build(image, dir = ".", dockerfile = "Dockerfile", args = {}, stage = "", labels = {}, no_cache = False, pull = False, engine = ""):
    """Builds an image of a directory of the workspace with a Dockerfile.

    .dockerignore is heeded; the state of the workspace is never sent. It is the
    classic builder of the engine that builds. Undo gives the name back to the image
    that had it, if any.

    Args:
      image: name of the image.
      dir: the directory, relative to the workspace.
      dockerfile: path of the Dockerfile in it.
      args: values for ARG. They stay visible in the image: no secrets.
      stage: stage to stop at; "" for the last.
      labels: labels beside those of the run and the workspace.
      no_cache: build every step anew.
      pull: fetch newer versions of the images that it begins with.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is False when the same image came out.
    Errors:
      not_found when there is no Dockerfile; failed when a step fails.
    Example:
      container.image_build("web:dev", dir = "web", args = {"VERSION": "1.4"})
    """`, &imageBuild{}, effect.Approximate)

type imageBuild struct {
	renamed
	Dir        string            `star:"dir"`
	Dockerfile string            `star:"dockerfile"`
	Args       map[string]string `star:"args"`
	Stage      string            `star:"stage"`
	Labels     map[string]string `star:"labels"`
	NoCache    bool              `star:"no_cache"`
	Pull       bool              `star:"pull"`
}

var (
	_ effect.Validator  = (*imageBuild)(nil)
	_ effect.Describer  = (*imageBuild)(nil)
	_ effect.Predictor  = (*imageBuild)(nil)
	_ effect.Toucher    = (*imageBuild)(nil)
	_ effect.Looker     = (*imageBuild)(nil)
	_ effect.Undoer     = (*imageBuild)(nil)
	_ effect.Repeatable = (*imageBuild)(nil)
	_ effect.Remote     = (*imageBuild)(nil)
)

func (i *imageBuild) Repeatable() bool { return true }

func (i *imageBuild) Looks(env *effect.Env) []string { return localFile(env, i.Dir) }

func (i *imageBuild) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := i.open(ctx, env)
	if err != nil {
		return nil, err
	}
	dir, err := env.Run.Files.Resolve(i.Dir)
	if err != nil {
		return nil, err
	}
	was, _, err := e.LookImage(ctx, i.Image)
	if err != nil {
		return nil, err
	}
	// The place is not a label of it: then a second run would make another image.
	mine := engine.Owner{Workspace: owner(env).Workspace}
	now, err := e.Build(ctx, tree{dir}, engine.BuildSpec{
		Tag: i.Image, Dockerfile: i.Dockerfile, Target: i.Stage, Args: i.Args, Labels: i.Labels, NoCache: i.NoCache, Pull: i.Pull,
	}, mine, progress(env))
	if err != nil {
		return nil, err
	}
	return changed(i.Image, was.ID != now.ID, i.diff("built"), began), nil
}

func (i *imageBuild) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	if _, err := env.Run.Files.Resolve(i.Dir); err != nil {
		return effect.Prediction{}, err
	}
	_, found, err := i.look(ctx, env)
	if err != nil {
		return effect.Prediction{}, err
	}
	return i.predicted(env, found, "built"), nil
}

var _ = Module.Write(`
def image_import(image, archive, changes = [], engine = ""):
    """Makes an image of a root file system.

    Undo gives the name back to the image that had it, if any.

    Args:
      image: name of the image.
      archive: the root file system, as a tar file of the workspace, which may be
        compressed by gzip, bzip2, xz or zstd.
      changes: lines of a Dockerfile, such as "CMD /bin/sh" and "ENV PATH=/bin".
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is True.
    Errors:
      not_found when there is no such file; failed when it is no archive.
    Example:
      container.image_import("debian:mine", "rootfs.tar", changes = ["CMD /bin/bash"])
    """`, &imageImport{}, effect.Approximate)

type imageImport struct {
	renamed
	Archive string   `star:"archive"`
	Changes []string `star:"changes"`
}

var (
	_ effect.Validator  = (*imageImport)(nil)
	_ effect.Describer  = (*imageImport)(nil)
	_ effect.Predictor  = (*imageImport)(nil)
	_ effect.Toucher    = (*imageImport)(nil)
	_ effect.Looker     = (*imageImport)(nil)
	_ effect.Undoer     = (*imageImport)(nil)
	_ effect.Repeatable = (*imageImport)(nil)
	_ effect.Remote     = (*imageImport)(nil)
)

func (i *imageImport) Repeatable() bool { return true }

func (i *imageImport) Looks(env *effect.Env) []string { return localFile(env, i.Archive) }

func (i *imageImport) Perform(ctx context.Context, env *effect.Env) (_ any, err error) {
	began := time.Now()
	e, err := i.open(ctx, env)
	if err != nil {
		return nil, err
	}
	p, err := env.Run.Files.Resolve(i.Archive)
	if err != nil {
		return nil, err
	}
	f, err := p.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fault.New(fault.Invalid, "%q is a directory, not an archive", i.Archive)
	}
	if _, err := e.Import(ctx, f, i.Image, i.Changes); err != nil {
		return nil, err
	}
	return changed(i.Image, true, i.diff("imported"), began), nil
}

func (i *imageImport) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	_, found, err := i.look(ctx, env)
	if err != nil {
		return effect.Prediction{}, err
	}
	return i.predicted(env, found, "imported"), nil
}
