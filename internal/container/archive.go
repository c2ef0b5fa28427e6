package container

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// pack writes a tree as a tar. Names in it begin with as; root owns everything. skip,
// which may be nil, tells what to leave out. Links stay links, and sockets, devices
// and pipes are left out.
func pack(ctx context.Context, to io.Writer, tree fs.FS, as string, skip func(name string, dir bool) (bool, error)) error {
	w := tar.NewWriter(to)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || name == "." && as == "" {
			return err
		}
		if skip != nil && name != "." {
			if out, err := skip(name, d.IsDir()); err != nil || out {
				return err // a directory is gone through all the same: "!" brings files in it back
			}
		}
		return packOne(w, tree, name, path.Join(as, name), d)
	})
	if err != nil {
		return err
	}
	return w.Close()
}

func packOne(w *tar.Writer, tree fs.FS, name, as string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	link := ""
	switch {
	case info.Mode().Type() == fs.ModeSymlink:
		if link, err = fs.ReadLink(tree, name); err != nil {
			return err
		}
	case !info.Mode().IsRegular() && !info.IsDir():
		return nil
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	h.Name, h.Uid, h.Gid, h.Uname, h.Gname = as, 0, 0, "", ""
	h.AccessTime, h.ChangeTime, h.Format = time.Time{}, time.Time{}, tar.FormatPAX
	if info.IsDir() {
		h.Name += "/"
	}
	if err := w.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := tree.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyN(w, f, h.Size)
	if errors.Is(err, io.EOF) {
		return fault.New(fault.Failed, "%s became shorter while it was read", name)
	}
	return err
}

// streamed gives what write writes to whoever reads. Close ends it, and waits.
func streamed(write func(io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(write(w))
	}()
	return &stream{r, done}
}

type stream struct {
	*io.PipeReader
	done chan struct{}
}

func (s *stream) Close() error {
	err := s.PipeReader.Close()
	<-s.done
	return err
}

// Entry is one of what comes out of a container.
type Entry struct {
	Name string      // relative to what was asked for; "" is that itself
	Mode fs.FileMode // with the type: a file, a directory or a link
	Link string      // where a link leads to
	Size int64
}

// Unpack reads the tar of an engine, and calls each for what is in it, the
// directories before what is in them. Names that lead out of the tree, or twice to
// one place, are refused: the engine is no more trusted than any other machine.
// Devices and the like are left out.
func Unpack(from io.Reader, each func(e Entry, content io.Reader) error) error {
	r := tar.NewReader(from)
	base, seen := "", map[string]bool{}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fault.Wrap(fault.Failed, err, "the engine's archive is damaged")
		}
		clean := path.Clean(h.Name)
		if base == "" {
			base, _, _ = strings.Cut(clean, "/")
		}
		name, inside := strings.CutPrefix(clean+"/", base+"/")
		name = strings.TrimSuffix(name, "/")
		if !inside || !fs.ValidPath(clean) || clean == "." || seen[name] {
			return fault.New(fault.Failed, "the engine's archive has the name %q in it, which leads elsewhere", h.Name)
		}
		seen[name] = true
		e := Entry{Name: name, Mode: h.FileInfo().Mode() & (fs.ModeType | fs.ModePerm), Link: h.Linkname, Size: h.Size}
		if !slices.Contains([]byte{tar.TypeReg, tar.TypeDir, tar.TypeSymlink}, h.Typeflag) {
			if h.Typeflag == tar.TypeLink {
				return fault.New(fault.Failed, "%q is a hard link to another file, which cannot be copied", h.Name)
			}
			continue
		}
		if err := each(e, r); err != nil {
			return err
		}
	}
}
