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

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// reaper is a process on a host that ends lines: those that it is told to, and, when the
// connection is cut, all that run. It takes one session, and serves all lines of the
// link; a line without one needs a watcher of its own (see [machine.RunHeld]), which is
// a fifth of the time of a short command.
//
// A line says which process it is by writing /proc/self/stat to a file, before it
// begins. There is one such file for each line that runs at a time: those of lines that
// have ended are written anew, and until then the time at which a process was started
// tells it from another one with its number.
type reaper struct {
	link  *link
	input *io.PipeWriter // numbers of files, a line each, whose process is to be ended
	files string         // what their names begin with

	mu      sync.Mutex
	free    []int // files that no line has now
	made    int   // files, at most
	lines   int   // that it holds
	retired bool  // it holds no more
}

// reaping is the program of a reaper. It says what the names of the files are to begin
// with, or that there can be no reaper, and goes when its input ends.
//
// A line begins only if it finds the file alive not empty after it has written its own.
// So does none that writes it when the reaper looks for lines that run already.
//
// Nobody else must be able to make the files. A directory for them alone takes a process,
// which is saved where there is one that is the user's and is no disk: name is one that
// nobody else has.
const reaping = `trap '' TERM HUP INT
umask 077
own= f=
[ -r /proc/self/stat ] || exit
for d in "$XDG_RUNTIME_DIR" /run; do
  [ -O "$d" ] && [ -w "$d" ] && f=$d/provisioning-$name- && break
done 2>/dev/null
[ -n "$f" ] || for d in /dev/shm /tmp; do
  [ -w "$d" ] && own=$(mktemp -d "$d/provisioning-XXXXXXXX" 2>/dev/null) && f=$own/ && break
done
[ -n "$f" ] && echo >"${f}alive" && echo "$f" || exit
exec 2>/dev/null
since() { set -- ${1##*) }; shift 19; since=$1; }
end() {
  read -r was <"$1" && pid=${was%% *} && read -r is <"/proc/$pid/stat" || return
  since "$was"; was=$since; since "$is"
  [ "$since" = "$was" ] || return
  kill -TERM -$pid
  (for i in 1 2 3 4 5; do kill -0 -$pid || exit; sleep 1; done; kill -KILL -$pid) &
}
while read -r n; do end "$f$n"; done
: >"${f}alive"
for n in "$f"[0-9]*; do end "$n"; done
rm -rf "$f"[0-9a]* $own
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
	ch, err := l.sessions.take(context.Background()) // it ends with the link
	if err != nil {
		return
	}
	defer l.sessions.give(ch)
	input, ended := io.Pipe()
	defer ended.Close()
	said, out := io.Pipe()
	r := newRun(l, ch, machine.Streams{Stdin: input, Stdout: out})
	if r.start("", "name="+rand.Text()+"\n"+reaping) != nil {
		return
	}
	defer r.letGo()
	go func() {
		<-r.ended
		out.Close()
	}()
	files, err := bufio.NewReader(said).ReadString('\n')
	files = strings.TrimSuffix(files, "\n")
	if err != nil || !unquoted.MatchString(files) || !l.sessions.plenty() {
		return
	}
	p := &reaper{link: l, input: ended, files: files}
	l.mu.Lock()
	l.reaper = p
	l.mu.Unlock()
	select {
	case <-r.ended:
	case <-l.done:
	}
	p.retire()
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
	if p.retired {
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
	defer p.mu.Unlock()
	p.lines--
	p.free = append(p.free, file)
	p.goes()
}

// retire has the reaper go when the lines that it holds have ended.
func (p *reaper) retire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retired = true
	p.goes()
}

// goes has it go if nothing keeps it. p is locked.
func (p *reaper) goes() {
	if p.retired && p.lines == 0 {
		_ = p.input.Close() // never fails
	}
}

// held is a host as one line sees it, which the reaper of its link holds.
type held struct {
	*Conn
	reaper *reaper
	file   int
	known  chan struct{} // closed when the line has said which process it is
	over   chan struct{} // closed when nothing is to be ended any more
}

// before is what the line does before it begins.
func (h *held) before() string {
	return fmt.Sprintf(`{ read -r _s </proc/self/stat && printf '%%s\n' "$_s" >%s%d && [ -s %[1]salive ]; } 2>/dev/null || exit %[3]d; `, h.reaper.files, h.file, notReaped)
}

// Exec has the host's sh read the line. The error is [machine.ErrNotHeld] when it was not
// begun and the reaper cannot hold it.
func (h *held) Exec(ctx context.Context, line string, s machine.Streams) (machine.Exit, error) {
	exit, err := h.reaper.link.exec(ctx, line, s, h)
	switch {
	case errors.Is(err, errGone):
		return exit, machine.ErrNotHeld
	case errors.Is(err, machine.ErrNotHeld):
		h.reaper.retire() // its files are gone, or the disk is full
	}
	return exit, err
}

// End has the reaper end the line, once it is known which process that is.
func (h *held) End() {
	select {
	case <-h.known:
		_, _ = fmt.Fprintln(h.reaper.input, h.file) // where there is no reaper any more, the line is cut off
	case <-h.over:
	}
}

// Release says that the line has ended, or that there will be none.
func (h *held) Release() {
	close(h.over)
	h.reaper.release(h.file)
}
