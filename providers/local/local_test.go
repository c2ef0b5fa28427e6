package local

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/providers/providertest"
)

const testImage = "provisioning/busybox:1"

// need skips a test without an engine that has the image; REQUIRE=docker makes that a
// failure.
func need(t *testing.T, image string) *container.Engine {
	t.Helper()
	why := ""
	at, err := container.Find("")
	var e *container.Engine
	if err == nil {
		e, err = container.Open(t.Context(), at)
	}
	if err != nil {
		why = err.Error()
	} else {
		t.Cleanup(func() { _ = e.Close() })
		if _, err := e.InspectImage(t.Context(), image); err != nil {
			why = err.Error() + " (make images)"
		}
	}
	if why == "" {
		return e
	}
	if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), "docker") {
		t.Fatal(why + ", and REQUIRE demands it")
	}
	t.Skip(why)
	return nil
}

func TestContract(t *testing.T) {
	need(t, testImage)
	providertest.Run(t, providertest.Setup{
		Provider: func(*testing.T) providers.Provider { return New(nil) },
		Record:   providers.Record{Image: testImage, Plan: "1xCPU-128MB", Workspace: t.TempDir(), SSHKeys: []string{"ssh-ed25519 AAAA test"}},
		Plan:     "4xCPU-1GB",
		Broken:   func() providers.Provider { return New(providers.Config{"dokcer_socket": "/x"}) },
	})
	out, err := exec.Command("docker", "network", "ls", "--format", "{{.Name}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	_ = out
}
