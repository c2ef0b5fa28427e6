package container

import (
	"context"
	"io"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Split, Messages and ParseContext are for tests from outside.
var (
	Split        = split
	Messages     = messages
	ParseContext = parseContext
	Pack         = pack
)

// NotReached is the error of a connection that was refused by cause.
func NotReached(at Endpoint, cause error) *fault.Error {
	return (&Engine{at: at}).fault(context.Background(), &dialFault{at, cause}, "cannot use containers")
}

// RawExec runs a program as the client of the engine does it by itself, for
// comparison.
func RawExec(ctx context.Context, e *Engine, name string, argv []string, out io.Writer) (int, error) {
	return rawExec(ctx, e.api, name, argv, out)
}
