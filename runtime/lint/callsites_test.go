package lint_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/lint"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// disk and the functions without prefix are what the script below may call.
var (
	disk    = module.New("disk", "")
	_       = disk.Read("def read(x): pass", &act{})
	_       = disk.Write("def write(x): pass", &act{}, effect.Exact)
	_       = disk.Pure("def join(x): pass", &compute{})
	control = module.New("", "")
	_       = control.Write("def sleep(x): pass", &act{}, effect.Exact)
	_       = control.Control("def attempt(x): pass", &call{})
	_       = control.Control("def on_rollback(x): pass", &call{})
)

type (
	act     struct{ arg }
	compute struct{ arg }
	call    struct{ arg }
	arg     struct {
		X starlark.Value `star:"x"`
	}
)

func (*act) Perform(context.Context, *effect.Env) (any, error) { return nil, nil }
func (*compute) Compute(*effect.Env) (any, error)              { return nil, nil }
func (*call) Control(*starlark.Thread) (any, error)            { return nil, nil }

func TestCallSites(t *testing.T) {
	src := `load("./x.star", "deploy")
other = struct()
def f(x):
    disk.write("a"); disk.read("b")
    attempt(disk.write)
    on_rollback(disk.read)
    attempt(lambda: sleep("1s"))
    deploy(disk.write)
    disk.join(disk.read(disk.join(1)))
    other.write("not the module")
    attempt(x = disk.read)
    def disk_write(): pass
    disk_write()
`
	var got []string
	opts := lint.Options{Main: true, Modules: []*module.Module{control, disk}, Predeclared: []string{"struct"}}
	for _, s := range lint.CallSites("a.star", []byte(src), opts) {
		got = append(got, fmt.Sprintf("%d:%d %s", s.Line, s.Col, s.Kind))
	}
	want := "4:15 disk.write, 4:31 disk.read, 5:12 disk.write, 6:16 on_rollback, 7:26 sleep, 9:24 disk.read, 11:12 disk.read"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	if sites := lint.CallSites("a.star", []byte("def ("), lint.Options{}); sites != nil {
		t.Errorf("a file that is not Starlark has %v", sites)
	}
}
