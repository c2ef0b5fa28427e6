package container

import (
	"bytes"
	"io"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// shown passes on what is written, and shows its lines with the name of the
// container as they come. flush shows the rest of a line.
func shown(env *effect.Env, name string, to machine.Streams) (s machine.Streams, flush func()) {
	if env.Output == nil {
		return to, func() {}
	}
	var mu sync.Mutex
	out := &liner{mu: &mu, to: to.Stdout, show: func(line string) { env.Output("stdout", name+": "+line) }}
	errs := &liner{mu: &mu, to: to.Stderr, show: func(line string) { env.Output("stderr", name+": "+line) }}
	return machine.Streams{Stdin: to.Stdin, Stdout: out, Stderr: errs}, func() { out.flush(); errs.flush() }
}

// liner shows lines.
type liner struct {
	mu   *sync.Mutex
	to   io.Writer
	show func(line string)
	rest []byte
}

// maxLine is how much of a line without end is shown at once.
const maxLine = 8 << 10

func (l *liner) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 && len(l.rest) < maxLine {
			break
		}
		line, skip := l.rest[:max(i, 0)], i+1
		if i < 0 {
			line, skip = l.rest, len(l.rest)
		}
		l.show(string(bytes.TrimSuffix(line, []byte("\r"))))
		l.rest = l.rest[skip:]
	}
	return l.to.Write(p)
}

func (l *liner) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.show(string(l.rest))
		l.rest = nil
	}
}
