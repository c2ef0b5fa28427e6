package container

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/docker/docker/api/types/build"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// BuildSpec is what an image is built of.
type BuildSpec struct {
	Tag        string            // name of the image
	Dockerfile string            // path within the directory; "": Dockerfile
	Target     string            // stage to stop at; "": the last
	Args       map[string]string // of ARG
	Labels     map[string]string
	NoCache    bool
	Pull       bool // fetch newer versions of the images that it begins with
}

// Build builds an image of a directory with a Dockerfile. .dockerignore is heeded.
// It is the classic builder of the engine that builds, which every engine has.
func (e *Engine) Build(ctx context.Context, dir fs.FS, s BuildSpec, o Owner, progress func(line string)) (Image, error) {
	if s.Dockerfile == "" {
		s.Dockerfile = "Dockerfile"
	}
	if _, err := fs.Stat(dir, s.Dockerfile); err != nil {
		return Image{}, fault.New(fault.NotFound, "cannot build the image %q: there is no %s in the directory", s.Tag, s.Dockerfile)
	}
	skip, err := ignored(dir, s.Dockerfile)
	if err != nil {
		return Image{}, err
	}
	content := streamed(func(to io.Writer) error { return pack(ctx, to, dir, "", skip) })
	defer content.Close()
	args := map[string]*string{}
	for name, v := range s.Args {
		args[name] = &v
	}
	r, err := e.api.ImageBuild(ctx, content, build.ImageBuildOptions{
		Tags: []string{s.Tag}, Dockerfile: s.Dockerfile, Target: s.Target, BuildArgs: args, Labels: o.Labels(s.Labels), NoCache: s.NoCache,
		PullParent: s.Pull, Remove: true, ForceRemove: true, Version: build.BuilderV1,
	})
	if err == nil {
		_, err = messages(r.Body, progress)
		_ = r.Body.Close()
	}
	if err != nil {
		return Image{}, e.fault(ctx, err, "cannot build the image %q", s.Tag)
	}
	return e.InspectImage(ctx, s.Tag)
}

// ignored tells what .dockerignore leaves out. The Dockerfile is needed whatever it
// says.
func ignored(dir fs.FS, dockerfile string) (func(name string, isDir bool) (bool, error), error) {
	f, err := dir.Open(".dockerignore")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read .dockerignore")
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot read .dockerignore")
	}
	m, err := patternmatcher.New(append(patterns, "!"+dockerfile, "!.dockerignore"))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot read .dockerignore")
	}
	return func(name string, _ bool) (bool, error) { return m.MatchesOrParentMatches(name) }, nil
}
