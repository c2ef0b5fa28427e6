package value

import (
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Piece is a part of a text: plain text, or a secret.
type Piece struct {
	Text   string  // when Secret is nil
	Secret *Secret // not nil: its marker stood here
	Layers string  // the encodings that the secret has been through, in their order
}

// Pieces takes a text apart into what is plain and what is secret; known values
// count as secret too. A text without secrets is one piece, the empty one none.
func (s *Secrets) Pieces(text string) ([]Piece, error) {
	text = s.Mark(text)
	var pieces []Piece
	for text != "" {
		i := strings.Index(text, MarkOpen)
		if i != 0 {
			plain := text
			if i > 0 {
				plain = text[:i]
			}
			pieces = append(pieces, Piece{Text: plain})
			text = text[len(plain):]
			continue
		}
		id, layers, rest, ok := cutMarker(text)
		secret := s.Lookup(id)
		if !ok || secret == nil {
			return nil, fault.New(fault.Invalid, "a text holds a part of a secret that was cut, split or changed")
		}
		pieces = append(pieces, Piece{Secret: secret, Layers: layers})
		text = rest
	}
	return pieces, nil
}

// Marker is the text form of a secret that has been through encodings.
func (s *Secret) Marker(layers string) string {
	return strings.TrimSuffix(s.marker, MarkClose) + layers + MarkClose
}
