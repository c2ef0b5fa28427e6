package lint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/runtime/lint"
)

func TestEffectSites(t *testing.T) {
	src := `load("./x.star", "deploy")
fs = struct()
def f(x):
    exec.run(["a"]); exec.query(["b"])
    attempt(exec.run, ["c"])
    defer(exec.stop, x)
    on_rollback(exec.run, ["d"])
    parallel(lambda i: sleep("1s"), [1])
    deploy(exec.run)
    path.join(random.text(3), env.get("A", time.now()))
    fs.write("not the module")
    retry(fn = exec.which)
`
	var got []string
	for _, s := range lint.EffectSites("a.star", []byte(src), lint.Options{Main: true, Modules: builtins.All, Predeclared: builtins.Globals.Keys()}) {
		got = append(got, fmt.Sprintf("%d:%d %s", s.Line, s.Col, s.Kind))
	}
	want := "4:13 exec.run, 4:32 exec.query, 5:12 exec.run, 6:10 exec.stop, 7:16 on_rollback, 8:29 sleep, 10:26 random.text, 10:38 env.get, 10:52 time.now, 12:10 exec.which"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	if sites := lint.EffectSites("a.star", []byte("def ("), lint.Options{}); sites != nil {
		t.Errorf("a file that is not Starlark has %v", sites)
	}
}
