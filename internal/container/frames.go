package container

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Streams that an engine puts into one. Each frame has eight bytes before it: the
// number of the stream, three zeros, and the length.
const (
	frameStdout = 1
	frameStderr = 2
	frameEngine = 3 // an error of the engine itself
	frameHead   = 8
)

// maxEngineError is how much of an error of the engine is kept.
const maxEngineError = 4 << 10

// split reads frames to their end and writes what is in them to out and errs,
// either of which may be nil. Nothing is kept, however large a frame says that it
// is. A stream that ends within a frame is io.ErrUnexpectedEOF: it was cut off.
func split(from io.Reader, out, errs io.Writer) error {
	var head [frameHead]byte
	for {
		if _, err := io.ReadFull(from, head[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		length := int64(binary.BigEndian.Uint32(head[4:]))
		to := out
		switch head[0] {
		case frameStderr:
			to = errs
		case frameEngine:
			text, _ := io.ReadAll(io.LimitReader(from, min(length, maxEngineError)))
			return &engineFault{string(text)}
		case 0, frameStdout:
		default:
			return fmt.Errorf("the engine sends the unknown stream %d", head[0])
		}
		if to == nil {
			to = io.Discard
		}
		if n, err := io.CopyN(to, from, length); errors.Is(err, io.EOF) && n < length {
			return io.ErrUnexpectedEOF
		} else if err != nil {
			return err
		}
	}
}

// engineFault is an error that the engine has put among the output.
type engineFault struct{ text string }

func (e *engineFault) Error() string { return e.text }
