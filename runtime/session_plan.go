package runtime

import (
	"maps"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Plan says what statements would do. The session is as it was afterwards: the
// plan has copies of its values.
func (s *Session) Plan(in Interrupt, src string) (*Outcome, error) {
	explorer, reads := plan.Explorer{}, &door.Reads{}
	return explore(&explorer, func(trace *plan.Trace, how armed) (*Outcome, error) {
		return s.arm(in, src, request{
			id: s.x.shared.ID, infra: s.opts.Infra, allowPaths: s.opts.AllowPaths, limits: s.opts.Limits,
			trace: trace, reads: reads, quiet: how.quiet, ordered: how.ordered, box: s.x.box,
		})
	})
}

// arm plans statements as one arm of a plan.
func (s *Session) arm(in Interrupt, src string, req request) (*Outcome, error) {
	x, err := s.x.rt.prepare(in, req)
	if err != nil {
		return nil, err
	}
	defer x.end()
	// The values of the session have its secrets in them.
	x.shared.Secrets, x.door.Codec.Secrets = s.x.shared.Secrets, s.x.shared.Secrets
	p := newSession(x, SessionOptions{Globals: s.opts.Globals})
	s.copyInto(p)
	chunk, err := x.star.Loader.Chunk("plan", []byte(src), p.names, false)
	if err != nil {
		return nil, err
	}
	v, _, err := p.evaluate(chunk, "//"+sessionScript, false)
	return x.armEnded(v, err)
}

// copyInto gives the session p, which plans, the names of s. Functions are
// compiled anew from the inputs that define them, because those of s are not
// made for unknown values.
func (s *Session) copyInto(p *Session) {
	own := starlark.StringDict{}
	for name, v := range s.names.Env {
		if v != s.base[name] {
			own[name] = copyOf(v)
		}
	}
	maps.Copy(p.names.Env, own)
	for n, i := range s.inputs {
		if i.Err == nil {
			p.define(inputName(n+1), i.Source)
		}
	}
	for name, v := range own {
		if _, ok := v.(*starlark.Function); !ok {
			p.names.Env[name] = v
		}
	}
}

// define evaluates the definitions of an input. Where that cannot be done
// without effects, the function of the session stays.
func (s *Session) define(name, src string) {
	module, isFile := strings.CutPrefix(src, fromFile)
	var chunk *script.Chunk
	var err error
	if isFile {
		chunk, err = s.x.star.Loader.ReadChunk(module, s.names, true)
	} else {
		module = "//" + sessionScript
		chunk, err = s.x.star.Loader.Chunk(name, []byte(src), s.names, true)
	}
	if err != nil {
		return
	}
	thread, _, done := s.x.star.PureThread(sessionScript)
	defer done()
	script.SetModule(thread, module)
	_, _, _ = s.names.Run(thread, chunk) // see above
}

// copyOf copies what a plan could change in place. A value that contains itself
// has no copy.
func copyOf(v starlark.Value) starlark.Value {
	copied, err := value.Map(v, func(v starlark.Value) (starlark.Value, error) { return v, nil })
	if err != nil {
		return v
	}
	return copied
}
