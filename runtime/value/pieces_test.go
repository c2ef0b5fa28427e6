package value_test

import (
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// TestPieces: joined, the pieces are the text with its markers.
func TestPieces(t *testing.T) {
	s := value.NewSecrets([]byte("key"))
	secret, _ := s.Add("db/password", `correct "horse"`)
	for _, text := range []string{
		"", "plain", secret.String(), "a" + secret.String() + "b" + secret.String(),
		value.Through(`{"p": "`+secret.String()+`"}`, value.LayerJSON), "𓀀 " + secret.String(),
	} {
		pieces, err := s.Pieces(text)
		joined, named := "", 0
		for _, p := range pieces {
			if p.Secret == nil {
				joined += p.Text
				continue
			}
			named++
			joined += p.Secret.Marker(p.Layers)
		}
		if err != nil || joined != text || named != len(s.Names(text)) {
			t.Errorf("%q becomes %q with %d secrets (%v)", text, joined, named, err)
		}
	}
}
