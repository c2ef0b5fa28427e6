package rewrite_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.starlark.net/lib/json"
	"go.starlark.net/lib/math"
	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarktest"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/rewrite"
)

// The interpreter's own tests. Left out: proto.star, which needs protobuf, not
// a dependency of ours; benchmark.star, function_param.star and paths.star,
// which are no tests but are parsed, rewritten and run below.
var conformance = []string{
	"assign", "bool", "builtins", "bytes", "control", "dict", "float", "function", "int", "json", "list",
	"math", "misc", "set", "string", "time", "tuple", "recursion", "module", "while",
	"benchmark", "function_param", "paths",
}

// TestConformance runs them plain and rewritten: both pass, and every chunk has
// the same globals, error, position and backtrace.
func TestConformance(t *testing.T) {
	dir := testdata(t)
	for _, name := range conformance {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, name+".star")
			for _, c := range readChunks(t, file) {
				want := runChunk(t, plain, file, c)
				got := runChunk(t, rewritten, file, c)
				if got != want {
					t.Errorf("chunk at line %d: rewritten gives\n%s\nplain\n%s", c.line, got, want)
				}
			}
		})
	}
}

func testdata(t testing.TB) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "go.starlark.net").Output()
	if err != nil {
		t.Skip("no module cache: ", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "starlark", "testdata")
}

// A chunk is a part of a file between lines of ---, with the errors it expects
// by line: x = 1 / 0 ### "division by zero".
type chunk struct {
	src  string
	line int
	want map[int]*regexp.Regexp
}

func readChunks(t *testing.T, file string) []chunk {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var chunks []chunk
	line := 1
	for _, src := range strings.Split(string(data), "\n---\n") {
		c := chunk{strings.Repeat("\n", line-1) + src, line, map[int]*regexp.Regexp{}}
		for i, text := range strings.Split(src, "\n") {
			if _, quoted, ok := strings.Cut(text, "###"); ok {
				pattern, err := strconv.Unquote(strings.TrimSpace(quoted))
				if err != nil {
					t.Fatalf("%s:%d: %v", file, line+i, err)
				}
				c.want[line+i] = regexp.MustCompile(pattern)
			}
		}
		line += strings.Count(src, "\n") + 2
		chunks = append(chunks, c)
	}
	return chunks
}

type reporter struct{ reports []string }

func (r *reporter) Error(args ...any) { r.reports = append(r.reports, fmt.Sprint(args...)) }

// runChunk checks the expected errors and returns all that can be seen.
func runChunk(t *testing.T, m mode, file string, c chunk) string {
	var seen reporter
	thread := &starlark.Thread{
		Load:  m.load,
		Print: func(_ *starlark.Thread, msg string) { seen.Error("print: ", msg) },
	}
	starlarktest.SetReporter(thread, &seen)
	env := starlark.StringDict{"hasfields": starlark.NewBuiltin("hasfields", newHasFields), "fibonacci": fib{}}
	if strings.HasSuffix(file, "benchmark.star") {
		env["json"] = json.Module
	}
	globals, err := m.run(thread, chunkOptions(c.src), file, c.src, env)
	for _, r := range seen.reports {
		if !strings.HasPrefix(r, "print: ") {
			t.Errorf("%s: %s", m.name, r)
		}
	}
	checkError(t, m, file, c, err)
	delete(globals, "assert")
	return strings.Join(append(seen.reports, stable(outcome(globals, err))), "\n")
}

var address = regexp.MustCompile(`0x[0-9a-f]+|time\.time\([^)]*\)`)

func stable(s string) string { return address.ReplaceAllString(s, "…") }

func checkError(t *testing.T, m mode, file string, c chunk, err error) {
	evalErr, ok := err.(*starlark.EvalError)
	if err == nil && len(c.want) == 0 {
		return
	}
	if ok {
		for i := range evalErr.CallStack {
			pos := evalErr.CallStack.At(i).Pos
			if pos.Filename() == file {
				if rx := c.want[int(pos.Line)]; rx == nil || !rx.MatchString(err.Error()) {
					t.Errorf("%s: %s: %v, want %v", m.name, pos, err, c.want)
				}
				return
			}
		}
	}
	t.Errorf("%s: chunk at line %d: %v, want %v", m.name, c.line, err, c.want)
}

func chunkOptions(src string) *syntax.FileOptions {
	option := func(name string) bool { return strings.Contains(src, "option:"+name) }
	return &syntax.FileOptions{
		Set: option("set"), While: option("while"), TopLevelControl: option("toplevelcontrol"),
		GlobalReassign: option("globalreassign"), LoadBindsGlobally: option("loadbindsglobally"), Recursion: option("recursion"),
	}
}

func (m mode) load(thread *starlark.Thread, module string) (starlark.StringDict, error) {
	switch module {
	case "assert.star":
		return starlarktest.LoadAssertModule()
	case "json.star":
		return starlark.StringDict{"json": json.Module}, nil
	case "time.star":
		return starlark.StringDict{"time": time.Module}, nil
	case "math.star":
		return starlark.StringDict{"math": math.Module}, nil
	}
	file := filepath.Join(filepath.Dir(thread.CallFrame(0).Pos.Filename()), module)
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return m.run(thread, chunkOptions(string(src)), file, string(src), nil)
}

// TestHiddenNames: no script can write them.
func TestHiddenNames(t *testing.T) {
	for name := range rewrite.Predeclared() {
		if !strings.HasPrefix(name, rewrite.Prefix) {
			if !starlark.Universe.Has(name) {
				t.Errorf("%s is new to a script", name)
			}
			continue
		}
		if _, err := options.Parse("t.star", "x = "+name, 0); err == nil {
			t.Errorf("a script can write %s", name)
		}
	}
}
