package scenes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/container/containertest"
)

// recipe makes an image with package lists, with what scenes need besides, and with the
// packages that they install: so a scene takes no longer than dpkg does, and the archive
// is asked once a day.
const recipe = `
RUN apt-get update -q && apt-get install -y -q --no-install-recommends git wget \
 && apt-get install -y -q --no-install-recommends --download-only hello tree nginx-light
`

// labelScenes marks images that are made here.
const labelScenes = "provisioning.scenes"

var derived struct {
	sync.Mutex
	of map[string]derivedImage
}

type derivedImage struct {
	ref string
	err string
}

// withPackages is an image of the same machine in which packages can be installed.
func withPackages(t *testing.T, i image) string {
	t.Helper()
	derived.Lock()
	defer derived.Unlock()
	d, made := derived.of[i.ref]
	if !made {
		if derived.of == nil {
			derived.of = map[string]derivedImage{}
		}
		d = derive(t, i)
		derived.of[i.ref] = d
	}
	if d.err != "" {
		skip(t, "apt", "the archive of Debian cannot be reached:\n"+d.err)
	}
	return d.ref
}

func derive(t *testing.T, i image) derivedImage {
	t.Helper()
	f := containertest.New(t)
	ctx := context.Background()
	base, found, err := f.Engine.LookImage(ctx, i.ref)
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		skip(t, "docker", "there is no image "+i.ref+" (make images)")
	}
	dockerfile := "FROM " + i.ref + "\nLABEL " + labelScenes + "=" + strings.ReplaceAll(i.name, " ", "-") + recipe
	sum := sha256.Sum256([]byte(base.ID + dockerfile + time.Now().UTC().Format(time.DateOnly)))
	ref := "provisioning-scenes/" + strings.ReplaceAll(i.name, " ", "-") + ":" + hex.EncodeToString(sum[:6])
	if _, found, err = f.Engine.LookImage(ctx, ref); err != nil {
		t.Fatal(err)
	} else if found {
		return derivedImage{ref: ref}
	}
	removeOld(t, f, i)
	build := exec.Command("docker", "build", "--tag", ref, "-")
	build.Env = append(build.Environ(), "DOCKER_BUILDKIT=0")
	build.Stdin = strings.NewReader(dockerfile)
	if out, err := build.CombinedOutput(); err != nil {
		return derivedImage{err: string(out)}
	}
	return derivedImage{ref: ref}
}

// removeOld removes the images of other days.
func removeOld(t *testing.T, f *containertest.Fixture, i image) {
	t.Helper()
	old, err := f.Engine.Images(context.Background(), container.Filter{Labels: map[string]string{labelScenes: strings.ReplaceAll(i.name, " ", "-")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range old {
		if _, err := f.Engine.RemoveImage(context.Background(), image.ID, true); err != nil {
			t.Logf("an old image stays: %v", err)
		}
	}
}
