package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// attack is a script that would take the whole machine, or bring down the
// interpreter.
type attack struct {
	name string
	body string // of main
	pre  string // before main
	says string // regexp of the error; "": a limit of memory or of cpu
}

// attacks are those of which a plain process dies, hangs, or grows beyond all
// bounds.
var attacks = []attack{
	{name: "a string that doubles", body: "s = 'x'\nfor i in range(60):\n    s += s", says: "limit of (memory|cpu)"},
	{name: "a string repeated", body: "s = 'x' * (1 << 29)\nt = s + s + s + s", says: "limit of (memory|cpu)"},
	{name: "replace", body: "s = 'x' * (1 << 20)\nt = s.replace('x', s)", says: "limit of (memory|cpu)"},
	{name: "join", body: "s = ('y' * 1000).join(['x' * 1000] * 10000000)", says: "limit of (memory|cpu)"},
	{name: "split", body: "s = ('x,' * (1 << 26)).split(',')"},
	{name: "elems", body: "l = [list(('x' * (1 << 26)).elems()) for i in range(100)]"},
	{name: "a list repeated", body: "l = [0] * (1 << 29)", says: "limit of (memory|cpu)"},
	{name: "a list of a range", body: "l = list(range(1 << 40))", says: "limit of (memory|cpu)"},
	{name: "a list that grows", body: "l = []\nfor i in range(1 << 40):\n    l.append([i])"},
	{name: "squares", body: "n = 3\nfor i in range(60):\n    n = n * n"},
	{name: "an integer of many digits", body: "n = int('9' * 10000000)\nprint(n)"},
	{name: "a dictionary", body: "d = {}\nfor i in range(1 << 40):\n    d[i] = [i]"},
	{name: "a set", body: "s = set(range(1 << 40))"},
	{name: "sorting", body: "l = sorted(range(1 << 40))", says: "limit of (memory|cpu)"},
	{name: "zip", body: "l = zip(range(1 << 40), range(1 << 40))", says: "limit of (memory|cpu)"},
	{name: "formatting", body: "s = '%s' * 1000000\nt = s % tuple(['x' * 100000] * 1000000)", says: "limit of (memory|cpu)"},
	{name: "format", body: "s = ('{0}' * 10000000).format('x' * 10000)", says: "limit of (memory|cpu)"},
	{name: "the text of a value that shares its parts", body: "x = ('x',)\nfor i in range(60):\n    x = (x, x)\ny = str(x)"},
	{name: "its JSON", body: "x = ['x']\nfor i in range(40):\n    x = [x, x]\ny = json.encode(x)"},
	{name: "its hash", body: "x = (1,)\nfor i in range(60):\n    x = (x, x)\nd = {x: 1}", says: "limit of cpu"},
	{name: "it as an argument", body: "x = ['x']\nfor i in range(60):\n    x = [x, x]\nhttp.post('http://127.0.0.1:1/', json = x)"},
	{name: "it as the result", body: "x = ('x',)\nfor i in range(60):\n    x = (x, x)\nreturn x"},
	{name: "deep nesting", body: "x = []\nfor i in range(20000000):\n    x = [x]\ny = str(x)"},
	{name: "deep JSON", body: "x = json.decode('[' * 16000000)", says: "nested deeper than 500 levels"},
	{name: "keys with the same hash", body: "d = {}\nfor i in range(1 << 22):\n    d[i << 32] = 1", says: "limit of cpu"},
	{name: "a function that computes", body: "max(range(1 << 60))", says: "limit of cpu: 1.0s"},
	{name: "loops", body: "for i in range(1 << 60):\n    for j in range(1 << 60):\n        pass", says: "limit of cpu"},
	{name: "branches that compute", pre: "def bomb(i):\n    max(range(1 << 60))\n", body: "parallel(bomb, range(64))", says: "limit of cpu"},
	{name: "branches that grow", pre: "def bomb(i):\n    l = []\n    for i in range(1 << 40):\n        l.append([i])\n", body: "parallel(bomb, range(64))"},
	{name: "branches within branches", pre: "def c(i):\n    parallel(lambda n: n, range(1000))\ndef b(i):\n    parallel(c, range(1000))\n",
		body: "parallel(b, range(1000))", says: "limit of (branches: 100000|cpu|memory)"},
	{name: "a flood of output", body: "for i in range(1 << 60):\n    print('x' * 1000)", says: "limit of output: 5000000"},
	{name: "a line without end", body: "print('x' * (1 << 28))", says: "limit of (memory|output)"},
	{name: "an argument without end", body: "fs.write('big', 'x' * (1 << 28))", says: "limit of memory|cannot be recorded"},
	{name: "a flood of secrets", body: "for i in range(1 << 30):\n    secret.wrap('s%d' % i, 'value-%d' % i)", says: "more than 10000 secrets|limit of cpu"},
	{name: "an error without end", body: "fail('x' * (1 << 27))", says: "x{1000}|limit of memory"},
	{name: "a deep source", body: "x = 1" + strings.Repeat("+1", 400000), says: "nested too deeply|limit of memory"},
}

// TestAttacks lets every attack loose on an isolated run. Whatever becomes of
// the interpreter, the program says what happened, and its journal is in order.
func TestAttacks(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	t.Parallel()
	program := plainProgram(t)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			a.try(t, program)
		})
	}
}

var beforeDone = regexp.MustCompile(`before\.txt \(1 bytes\) +done`)

func (a attack) try(t *testing.T, program string) {
	w := newVictim(t, program)
	body := "fs.write('before.txt', 'x')\n" + a.body
	w.write("attack.star", a.pre+"def main():\n    "+strings.ReplaceAll(body, "\n", "\n    ")+"\n")
	w.write("after.star", "def main():\n    fs.write('after.txt', 'x')\n")
	began := time.Now()
	code, peak, said := w.run("run", "attack.star", "--isolate", "--limit", "memory=128Mi", "--limit", "cpu=1s", "--limit", "output=5M", "-q")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	if code != 1 {
		t.Errorf("it exits with %d", code)
	}
	// Which limit comes first may be a matter of how fast the machine is.
	const limit = "the run reached its limit of (memory: 128 MiB|cpu: 1.0s)"
	if a.says == "" {
		a.says = limit
	} else {
		a.says += "|" + limit
	}
	if !regexp.MustCompile(a.says).MatchString(said) {
		t.Errorf("it does not say %q but\n%.2000s", a.says, said)
	}
	if strings.Contains(said, "defect") || strings.Contains(said, "goroutine") {
		t.Errorf("it looks like a defect:\n%.2000s", said)
	}
	if peak > 700<<20 {
		t.Errorf("the program itself took %d MiB", peak>>20)
	}
	if a.name == "a deep source" {
		return // there is no run
	}
	if _, _, shown := w.run("runs", "show", "last"); !strings.Contains(shown, "state failed") || !beforeDone.MatchString(shown) {
		t.Errorf("the journal says\n%s", shown)
	}
	if code, _, said := w.run("run", "after.star", "-q"); code != 0 {
		t.Errorf("another run exits with %d:\n%s", code, said)
	}
}

// victim is a workspace with its user.
type victim struct {
	t       *testing.T
	program string
	dir     string
}

func newVictim(t *testing.T, program string) *victim {
	w := &victim{t, program, t.TempDir()}
	w.write("config/provisioning.toml", "")
	return w
}

func (w *victim) write(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// run runs the program. It returns how it exits, the most memory that it had
// itself, and what it says.
func (w *victim) run(args ...string) (code int, peak int64, said string) {
	w.t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(w.program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.dir, &out, &out
	cmd.Env = append(os.Environ(), "PROVISIONING_HOME="+filepath.Join(w.dir, ".home"), "NO_COLOR=1")
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return cmd.ProcessState.ExitCode(), peak, out.String()
		case <-tick.C:
			peak = max(peak, highWater(cmd.Process.Pid))
		}
	}
}

// highWater is the most memory that a process had so far; 0 where the system
// does not tell.
func highWater(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	text, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kb, _ := strconv.ParseInt(text, 10, 64)
	return kb << 10
}
