package main

import (
	"context"
	"os"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

// The runtimes that a command about tests can name.
const (
	runtimeNative = "native"
	runtimeHelp   = "what has the containers: docker or podman (default: the one that is found), or native for none"
)

var runtimeNames = []string{"docker", runtimeNative, "podman"}

// checkRuntime refuses what is no name of a runtime.
func checkRuntime(name string) error {
	for _, known := range append([]string{""}, runtimeNames...) {
		if name == known {
			return nil
		}
	}
	return suggest(fault.New(fault.Usage, "there is no runtime %q", name), name, runtimeNames).WithHint("it is docker, podman or native")
}

// openEngine connects to the container engine that is found.
func openEngine(ctx context.Context) (*container.Engine, error) { return openEngineOf(ctx, "") }

// openEngineOf connects to the container engine of a name; "" for the one that is found.
func openEngineOf(ctx context.Context, named string) (*container.Engine, error) {
	at, err := container.Find(named)
	if fault.Is(err, fault.NotFound) {
		hint := ""
		if f := fault.As(err); f != nil {
			hint = f.Hint
		}
		what := "No container runtime detected"
		if named != "" {
			what += ": there is no socket of " + engineTitle(named)
		}
		return nil, fault.New(fault.Unavailable, "%s", what).WithHint("%s; --runtime native makes the tests that need none", hint)
	}
	if err != nil {
		return nil, err
	}
	e, err := container.Open(ctx, at)
	if f := fault.As(err); f != nil {
		refused := *f
		refused.Msg = "Failed to connect to " + engineTitle(at.Engine) + ": " + strings.TrimPrefix(f.Msg, "cannot use containers: ")
		return nil, &refused
	}
	return e, err
}

func engineTitle(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// chooseEngine connects to the container engine of a name, or, where none is named, to the
// first that answers. It returns the name that leads there; "" for the one that is found.
func chooseEngine(ctx context.Context, named string) (*container.Engine, string, error) {
	e, err := openEngineOf(ctx, named)
	if err == nil || named != "" || os.Getenv("DOCKER_HOST")+os.Getenv("DOCKER_CONTEXT") != "" {
		return e, named, err
	}
	if podman, perr := openEngineOf(ctx, "podman"); perr == nil {
		return podman, "podman", nil
	}
	return nil, "", err
}
