package http

import (
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// predict is all that can be said of a write before the server has answered.
func predict(d effect.Describer, change effect.Change) effect.Prediction {
	return effect.Prediction{Result: value.NewUnknown("the answer to %s", d.Describe()), Change: change}
}

// firstOf returns the first error that there is.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
