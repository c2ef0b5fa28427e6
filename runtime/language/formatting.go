package language

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/lint"
)

// formatting lays the document out as "provisioning fmt" does. One that is not
// Starlark stays as it is; the diagnostics say why.
func (s *server) formatting(ctx context.Context, _ documentParams) (any, error) {
	doc := snapshot(ctx)
	if doc == nil || !digestible(doc) {
		return nil, nil
	}
	out, err := lint.Format(doc.name, []byte(doc.content))
	if err != nil || string(out) == doc.content {
		return nil, nil
	}
	return []textEdit{{doc.all(), string(out)}}, nil
}
