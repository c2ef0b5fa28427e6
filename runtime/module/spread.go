package module

import (
	"reflect"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/rewrite"
)

const (
	limitOption   = "_limit"
	onErrorOption = "_on_error"
)

var spreaderType = reflect.TypeFor[effect.Spreader]()

// spread calls a function that may be given several things to act on, see
// [effect.Spreader].
func (f *Func) spread(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	proto := reflect.New(f.proto).Interface().(effect.Spreader)
	s := &spreading{f: f, proto: proto, args: args, limit: -1}
	if err := s.options(kwargs); err != nil {
		return nil, err
	}
	given := s.find()
	if given == nil {
		return f.call(thread, args, s.kwargs) // which says what is missing
	}
	several, err := proto.Several(given)
	if err != nil {
		return nil, s.fail(err)
	}
	one := several == nil
	if one && !s.goesOn {
		v, err := f.call(thread, args, append(s.kwargs, s.more...))
		if err != nil || !isResult(v) {
			return v, err
		}
		return proto.Together([]effect.Part{{Item: given, Value: v}}, true)
	}
	if one {
		several = &effect.Several{Items: []starlark.Value{given}}
	}
	return s.all(thread, several, one)
}

// isResult tells a result from the None of an effect that was skipped.
func isResult(v starlark.Value) bool {
	_, ok := v.(starlark.HasAttrs)
	return ok
}

// spreading is one call with several things.
type spreading struct {
	f      *Func
	proto  effect.Spreader
	args   starlark.Tuple
	kwargs []starlark.Tuple // without the options that steer the spreading
	more   []starlark.Tuple // rewrite.More, if it was given: branches hold nothing back
	at     int              // where the things are: in args,
	named  int              // or in kwargs; -1 for not there
	limit  int
	goesOn bool
}

// options takes out of kwargs what steers the spreading.
func (s *spreading) options(kwargs []starlark.Tuple) error {
	for _, kv := range kwargs {
		switch name, _ := starlark.AsString(kv[0]); name {
		case limitOption:
			n, err := starlark.AsInt32(kv[1])
			if err != nil || n < 0 {
				return s.fail(fault.New(fault.Invalid, "%s must be a number, 0 or more, not %s", name, kv[1]))
			}
			s.limit = n
		case onErrorOption:
			word, _ := starlark.AsString(kv[1])
			if word != "stop" && word != "continue" {
				return s.fail(fault.New(fault.Invalid, "%s must be \"stop\" or \"continue\", not %s", name, kv[1]))
			}
			s.goesOn = word == "continue"
		case rewrite.More:
			s.more = append(s.more, kv)
		default:
			s.kwargs = append(s.kwargs, kv)
		}
	}
	return nil
}

// find returns what was given for the parameter that takes several; nil for
// nothing.
func (s *spreading) find() starlark.Value {
	s.at, s.named = -1, -1
	name := s.proto.Spreads()
	i := s.f.spec().byName[name]
	if i < len(s.args) && !s.f.spec().params[i].kwOnly {
		s.at = i
		return s.args[i]
	}
	for i, kv := range s.kwargs {
		if kv[0] == starlark.Value(starlark.String(name)) {
			s.named = i
			return kv[1]
		}
	}
	return nil
}

// with are the arguments for one of the things.
func (s *spreading) with(item starlark.Value) (starlark.Tuple, []starlark.Tuple) {
	args, kwargs := s.args, s.kwargs
	if s.at >= 0 {
		args = append(starlark.Tuple(nil), args...)
		args[s.at] = item
	} else {
		kwargs = append([]starlark.Tuple(nil), kwargs...)
		kwargs[s.named] = starlark.Tuple{kwargs[s.named][0], item}
	}
	return args, kwargs
}

// all acts on all things, at most limit at a time.
func (s *spreading) all(thread *starlark.Thread, several *effect.Several, one bool) (starlark.Value, error) {
	if len(several.Items) == 0 {
		return s.proto.Together(nil, one)
	}
	if skip, err := s.refuse(thread, several.Items); skip || err != nil {
		return starlark.None, err
	}
	limit := several.Limit
	if s.limit >= 0 {
		limit = s.limit
	}
	b := branch.Of(thread)
	together := func(outcomes []branch.Outcome) (starlark.Value, error) {
		return s.proto.Together(s.parts(b, several.Items, outcomes), one)
	}
	var result starlark.Value
	judge := func(outcomes []branch.Outcome) (err error) {
		result, err = together(outcomes)
		return s.fail(err)
	}
	if s.goesOn {
		judge = func(outcomes []branch.Outcome) error {
			result, _ = together(outcomes) // the script asks the results
			return nil
		}
	}
	how := branch.Gathering{Limit: limit, MaxFail: -1, Judge: judge, Closed: true}
	if _, err := b.Gather(thread, s, several.Items, how); err != nil {
		return nil, err
	}
	return result, nil
}

// refuse finds mistakes in the call before it is made many times over, and
// whether it is to be made at all.
func (s *spreading) refuse(thread *starlark.Thread, items []starlark.Value) (skip bool, err error) {
	host := hostOf(thread)
	u := unpacking{f: s.f, thread: thread, spec: s.f.spec(), check: host.Check(), secrets: host.Env().Run.Secrets}
	ptr := reflect.New(s.f.proto)
	args, kwargs := s.with(items[0])
	if err := u.unpack(ptr.Elem(), args, kwargs); err != nil {
		return false, err
	}
	if !u.options.When {
		return true, nil
	}
	if u.unknown != nil {
		return false, nil
	}
	do := whole(ptr)
	if v, ok := do.(effect.Validator); ok {
		if err := v.Validate(); err != nil {
			return false, s.fail(err)
		}
	}
	if d, ok := do.(effect.Divided); ok && len(items) > 1 {
		return false, s.fail(d.Divide())
	}
	return false, nil
}

// parts are what became of the things.
func (s *spreading) parts(b *branch.Branch, items []starlark.Value, outcomes []branch.Outcome) []effect.Part {
	parts := make([]effect.Part, len(items))
	for i, o := range outcomes {
		parts[i] = effect.Part{Item: items[i], Value: o.Value, Err: o.Err}
		if o.Err == nil && o.Planned > 0 && s.goesOn {
			parts[i].Unsure = b.Unknown("%s(…).hosts[%d].ok", s.f.name, i)
			parts[i].Unsure.Guess = starlark.True
		}
	}
	return parts
}

// fail says of which function an error is.
func (s *spreading) fail(err error) error {
	e := fault.As(err)
	if e == nil || e.Effect != "" {
		return err
	}
	copied := *e
	copied.Effect = s.f.name
	return &copied
}

// A spreading is what the branches call, each with its thing.

var _ starlark.Callable = (*spreading)(nil)

func (s *spreading) Name() string          { return s.f.name }
func (s *spreading) String() string        { return s.f.String() }
func (s *spreading) Type() string          { return s.f.Type() }
func (s *spreading) Truth() starlark.Bool  { return true }
func (s *spreading) Hash() (uint32, error) { return s.f.Hash() }

// Freeze freezes what the branches share: the other arguments.
func (s *spreading) Freeze() {
	s.args.Freeze()
	for _, kv := range s.kwargs {
		kv.Freeze()
	}
}

func (s *spreading) CallInternal(thread *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	one, kwargs := s.with(args[0])
	return s.f.call(thread, one, kwargs)
}
