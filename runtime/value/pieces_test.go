package value_test

import (
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestPieces(t *testing.T) {
	s := value.NewSecrets([]byte("key"))
	secret, _ := s.Add("db/password", `correct "horse"`)
	foreign, _ := value.NewSecrets([]byte("other")).Add("x", "battery staple")
	for _, text := range []string{
		"", "plain", secret.String(), "a" + secret.String() + "b" + secret.String(),
		value.Through(`{"p": "`+secret.String()+`"}`, value.LayerJSON),
		"𓀀 " + foreign.String() + secret.String(), "half " + secret.String()[:9],
	} {
		joined, named := "", 0
		for _, p := range s.Pieces(text) {
			if p.Secret == nil {
				joined += p.Text
				continue
			}
			named++
			joined += p.Secret.Marker(p.Layers)
		}
		if joined != text || named != len(s.Names(text)) {
			t.Errorf("%q becomes %q with %d secrets", text, joined, named)
		}
	}
	// In the clear, and as somebody quotes it.
	for _, text := range []string{`is correct "horse"`, `is correct \"horse\"`} {
		for _, p := range s.Pieces(text) {
			if p.Secret == nil && p.Text != "is " && p.Text != "is «secret db/password»" {
				t.Errorf("%q shows %q", text, p.Text)
			}
		}
	}
}
