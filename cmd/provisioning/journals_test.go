package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"

	"github.com/provisioning-systems/provisioning/runtime/temporal/temporaltest"
)

// TestSameJournals executes scripts on both engines, in the same directory: what they
// print, how they end and their canonical journals are the same, byte for byte. Samples
// draw numbers, and write times; fields of effects that differ between two runs on the
// local engine are not compared.
func TestSameJournals(t *testing.T) {
	t.Parallel()
	scripts := []string{"quickstart.star"}
	for _, f := range archive(t).Files {
		if filepath.Ext(f.Name) == ".star" && filepath.Dir(f.Name) == "." {
			scripts = append(scripts, f.Name)
		}
	}
	same(t, scripts...)
}

// TestSameServers is TestSameJournals for the sample that makes servers.
func TestSameServers(t *testing.T) {
	if ok, err := condition("image:provisioning/debian:12"); err != nil || !ok {
		t.Skip("there is no image provisioning/debian:12: make images ", err)
	}
	t.Parallel()
	same(t, "three-servers.star")
}

func same(t *testing.T, scripts ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("the scripts run once")
	}
	server := temporaltest.Start(t)
	p := &play{t: t, root: t.TempDir(), program: plainProgram(t), scripts: scripts}
	local := []string{"PROVISIONING_ENGINE=local"}
	once, again := p.all(local, nil), p.all(local, nil)
	away := []string{"PROVISIONING_ENGINE=temporal", "PROVISIONING_ENGINE_TEMPORAL_ADDRESS=" + server.Address, "PROVISIONING_ENGINE_TEMPORAL_TASK_QUEUE=journals"}
	elsewhere := p.all(away, (*play).serve)
	for _, script := range p.scripts {
		difference, chance := compare(once[script], again[script], elsewhere[script])
		if chance > 0 && !byChance[script] {
			t.Errorf("%s is another each time on one engine:\n%s\nand\n%s", script, once[script], again[script])
		}
		if difference != "" {
			t.Errorf("%s: %s", script, difference)
		}
		t.Logf("%s: %d bytes, %d fields by chance", script, len(once[script]), chance)
	}
}

// byChance are the scripts that draw numbers, and have addresses and processes.
var byChance = map[string]bool{"quickstart.star": true, "three-servers.star": true}

func archive(t *testing.T) *txtar.Archive {
	a, err := txtar.ParseFile(filepath.Join("testdata", "journals.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// play is a workspace in which scripts are executed one after the other.
type play struct {
	t       *testing.T
	root    string
	program string
	scripts []string
	said    string // on the standard error, by the last command
}

// flags are those that scripts need.
var flags = map[string][]string{
	"takes-back.star": {"--rollback-on-failure"},
	"operations.star": {"--dir", "WORKSPACE/out-machine"},
	"limits.star":     {"--limit", "effects=4"},
}

// all makes the workspace anew, and executes all scripts in it. It returns what came of
// each.
func (p *play) all(vars []string, worker func(*play, *testscript.Env) (stop func())) map[string]string {
	ws := filepath.Join(p.root, "ws")
	env := &testscript.Env{WorkDir: ws, Vars: append(os.Environ(), vars...), Values: map[any]any{}}
	if err := os.RemoveAll(ws); err != nil {
		p.t.Fatal(err)
	}
	if err := os.CopyFS(ws, os.DirFS(filepath.Join("..", "..", "scripts"))); err != nil {
		p.t.Fatal(err)
	}
	for _, f := range archive(p.t).Files {
		p.write(filepath.Join(ws, f.Name), f.Data)
	}
	if err := setUpScript(env); err != nil {
		p.t.Fatal(err)
	}
	if worker != nil {
		defer worker(p, env)()
	}
	all := map[string]string{}
	for _, script := range p.scripts {
		all[script] = p.one(env, script)
	}
	return all
}

// serve starts a worker.
func (p *play) serve(env *testscript.Env) (stop func()) {
	ready := &spoken{come: make(chan struct{})}
	worker := exec.Command(p.program, "worker")
	worker.Dir, worker.Env, worker.Stderr = env.WorkDir, env.Vars, ready
	stop, err := workerReady(worker, ready)
	if err != nil {
		p.t.Fatal(err)
	}
	return stop
}

func (p *play) write(file string, data []byte) {
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err = errors.Join(err, os.WriteFile(file, data, 0o644)); err != nil {
		p.t.Fatal(err)
	}
}

// one executes a script, and answers what it asks.
func (p *play) one(env *testscript.Env, script string) string {
	if strings.HasPrefix(script, "three-servers") {
		defer removeServers(env.WorkDir)
	}
	shown, code := p.provisioning(env, p.command(env, script)...)
	for code == waits {
		for place := p.open(env); place != ""; place = p.open(env) {
			p.provisioning(env, "runs", "answer", "last", "yes", "--place", place)
		}
		shown, code = p.provisioning(env, "resume", "last")
	}
	said := p.said
	canonical, failed := p.provisioning(env, "runs", "export", "last", "--canonical")
	if canonical == "" || failed != 0 {
		p.t.Errorf("%s did nothing:\n%s%s", script, said, p.said)
	}
	return fmt.Sprintf("%sexit code %d\n%s", shown, code, canonical)
}

func (p *play) command(env *testscript.Env, script string) []string {
	args := []string{"run", script}
	for _, arg := range flags[script] {
		args = append(args, strings.ReplaceAll(arg, "WORKSPACE", env.WorkDir))
	}
	return args
}

// waits is the exit code of a run that waits for an answer.
const waits = 6

// open is the place of an open question of the last run; "" where there is none.
func (p *play) open(env *testscript.Env) string {
	shown, _ := p.provisioning(env, "runs", "show", "last")
	if m := openQuestionLine.FindStringSubmatch(shown); m != nil {
		return m[1]
	}
	return ""
}

var openQuestionLine = regexp.MustCompile(`(?m)^question (\S+): .* not answered$`)

// provisioning executes a command, and returns what it prints, and its exit code.
func (p *play) provisioning(env *testscript.Env, args ...string) (string, int) {
	cmd := exec.Command(p.program, args...)
	cmd.Dir, cmd.Env = env.WorkDir, env.Vars
	var stderr strings.Builder
	cmd.Stderr = &stderr
	defer func() { p.said = stderr.String() }()
	out, err := cmd.Output()
	code := cmd.ProcessState.ExitCode()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || code == 2 {
		p.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), code
}

// compare compares what became of a script here and there, line by line, and in the lines
// of the journal field by field. What differs between two runs here is not compared: it
// is counted.
func compare(here, again, there string) (difference string, chance int) {
	a, b, c := strings.Split(here, "\n"), strings.Split(again, "\n"), strings.Split(there, "\n")
	if len(a) != len(b) || len(a) != len(c) {
		return fmt.Sprintf("%d lines and, again, %d here, and %d there", len(a), len(b), len(c)), 0
	}
	for i := range a {
		x, y, z := fields(a[i]), fields(b[i]), fields(c[i])
		for name, value := range x {
			switch {
			case y[name] != value:
				chance++
			case z[name] != value:
				difference += fmt.Sprintf("%s of %s\n  here  %s\n  there %s\n", name, x["place"], value, z[name])
			}
		}
		if len(x) != len(z) {
			difference += fmt.Sprintf("%s\n  here  %d fields\n  there %d\n", x["place"], len(x), len(z))
		}
	}
	return difference, chance
}

// fields are those of a line of a journal; the line itself, for any other.
func fields(line string) map[string]string {
	var raw map[string]json.RawMessage
	if json.Unmarshal([]byte(line), &raw) != nil {
		return map[string]string{"line": line}
	}
	all := map[string]string{}
	for name, value := range raw {
		all[name] = string(value)
	}
	return all
}
