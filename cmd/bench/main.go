// Command bench measures what the runtime costs, each figure beside the limit
// that it has to be compared with: an fsync, the plain interpreter, the plain
// starlark command. Both are measured in the same run, as machines differ.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/isolate"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

func main() {
	log.SetFlags(0)
	if isolate.IsChild(os.Args) {
		_ = isolate.Child(builtins.All, builtins.Globals) // it ends when the run does
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "bare-worker" {
		bareWorkerProcess(os.Args[2])
		return
	}
	dir, err := os.MkdirTemp("", "provisioning-bench-")
	check(err)
	defer os.RemoveAll(dir)
	b := &bench{dir: dir}
	fmt.Printf("%-46s %14s %14s %8s\n", "", "measured", "limit", "ratio")
	if len(os.Args) > 1 { // that part alone, or one of its own
		check(command("go", "build", "-o", filepath.Join(b.dir, "provisioning"), "./cmd/provisioning"))
		switch os.Args[1] {
		case "targets":
			b.targets()
		case "engines":
			b.engines()
		case "long": // as in: bench long 20000 100
			b.long(count(2, 5000), count(3, 100))
		case "environments":
			b.environments()
		default:
			check(fmt.Errorf("there is no part %q: targets, engines, environments, long", os.Args[1]))
		}
		return
	}
	b.startUp()
	b.interpreter()
	b.oneEffect()
	b.manyBranches()
	b.tenThousandBranches()
	b.replay()
	completion()
	b.isolated()
	b.targets()
	b.engines()
	b.environments()
}

// count is an argument, or what it is without.
func count(i, standard int) int {
	if len(os.Args) <= i {
		return standard
	}
	n, err := strconv.Atoi(os.Args[i])
	check(err)
	return n
}

// leftovers end what must not stay when a measurement fails.
var leftovers []func()

func check(err error) {
	if err != nil {
		for _, end := range leftovers {
			end()
		}
		log.Fatal(err)
	}
}

type bench struct {
	dir     string
	n       int
	isolate bool // run with interpreters that have processes of their own
}

// line prints a figure and what it is compared with.
func line(what string, measured time.Duration, limit time.Duration, of string) {
	fmt.Printf("%-46s %14s %14s %7.2fx  %s\n", what, measured, limit, float64(measured)/float64(limit), of)
}

// workspace makes a new workspace with one script.
func (b *bench) workspace(source string) (dir, file string) {
	b.n++
	dir = filepath.Join(b.dir, fmt.Sprint(b.n))
	check(os.MkdirAll(filepath.Join(dir, "config"), 0o755))
	check(os.WriteFile(filepath.Join(dir, workspace.Marker), nil, 0o644))
	file = filepath.Join(dir, "bench.star")
	check(os.WriteFile(file, []byte(source), 0o644))
	return dir, file
}

func (b *bench) runtime(dir string) *runtime.Runtime {
	ws, err := workspace.At(dir)
	check(err)
	return runtime.New(runtime.Config{
		Workspace: ws, Modules: builtins.All, Globals: builtins.Globals,
		Key: seal.KeyAt(filepath.Join(b.dir, "age.key")), Isolate: b.isolate,
	})
}

var forever = runtime.Interrupt{Stop: context.Background(), Cut: context.Background()}

// run executes a script and returns how long it took, and the id of the run.
func (b *bench) run(source string) (took time.Duration, dir, id string) {
	dir, file := b.workspace(source)
	rt := b.runtime(dir)
	began := time.Now()
	out, err := rt.Start(forever, runtime.Start{Script: file})
	check(err)
	check(rt.Close())
	return time.Since(began), dir, out.Run.ID
}

// startUp compares whole processes.
func (b *bench) startUp() {
	ours, plain := filepath.Join(b.dir, "provisioning"), filepath.Join(b.dir, "starlark")
	check(command("go", "build", "-o", ours, "./cmd/provisioning"))
	// The command needs modules that ours do not, so it is installed on its own.
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "go.starlark.net").Output()
	check(err)
	check(command("env", "GOBIN="+b.dir, "go", "install", "go.starlark.net/cmd/starlark@"+strings.TrimSpace(string(version))))
	_, file := b.workspace("print(1)\n")
	line("start-up, run of a one-line script", b.process(ours, "run", file), b.process(plain, file), "the plain starlark command")
	line("start-up, the same with --isolate", b.process(ours, "run", "--isolate", file), b.process(ours, "run", file), "without")
	line("start-up, version", b.process(ours, "version"), b.process("true"), "an empty process")
}

func command(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

func (b *bench) process(name string, args ...string) time.Duration {
	var took []time.Duration
	for range 31 {
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "PROVISIONING_HOME="+b.dir)
		began := time.Now()
		check(cmd.Run())
		took = append(took, time.Since(began))
	}
	return median(took)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2].Round(10 * time.Microsecond)
}

const cpuBound = `
def work(n):
    total = 0
    seen = {}
    for i in range(n):
        total = (total * 31 + i) % 1000003
        if total % 7 == 0:
            seen[total] = str(total)
    return len(seen)

def main():
    work(3000000)
`

// interpreter compares Starlark that has no effects with the plain interpreter.
// The two take turns, so that what else the machine does meets both.
func (b *bench) interpreter() {
	dir, file := b.workspace(cpuBound)
	rt := b.runtime(dir)
	var ours, plain []time.Duration
	for range 9 {
		began := time.Now()
		_, err := rt.Start(forever, runtime.Start{Script: file})
		check(err)
		ours = append(ours, time.Since(began))

		began = time.Now()
		thread := new(starlark.Thread)
		globals, err := starlark.ExecFileOptions(script.Options(true), thread, file, cpuBound, nil)
		check(err)
		_, err = starlark.Call(thread, globals["main"], nil, nil)
		check(err)
		plain = append(plain, time.Since(began))
	}
	check(rt.Close())
	// The fastest of each: what else the machine does only adds.
	line("3M iterations of Starlark", slices.Min(ours).Round(time.Microsecond), slices.Min(plain).Round(time.Microsecond), "the plain interpreter")
}

// fsync returns what it costs to append 300 bytes durably.
func (b *bench) fsync() time.Duration {
	f, err := os.Create(filepath.Join(b.dir, "fsync"))
	check(err)
	defer f.Close()
	var took []time.Duration
	for range 500 {
		began := time.Now()
		_, err := f.Write(make([]byte, 300))
		check(err)
		check(f.Sync())
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// oneEffect measures effects that do nothing, one after the other.
func (b *bench) oneEffect() {
	const n = 3000
	empty, _, _ := b.run("def main():\n    pass\n")
	took, _, _ := b.run(fmt.Sprintf("def main():\n    for i in range(%d):\n        checkpoint(\"c\")\n", n))
	line("one effect, alone", (took-empty)/n, b.fsync(), "one fsync of 300 bytes")
}

// manyBranches measures them in 128 branches, which share fsyncs.
func (b *bench) manyBranches() {
	const branches, each = 128, 400
	empty, _, _ := b.run("def main():\n    pass\n")
	took, _, _ := b.run(fmt.Sprintf(`
def work(n):
    for i in range(%d):
        checkpoint("c")

def main():
    parallel(work, range(%d))
`, each, branches))
	line("one effect, with 128 branches", (took-empty)/(branches*each), b.fsync(), "one fsync of 300 bytes")
}

func (b *bench) tenThousandBranches() {
	const n = 10000
	dir, file := b.workspace(fmt.Sprintf("def main():\n    parallel(lambda i: sleep(\"1s\"), range(%d))\n", n))
	rt := b.runtime(dir)
	done := make(chan error)
	began := time.Now()
	go func() {
		_, err := rt.Start(forever, runtime.Start{Script: file})
		done <- err
	}()
	before, peak := heap(), uint64(0)
	tick := time.NewTicker(20 * time.Millisecond)
	for ended := false; !ended; {
		select {
		case err := <-done:
			check(err)
			ended = true
		case <-tick.C:
			peak = max(peak, heap())
		}
	}
	took := time.Since(began)
	check(rt.Close())
	line("10,000 branches that sleep 1s", took.Round(time.Millisecond), time.Second, "the sleep")
	fmt.Printf("%-46s %11d KB\n", "memory of one of 10,000 branches, at the peak", (peak-min(before, peak))/n/1024)
}

// heap is the memory in use by objects and stacks.
func heap() uint64 {
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// replay measures effects that the journal answers.
func (b *bench) replay() {
	const n = 100000
	_, dir, id := b.run(fmt.Sprintf("def main():\n    for i in range(%d):\n        random.int(0, 100)\n", n))
	var took []time.Duration
	for range 3 {
		rt := b.runtime(dir)
		began := time.Now()
		_, err := rt.Replay(forever, id, "")
		check(err)
		took = append(took, time.Since(began))
		check(rt.Close())
	}
	slices.Sort(took)
	line("replay, for each of 100,000 effects", took[1]/n, 10*time.Microsecond, "the promise")
}

// isolated compares runs whose interpreter has a process of its own with those
// whose interpreter has not: an effect that is on disk when it ends, and one that
// costs next to nothing. The two take turns.
func (b *bench) isolated() {
	const n = 5000
	for _, c := range []struct{ what, call string }{
		{"one write", `checkpoint("c")`}, {"one read", "random.int(0, 100)"}, {"one line", `print("x")`},
	} {
		var with, without []time.Duration
		source := fmt.Sprintf("def main():\n    for i in range(%d):\n        %s\n", n, c.call)
		for range 3 {
			for _, isolate := range []bool{false, true} {
				b.isolate = isolate
				empty, _, _ := b.run("def main():\n    pass\n")
				took, _, _ := b.run(source)
				if each := (took - empty) / n; isolate {
					with = append(with, each)
				} else {
					without = append(without, each)
				}
			}
		}
		b.isolate = false
		line(c.what+" with --isolate", slices.Min(with), slices.Min(without), "without")
	}
}
