package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/providers/local"
)

func TestMain(m *testing.M) {
	setGORACE()
	testscript.Main(m, map[string]func(){"provisioning": func() {
		if os.Getenv("TEST_ISOLATED") != "" {
			os.Args = isolated(os.Args)
		}
		main()
	}})
}

// setGORACE keeps the race detector from waiting for a second whenever a process that
// a test has started ends.
func setGORACE() {
	if err := os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0")); err != nil {
		panic(err)
	}
}

// isolated are the arguments of a command with the flag that gives the
// interpreter a process of its own, where the command has that flag.
func isolated(args []string) []string {
	for i, arg := range args {
		if i > 0 && slices.Contains([]string{"run", "resume", "replay", "rollback"}, arg) {
			return slices.Insert(slices.Clone(args), i+1, "--isolate")
		}
		if i > 0 && !strings.HasPrefix(arg, "-") {
			break
		}
	}
	return args
}

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

// TestScripts runs what users see: every folder below testdata that holds
// scripts. In a script, provisioning is this program.
func TestScripts(t *testing.T) { runScripts(t, setUpScript, "schedule/temporal") }

// TestIsolated runs the same scripts with interpreters that have processes of
// their own: nobody may see a difference.
func TestIsolated(t *testing.T) {
	if testing.Short() {
		t.Skip("the scripts run once")
	}
	dir := filepath.Dir(plainProgram(t))
	runScripts(t, func(env *testscript.Env) error {
		env.Setenv("TEST_ISOLATED", "1")
		env.Setenv("PATH", dir+string(filepath.ListSeparator)+env.Getenv("PATH"))
		return setUpScript(env)
	}, "isolate", "travel", "test", "repl", "author", "about", "export", "server", "taskserv", "cluster", "containers", "testenv", "ssh", "target", "schedule", "schedule/local", "schedule/temporal", "temporal") // they choose themselves, or need no other process
}

// runScripts runs all scripts but those in except: folders, and scripts by folder and
// name.
func runScripts(t *testing.T, setUp func(*testscript.Env) error, except ...string) {
	t.Parallel()
	root := filepath.Join("..", "..", "testdata")
	for _, dir := range scriptFolders(t, root) {
		name, err := filepath.Rel(root, dir)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(except, name) {
			continue
		}
		t.Run(filepath.ToSlash(name), func(t *testing.T) {
			t.Parallel()
			setUp := setUp
			if slices.Contains([]string{"server", "taskserv", "cluster"}, name) {
				setUp = withServers(setUp)
			}
			if name == "testenv" {
				setUp = withEnvironments(setUp)
			}
			setUp = from(dir, setUp)
			testscript.Run(t, testscript.Params{
				Files: scriptsIn(t, dir, name, except), Setup: setUp, Cmds: scriptCommands, Condition: condition,
				UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
			})
		})
	}
}

// from says where a script is from, as the value "dir".
func from(dir string, setUp func(*testscript.Env) error) func(*testscript.Env) error {
	return func(env *testscript.Env) error {
		env.Values["dir"] = dir
		return setUp(env)
	}
}

// scriptsIn are the scripts of a folder but those in except.
func scriptsIn(t *testing.T, dir, folder string, except []string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(file string) bool {
		return slices.Contains(except, filepath.ToSlash(filepath.Join(folder, strings.TrimSuffix(filepath.Base(file), ".txtar"))))
	})
}

// withServers removes the servers that a script has left, whatever became of it.
func withServers(setUp func(*testscript.Env) error) func(*testscript.Env) error {
	return func(env *testscript.Env) error {
		env.Setenv("DOCKER_HOST", os.Getenv("DOCKER_HOST"))
		env.Setenv("TOOLS", toolsDir())
		env.Defer(func() { removeServers(env.WorkDir) })
		return setUp(env)
	}
}

// withEnvironments removes what a script has left of test environments.
func withEnvironments(setUp func(*testscript.Env) error) func(*testscript.Env) error {
	return func(env *testscript.Env) error {
		env.Setenv("DOCKER_HOST", os.Getenv("DOCKER_HOST"))
		env.Defer(func() {
			if err := sweepEnvironments(env.WorkDir); err != nil {
				fmt.Fprintln(os.Stderr, "test environments of a test are left:", err)
			}
		})
		return setUp(env)
	}
}

// sweepEnvironments removes those of a directory, and of workspaces below it.
func sweepEnvironments(dir string) error {
	ctx := context.Background()
	e, err := openEngine(ctx)
	if err != nil {
		return nil //nolint:nilerr // without an engine nothing was made
	}
	defer e.Close() //nolint:errcheck // nobody needs it any more
	all := container.Filter{Labels: map[string]string{testenv.Label: ""}}
	containers, err := e.List(ctx, all)
	networks, nerr := e.Networks(ctx, all)
	workspaces := map[string]bool{}
	for _, c := range containers {
		workspaces[c.Labels[container.LabelWorkspace]] = true
	}
	for _, n := range networks {
		workspaces[n.Labels[container.LabelWorkspace]] = true
	}
	err = errors.Join(err, nerr)
	for workspace := range workspaces {
		if workspace == dir || strings.HasPrefix(workspace, dir+"/") {
			_, serr := e.Sweep(ctx, container.Filter{Owner: container.Owner{Workspace: workspace}, Labels: all.Labels}, false)
			err = errors.Join(err, serr)
		}
	}
	return err
}

// removeServers removes the servers and networks of a workspace.
func removeServers(workspace string) {
	p := local.New(nil)
	defer p.Close() //nolint:errcheck // nobody needs it any more
	left, err := p.ListServers(context.Background(), providers.Filter{Workspace: workspace})
	for _, s := range left {
		err = errors.Join(err, p.DeleteServer(context.Background(), s.ID, false))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers of a test are left:", err)
	}
}

// scriptFolders finds all folders with scripts, so that none is forgotten.
func scriptFolders(t *testing.T, root string) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(name) == ".txtar" && !slices.Contains(dirs, filepath.Dir(name)) {
			dirs = append(dirs, filepath.Dir(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) == 0 {
		t.Fatal("there are no scripts")
	}
	return dirs
}

// setUpScript gives a script a user of its own, and makes its directory a
// workspace unless it has a file "no-workspace".
func setUpScript(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, ".home")
	for name, dir := range map[string]string{
		"HOME": "", "PROVISIONING_HOME": "config/provisioning", "XDG_CONFIG_HOME": "config",
		"XDG_CACHE_HOME": "cache", "XDG_STATE_HOME": "state", "XDG_DATA_HOME": "data",
	} {
		dir = filepath.Join(home, dir)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		env.Setenv(name, dir)
	}
	env.Setenv("NO_COLOR", "1")
	env.Setenv("GORACE", os.Getenv("GORACE"))
	if _, err := os.Stat(filepath.Join(env.WorkDir, "no-workspace")); err == nil {
		return nil
	}
	marker := filepath.Join(env.WorkDir, "config", "provisioning.toml")
	if _, err := os.Stat(marker); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(marker), 0o755); err != nil {
		return err
	}
	return os.WriteFile(marker, nil, 0o644)
}

// condition is for what a machine may lack: tools, [tool:python3], a container
// engine that answers, [docker], images of it, [image:NAME], and a Temporal server,
// [temporal]. REQUIRE=python3,docker makes it an error that one is missing.
func condition(cond string) (bool, error) {
	if cond == "docker" {
		return dockerAnswers()
	}
	if cond == "temporal" {
		return temporalThere()
	}
	if cond == "shelf" { // what installs half a distribution
		return os.Getenv("SHELF") == "full", nil
	}
	if image, ok := strings.CutPrefix(cond, "image:"); ok {
		err := exec.Command("docker", "image", "inspect", image).Run()
		if err != nil && slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), "docker") {
			return false, fmt.Errorf("there is no image %s (make images), and REQUIRE demands it", image)
		}
		return err == nil, nil
	}
	tool, ok := strings.CutPrefix(cond, "tool:")
	if !ok {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	_, err := exec.LookPath(tool)
	if err != nil {
		_, err = os.Stat(filepath.Join(toolsDir(), tool))
	}
	if err != nil && slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), tool) {
		return false, fmt.Errorf("there is no %s, and REQUIRE demands it", tool)
	}
	return err == nil, nil
}

// toolsDir is where make tools puts programs that no package has.
func toolsDir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "provisioning", "tools")
}

var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits": exits, "waitfor": waitFor, "nowhere": nowhere, "remember": remember, "unchanged": unchanged,
	"sshd": startSSHD, "append": appendFile, "stderr-ends": stderrEnds, "signal": signalOwner, "frames": frames,
	"containers": containers, "temporal": temporalServer, "freeport": freePort, "answers": answers, "eventually": eventually, "capture": capture,
}

// eventually REGEXP PROGRAM ARGS… runs a program until its output matches.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually REGEXP PROGRAM ARGS…")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for began := time.Now(); time.Since(began) < pollDeadline; time.Sleep(10 * pollInterval) {
		if ts.Exec(args[1], args[2:]...) == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("waited in vain for %s", args[0])
}

// capture NAME REGEXP keeps what the first group matches in the output as a variable.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME REGEXP")
	}
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	found := want.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("there is no %s", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// exits CODE PROGRAM ARGS… runs a program and checks how it exits.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("it exits with %d, not %d", code, want)
	}
}

const (
	pollInterval = 10 * time.Millisecond
	pollDeadline = 30 * time.Second
)

// waitFor FILE [TEXT] waits until the file exists, and has the text in it.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: waitfor FILE [TEXT]")
	}
	for began := time.Now(); time.Since(began) < pollDeadline; time.Sleep(pollInterval) {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && (len(args) == 1 || strings.Contains(string(data), args[1])) {
			return
		}
	}
	ts.Fatalf("waited in vain for %s", strings.Join(args, " with "))
}

// signalOwner SIGNAL sends a signal to the process that executes a run, or that follows
// one which is executed elsewhere.
func signalOwner(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: signal INT|TERM|KILL")
	}
	leases, err := filepath.Glob(ts.MkAbs(".provisioning/leases/*"))
	ts.Check(err)
	pid := ""
	switch {
	case len(leases) == 1:
		pid = strings.TrimSpace(ts.ReadFile(leases[0]))
	case len(leases) == 0 && ts.Getenv("PROVISIONING_ENGINE") == "temporal":
		pid = follower(ts)
	default:
		ts.Fatalf("there are %d runs with an owner", len(leases))
	}
	ts.Check(ts.Exec("kill", "-"+args[0], pid))
}

// follower finds the process that follows a run of the workspace.
func follower(ts *testscript.TestScript) string {
	processes, err := filepath.Glob("/proc/[0-9]*")
	ts.Check(err)
	for _, dir := range processes {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		words := strings.Split(string(line), "\x00")
		if err != nil || len(words) < 2 || filepath.Base(words[0]) != "provisioning" || !slices.Contains([]string{"run", "resume", "rollback", "test"}, words[1]) {
			continue // it may have ended meanwhile
		}
		if cwd, err := os.Readlink(filepath.Join(dir, "cwd")); err == nil && cwd == ts.MkAbs(".") {
			return filepath.Base(dir)
		}
	}
	ts.Fatalf("nobody follows a run")
	return ""
}

// frames FILE TO makes the lines of a file messages of the Language Server
// Protocol. "$WORK" in them is the directory of the script.
func frames(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: frames FILE TO")
	}
	var b strings.Builder
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		line = strings.ReplaceAll(strings.TrimSpace(line), "$WORK", ts.MkAbs("."))
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(line), line)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o600))
}

// nowhere TEXT PATH… looks for a text in all files below the paths.
func nowhere(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] nowhere TEXT PATH…")
	}
	found, files := "", 0
	for _, path := range args[1:] {
		ts.Check(filepath.WalkDir(ts.MkAbs(path), func(name string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(name)
			if files++; strings.Contains(string(data), args[0]) {
				found = name
			}
			return err
		}))
	}
	if files == 0 {
		ts.Fatalf("there is no file")
	}
	if (found == "") == neg {
		ts.Fatalf("the text is in: %q", found)
	}
}

// remember keeps what the workspace looks like, without state and home.
func remember(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: remember")
	}
	ts.Check(os.WriteFile(ts.MkAbs(".home/remembered"), []byte(listing(ts)), 0o600))
}

// unchanged compares the workspace with what was remembered.
func unchanged(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 0 {
		ts.Fatalf("usage: [!] unchanged")
	}
	before, now := ts.ReadFile(".home/remembered"), listing(ts)
	if (before == now) == neg {
		ts.Fatalf("the workspace was\n%s\nand is\n%s", before, now)
	}
}

func listing(ts *testscript.TestScript) string {
	var b strings.Builder
	root := ts.MkAbs(".")
	ts.Check(filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".provisioning" || d.Name() == ".home" || d.Name() == ".tmp") {
			return filepath.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		fmt.Fprintf(&b, "%s %s", info.Mode(), rel)
		if info.Mode().IsRegular() {
			data, rerr := os.ReadFile(name)
			err = errors.Join(err, rerr)
			fmt.Fprintf(&b, " %q", data)
		}
		b.WriteByte('\n')
		return err
	}))
	return b.String()
}

// appendFile FILE TEXT adds a line to a file.
func appendFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: append FILE TEXT")
	}
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	ts.Check(err)
	_, err = f.WriteString(args[1] + "\n")
	ts.Check(errors.Join(err, f.Close()))
}

// stderrEnds REGEXP matches the last line of the standard error.
func stderrEnds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stderr-ends REGEXP")
	}
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stderr")), "\n")
	last := lines[len(lines)-1]
	if !regexp.MustCompile(args[0]).MatchString(last) {
		ts.Fatalf("the last line is %q", last)
	}
}
