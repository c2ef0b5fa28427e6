package language

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/partial"
)

// definition is where the name under the cursor is defined. Builtins are
// defined in no script; hover explains them.
func (s *server) definition(ctx context.Context, p positionParams) (any, error) {
	doc := snapshot(ctx)
	if doc == nil {
		return nil, nil
	}
	found, _ := s.target(doc, doc.offset(p.Position))
	if found == nil || found.in == nil {
		return nil, nil
	}
	if err := s.files.writeStd(found.in); err != nil {
		s.log("cannot write %q for the editor: %v", found.in.path, err)
		return nil, nil
	}
	if found.in.uri == "" {
		return nil, nil
	}
	if found.kind == kindFile {
		return found.in.location(partial.Range{}), nil
	}
	return found.in.location(found.at), nil
}
