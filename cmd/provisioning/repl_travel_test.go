package main

import (
	"context"
	"io"
	"os"
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/console"
)

// Ctrl-C while a person at a breakpoint evaluates something stops that, and not the
// run.
func TestInterruptAtBreakpoint(t *testing.T) {
	a := &app{console: &console.Console{Out: io.Discard, Err: io.Discard}}
	in, done := a.interrupt()
	defer done()
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	a.aside(context.Background(), func(ctx context.Context) {
		if err := self.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
	})
	if in.Stop.Err() != nil {
		t.Error("the run was stopped, too")
	}
	if err := self.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-in.Stop.Done() // afterwards it is the run again
}
