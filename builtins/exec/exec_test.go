package exec

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// past is what the journal would give to Undo, Happened and Revive.
type past struct {
	effect.Past
	remembered any
}

func (p past) Remembered(into any) error {
	data, err := json.Marshal(p.remembered)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func envOf(f *builtintest.Fixture, o effect.Options) *effect.Env {
	return &effect.Env{Run: f.Run, Place: "0#1", Options: o, Output: func(string, string) {}}
}

func list(words ...string) *starlark.List {
	var elems []starlark.Value
	for _, w := range words {
		elems = append(elems, starlark.String(w))
	}
	return starlark.NewList(elems)
}

func shell(text string) *run {
	return &run{Command: starlark.String(text), Shell: true, Check: true, OKCodes: []int{0}}
}

func wantFault(t *testing.T, err error, kind fault.Kind, part string) *fault.Error {
	t.Helper()
	f := fault.As(err)
	if f == nil || f.Kind != kind || !strings.Contains(f.Msg, part) {
		t.Fatalf("error %v, want %s with %q", err, kind, part)
	}
	return f
}

// fifo makes a pipe that tells, by its end, that whoever writes to it is gone.
func fifo(t *testing.T, dir string) (open func() *bufio.Reader) {
	t.Helper()
	path := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return func() *bufio.Reader {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return bufio.NewReader(f)
	}
}

func TestDocs(t *testing.T) {
	for _, f := range Module.Funcs() {
		doc := f.Doc()
		for _, p := range f.Params() {
			if doc.Arg(p) == "" {
				t.Errorf("%s: the parameter %q is not documented", f.Name(), p)
			}
		}
		if doc.Summary == "" || doc.Examples == "" || doc.Returns == "" {
			t.Errorf("%s: the documentation lacks a part", f.Name())
		}
	}
}

func TestRun(t *testing.T) {
	f := builtintest.New(t, Module)
	f.WriteFile("hello.txt", "hello\n")
	for script, want := range map[string]string{
		`got = exec.run(["cat", "hello.txt"]).stdout`:                                      `"hello\n"`,
		`got = exec.run("echo a; echo b >&2", shell = True).stderr`:                        `"b\n"`,
		`got = exec.run(["cat"], stdin = "in").stdout`:                                     `"in"`,
		`got = exec.run(["cat"]).stdout`:                                                   `""`,
		`got = exec.run(["sh", "-c", "exit 3"], check = False).code`:                       `3`,
		`got = exec.run(["sh", "-c", "exit 3"], check = False).ok`:                         `False`,
		`got = exec.run(["sh", "-c", "exit 3"], ok_codes = [0, 3]).ok`:                     `True`,
		`got = exec.run(["sh", "-c", "kill -9 $$"], check = False).code`:                   `137`,
		`got = exec.run(["sh", "-c", "echo $X"], _env = {"X": "1"}).stdout`:                `"1\n"`,
		`got = exec.run(["pwd"], _cwd = "/").stdout`:                                       `"/\n"`,
		`got = exec.run(["expr", 2, "+", 3]).stdout`:                                       `"5\n"`,
		`got = type(exec.run(["true"]).duration)`:                                          `"time.duration"`,
		`got = exec.which("no-such-program")`:                                              `None`,
		`got = exec.which("sh").endswith("/sh")`:                                           `True`,
		`got = exec.which("hello.txt")`:                                                    `None`,
		`got = exec.run("printf %s \"$PWD\"", shell = True, _cwd = "//.").stdout == "DIR"`: `True`,
	} {
		if got := f.Eval(strings.ReplaceAll(script, "DIR", f.Dir)); got != want {
			t.Errorf("%s\ngot %s, want %s", script, got, want)
		}
	}
}

func TestRunErrors(t *testing.T) {
	f := builtintest.New(t, Module)
	f.WriteFile("plain", "")
	f.WriteFile("bad", "#!/no/such/interpreter\n")
	if err := os.Chmod(f.Dir+"/bad", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		script string
		kind   fault.Kind
		part   string
		hint   string
		unsent bool
	}{
		{`exec.run("ls -l")`, fault.Invalid, "must be a list", `["ls", "-l"]`, false},
		{`exec.run(["ls"], shell = True)`, fault.Invalid, "must be a string", "drop shell", false},
		{`exec.run([])`, fault.Invalid, "empty", "", false},
		{`exec.run(["ls", None])`, fault.Invalid, "at index 1", "", false},
		{`exec.run(["no-such-program"])`, fault.NotFound, `no command "no-such-program"`, "PATH", true},
		{`exec.run(["./plain"])`, fault.Permission, "permission denied", "chmod", true},
		{`exec.run(["./bad"])`, fault.NotFound, "no such file", "interpreter", true},
		{`exec.run(["pwd"], _cwd = "nowhere")`, fault.NotFound, "_cwd", "", true},
		{`exec.run(["pwd"], _cwd = "../..")`, fault.Permission, "outside", "", true},
		{`exec.run(["pwd"], _env = {"A=B": ""})`, fault.Invalid, "A=B", "", true},
		{`exec.run("echo out; echo one >&2; echo two >&2; exit 3", shell = True)`, fault.Failed, "ended with code 3: two", "", false},
		{`exec.run(["sh", "-c", "kill -9 $$"])`, fault.Failed, `command "sh" ended with code 137 (signal 9)`, "", false},
		{`exec.stop("x")`, fault.Invalid, "not what exec.start returned", "", false},
		{`exec.start(["x"], ready = "(")`, fault.Invalid, "regular expression", "", false},
		{`exec.start(["x"], stop_signal = "STOP")`, fault.Invalid, "no stop_signal", "TERM", false},
	} {
		_, err := f.Exec(c.script)
		e := fault.As(err)
		if e == nil || e.Kind != c.kind || !strings.Contains(e.Msg, c.part) || !strings.Contains(e.Hint, c.hint) || e.Unsent != c.unsent {
			t.Errorf("%s\ngave %#v", c.script, e)
		}
	}
}

func TestSecretsStayOut(t *testing.T) {
	f := builtintest.New(t, Module)
	secret, _ := f.Run.Secrets.Add("db/password", "hunter22")
	r := &run{Check: true, Command: starlark.NewList([]starlark.Value{
		starlark.String("sh"), starlark.String("-c"), starlark.String("echo $0 >&2; exit 1"), secret,
	})}
	_, err := r.Perform(t.Context(), envOf(f, effect.NoOptions))
	e := wantFault(t, err, fault.Failed, "«secret db/password»")
	if strings.Contains(e.Msg+e.Details["stderr"].(string), "hunter22") {
		t.Errorf("the error shows the secret: %v %v", e.Msg, e.Details)
	}
	long := &run{Command: list("echo", strings.Repeat("x", 100)+" "+secret.String())}
	if d := long.Describe(); strings.Contains(f.Run.Secrets.Redact(d), secret.String()[4:20]) {
		t.Errorf("a marker was cut: %q", d)
	}
	got, err := (&run{Command: list("cat"), Stdin: secret.String()}).Perform(t.Context(), envOf(f, effect.NoOptions))
	if err != nil || got.(Result).Stdout != "hunter22" {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestStreams checks that a line is there while the command still runs.
func TestStreams(t *testing.T) {
	f := builtintest.New(t, Module)
	fifo(t, f.Dir)
	env := envOf(f, effect.NoOptions)
	var got []string
	env.Output = func(stream, line string) {
		got = append(got, stream+": "+line)
		if line == "first" { // the command waits for this
			if err := os.WriteFile(f.Dir+"/fifo", []byte("go\n"), 0); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := shell(`echo first; read x < fifo; echo $x >&2; printf last`).Perform(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if want := []string{"stdout: first", "stderr: go", "stdout: last"}; !slices.Equal(got, want) {
		// The two streams have no order between them.
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestOutputLimit(t *testing.T) {
	f := builtintest.New(t, Module)
	r := shell(`exec cat /dev/zero`)
	r.Quiet = true
	_, err := r.Perform(t.Context(), envOf(f, effect.NoOptions))
	wantFault(t, err, fault.TooLarge, "more than 64 MiB")
}

func TestTimeoutKillsTheGroup(t *testing.T) {
	f := builtintest.New(t, Module)
	open := fifo(t, f.Dir)
	r := shell(`(exec 3>fifo; sleep 100; echo late >&3) & wait`)
	r.Timeout = 100 * time.Millisecond
	var wg sync.WaitGroup
	wg.Go(func() {
		if data, err := io.ReadAll(open()); err != nil || len(data) > 0 {
			t.Errorf("the grandchild wrote %q, %v", data, err)
		}
	})
	_, err := r.Perform(t.Context(), envOf(f, effect.NoOptions))
	e := wantFault(t, err, fault.Timeout, "was killed after")
	if e.InDoubt {
		t.Error("a timeout is in doubt")
	}
	wg.Wait() // ends only when nobody can write any more
}

func TestCancelIsInDoubt(t *testing.T) {
	f := builtintest.New(t, Module)
	ctx, cancel := context.WithCancelCause(t.Context())
	env := envOf(f, effect.Options{Once: true})
	env.Output = func(string, string) { cancel(context.Canceled) }
	r := shell(`echo begun; exec sleep 100`)
	_, err := r.Perform(ctx, env)
	if e := wantFault(t, err, fault.Cancelled, "because the run was stopped"); !e.InDoubt {
		t.Error("not in doubt")
	}
	if a, err := r.Happened(t.Context(), env, nil); err != nil || a.Happened != effect.Unsure {
		t.Errorf("answer %v, %v", a, err)
	}
}

func TestOnce(t *testing.T) {
	f := builtintest.New(t, Module)
	secret, _ := f.Run.Secrets.Add("token", "hunter22")
	env := envOf(f, effect.Options{Once: true})
	ask := func(r *run) effect.Answer {
		t.Helper()
		a, err := r.Happened(t.Context(), env, nil)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := ask(shell("true")); a.Happened != effect.No {
		t.Errorf("before: %v", a)
	}
	// While it runs, the marker says so; a program killed now leaves it.
	r := shell(`grep -q started ` + env.Run.State + `/once/*/marker.* && printf 'hunter22\377'`)
	want, err := r.Perform(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	a := ask(r)
	got := a.Result.(Result)
	got.Stdout, _ = f.Run.Secrets.Expand(got.Stdout)
	if a.Happened != effect.Yes || got != want {
		t.Errorf("answer %v, want %v", a, want)
	}
	data, _ := os.ReadFile(markerPath(env))
	var m marker
	if err := json.Unmarshal(data, &m); err != nil || !strings.HasPrefix(string(m.Stdout), secret.String()) {
		t.Errorf("the marker holds the secret: %q", m.Stdout)
	}
	if _, err := shell("exit 4").Perform(t.Context(), env); err == nil {
		t.Error("no error")
	}
	if a := ask(shell("exit 4")); a.Happened != effect.Unsure || !strings.Contains(a.Why, "code 4") {
		t.Errorf("after a failure: %v", a)
	}
	if a := ask(&run{}); a.Happened != effect.Yes {
		t.Errorf("after a failure that is no error: %v", a)
	}
	missing := &run{Command: list("no-such-program"), Check: true}
	env.Place = "0#2"
	if _, err := missing.Perform(t.Context(), env); err == nil {
		t.Error("no error")
	}
	if a := ask(missing); a.Happened != effect.No {
		t.Errorf("never started: %v", a)
	}
}

// TestOnceOfLateWorker: whoever stood still while another one took over runs nothing.
func TestOnceOfLateWorker(t *testing.T) {
	f := builtintest.New(t, Module)
	turn := func(n int64) *effect.Env {
		env := envOf(f, effect.Options{Once: true})
		env.Turn = n
		return env
	}
	r := shell("echo x >>" + f.Run.State + "/ran")
	if a, err := r.Happened(t.Context(), turn(2), nil); err != nil || a.Happened != effect.No {
		t.Fatalf("before: %v, %v", a, err)
	}
	_, err := r.Perform(t.Context(), turn(1))
	if e := wantFault(t, err, fault.Unavailable, "was not begun in time"); !e.Unsent || e.InDoubt {
		t.Errorf("the late one: %+v", e)
	}
	if _, err := r.Perform(t.Context(), turn(3)); err != nil {
		t.Fatal(err)
	}
	if a, err := r.Happened(t.Context(), turn(4), nil); err != nil || a.Happened != effect.Yes {
		t.Errorf("afterwards: %v, %v", a, err)
	}
	if ran, _ := os.ReadFile(filepath.Join(f.Run.State, "ran")); string(ran) != "x\n" {
		t.Errorf("it ran: %q", ran)
	}
}

func TestBackgroundDoesNotHold(t *testing.T) {
	f := builtintest.New(t, Module)
	got := f.Eval(`got = exec.run("sleep 100 & echo $!", shell = True).stdout.strip()`)
	if _, err := f.Exec(`exec.run(["kill", ` + got + `])`); err != nil {
		t.Errorf("the command left no process: %v", err)
	}
}

func TestSudo(t *testing.T) {
	f := builtintest.New(t, Module)
	f.WriteFile("sudo", "#!/bin/sh\n[ \"$3\" = locked ] && echo 'sudo: a password is required' >&2 && exit 1\nprintf '%s\\n' \"$*\"\n")
	if err := os.Chmod(f.Dir+"/sudo", 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", f.Dir+":"+os.Getenv("PATH"))
	got := f.Eval(`got = exec.run(["id", "-u"], _user = "someone", _env = {"A": "1", "B": "2"}).stdout`)
	if want := `"-n -u someone --preserve-env=A,B -- id -u\n"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	_, err := f.Exec(`exec.run(["id"], _user = "locked", check = False)`)
	if e := wantFault(t, err, fault.Permission, "asks for a password"); !e.Unsent || e.Hint == "" {
		t.Errorf("%#v", e)
	}
}

func TestDescribe(t *testing.T) {
	for want, r := range map[string]*run{
		`echo 'it'\''s' a=b ''`:        {Command: list("echo", "it's", "a=b", "")},
		`ls | wc -l`:                   {Command: starlark.String("ls |\n  wc -l"), Shell: true},
		strings.Repeat("x", 120) + "…": {Command: list(strings.Repeat("x", 200))},
	} {
		if got := r.Describe(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestCheckMode(t *testing.T) {
	f := builtintest.New(t, Module)
	f.Run.Check = true
	if _, err := f.Exec(`p = exec.start(["sleep", "100"])` + "\n" + `exec.stop(p); exec.run(["touch", "x"])`); err != nil {
		t.Fatal(err)
	}
	if len(f.Predicts) != 3 || f.Predicts[2].Change != effect.Act {
		t.Errorf("predictions %v", f.Predicts)
	}
	if _, err := os.Stat(f.Dir + "/x"); err == nil {
		t.Error("check mode ran the command")
	}
}
