package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/provisioning-systems/provisioning/runtime/temporal"
	"github.com/provisioning-systems/provisioning/runtime/temporal/temporaltest"
)

// deployFile is a file of the directory deploy.
func deployFile(name ...string) string {
	return filepath.Join(append([]string{"..", "..", "deploy"}, name...)...)
}

// composed is what compose understands of a file.
type composed struct {
	Services map[string]struct {
		Image     string
		StopGrace string `yaml:"stop_grace_period"`
		Command   []string
		Deploy    struct{ Replicas int }
		Ports     []string
		User      string
	}
}

// TestCompose: compose understands the file, workers may drain, and nothing of a server
// that asks nobody for a key can be reached from elsewhere.
func TestCompose(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("docker-compose")
	if err != nil {
		t.Skip("there is no docker-compose")
	}
	cmd := exec.Command(program, "-f", deployFile("temporal", "compose.yaml"), "config")
	cmd.Env = append(os.Environ(), "WORKSPACE=/srv/infra", "POSTGRES_PASSWORD=secret", "WORKER_UID=7", "WORKER_GID=8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var c composed
	if err := yaml.Unmarshal(out, &c); err != nil {
		t.Fatal(err)
	}
	worker := c.Services["worker"]
	grace, err := time.ParseDuration(worker.StopGrace)
	if err != nil || grace <= temporal.Drain {
		t.Errorf("a worker has %q to drain, which takes %s", worker.StopGrace, temporal.Drain)
	}
	if worker.Deploy.Replicas != 2 || worker.User != "7:8" {
		t.Errorf("there are %d workers, of user %s", worker.Deploy.Replicas, worker.User)
	}
	for name, s := range c.Services {
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s listens at %s", name, port)
			}
		}
	}
	tables := strings.Join(c.Services["schema"].Command, "")
	check := exec.Command("sh", "-n")
	check.Stdin = strings.NewReader(strings.ReplaceAll(tables, "$$", "$"))
	if out, err := check.CombinedOutput(); err != nil || !strings.Contains(tables, "update-schema") {
		t.Errorf("the commands for the tables: %v\n%s", err, out)
	}

	again := exec.Command(program, "-f", deployFile("temporal", "compose.yaml"), "config")
	again.Env = []string{"PATH=" + os.Getenv("PATH"), "WORKSPACE=/srv/infra"}
	if out, err := again.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("POSTGRES_PASSWORD")) {
		t.Errorf("without a password: %v\n%s", err, out)
	}
}

// TestWorkerImage builds the image of a worker, and has a container of it work for a real
// server: without privileges, with files of a workspace, until it is told to stop.
func TestWorkerImage(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	t.Parallel()
	if there, err := condition("image:provisioning/debian-plain:12"); err != nil || !there {
		t.Skip("there is no image provisioning/debian-plain:12: make images ", err)
	}
	server := temporaltest.Start(t)
	image := fmt.Sprintf("provisioning-test/worker:%d", os.Getpid())
	buildWorkerImage(t, image)

	g := newGuide(t)
	g.env = append(g.env, "PROVISIONING_ENGINE_TEMPORAL_ADDRESS="+server.Address)
	g.must("mkdir config && provisioning worker key config/cluster.key")
	g.file("config/provisioning.toml", "[engine]\ndefault = \"temporal\"\n[engine.temporal]\nkey_file = \"config/cluster.key\"\n")
	g.file("who.star", "def main():\n    fs.write(\"made\", \"there\")\n    return exec.run([\"sh\", \"-c\", \"id -u; cat made; echo; cat /etc/debian_version; test ! -w /etc && echo confined\"]).stdout\n")
	port := unusedPort(t)
	name := fmt.Sprintf("provisioning-test-worker-%d", os.Getpid())
	uid := strconv.Itoa(os.Getuid())
	if uid == "0" { // the worker is nobody in particular
		uid = "64321"
		g.must("chown -R " + uid + " .")
	}
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "-f", name).Run() }) // it may be gone
	g.must(fmt.Sprintf("docker run -d --name %s --network host --cap-drop ALL --read-only --tmpfs /tmp --tmpfs /home/worker:mode=1777 --user %s -v %s:/workspace -e PROVISIONING_ENGINE_TEMPORAL_ADDRESS=%s %s worker --health 127.0.0.1:%s",
		name, uid, g.dir, server.Address, image, port))
	wellBy := time.Now().Add(pollDeadline)
	for !strings.HasPrefix(answerOf("http://127.0.0.1:"+port+"/health"), "200 ") {
		if time.Now().After(wellBy) {
			t.Fatal("the worker is not well:\n" + g.must("docker logs "+name+" 2>&1"))
		}
		time.Sleep(pollInterval)
	}
	if out := g.must("provisioning run who.star"); !strings.Contains(out, uid) || !strings.Contains(out, "there") || !strings.Contains(out, "confined") || !strings.Contains(out, "12.") {
		t.Errorf("the run printed %q", out)
	}
	g.must("docker stop -t 75 " + name)
	if out := g.must("docker inspect -f '{{.State.ExitCode}}' " + name); strings.TrimSpace(out) != "0" {
		t.Errorf("the worker exits with %s\n%s", out, g.must("docker logs "+name+" 2>&1"))
	}
	if out := g.must("docker logs " + name + " 2>&1"); !strings.Contains(out, "workspace /workspace") || !strings.Contains(out, "stopping: ") {
		t.Errorf("the worker says\n%s", out)
	}
}

// buildWorkerImage does what `make worker-image` does, elsewhere. The program in it is the
// one of the other scripts, where that can be started there: else it needs a library that
// the image does not have, and is compiled without C as for the real one.
func buildWorkerImage(t *testing.T, image string) {
	dir := t.TempDir()
	recipe, err := os.ReadFile(deployFile("worker", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), recipe, 0o644); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "provisioning")
	build := func() {
		if out, err := exec.Command("docker", "build", "-t", image, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", "-f", image).Run() }) // nothing depends on it
	data, err := os.ReadFile(plainProgram(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, data, 0o755); err != nil {
		t.Fatal(err)
	}
	build()
	if exec.Command("docker", "run", "--rm", image, "version").Run() == nil {
		return
	}
	compile := exec.Command("go", "build", "-o", program, ".")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	build()
}

// TestWithoutC: nothing that the program is made of needs C, so that the image of a worker
// can be built for any machine. The image of [TestWorkerImage] may be built with it.
func TestWithoutC(t *testing.T) {
	t.Parallel()
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Error}}{{.}}{{end}}{{if and .CgoFiles (not .Standard)}}{{.ImportPath}}{{end}}", ".")
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.CombinedOutput()
	if text := strings.TrimSpace(string(out)); err != nil || text != "" {
		t.Errorf("%v: %s", err, text)
	}
}
