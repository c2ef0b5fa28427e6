package branch

import (
	"slices"

	"go.starlark.net/starlark"
)

// Modules returns the files of all code that led to the call of the builtin that
// runs on thread: of the functions on its stack, and what the branch is held by.
// Each is named once, as in positions.
func Modules(thread *starlark.Thread) []string {
	modules := slices.Clip(Of(thread).Held)
	for depth := 1; depth < thread.CallStackDepth(); depth++ {
		fn, ok := thread.DebugFrame(depth).Callable().(*starlark.Function)
		if !ok {
			continue
		}
		pos := fn.Position()
		if file := pos.Filename(); !slices.Contains(modules, file) {
			modules = append(modules, file)
		}
	}
	return modules
}

// Bound makes fn, which is called later and on another stack, act for the modules
// that have led to this call: who may not do something must not be able to have
// it done later.
func Bound(thread *starlark.Thread, fn func(thread *starlark.Thread) error) func(thread *starlark.Thread) error {
	modules := Modules(thread)
	return func(thread *starlark.Thread) error {
		b := Of(thread)
		defer func(held []string) { b.Held = held }(b.Held)
		b.Held = slices.Clip(b.Held)
		for _, file := range modules {
			if !slices.Contains(b.Held, file) {
				b.Held = append(b.Held, file)
			}
		}
		return fn(thread)
	}
}
