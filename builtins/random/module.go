// Package random is the module random: choices that nobody can foresee, from
// the system's generator for cryptography. Each is an effect, so that a resumed
// run chooses what it chose before.
package random

import (
	"crypto/rand"
	"math/big"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Module is the module random.
var Module = module.New("random", `Random numbers, choices and texts.

They come from the system's generator for cryptography, and the journal records
them: a resumed or replayed run gets the same ones. For passwords use
secret.generate, whose result is never shown.`)

const (
	maxBytes = 1 << 20
	maxItems = 100_000
)

// below returns a number of 0 and above that is below n.
func below(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // crypto/rand ends the process rather than fail
	}
	return int(i.Int64())
}

func checkSize(what string, n, most int) error {
	if n < 0 || n > most {
		return fault.New(fault.Invalid, "%s must be within 0 and %d, not %d", what, most, n)
	}
	return nil
}
