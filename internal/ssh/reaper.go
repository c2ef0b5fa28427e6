package ssh

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// reaper is a process on a host that ends lines: those that it is told to, and, when the
// connection is cut, all that run. It takes one session, and serves all lines of the
// link; a line without one needs a watcher of its own (see [machine.RunHeld]), which is
// a fifth of the time of a short command.
//
// A line says which process it is, and when, by writing its number and /proc/uptime to a
// file, before it begins. There is one such file for each line that runs at a time: those
// of lines that have ended are written over, and until then a process that has the number
// was started later than the file was written. Nothing makes them empty first: ext4 writes
// a file to the disk that was emptied (auto_da_alloc in ext4(5)), which takes longer than sh.
type reaper struct {
	link   *link
	input  *io.PipeWriter  // a file and its process, which is to be ended, on each line
	files  string          // what their names begin with
	serves context.Context // ends when it holds no more lines
	retire func()          // brings that about

	mu    sync.Mutex
	free  []int // files that no line has now
	made  int   // files, at most
	lines int   // that it holds
}

// reaping is the program of a reaper. It says what the names of the files are to begin
// with, or that there can be no reaper, and goes when its input ends.
//
// Where a line has no process group of its own, as with Dropbear, there is no reaper; nor
// where the times of /proc do not fit each other, within a minute: those of processes are
// in hundredths of a second since the start of the machine (proc(5), with the usual
// USER_HZ), and a container may have an uptime of its own. A
// line begins only if it finds the file alive not empty after it has written its own.
// So does none that writes it when the reaper looks for lines that run already.
//
// Nobody else must be able to make the files. A directory for them alone takes a process,
// which is saved where there is one that is the user's and is no disk: name is one that
// nobody else has.
const reaping = `trap '' TERM HUP INT
umask 077
own= f=
since() { set -- ${1##*) }; group=$3; shift 19; since=$1; }
ticks() { ticks=${1%.*}${1#*.}; }
read -r is </proc/self/stat && read -r up _ </proc/uptime || exit
since "$is"; ticks "$up"
[ "$group" = $$ ] && [ "$since" -le "$ticks" ] && [ "$ticks" -le $((since + 6000)) ] || exit 0
for d in "$XDG_RUNTIME_DIR" /run; do
  [ -O "$d" ] && [ -w "$d" ] && f=$d/provisioning-$name- && break
done 2>/dev/null
[ -n "$f" ] || for d in /dev/shm /tmp; do
  [ -w "$d" ] && own=$(mktemp -d "$d/provisioning-XXXXXXXX" 2>/dev/null) && f=$own/ && break
done
[ -n "$f" ] && echo >"${f}alive" && echo "$f" || exit
exec 2>/dev/null
end() {
  read -r pid at <"$1" && read -r is <"/proc/$pid/stat" || return
  [ "${2-$pid}" = $pid ] || return
  since "$is"; ticks "$at"
  [ "$since" -le "$ticks" ] || return
  kill -TERM -$pid
  (` + killLater + `) &
}
while read -r n pid; do end "$f$n" $pid; done
true >"${f}alive"
for n in "$f"[0-9]*; do end "$n"; done
exec rm -rf "$f"[0-9a]* $own
`

// notReaped is how a line ends that could not say which process it is, instead of
// beginning.
const notReaped = 125

// unquoted is the beginning of a path that needs no quoting.
var unquoted = regexp.MustCompile(`^/[A-Za-z0-9_./-]+$`)

// reaperAfter is how many lines a link has held without a reaper when it gets one: it
// costs as much as a few watchers.
const reaperAfter = 2

// fewSessions is how many sessions a server has to allow for one of them to be a reaper's.
const fewSessions = 4

// Hold returns the host as one line is to see it, if the link has a reaper. When there
// were some lines already, it gets one for those that follow.
func (c *Conn) Hold() (machine.Held, bool) {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l == nil {
		return nil, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reaper != nil {
		return l.reaper.hold(c)
	}
	if l.unreaped++; l.unreaped == reaperAfter {
		go l.startReaper()
	}
	return nil, false
}

// startReaper gives the link a reaper, if the host lets it have one.
func (l *link) startReaper() {
	if !l.sessions.plenty() {
		return
	}
	ch, err := l.sessions.take(context.Background()) // it ends with the link
	if err != nil {
		return
	}
	defer l.sessions.give(ch)
	input, ended := io.Pipe()
	said, out := io.Pipe()
	defer said.Close()
	r := newRun(l, ch, machine.Streams{Stdin: input, Stdout: out})
	if r.start("", "name="+rand.Text()+"\n"+reaping) != nil {
		return
	}
	defer func() {
		ended.Close()
		select { // until it has gone the server has the session
		case <-r.exited:
		case <-r.denied:
		case <-time.After(2 * grace): // it is another program
		}
		r.letGo()
	}()
	go func() {
		<-r.ended
		out.Close()
	}()
	tooLate := time.AfterFunc(defaultTimeout, func() { said.Close() }) // another program may run in its place
	files, err := bufio.NewReader(said).ReadString('\n')
	tooLate.Stop()
	files = strings.TrimSuffix(files, "\n")
	if err != nil || !unquoted.MatchString(files) {
		return
	}
	p := &reaper{link: l, input: ended, files: files}
	p.serves, p.retire = context.WithCancel(context.Background())
	defer p.retire()
	context.AfterFunc(p.serves, p.goes)
	l.mu.Lock()
	l.reaper = p
	l.mu.Unlock()
	if !l.sessions.plenty() { // that was found out meanwhile
		p.retire()
	}
	<-r.exited
}

// dismissReaper has the reaper of the link go, if there is one: its session is needed.
func (l *link) dismissReaper() {
	l.mu.Lock()
	p := l.reaper
	l.mu.Unlock()
	if p != nil {
		p.retire()
	}
}

// hold takes a file for a line.
func (p *reaper) hold(c *Conn) (machine.Held, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.serves.Err() != nil {
		return nil, false
	}
	p.lines++
	file := p.made
	if n := len(p.free); n > 0 {
		file, p.free = p.free[n-1], p.free[:n-1]
	} else {
		p.made++
	}
	return &held{Conn: c, reaper: p, file: file, known: make(chan struct{}), over: make(chan struct{})}, true
}

// release takes the file of a line back.
func (p *reaper) release(file int) {
	p.mu.Lock()
	p.lines--
	p.free = append(p.free, file)
	p.mu.Unlock()
	p.goes()
}

// goes has it go when it holds no more lines, and those that it holds have ended.
func (p *reaper) goes() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.serves.Err() != nil && p.lines == 0 {
		_ = p.input.Close() // never fails
	}
}

// held is a host as one line sees it, which the reaper of its link holds.
type held struct {
	*Conn
	reaper *reaper
	file   int
	run    *run          // of the line; there when known is closed
	known  chan struct{} // closed when the line has said which process it is
	over   chan struct{} // closed when nothing is to be ended any more
}

// holds has the line say which process it is, and returns what it does for that before it
// begins.
func (h *held) holds(r *run) (before string) {
	h.run, r.held, r.known = r, true, h.known
	before = fmt.Sprintf(`{ read -r _s _i </proc/uptime && echo $$ "$_s" 1<>%s%d && [ -s %[1]salive ]; } 2>/dev/null || exit %[3]d; `, h.reaper.files, h.file, notReaped)
	if r.stdin == nil {
		before += "exec </dev/null; " // what sshd gives it is a pipe
	}
	return before
}

// Exec has the host's sh read the line. The error is [machine.ErrNotHeld] when it was not
// begun and the reaper cannot hold it.
func (h *held) Exec(ctx context.Context, line string, s machine.Streams) (machine.Exit, error) {
	exit, err := h.reaper.link.exec(ctx, line, s, h)
	switch {
	case errors.Is(err, errGone):
		return exit, machine.ErrNotHeld
	case errors.Is(err, errNoFile):
		h.reaper.retire()
	}
	return exit, err
}

// Why a line is not held, and not begun.
var (
	errNoFile = fmt.Errorf("%w: its files are gone, or the disk is full", machine.ErrNotHeld)
	errLong   = fmt.Errorf("%w: it is too long to say which process it is", machine.ErrNotHeld)
)

// session takes one for the line. A reaper that goes to make room for lines is not waited
// for by those that it was to hold.
func (h *held) session(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(h.reaper.serves, func() { cancel(machine.ErrNotHeld) })
	defer stop()
	ch, err := h.reaper.link.sessions.take(ctx)
	if err != nil && errors.Is(context.Cause(ctx), machine.ErrNotHeld) {
		return nil, machine.ErrNotHeld
	}
	return ch, err
}

// End has the reaper end the line, once it is known which process that is.
func (h *held) End() {
	select {
	case <-h.known:
	case <-h.over:
	}
	select {
	case <-h.over: // its file may be another one's
	default:
		_, _ = fmt.Fprintln(h.reaper.input, h.file, h.run.pid) // where there is no reaper any more, the line is cut off
	}
}

// Release says that the line has ended, or that there will be none.
func (h *held) Release() {
	close(h.over)
	h.reaper.release(h.file)
}
