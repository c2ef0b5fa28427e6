package runtime

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// replaySession executes the inputs of a session from its journal, for those who
// need what they registered.
func (x *execution) replaySession() error {
	s := newSession(x, SessionOptions{})
	x.session = s
	for {
		src, ok := x.star.Loader.Sources[s.next()]
		if !ok {
			return nil
		}
		i, err := s.replayInput(string(src))
		if i == nil { // it has no names that only the session had
			s.inputs = append(s.inputs, &Input{Source: string(src)})
		}
		if fault.Is(err, fault.Mismatch, fault.Internal, fault.Limit) || x.stop.Err() != nil {
			return err
		}
	}
}

// bound are the names that the statements of the session have bound so far.
func (s *Session) bound() starlark.StringDict {
	own := starlark.StringDict{}
	for name, v := range s.names.Env {
		if v != s.base[name] && name != "_" && !script.Hidden(name) {
			own[name] = v
		}
	}
	return own
}

func (s *Session) replayInput(src string) (*Input, error) {
	if name, ok := strings.CutPrefix(src, fromFile); ok {
		chunk, err := s.x.star.Loader.ReadChunk(name, s.names, false)
		if err != nil {
			return nil, err
		}
		return s.execute(chunk, src, name, true)
	}
	chunk, err := s.x.star.Loader.Chunk(s.next(), []byte(src), s.names, false)
	if err != nil {
		return nil, err
	}
	return s.execute(chunk, src, "//"+sessionScript, false)
}
