package travel

import (
	"context"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/branch"
)

var dialect = &syntax.FileOptions{Set: true, TopLevelControl: true, GlobalReassign: true}

// stopped executes src, and calls look where that calls stop().
func stopped(t *testing.T, src string, look func(thread *starlark.Thread)) {
	t.Helper()
	thread := &starlark.Thread{Name: "test"}
	branch.NewRoot(context.Background(), "0", &branch.Tree{}).Attach(thread)
	called := false
	stop := starlark.NewBuiltin("stop", func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		called = true
		look(thread)
		return starlark.None, nil
	})
	if _, err := starlark.ExecFileOptions(dialect, thread, "x.star", src, starlark.StringDict{"stop": stop}); err != nil {
		t.Fatal(err)
	}
	if !called {
		t.Fatal("stop was not called")
	}
}

func TestStack(t *testing.T) {
	const src = `
G = "global"

def outer(a, b = 2):
    captured = [a]
    late = None if a else 1
    def inner(c):
        captured.append(c)
        stop()
        unset = 1
    inner("c")

outer("a")
`
	stopped(t, src, func(thread *starlark.Thread) {
		frames := Stack(thread)
		if len(frames) != 3 {
			t.Fatalf("there are %d frames: %v", len(frames), frames)
		}
		for i, want := range []string{
			`inner x.star:9:13 c="c"`,
			`outer x.star:11:10 a="a" b=2 captured=["a", "c"] late=None inner=<function inner>`,
			`<toplevel> x.star:13:6`,
		} {
			f := frames[i]
			got := f.Func + " " + f.Pos.String()
			for _, l := range f.Locals {
				got += " " + l.Name + "=" + l.Value.String()
			}
			if got != want {
				t.Errorf("frame %d is\n%s, not\n%s", i, got, want)
			}
			if f.Branch != "0" {
				t.Errorf("frame %d is in branch %q", i, f.Branch)
			}
		}
		for name, want := range map[string]string{"c": `"c"`, "captured": `["a", "c"]`, "G": `"global"`} {
			if v := frames[0].lookUp(name); v == nil || v.String() != want {
				t.Errorf("inner sees %s = %v, not %s", name, v, want)
			}
		}
		if v := frames[0].lookUp("b"); v != nil {
			t.Errorf("inner sees b = %v, which it does not use", v)
		}
	})
}

func TestCopyKeepsWhatIsShared(t *testing.T) {
	inner := starlark.NewList([]starlark.Value{starlark.MakeInt(1)})
	d := starlark.NewDict(1)
	_ = d.SetKey(starlark.String("l"), inner)
	all := starlark.NewList([]starlark.Value{inner, d, starlark.Tuple{inner}})
	_ = all.Append(all)
	all.Freeze()

	c := copier{seen: map[starlark.Value]starlark.Value{}}
	copied := c.copy(all).(*starlark.List)
	first := copied.Index(0).(*starlark.List)
	if err := first.Append(starlark.MakeInt(2)); err != nil {
		t.Fatalf("the copy of a frozen list cannot be changed: %v", err)
	}
	if inner.Len() != 1 {
		t.Error("the list itself has changed")
	}
	in, _, _ := copied.Index(1).(*starlark.Dict).Get(starlark.String("l"))
	if in != first || copied.Index(2).(starlark.Tuple)[0] != first || copied.Index(3) != copied {
		t.Error("what was one list is several now")
	}
}

func TestGuardedFunctionsAreNotCalled(t *testing.T) {
	const src = `
def f():
    seen = []
    n = 1
    def add(x): seen.append(x)
    def pure(x): return x + n
    stop()
    add(1)
    pure(1)
f()
`
	stopped(t, src, func(thread *starlark.Thread) {
		f := &Stack(thread)[0]
		c := copier{seen: map[starlark.Value]starlark.Value{}}
		args := starlark.Tuple{starlark.MakeInt(1)}
		if _, err := starlark.Call(&starlark.Thread{}, c.copy(f.lookUp("add")), args, nil); err == nil || !strings.Contains(err.Error(), "it can change seen") {
			t.Errorf("add gives the error %v", err)
		}
		if v, err := starlark.Call(&starlark.Thread{}, c.copy(f.lookUp("pure")), args, nil); err != nil || v.String() != "2" {
			t.Errorf("pure gives %v, %v", v, err)
		}
	})
}
