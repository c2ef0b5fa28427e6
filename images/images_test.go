// Package images tests the images of the test machines: what the recipes promise.
package images

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// docker runs the client and returns what it prints.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// need skips a test where the image is not there; REQUIRE=docker makes that a failure.
func need(t *testing.T, image string) {
	t.Helper()
	if exec.Command("docker", "image", "inspect", image).Run() == nil {
		return
	}
	why := "there is no image " + image + " (make images)"
	if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), "docker") {
		t.Fatal(why + ", and REQUIRE demands it")
	}
	t.Skip(why)
}

var recipes = []struct {
	folder, image string
	options       []string
	init          string // what process 1 is
	shell         string // what sh is
	python        string // where it is
}{
	{"debian", "provisioning/debian:12", []string{"--cgroupns=private", "--cap-add", "SYS_ADMIN", "--tmpfs", "/run", "--tmpfs", "/run/lock"}, "systemd", "dash", "none"},
	{"debian-plain", "provisioning/debian-plain:12", nil, "start", "dash", "none"},
	{"debian-other", "provisioning/debian-other:12", nil, "start", "dash", "/usr/bin/python3"},
	{"busybox", "provisioning/busybox:1", nil, "start", "busybox", "none"},
}

func TestImages(t *testing.T) {
	for _, r := range recipes {
		t.Run(r.folder, func(t *testing.T) {
			t.Parallel()
			need(t, r.image)
			id := docker(t, append(append([]string{"run", "--detach"}, r.options...), r.image)...)
			t.Cleanup(func() { docker(t, "rm", "--force", id) })
			in := func(script string) string { return docker(t, "exec", id, "sh", "-c", script) }

			// Until sshd answers: its greeting is the first line it sends.
			in(`i=0; until [ -s /run/sshd.pid ] || pidof sshd >/dev/null; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done`)
			for what, want := range map[string]struct{ script, want string }{
				"process 1":        {"cat /proc/1/comm", r.init},
				"sh":               {"readlink -f /bin/sh", r.shell},
				"host keys":        {"ls /etc/ssh/ssh_host_*_key | wc -l", "2"},
				"python":           {"command -v python3 || echo none", r.python},
				"login of deploy":  {"id -un deploy", "deploy"},
				"nobody's keys":    {"cat /root/.ssh/authorized_keys 2>/dev/null || echo none", "none"},
				"rights of shadow": {"stat -c %a /etc/shadow | sed s/640/600/", "600"},
			} {
				if got := in(want.script); !strings.HasSuffix(got, want.want) {
					t.Errorf("%s: %q, want %q", what, got, want.want)
				}
			}
		})
	}
}

// TestNoTwoAreTheSame: an image with host keys would make one machine of all.
func TestNoTwoAreTheSame(t *testing.T) {
	for _, r := range recipes {
		need(t, r.image)
		out := docker(t, "run", "--rm", "--entrypoint", "/bin/sh", r.image, "-c", "ls /etc/ssh; cat /etc/machine-id 2>/dev/null || true")
		if strings.Contains(out, "ssh_host") {
			t.Errorf("%s has host keys: %s", r.image, out)
		}
		for line := range strings.Lines(out) {
			if len(strings.TrimSpace(line)) == 32 {
				t.Errorf("%s has the machine id %s", r.image, line)
			}
		}
	}
}

// TestMakeAgain: what is there is not made again.
func TestMakeAgain(t *testing.T) {
	for _, r := range recipes {
		need(t, r.image)
	}
	out, err := exec.Command("./build").CombinedOutput()
	if err != nil || len(out) != 0 {
		t.Errorf("images that are there are made again: %v %s", err, out)
	}
}

func TestWithoutDocker(t *testing.T) {
	for _, c := range []struct {
		args []string
		ok   bool
	}{{[]string{"--where-possible"}, true}, {nil, false}} {
		cmd := exec.Command("./build", c.args...)
		cmd.Env = append(os.Environ(), "ENGINE=false")
		out, err := cmd.CombinedOutput()
		if (err == nil) != c.ok || !strings.Contains(string(out), "does not answer") || strings.Count(string(out), "\n") != 1 {
			t.Errorf("build %v: %v %s", c.args, err, out)
		}
	}
}
