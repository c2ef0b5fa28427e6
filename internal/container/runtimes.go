package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Runtime is a container runtime of this machine: a command, and what answers it.
type Runtime struct {
	Name     string `star:"name" json:"name"`         // docker, podman, nerdctl, orbstack, colima
	Command  string `star:"command" json:"command"`   // path of the command
	Version  string `star:"version" json:"version"`   // of what answers
	Socket   string `star:"socket" json:"socket"`     // of the API; "" when it has none
	Storage  string `star:"storage" json:"storage"`   // the storage driver
	Rootless bool   `star:"rootless" json:"rootless"` //
	Compose  string `star:"compose" json:"compose"`   // version of its compose; "" without one
	Default  bool   `star:"default" json:"default"`   // the one that is used when none is named
	Running  bool   `star:"running" json:"running"`   // it answers
	Error    string `star:"error" json:"error"`       // why it does not
}

// Driver is how the runtime is called: OrbStack and Colima by Docker's command.
func (r Runtime) Driver() []string {
	if r.Name == "orbstack" || r.Name == "colima" {
		return []string{r.Command, "--host", r.Socket}
	}
	return []string{r.Command}
}

// Search says which runtimes are looked for.
type Search struct {
	Preferred string        // goes first; "": none
	Order     []string      // nil: that of the operating system
	Patience  time.Duration // for an answer; 0: 5 seconds
	Places    Places
	LookPath  func(name string) (string, error) // nil: exec.LookPath
}

// order is that in which runtimes are tried.
func (s Search) order() []string {
	order := s.Order
	if order == nil {
		order = []string{"docker", "podman", "nerdctl"}
		if s.Places.OS == "darwin" {
			order = []string{"orbstack", "docker", "podman", "colima", "nerdctl"}
		}
	}
	if s.Preferred == "" {
		return order
	}
	rest := make([]string, 0, len(order))
	for _, name := range order {
		if name != s.Preferred {
			rest = append(rest, name)
		}
	}
	return append([]string{s.Preferred}, rest...)
}

// commands are what runtimes are driven with: OrbStack and Colima are engines of
// Docker's command.
var commands = map[string]string{"docker": "docker", "podman": "podman", "nerdctl": "nerdctl", "orbstack": "docker", "colima": "docker"}

// Runtimes describes the runtimes whose command is there, those that do not answer
// too. The first that answers is the default.
func (s Search) Runtimes(ctx context.Context) ([]Runtime, error) {
	found := []Runtime{}
	taken := false
	for _, name := range s.order() {
		command, known := commands[name]
		if !known {
			return nil, fault.New(fault.Usage, "there is no container runtime %q", name).WithHint("docker, podman, nerdctl, orbstack, colima")
		}
		path, err := s.look(command)
		if err != nil {
			continue
		}
		if path, err = filepath.Abs(path); err != nil {
			continue
		}
		r := Runtime{Name: name, Command: path}
		s.describe(ctx, &r)
		r.Default = r.Running && !taken
		taken = taken || r.Running
		found = append(found, r)
	}
	return found, nil
}

// Detect chooses from what was found the runtime to use. That one is installed and does not run is
// another error than that there is none.
func (s Search) Detect(all []Runtime) (Runtime, error) {
	var down []string
	for _, r := range all {
		if r.Default {
			return r, nil
		}
		down = append(down, r.Name+" ("+r.Error+")")
	}
	if len(down) > 0 {
		return Runtime{}, fault.New(fault.Unavailable, "no container runtime answers: %s", strings.Join(down, "; ")).
			WithHint("they are installed, and do not run, or this user may not use them: systemctl start docker, usermod -aG docker USER")
	}
	return Runtime{}, fault.New(fault.NotFound, "No container runtime detected").
		WithHint("install one: apt-get install docker.io, or podman; looked for %s", strings.Join(s.order(), ", "))
}

// socket is where the API of a runtime is.
func (s Search) socket(name string) string {
	at, err := s.Places.Find(map[string]string{"podman": "podman"}[name])
	switch name {
	case "orbstack":
		return "unix://" + s.Places.Home + "/.orbstack/run/docker.sock"
	case "colima":
		return "unix://" + s.Places.Home + "/.colima/default/docker.sock"
	case "docker":
		at, err = s.Places.Find("docker")
	case "nerdctl":
		return ""
	}
	if err != nil {
		return ""
	}
	return at.Host
}

// describe asks a runtime what it is, by its command.
func (s Search) describe(ctx context.Context, r *Runtime) {
	patience := s.Patience
	if patience == 0 {
		patience = Patience
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var args []string
	if r.Socket = s.socket(r.Name); r.Name == "orbstack" || r.Name == "colima" {
		args = []string{"--host", r.Socket}
	}
	out, err := output(ctx, r.Command, append(args, "info", "--format", "{{json .}}")...)
	if err == nil {
		err = r.read(out)
	}
	if err != nil {
		r.Error = why(ctx, err, patience)
		return
	}
	r.Running = true
	if out, err := output(ctx, r.Command, append(args, "compose", "version", "--short")...); err == nil {
		r.Compose = strings.TrimSpace(string(out))
	}
}

// read takes what info says: Docker and nerdctl in one form, Podman in another.
func (r *Runtime) read(info []byte) error {
	var docker struct {
		ServerVersion   string
		Driver          string
		SecurityOptions []string
		ServerErrors    []string
	}
	var podman struct {
		Host struct {
			Security     struct{ Rootless bool }
			RemoteSocket struct{ Path string }
		} `json:"host"`
		Store   struct{ GraphDriverName string } `json:"store"`
		Version struct{ Version string }         `json:"version"`
	}
	if err := json.Unmarshal(info, &docker); err != nil {
		return errors.New("it gives no JSON")
	}
	if len(docker.ServerErrors) > 0 {
		return errors.New(docker.ServerErrors[0])
	}
	if r.Version, r.Storage = docker.ServerVersion, docker.Driver; r.Version != "" {
		for _, option := range docker.SecurityOptions {
			r.Rootless = r.Rootless || strings.HasSuffix(option, "rootless")
		}
		return nil
	}
	if err := json.Unmarshal(info, &podman); err != nil || podman.Version.Version == "" {
		return errors.New("it does not say which version it is")
	}
	r.Version, r.Storage, r.Rootless = podman.Version.Version, podman.Store.GraphDriverName, podman.Host.Security.Rootless
	return nil
}

func why(ctx context.Context, err error, patience time.Duration) string {
	if ctx.Err() != nil {
		return "no answer within " + patience.String()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if line, _, _ := strings.Cut(strings.TrimSpace(string(exit.Stderr)), "\n"); line != "" {
			return line
		}
	}
	return err.Error()
}

func output(ctx context.Context, command string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.WaitDelay = time.Second
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		exit.Stderr = errs.Bytes()
	}
	return out, err
}
