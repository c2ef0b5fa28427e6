// Package assert is the module assert: what has to be true, or the run fails.
package assert

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Module is the module assert.
var Module = module.New("assert", `What has to be true, or the run fails.

An assertion that does not hold is an error of kind "assertion", with what was
got and what was wanted. Tests are made of them ("provisioning help test"), but
every script may assert what it relies on. In check mode an assertion about
something that only the run can know is left to the run.
`)

// failed is the error of an assertion. message is the author's.
func failed(message, format string, args ...any) error {
	e := fault.New(fault.Assertion, format, args...)
	if message != "" {
		e.Msg = message + ": " + e.Msg
	}
	return e
}

// differ is the error of two values that should be equal.
func differ(message string, got, want starlark.Value) error {
	if diff := strings.TrimSuffix(diff(got, want), "\n"); diff != "" {
		return failed(message, "the values differ (- wanted, + got)\n%s", diff)
	}
	if got.Type() != want.Type() {
		return failed(message, "got %s (%s), want %s (%s)", show(got), got.Type(), show(want), want.Type())
	}
	return failed(message, "got %s, want %s", show(got), show(want))
}
