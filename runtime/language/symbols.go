package language

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/partial"
)

// Kinds of symbols in the protocol, which numbers them otherwise than those of
// completion.
const (
	symbolFunction = 12
	symbolVariable = 13
)

// documentSymbol lists the functions of a script, and its variables.
func (s *server) documentSymbol(ctx context.Context, _ documentParams) (any, error) {
	doc := snapshot(ctx)
	if doc == nil {
		return nil, nil
	}
	tree := outline(doc, doc.read().Top)
	if s.clientCapabilities().TextDocument.DocumentSymbol.Hierarchical {
		return tree, nil
	}
	return flatten([]symbolInformation{}, doc, tree, ""), nil
}

func outline(doc *document, scope *partial.Scope) []documentSymbol {
	all := []documentSymbol{}
	seen := map[string]bool{}
	for _, b := range scope.Bindings {
		at := partial.Range{Start: b.Start, End: b.End}
		switch {
		case b.Role == partial.Function:
			all = append(all, documentSymbol{
				Name: b.Name, Detail: b.Def.Statement[len("def ")+len(b.Name):], Kind: symbolFunction,
				Range: doc.span(partial.Range{Start: b.Def.Start, End: b.Def.End}), SelectionRange: doc.span(at),
				Children: outline(doc, b.Def.Scope),
			})
		case b.Role == partial.Variable && scope.Def == nil && !seen[b.Name]:
			seen[b.Name] = true
			whole := at
			whole.End = max(whole.End, b.Value.End)
			all = append(all, documentSymbol{
				Name: b.Name, Kind: symbolVariable, Range: doc.span(whole), SelectionRange: doc.span(at),
			})
		}
	}
	return all
}

func flatten(all []symbolInformation, doc *document, tree []documentSymbol, container string) []symbolInformation {
	for _, x := range tree {
		all = append(all, symbolInformation{x.Name, x.Kind, location{doc.uri, x.Range}, container})
		all = flatten(all, doc, x.Children, x.Name)
	}
	return all
}
