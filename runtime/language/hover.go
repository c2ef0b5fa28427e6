package language

import "context"

// hover explains the name under the cursor.
func (s *server) hover(ctx context.Context, p positionParams) (any, error) {
	doc := snapshot(ctx)
	if doc == nil {
		return nil, nil
	}
	found, at := s.target(doc, doc.offset(p.Position))
	if found == nil {
		return nil, nil
	}
	form := format(s.clientCapabilities().TextDocument.Hover.ContentFormat)
	return hoverResult{*found.describe(form), doc.span(at)}, nil
}
