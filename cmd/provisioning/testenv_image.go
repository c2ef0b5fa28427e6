package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// nodeImage is the module of the library that makes images of machines.
const nodeImage = "nodeimage"

// chooseImage finds what the machines of an environment are made of. Where the base image has
// no init system, and somebody needs one, that is an image above it, which is made if it is
// not there. Base is as the engine describes it; empty when it has to be fetched first.
func (m *environments) chooseImage(e *testenv.Environment, base container.Image) error {
	if init := base.Labels[testenv.LabelInit]; init != "" && init != testenv.NoInit {
		return nil // it says what the library would find out
	}
	var services []string
	for _, n := range e.Nodes {
		for _, name := range n.Services {
			if !slices.Contains(services, name) {
				services = append(services, name)
			}
		}
	}
	of := starlark.StringDict{
		"engine": starlark.String(e.Config.Runtime), "id": starlark.String(e.ID), "owner": starlark.String(e.Owner), "image": starlark.String(e.Config.BaseImage),
	}
	of["services"] = stringsValue(services)
	out, err := m.runScript(&taskservScript{module: nodeImage, function: "choose", arguments: of}, 0)
	if err != nil {
		return err
	}
	var chosen struct {
		Image   string `json:"image"`
		Manager string `json:"manager"` // "" when the image is there
	}
	if err := returned(out, &chosen); err != nil {
		return err
	}
	if chosen.Image != e.Config.BaseImage {
		e.Image = chosen.Image
	}
	if chosen.Manager == "" {
		return nil
	}
	delete(of, "services")
	of["name"], of["manager"], of["environment"] = starlark.String(chosen.Image), starlark.String(chosen.Manager), value.Of(e.Config.Environment)
	return m.makeImage(e, of)
}

// makeImage makes the image of the machines of an environment, unless it is there by now. Who
// is about to make one is waited for.
func (m *environments) makeImage(e *testenv.Environment, of starlark.StringDict) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	done, err := m.store.Images(ctx, m.waits)
	if err != nil {
		return err
	}
	defer done()
	there, err := hasImage(ctx, e.Config.Runtime, e.Image)
	if err != nil || there {
		return err
	}
	m.a.console.Note("the image %s has no init system: one with it is made, which the next environments take as well", e.Config.BaseImage)
	_, err = m.runScript(&taskservScript{module: nodeImage, function: "make", arguments: of}, 0)
	return err
}

func (m *environments) waits() {
	m.a.console.Note("another process is making an image for machines: waiting for it")
}

// hasImage reports whether an engine has an image.
func hasImage(ctx context.Context, named, image string) (bool, error) {
	engine, err := openEngineOf(ctx, named)
	if err != nil {
		return false, err
	}
	defer engine.Close() //nolint:errcheck // it was only asked
	_, found, err := engine.LookImage(ctx, image)
	return found, err
}

// removeImages removes the images that this workspace has made for machines, and that no
// container uses.
func (m *environments) removeImages() error {
	done, err := m.store.Images(context.Background(), m.waits)
	if err != nil {
		return err
	}
	defer done()
	out, err := m.runScript(&taskservScript{module: nodeImage, function: "remove_images"}, 0)
	if err != nil {
		return err
	}
	type image struct {
		Name  string `json:"name"`
		Image string `json:"image"`
	}
	var all struct{ Removed, Used []image }
	if err := returned(out, &all); err != nil {
		return err
	}
	for _, i := range all.Removed {
		m.a.console.Print("%s removed, of %s", i.Name, i.Image)
	}
	used := make([]string, len(all.Used))
	for n, i := range all.Used {
		used[n] = i.Name
	}
	if len(used) > 0 {
		m.a.console.Note("containers use %s: remove their environments first", strings.Join(used, ", "))
	}
	return nil
}
