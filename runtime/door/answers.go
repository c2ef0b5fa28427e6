package door

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Answers stands in for the world: a test that has loaded a cassette. The door
// asks it in place of performing an effect; all else goes on as ever, so the
// journal of such a run is like that of any other.
type Answers interface {
	// Answer returns what the effect came to when it was recorded, a value or a
	// fault. A nil value and a nil error say that it is for the world.
	Answer(Request) (starlark.Value, error)
}

// Request is an effect that somebody else may answer.
type Request struct {
	Decl    *effect.Decl
	Place   string
	Args    []starlark.Tuple // name and value of those that were given, with the underscore arguments
	Secrets *value.Secrets   // of the run
	Root    string           // of the workspace
}

// Identifies reports whether an argument makes another effect of it.
func Identifies(decl *effect.Decl, arg string) bool {
	for i, name := range decl.Params {
		if name == arg {
			return !decl.Tuning[i]
		}
	}
	return identifyingOption[arg]
}

func (d *Door) request(s *site) Request {
	r := Request{Decl: s.call.Decl, Place: s.place, Secrets: d.Run.Secrets}
	if d.Run.Files != nil {
		r.Root = d.Run.Files.Workspace()
	}
	for i, v := range s.call.Args {
		if v != nil {
			r.Args = append(r.Args, starlark.Tuple{starlark.String(s.call.Decl.Params[i]), storable(v)})
		}
	}
	r.Args = append(r.Args, s.call.Under...)
	return r
}
