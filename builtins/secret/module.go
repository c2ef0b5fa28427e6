// Package secret is the module secret: it gets, keeps and makes texts that must
// never be seen. Scripts hold them as secret values, whose text is a marker that
// only the door expands; see runtime/value.
package secret

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Module is the module secret.
var Module = module.New("secret", `Texts that must never be seen.

A secret value goes through +, %, format, join, templates and JSON; prints,
errors, logs and plans show «secret name» in its place. The workspace keeps
secrets of its own, sealed: secret.put and secret.get("ws://name").`)

const (
	maxSize   = 1 << 20 // bytes of one secret
	maxLength = 4096    // characters of a generated one
	wsScheme  = "ws://"
)

// plain is the text of a string or a secret value.
func plain(env *effect.Env, v starlark.Value) (string, error) {
	switch v := v.(type) {
	case starlark.String:
		return env.Run.Secrets.Expand(string(v))
	case *value.Secret:
		return env.Run.Secrets.Plain(v), nil
	}
	return "", fault.New(fault.Invalid, "only strings and secrets can be compared, not a %s", v.Type())
}

func add(env *effect.Env, name, text string) *value.Secret {
	s, _ := env.Run.Secrets.Add(name, text)
	return s
}

func seal(env *effect.Env, text string) (string, error) {
	if env.Run.Seal == nil {
		return "", fault.New(fault.Config, "cannot seal: this machine has no key")
	}
	sealed, err := env.Run.Seal(text)
	if err != nil {
		return "", fault.Wrap(fault.Config, err, "cannot seal")
	}
	return sealed, nil
}

func unseal(env *effect.Env, what, sealed string) (string, error) {
	if env.Run.Unseal == nil {
		return "", fault.New(fault.Config, "cannot unseal %s: this machine has no key", what)
	}
	text, err := env.Run.Unseal(sealed)
	if err != nil {
		return "", fault.Wrap(fault.Config, err, "cannot unseal %s", what).
			WithHint("it was sealed for another key, or it was changed")
	}
	return text, nil
}

func checkSize(text string) error {
	if len(text) > maxSize {
		return fault.New(fault.TooLarge, "a secret must not be larger than %d bytes", maxSize)
	}
	return nil
}

func checkLabel(name string) error {
	if name == "" {
		return fault.New(fault.Invalid, "the name is empty").WithHint("the name is what is shown in place of the secret")
	}
	return nil
}
