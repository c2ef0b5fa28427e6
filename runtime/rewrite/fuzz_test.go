package rewrite_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/rewrite"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var heavy = regexp.MustCompile(`<<|\*|[0-9a-fA-FxX_]{5}`)

// FuzzRewrite: whatever parses can be rewritten, and does the same: globals,
// prints, or the error with its backtrace. With an unknown nothing panics.
func FuzzRewrite(f *testing.F) {
	for _, op := range operations {
		f.Add("u = 1\nr = " + op.src)
		f.Add("u = [1, 'a']\nr = " + op.src)
	}
	for _, src := range failing {
		f.Add(src)
	}
	files, _ := filepath.Glob(filepath.Join(testdata(f), "*.star"))
	for _, file := range files {
		data, _ := os.ReadFile(file)
		for _, src := range strings.Split(string(data), "\n---\n") {
			f.Add(src)
		}
	}
	universals := starlark.StringDict{} // predeclared, for the exception in the package comment
	for name := range rewrite.Predeclared() {
		if v, ok := starlark.Universe[name]; ok {
			universals[name] = v
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 4000 || heavy.MatchString(src) {
			return // may build gigabytes in a step
		}
		want, ok := fuzzRun(plain, src, 2000, universals)
		if !ok {
			return
		}
		defer time.AfterFunc(20*time.Second, func() { panic("rewritten hangs: " + src) }).Stop()
		if got, _ := fuzzRun(rewritten, src, 20000, nil); got != want {
			t.Errorf("%s\nrewritten: %s\nplain: %s", src, got, want)
		}
		fuzzRun(rewritten, src, 20000, starlark.StringDict{"u": value.NewUnknown("x"), "x": value.NewUnknown("y")})
	})
}

func fuzzRun(m mode, src string, steps uint64, env starlark.StringDict) (string, bool) {
	var prints strings.Builder
	thread := &starlark.Thread{Print: func(_ *starlark.Thread, msg string) { prints.WriteString(msg + "\n") }}
	thread.SetMaxExecutionSteps(steps)
	s := outcome(m.run(thread, options, "t.star", src, env))
	return prints.String() + stable(s), thread.Steps < steps
}
