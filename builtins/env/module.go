// Package env is the module env: the environment variables of the program. They
// are read by effects, because a resumed run may have others.
package env

import (
	"strings"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Module is the module env.
var Module = module.New("env", `Environment variables of this program.

The values of variables whose names speak of secrets, such as DB_PASSWORD,
API_KEY or GITHUB_TOKEN, are secret values: they are never shown.`)

var secretWords = []string{"PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "CREDENTIAL", "APIKEY"}

// isSecret reports whether a variable of this name holds a secret. KEY has to
// be a word of its own, or KEYBOARD would be one; the others also end a word, as
// in PGPASSWORD.
func isSecret(name string) bool {
	for word := range strings.SplitSeq(strings.ToUpper(name), "_") {
		word = strings.TrimSuffix(word, "S")
		if word == "KEY" || word == "PAS" || word == "PWD" && name != "PWD" && name != "OLDPWD" { // PAS: PASS without its S
			return true
		}
		for _, w := range secretWords {
			if strings.HasSuffix(word, w) {
				return true
			}
		}
	}
	return false
}

// valueOf is what scripts see of a variable.
func valueOf(env *effect.Env, name, text string) any {
	if text == "" || !isSecret(name) {
		return text
	}
	secret, _ := env.Run.Secrets.Add("env/"+name, text)
	return secret
}
