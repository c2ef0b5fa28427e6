package language

import (
	"context"
	"strings"

	"github.com/provisioning-systems/provisioning/runtime/docstring"
	"github.com/provisioning-systems/provisioning/runtime/partial"
)

// signatureHelp shows the signature of the call that is being typed, and which
// of its parameters comes next.
func (s *server) signatureHelp(ctx context.Context, p positionParams) (any, error) {
	doc := snapshot(ctx)
	if doc == nil {
		return nil, nil
	}
	c := doc.read().At(doc.offset(p.Position))
	fn := s.callee(doc, c)
	if fn == nil || c.Comment {
		return nil, nil
	}
	able := s.clientCapabilities().TextDocument.SignatureHelp.SignatureInformation
	form := format(able.DocumentationFormat)
	info := signatureInformation{Label: fn.title, Parameters: []parameterInformation{}}
	info.Label = strings.TrimPrefix(info.Label, "def ")
	brief := &symbol{doc: docstring.Doc{Summary: fn.doc.Summary}}
	info.Documentation = brief.explanation(form)
	from := strings.IndexByte(info.Label, '(') + 1
	active, shown := activeParameter(fn, c), -1
	for i, param := range fn.params {
		label := parameterIn(info.Label, param, from)
		if param.late {
			if i != active {
				continue
			}
			// The options are many, so the signature shows the one that is typed.
			info.Label = strings.TrimSuffix(info.Label, ")") + ", " + param.name + ")"
			label = [2]int{len(info.Label) - 1 - len(param.name), len(info.Label) - 1}
		}
		from = max(from, label[1])
		if i == active {
			shown = len(info.Parameters)
		}
		item := parameterInformation{Label: info.Label[label[0]:label[1]]}
		if able.ParameterInformation.LabelOffsetSupport {
			item.Label = [2]int{utf16Units(info.Label[:label[0]]), utf16Units(info.Label[:label[1]])}
		}
		if text := strings.TrimSpace(strings.Trim("("+param.typ+") "+param.text, " ")); text != "()" {
			item.Documentation = &markup{form, strings.TrimPrefix(text, "() ")}
		}
		info.Parameters = append(info.Parameters, item)
	}
	if shown < 0 {
		shown = len(info.Parameters) // none of them: the protocol has no other way to say so
	}
	return signatureHelp{Signatures: []signatureInformation{info}, ActiveParameter: shown}, nil
}

// parameterIn is where a signature has a parameter, from an offset on.
func parameterIn(label string, p parameter, from int) [2]int {
	for _, text := range []string{p.label, p.stars + "args", p.stars + "kwargs", p.name} {
		if text == "" || p.stars == "" && text != p.label && text != p.name {
			continue
		}
		if i := strings.Index(label[from:], text); i >= 0 {
			return [2]int{from + i, from + i + len(text)}
		}
	}
	return [2]int{from, from}
}

// activeParameter is the index of the parameter that the present argument is
// for; -1 when it is for none.
func activeParameter(fn *symbol, c partial.Cursor) int {
	rest := -1
	for i, p := range fn.params {
		switch {
		case c.Call.Keyword != "" && p.name == c.Call.Keyword && p.stars == "":
			return i
		case c.Call.Keyword == "" && !p.named && p.stars == "" && i == c.Call.Argument:
			return i
		case c.Call.Keyword == "" && p.stars == "*" && c.Call.Argument >= i, c.Call.Keyword != "" && p.stars == "**":
			rest = i
		}
	}
	return rest
}
