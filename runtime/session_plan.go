package runtime

import (
	"maps"

	"github.com/google/uuid"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Plan says what statements would do. The session is as it was afterwards: the
// plan has copies of its values.
func (s *Session) Plan(in Interrupt, src string) (*Outcome, error) {
	x, err := s.x.rt.prepare(in, request{
		id: uuid.NewString(), infra: s.opts.Infra, allowPaths: s.opts.AllowPaths, limits: s.opts.Limits,
		check: true, box: s.x.box,
	})
	if err != nil {
		return nil, err
	}
	defer x.end()
	// The values of the session have its secrets in them.
	x.shared.Secrets, x.door.Codec.Secrets = s.x.shared.Secrets, s.x.shared.Secrets
	p := newSession(x, SessionOptions{Globals: s.opts.Globals})
	s.copyInto(p)
	chunk, err := x.loader.Chunk("plan", []byte(src), p.names, false)
	if err != nil {
		return nil, err
	}
	v, err := p.evaluate(chunk, "//"+sessionScript, false)
	out, err := x.conclude(v, err)
	out.Plan = x.door.Plan
	return out, err
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
	for _, i := range s.inputs {
		if i.Err == nil {
			p.define(i.Source)
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
func (s *Session) define(src string) {
	if len(src) > len(fromFile) && src[:len(fromFile)] == fromFile {
		s.defineFile(src[len(fromFile):])
		return
	}
	if chunk, err := s.x.loader.Chunk(sessionScript, []byte(src), s.names, true); err == nil {
		s.evaluatePurely(chunk, "//"+sessionScript)
	}
}

func (s *Session) defineFile(name string) {
	if chunk, err := s.x.loader.ReadDefinitions(name, s.names); err == nil {
		s.evaluatePurely(chunk, name)
	}
}

func (s *Session) evaluatePurely(chunk *script.Chunk, module string) {
	thread, _, done := s.x.pureThread(sessionScript)
	defer done()
	script.SetModule(thread, module)
	_, _, _ = s.names.Run(thread, chunk) // see define
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

// Undo takes back the effects of the last input that has some, or those of the
// whole session. The input is nil when all is set.
func (s *Session) Undo(in Interrupt, all bool) (*Report, *Input, error) {
	var last *Input
	places := map[string]bool{}
	for _, i := range s.inputs {
		if len(i.places) > 0 && !i.Undone {
			last = i
			maps.Copy(places, i.places)
		}
	}
	if last == nil || s.x.run == nil {
		return nil, nil, errNoEffects
	}
	if all {
		last = nil
	} else {
		places = last.places
	}
	s.begin(in)
	defer s.rest()
	report, err := s.undo(places)
	if err != nil {
		return report, last, s.explain(err)
	}
	for _, i := range s.inputs {
		if len(report.Failed) == 0 && (all || i == last) {
			i.Undone = true
		}
	}
	return report, last, nil
}

func (s *Session) undo(places map[string]bool) (*Report, error) {
	effects, err := s.x.toUndo("")
	if err != nil {
		return nil, err
	}
	var back []*journal.Effect
	for _, e := range effects {
		if places[e.Place] {
			back = append(back, e)
		}
	}
	s.record.begin(sessionScript+"/undo", "") // what callbacks do belongs to no input
	rb := &rollback{x: s.x, registered: s.x.door.Registered, report: &Report{}}
	return rb.report, rb.all(back)
}

var _ = branch.ErrSuspended
