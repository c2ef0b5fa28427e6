package secret

import (
	"context"
	"crypto/rand"
	"math/big"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def generate(name, length = 32, alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"):
    """Makes a random secret.

    The journal keeps it, sealed: a resumed run gets the same one. It is kept
    nowhere else; see secret.put.

    Args:
      name: what is shown in its place.
      length: number of characters, 1 to 4096.
      alphabet: the characters to choose from, two at least.

    Returns:
      A secret.

    Errors:
      invalid: an argument is out of range.

    Example:
      password = secret.generate("db/password", length = 24)
    """`, &generate{})

// generate is the effect secret.generate.
type generate struct {
	Name     string `star:"name"`
	Length   int    `star:"length"`
	Alphabet string `star:"alphabet"`
}

var (
	_ effect.Validator = (*generate)(nil)
	_ effect.Describer = (*generate)(nil)
	_ effect.Volatile  = (*generate)(nil)
)

func (g *generate) Validate() error {
	if g.Length < 1 || g.Length > maxLength {
		return fault.New(fault.Invalid, "length must be within 1 and %d, not %d", maxLength, g.Length)
	}
	if letters := []rune(g.Alphabet); len(letters) < 2 || strings.Count(g.Alphabet, string(letters[0])) == len(letters) {
		return fault.New(fault.Invalid, "the alphabet needs two characters at least")
	}
	return checkLabel(g.Name)
}

func (g *generate) Describe() string { return g.Name }
func (g *generate) Volatile()        {}

func (g *generate) Perform(_ context.Context, env *effect.Env) (any, error) {
	letters := []rune(g.Alphabet)
	n := big.NewInt(int64(len(letters)))
	var b strings.Builder
	for range g.Length {
		i, err := rand.Int(rand.Reader, n)
		if err != nil {
			return nil, err
		}
		b.WriteRune(letters[i.Int64()])
	}
	return add(env, g.Name, b.String()), nil
}
