package exec

import (
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/cmdline"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// live is a process in the background, as the run keeps it.
type live struct {
	process *process
	log     *log
	signal  syscall.Signal
	grace   time.Duration
}

var (
	_ effect.Closer = (*live)(nil)
	_ effect.Alive  = (*live)(nil)
)

// Alive reports whether the process is there.
func (l *live) Alive() bool { return !l.process.ended() }

func (l *live) stop() { l.process.stop(l.signal, l.grace) }

// Close ends the process with the run.
func (l *live) Close() error {
	l.stop()
	return nil
}

// log keeps the last lines of a process, of both streams together, and looks
// for the one that says that it is ready.
type log struct {
	to    *cmdline.Printer
	max   int
	found chan struct{} // closed when a line matched

	mu    sync.Mutex
	lines []string
	ready *regexp.Regexp // nil once it matched
}

func newLog(max int, ready string, to *cmdline.Printer) *log {
	l := &log{max: max, to: to, found: make(chan struct{})}
	if ready != "" {
		l.ready = regexp.MustCompile(ready) // Validate has compiled it
	}
	return l
}

// stream is one of the two, as a writer.
func (l *log) stream(name string) *logStream {
	s := &logStream{log: l}
	s.lines.Emit = func(line string) {
		l.to.Print(name, line)
		l.add(line)
	}
	return s
}

type logStream struct {
	log   *log
	lines cmdline.Lines
}

func (s *logStream) Write(p []byte) (int, error) {
	_, _ = s.lines.Write(p)
	if len(s.lines.Begun()) > 0 { // a prompt has no end of line
		s.log.match(s.lines.Begun())
	}
	return len(p), nil
}

func (l *log) add(line string) {
	l.match([]byte(line))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	if len(l.lines) > 2*l.max { // now and then, not for every line
		l.lines = append([]string(nil), l.lines[len(l.lines)-l.max:]...)
	}
}

func (l *log) match(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ready != nil && l.ready.Match(line) {
		l.ready = nil
		close(l.found)
	}
}

// text is the last output.
func (l *log) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[max(0, len(l.lines)-l.max):], "\n")
}
