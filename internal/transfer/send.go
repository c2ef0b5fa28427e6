package transfer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

const (
	largeFile  = 4 << 20  // from this size on a file is sent by itself
	batchBytes = 32 << 20 // of small files in one stream
	firstPiece = 8 << 20  // of a large file, by which the speed is measured
	batchFiles = 20000
)

type opener func(path string) (*os.File, error)

// largePart is a large file that has been sent, and waits for its place.
type largePart struct {
	id    string
	entry Entry
}

// send brings everything to the stage, large files first, and has the last stream
// followed by final, which puts it all in place: that spares a round trip.
func (p *Put) send(ctx context.Context, final func(parts []largePart, streamed bool) string) error {
	w := &wire{m: p.m, total: p.Plan.Bytes(), unpacks: p.listing.gzip}
	var small, large []Entry
	for _, e := range p.Plan.Send {
		if e.Type == File && e.Size >= largeFile {
			large = append(large, e)
		} else {
			small = append(small, e)
		}
	}
	var parts []largePart
	for i, e := range large {
		var then func(largePart) string
		if len(small) == 0 && i == len(large)-1 {
			then = func(last largePart) string { return final(append(parts, last), false) }
		}
		part, err := w.large(ctx, p, e, then)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	for first := true; len(small) > 0; first = false {
		n, then := batchOf(small), ""
		if n == len(small) {
			then = final(parts, true)
		}
		if err := w.tar(ctx, p, small[:n], first, then); err != nil {
			return err
		}
		small = small[n:]
	}
	if len(p.Plan.Send) == 0 {
		return p.m.run(ctx, p.stage.prelude()+final(nil, false), nil, nil)
	}
	return nil
}

// batchOf is how many entries go into one stream.
func batchOf(entries []Entry) int {
	var size int64
	for i, e := range entries {
		if size += e.Size; size >= batchBytes || i+1 >= batchFiles {
			return i + 1
		}
	}
	return len(entries)
}

// wire sends streams, and knows how fast that is.
type wire struct {
	m           *Machine
	done, total int64
	told        time.Time
	unpacks     bool
	rate        float64 // bytes a second of what was sent last; 0 when that is not known
}

// progress tells how far the transfer is, now and then.
func (w *wire) progress(n int64) {
	w.done += n
	if w.m.Progress != nil && (time.Since(w.told) > time.Second || w.done == w.total) {
		w.told = time.Now()
		w.m.Progress(w.done, w.total)
	}
}

// slowWire is the speed from which on compression costs more time than it saves.
// Measured: gzip.BestSpeed packs 120 MB of text a second here, and a connection
// that is slower than a quarter of that gains whenever the text shrinks by a third.
const slowWire = 30e6

// pays reports whether something is worth compressing, judged by its beginning.
func (w *wire) pays(sample []byte) bool {
	return w.unpacks && w.rate > 0 && w.rate < slowWire && shrinks(sample)
}

// shrinks reports whether compression takes away a third.
func shrinks(sample []byte) bool {
	if len(sample) < 4<<10 {
		return false
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // a level that there is
	_, _ = z.Write(sample)
	_ = z.Close()
	return b.Len() < len(sample)*2/3
}

// measure notes how fast a stream was.
func (w *wire) measure(n int64, began time.Time) {
	if took := time.Since(began).Seconds(); n >= 256<<10 && took > 0 {
		w.rate = float64(n) / took
	}
}

// stream runs a script with what fill writes as its input. The error of fill is the
// reason of what the script says.
func (w *wire) stream(ctx context.Context, script string, zip bool, fill func(io.Writer) error) error {
	r, pipe := io.Pipe()
	filled := make(chan error, 1)
	go func() {
		err := pack(pipe, zip, fill)
		_ = pipe.CloseWithError(err)
		filled <- err
	}()
	err := w.m.run(ctx, script, r, nil)
	_ = r.CloseWithError(io.ErrClosedPipe) // what still fills it stops
	if ferr := <-filled; ferr != nil && ferr != io.ErrClosedPipe {
		if fault.As(ferr) == nil {
			ferr = fault.Wrap(fault.Failed, ferr, "cannot send")
		}
		return ferr
	}
	return err
}

func pack(to io.Writer, zip bool, fill func(io.Writer) error) error {
	buffered := bufio.NewWriterSize(to, 256<<10)
	if !zip {
		if err := fill(buffered); err != nil {
			return err
		}
		return buffered.Flush()
	}
	z, err := gzip.NewWriterLevel(buffered, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if err := fill(z); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return buffered.Flush()
}

// tar sends directories, links and small files.
func (w *wire) tar(ctx context.Context, p *Put, batch []Entry, first bool, then string) error {
	zip := w.pays(sampleOf(p.source, batch))
	began, before := time.Now(), w.done
	err := w.stream(ctx, p.stage.unpack(first, zip)+then, zip, func(to io.Writer) error {
		return w.writeTar(to, p.source, batch)
	})
	w.measure(w.done-before, began)
	return err
}

func sampleOf(src Source, batch []Entry) []byte {
	var sample []byte
	for _, e := range batch {
		if e.Type != File || len(sample) > 64<<10 {
			continue
		}
		if f, err := src.Open(e.Path); err == nil {
			data, _ := io.ReadAll(io.LimitReader(f, 64<<10)) // it is a sample
			sample = append(sample, data...)
			f.Close()
		}
	}
	return sample
}

func (w *wire) writeTar(to io.Writer, src Source, batch []Entry) error {
	t := tar.NewWriter(to)
	for _, e := range batch {
		if err := w.writeEntry(t, src, e); err != nil {
			return err
		}
	}
	if err := t.WriteHeader(&tar.Header{Name: "./" + endName, Mode: 0o600, Typeflag: tar.TypeReg, Format: tar.FormatGNU}); err != nil {
		return err
	}
	return t.Close()
}

func (w *wire) writeEntry(t *tar.Writer, src Source, e Entry) error {
	// busybox knows the long names of GNU, but not those of POSIX.
	h := &tar.Header{Name: "./" + e.Path, Mode: int64(e.Mode), Format: tar.FormatGNU}
	switch e.Type {
	case Dir:
		h.Typeflag = tar.TypeDir
		h.Name += "/"
	case Link:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.Target
	case File:
		h.Typeflag, h.Size = tar.TypeReg, e.Size
	}
	if e.Path == "." && e.Type != Dir { // the tree is this file alone
		h.Name = "./" + soleName
	}
	if e.Type != File {
		return t.WriteHeader(h)
	}
	f, err := src.Open(e.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != e.Size {
		return changed(e.Path)
	}
	h.ModTime = info.ModTime().Truncate(time.Second)
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	return w.copy(t, f, info, e.Path, e.Size)
}

// soleName is the name of a file that is sent alone.
const soleName = "file"

// copy sends the content of a file, and notices when it changes meanwhile.
func (w *wire) copy(to io.Writer, f *os.File, info os.FileInfo, name string, size int64) error {
	n, err := io.CopyN(progressWriter{to, w}, f, size)
	switch {
	case err == io.EOF && n < size:
		return changed(name)
	case err != nil:
		return err
	}
	after, err := f.Stat()
	if err != nil {
		return err
	}
	if after.Size() != info.Size() || !after.ModTime().Equal(info.ModTime()) {
		return changed(name)
	}
	return nil
}

type progressWriter struct {
	to io.Writer
	w  *wire
}

func (p progressWriter) Write(b []byte) (int, error) {
	n, err := p.to.Write(b)
	p.w.progress(int64(n))
	return n, err
}

func changed(name string) error {
	return fault.New(fault.Failed, "%q changed while it was read", name).
		WithHint("nothing was replaced; do it again when nobody writes to the file")
}

// large sends a large file by itself. A part that an earlier attempt has left is gone
// on with if it is how the file begins. then follows when the file is whole; nil:
// nothing.
func (w *wire) large(ctx context.Context, p *Put, e Entry, then func(largePart) string) (largePart, error) {
	f, err := p.source.Open(e.Path)
	if err != nil {
		return largePart{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return largePart{}, err
	}
	if info.Size() != e.Size {
		return largePart{}, changed(e.Path)
	}
	part := largePart{partID(p.Root, e.Path, info), e}
	at, err := w.resume(ctx, p, e.Path, part.id)
	if err != nil {
		return largePart{}, err
	}
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return largePart{}, err
	}
	w.progress(at)
	last := ""
	if then != nil {
		last = then(part)
	}
	resumed := at > 0
	for at < e.Size {
		n := w.pieceSize(f, at, e.Size)
		follow := ""
		if at+n == e.Size && !resumed {
			follow = last
		}
		if err := w.piece(ctx, p, f, info, e.Path, part.id, at, n, follow); err != nil {
			return largePart{}, err
		}
		at += n
	}
	if !resumed {
		return part, nil
	}
	if err := w.verify(ctx, p, e.Path, part.id); err != nil || last == "" {
		return part, err
	}
	return part, p.m.run(ctx, p.stage.prelude()+last, nil, nil)
}

// pieceSize is how much of a file is sent at a time: all of it, unless it could be
// compressed and it is not known whether that pays.
func (w *wire) pieceSize(f *os.File, at, size int64) int64 {
	n := size - at
	if w.rate == 0 && n > 2*firstPiece && w.unpacks && shrinks(beginning(f, at)) {
		return firstPiece
	}
	return n
}

func beginning(f *os.File, at int64) []byte {
	sample := make([]byte, 64<<10)
	k, _ := f.ReadAt(sample, at) // it is a sample
	return sample[:k]
}

// piece sends a part of a large file.
func (w *wire) piece(ctx context.Context, p *Put, f *os.File, info os.FileInfo, name, id string, at, n int64, then string) error {
	zip := w.pays(beginning(f, at))
	began := time.Now()
	err := w.stream(ctx, p.stage.receive(id, at, at+n, zip)+then, zip, func(to io.Writer) error {
		return w.copy(to, f, info, name, n)
	})
	w.measure(n, began)
	return err
}

// partID is what a part of a file is found by: the same file, unless it has changed.
func partID(root, name string, info os.FileInfo) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%d", root, name, info.Size(), info.ModTime().UnixNano()))
	return hex.EncodeToString(sum[:8])
}

// resume returns the size of a part that can be gone on with.
func (w *wire) resume(ctx context.Context, p *Put, name, id string) (int64, error) {
	have, ok := p.listing.parts[id]
	if !ok || have.size == 0 {
		return 0, nil
	}
	var out strings.Builder
	if err := p.m.run(ctx, p.stage.claim(id, have), nil, &out); err != nil {
		return 0, err
	}
	sum, err := hashOne(p.source.Open, name, have.size)
	if err != nil || !strings.HasPrefix(out.String(), sum) {
		return 0, err
	}
	return have.size, nil
}

// verify compares the whole of a file that came in parts.
func (w *wire) verify(ctx context.Context, p *Put, name, id string) error {
	var out strings.Builder
	if err := p.m.run(ctx, p.stage.whole(id), nil, &out); err != nil {
		return err
	}
	sum, err := hashOne(p.source.Open, name, -1)
	if err == nil && !strings.HasPrefix(out.String(), sum) {
		_ = p.m.run(ctx, p.stage.prelude()+p.stage.clear(false), nil, nil) // the next attempt sends all of it
		err = fault.New(fault.Failed, "%q did not arrive as it was sent", name).WithHint("do it again: it is sent from the beginning")
	}
	return err
}
