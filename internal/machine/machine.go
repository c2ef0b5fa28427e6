// Package machine runs commands on machines: on this one, and, by the packages
// that implement [Conn], over SSH and in containers.
//
// Everything that the program does on a machine is a line that the machine's sh
// reads, with its standard streams. What a line needs beyond that — another
// user, a directory, an environment, a password for sudo, a secret that must not
// show up in the machine's list of processes — is put into the line by
// [Command], once for all kinds of machines.
package machine

import (
	"context"
	"io"
)

// Conn is a machine that can be talked to. It is safe for concurrent use: lines
// may be executed side by side.
type Conn interface {
	// Exec has sh read a line, in the home directory of the user that the
	// connection is for, and waits for its end. What the line prints is written
	// as it comes; writers are not used after Exec has returned. Exec does not wait for
	// the end of Stdin once the line has ended: a reader may block until then, and
	// be read once more after.
	//
	// An exit code is no error. Errors are *fault.Error: with Unsent when the line
	// was not started for certain, with InDoubt when it was, or may have been, and
	// its end was not seen. When ctx ends, what the line has started is ended too, as
	// far as that can be done, and the error has the cause of ctx.
	Exec(ctx context.Context, line string, s Streams) (Exit, error)

	// Name is how people call the machine: "deploy@web-1", "container db".
	Name() string

	// Close ends the connection, and with it everything that is under way.
	Close() error
}

// Streams are the standard streams of a line. Nil is /dev/null.
type Streams struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

// Exit is how a line ended.
type Exit struct {
	Code   int    // 128 + n when a signal ended it, as sh has it
	Signal string // name of that signal, without SIG; "" for none or not known
}

// OK reports whether the line ended well.
func (e Exit) OK() bool { return e.Code == 0 && e.Signal == "" }
