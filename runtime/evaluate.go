package runtime

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// Evaluate returns what a module exports, which is named as load names it. Its top
// level is pure, so there is no run.
func (r *Runtime) Evaluate(in Interrupt, module string) (starlark.StringDict, error) {
	x, err := r.prepare(in, request{box: seal.NewBox(), quiet: true})
	if err != nil {
		return nil, err
	}
	defer x.end()
	thread, _, done := x.star.PureThread(module)
	defer done()
	globals, err := x.star.Loader.Load(thread, module)
	return globals, x.explain(err)
}
