package transfer

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Get is a transfer from a machine that has been thought through.
type Get struct {
	Plan *Plan
	Root string // on the machine

	m     *Machine
	to    Destination
	isDir bool
}

// PlanGet finds out what has to be done to make the destination like a path of the
// machine.
func (m *Machine) PlanGet(ctx context.Context, root string, to Destination, o Options) (*Get, error) {
	l, err := m.list(ctx, root)
	if err != nil {
		return nil, err
	}
	if l.root() == nil {
		return nil, fault.New(fault.NotFound, "there is no %s on %s", root, m.Conn.Name())
	}
	if l.root().Type == Other {
		return nil, fault.New(fault.Invalid, "%s on %s is a %s, which cannot be fetched", root, m.Conn.Name(), Other)
	}
	have, err := to.List()
	if err != nil {
		return nil, err
	}
	o.Owner, o.Group = "", "" // what is fetched belongs to whoever fetches it
	want := wanted(l.entries, o)
	if len(have) > 0 && (have[0].Type == Dir) != (want[0].Type == Dir) {
		return nil, fault.New(fault.Exists, "%s on %s is a %s, and the destination is a %s", root, m.Conn.Name(), want[0].Type, have[0].Type)
	}
	if err := m.compareSums(ctx, to.Open, have, want, root, candidates(want, have)); err != nil {
		return nil, err
	}
	return &Get{Plan: compare(want, have, o), Root: root, m: m, to: to, isDir: want[0].Type == Dir}, nil
}

// Do fetches what differs. commit puts files in their places, once all of them are
// there.
func (g *Get) Do(ctx context.Context, commit func() error) error {
	var small, large []Entry
	for _, e := range g.Plan.Send {
		switch {
		case e.Type == File && e.Size >= largeFile:
			large = append(large, e)
		case e.Type == File:
			small = append(small, e)
		}
	}
	if err := g.prepare(); err != nil {
		return err
	}
	w := &wire{m: g.m, total: g.Plan.Bytes()}
	if len(small) > 0 {
		if err := g.stream(ctx, w, small); err != nil {
			return err
		}
	}
	for _, e := range large {
		if err := g.raw(ctx, w, e); err != nil {
			return err
		}
	}
	if err := commit(); err != nil {
		return err
	}
	return g.finish()
}

// prepare makes directories, after removing what is in their way, or where something
// else than a directory is to be.
func (g *Get) prepare() error {
	wanted := map[string]bool{}
	for _, e := range g.Plan.Send {
		wanted[e.Path] = true
	}
	for _, e := range g.Plan.Remove {
		if wanted[e.Path] {
			if err := g.to.Remove(e.Path); err != nil {
				return err
			}
		}
	}
	for _, e := range g.Plan.Send {
		if e.Type == Dir {
			if err := g.to.Mkdir(e.Path, e.Mode|0o700); err != nil { // until it is filled
				return err
			}
		}
	}
	return nil
}

// finish makes links, gives directories their modes and removes extras.
func (g *Get) finish() error {
	wanted := map[string]bool{}
	for _, e := range g.Plan.Send {
		wanted[e.Path] = true
		if e.Type == Link {
			if err := g.to.Link(e.Path, e.Target); err != nil {
				return err
			}
		}
	}
	for _, e := range topmost(g.Plan.Remove) {
		if !wanted[e.Path] {
			if err := g.to.Remove(e.Path); err != nil {
				return err
			}
		}
	}
	for _, c := range g.Plan.Adjust {
		if c.Now.Type != Link {
			if err := g.to.Chmod(c.Now.Path, c.Then.Mode); err != nil {
				return err
			}
		}
	}
	for i := len(g.Plan.Send) - 1; i >= 0; i-- {
		if e := g.Plan.Send[i]; e.Type == Dir && e.Mode&0o700 != 0o700 {
			if err := g.to.Chmod(e.Path, e.Mode); err != nil {
				return err
			}
		}
	}
	return nil
}

// stream fetches small files as tar, of which xargs may make several, one behind the
// other.
func (g *Get) stream(ctx context.Context, w *wire, files []Entry) error {
	names := make([]string, len(files))
	want := map[string]Entry{}
	for i, e := range files {
		name := e.Path
		if !g.isDir {
			name = path.Base(g.Root)
		}
		names[i] = bare(name)
		want[name] = e
	}
	dir := g.Root
	if !g.isDir {
		dir = path.Dir(g.Root)
	}
	script := fmt.Sprintf("cd %s || exit 1\nxargs -0 sh -c 'exec tar -cf - \"$@\"' sh", machine.Quote(dir))
	r, pipe := io.Pipe()
	ran := make(chan error, 1)
	go func() {
		err := g.m.run(ctx, script, strings.NewReader(strings.Join(names, "\x00")+"\x00"), pipe)
		_ = pipe.CloseWithError(err)
		ran <- err
	}()
	links, err := g.unpack(w, r, want)
	_ = r.CloseWithError(io.ErrClosedPipe)
	if err := reason(err, <-ran); err != nil {
		return err
	}
	for _, e := range links {
		if err := g.raw(ctx, w, e); err != nil {
			return err
		}
	}
	if len(want) > 0 {
		for _, e := range want {
			return fault.New(fault.Failed, "%s is not on %s any more", join(g.Root, e.Path), g.m.Conn.Name()).WithHint("do it again when nothing changes there")
		}
	}
	return nil
}

// reason tells which of two failures was first: that of this side, which ends the
// line, or that of the line, which this side then reads.
func reason(here, there error) error {
	if here != nil && !errors.Is(here, there) || there == nil || errors.Is(there, io.ErrClosedPipe) {
		return here
	}
	return there
}

// unpack puts the files of the stream beside their places. tar has a file with several
// names once, and then its names: those are returned.
func (g *Get) unpack(w *wire, r io.Reader, want map[string]Entry) (links []Entry, err error) {
	archives := bufio.NewReaderSize(r, 256<<10)
	for {
		more, err := nextArchive(archives)
		if err != nil || !more {
			return links, err
		}
		t := tar.NewReader(archives)
		for {
			h, err := t.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, fault.Wrap(fault.Failed, err, "cannot read what %s sends", g.m.Conn.Name())
			}
			name := strings.TrimPrefix(h.Name, "./")
			e, ok := want[name]
			if ok && h.Typeflag == tar.TypeLink {
				delete(want, name)
				links = append(links, e)
				continue
			}
			if !ok || h.Typeflag != tar.TypeReg || h.Size != e.Size {
				return nil, fault.New(fault.Failed, "%s on %s changed while it was read", join(g.Root, name), g.m.Conn.Name()).WithHint("do it again when nothing changes there")
			}
			delete(want, name)
			if err := g.to.Write(e.Path, io.TeeReader(t, counter{w}), e.Mode); err != nil {
				return nil, err
			}
		}
	}
}

type counter struct{ w *wire }

func (c counter) Write(p []byte) (int, error) {
	c.w.progress(int64(len(p)))
	return len(p), nil
}

// nextArchive skips the padding of an archive, and reports whether another one
// follows.
func nextArchive(r *bufio.Reader) (bool, error) {
	for {
		b, err := r.ReadByte()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if b != 0 {
			return true, r.UnreadByte()
		}
	}
}

// codeChanged is the exit code of a script whose file changed while it was read.
const codeChanged = 76

// raw fetches a large file by itself.
func (g *Get) raw(ctx context.Context, w *wire, e Entry) error {
	name := join(g.Root, e.Path)
	script := fmt.Sprintf("_a=$(stat -c '%%s %%Y %%Z' %[1]s) || exit 1\ncat <%[1]s || exit 1\n[ \"$_a\" = \"$(stat -c '%%s %%Y %%Z' %[1]s)\" ] || exit %d", machine.Quote(name), codeChanged)
	r, pipe := io.Pipe()
	ran := make(chan error, 1)
	go func() {
		err := g.m.run(ctx, script, nil, pipe)
		_ = pipe.CloseWithError(err)
		ran <- err
	}()
	counted := &limited{r: io.TeeReader(r, counter{w}), left: e.Size}
	err := g.to.Write(e.Path, counted, e.Mode)
	_ = r.CloseWithError(io.ErrClosedPipe)
	rerr := <-ran
	failure := fault.As(rerr)
	if failure != nil && failure.Details["code"] == codeChanged || rerr == nil && err == nil && counted.left != 0 || errors.Is(err, errGrown) {
		return fault.New(fault.Failed, "%s on %s changed while it was read", name, g.m.Conn.Name()).WithHint("nothing was replaced; do it again when nobody writes to the file")
	}
	return reason(err, rerr)
}

var errGrown = errors.New("more came than was said")

// limited is a reader of which exactly so much is expected.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errGrown
	}
	return n, err
}
