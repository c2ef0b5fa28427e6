package travel

import (
	"reflect"
	"strings"
	"unsafe"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/branch"
)

// Frame is a call of a function of the script, or a top level, whose branch
// stands still.
type Frame struct {
	Func   string
	Branch string          // path of the branch that it is in
	Pos    syntax.Position // of the call that it waits for
	Locals []Local         // those that have a value, in the order of their binding

	fn *starlark.Function
}

// Local is a name with its value.
type Local struct {
	Name  string
	Value starlark.Value
}

// Stack returns the frames of a branch that stands still, innermost first. Those
// of builtins are left out.
func Stack(thread *starlark.Thread) []Frame {
	var frames []Frame
	for depth := range thread.CallStackDepth() {
		f := thread.DebugFrame(depth)
		fn, ok := f.Callable().(*starlark.Function)
		if !ok || strings.HasPrefix(fn.Name(), "·") {
			continue
		}
		frame := Frame{Func: fn.Name(), Branch: branch.Of(thread).Path, Pos: f.Position(), fn: fn}
		for i := range f.NumLocals() {
			b, v := f.Local(i)
			if v = opened(v); v != nil && !strings.HasPrefix(b.Name, "·") {
				frame.bind(b.Name, v)
			}
		}
		frames = append(frames, frame)
	}
	return frames
}

// bind adds a local. A comprehension may have a name that the function has, too:
// the function's comes first and stays.
func (f *Frame) bind(name string, v starlark.Value) {
	for _, l := range f.Locals {
		if l.Name == name {
			return
		}
	}
	f.Locals = append(f.Locals, Local{name, v})
}

// opened returns what is in a cell: a local that an inner function uses, too. The
// interpreter gives a debugger the cell itself, whose type it does not export.
func opened(v starlark.Value) starlark.Value {
	rv := reflect.ValueOf(v)
	if v == nil || rv.Kind() != reflect.Pointer || rv.Type().String() != "*starlark.cell" {
		return v
	}
	return *(*starlark.Value)(unsafe.Pointer(rv.Elem().Field(0).UnsafeAddr()))
}

// lookUp finds a name as the function of the frame sees it.
func (f *Frame) lookUp(name string) starlark.Value {
	for _, l := range f.Locals {
		if l.Name == name {
			return l.Value
		}
	}
	for i := range f.fn.NumFreeVars() {
		if b, v := f.fn.FreeVar(i); b.Name == name {
			return v
		}
	}
	return f.fn.Globals()[name]
}

// names are the names that the function of the frame sees, without those of the
// language and the builtins.
func (f *Frame) names() starlark.StringDict {
	all := starlark.StringDict{}
	for name, v := range f.fn.Globals() {
		all[name] = v
	}
	for i := range f.fn.NumFreeVars() {
		if b, v := f.fn.FreeVar(i); v != nil {
			all[b.Name] = v
		}
	}
	for _, l := range f.Locals {
		all[l.Name] = l.Value
	}
	return all
}
