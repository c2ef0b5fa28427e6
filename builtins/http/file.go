package http

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	nethttp "net/http"
	"path/filepath"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// file is what is known of a file on disk.
type file struct {
	exists bool
	link   string // where it leads, if it is a symbolic link
	mode   fs.FileMode
	size   int64
	sum    string // SHA-256, hexadecimal; empty for a link
}

func look(p sandbox.Path) (file, error) {
	info, err := p.Lstat()
	if fault.Is(err, fault.NotFound) {
		return file{}, nil
	}
	if err != nil {
		return file{}, err
	}
	f := file{exists: true, mode: info.Mode().Perm(), size: info.Size()}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		f.link, err = p.Readlink()
		return f, err
	case !info.Mode().IsRegular():
		return f, fault.New(fault.Invalid, "%q is not a regular file", p.Name)
	}
	src, err := p.Open()
	if err != nil {
		return f, err
	}
	defer src.Close()
	h := sha256.New()
	if f.size, err = io.Copy(h, src); err != nil {
		return f, fault.Wrap(fault.Failed, err, "cannot read %q", p.Name)
	}
	f.sum = hex.EncodeToString(h.Sum(nil))
	return f, nil
}

// refused reads a little of the body of an answer that is not the file.
func (x *exchange) refused(resp *nethttp.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return x.lost(err)
	}
	return x.statusFault(resp, body)
}

// store writes the body beside the target, and puts it there when it is whole,
// right, and durable.
func (d *download) store(x *exchange, resp *nethttp.Response, p sandbox.Path) (file, error) {
	if d.MaxBytes > 0 && resp.ContentLength > d.MaxBytes {
		return file{}, x.tooLarge(resp, d.MaxBytes)
	}
	limited := &limitedReader{r: resp.Body, left: d.MaxBytes, bounded: d.MaxBytes > 0}
	check := func(sum string) error {
		if d.SHA256 != "" && !strings.EqualFold(sum, d.SHA256) {
			f := fault.New(fault.Invalid, "%s: the file has the SHA-256 checksum %s, not %s", x.shown, sum, strings.ToLower(d.SHA256)).
				WithHint("the file at that address was changed, or the checksum belongs to another version")
			f.Details = map[string]any{"got": sum, "want": strings.ToLower(d.SHA256)}
			return f
		}
		return nil
	}
	f, err := replace(x.env, p, fs.FileMode(d.Mode), limited, check)
	switch {
	case errors.Is(err, errTooLarge):
		return f, x.tooLarge(resp, d.MaxBytes)
	case limited.err != nil:
		return f, x.lost(limited.err)
	}
	return f, err
}

var errTooLarge = errors.New("too large")

// limitedReader fails after so many bytes, and remembers why reading failed.
type limitedReader struct {
	r       io.Reader
	left    int64
	bounded bool
	err     error
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.bounded && l.left < 0 {
		return 0, errTooLarge
	}
	if err != nil && err != io.EOF {
		l.err = err
	}
	return n, err
}

// replace makes src the content of p in one step, if check agrees.
func replace(env *effect.Env, p sandbox.Path, mode fs.FileMode, src io.Reader, check func(sum string) error) (file, error) {
	dir, err := env.Run.Files.Resolve(filepath.Dir(p.Abs))
	if err != nil {
		return file{}, err
	}
	if !dir.IsRoot() {
		if err := dir.MkdirAll(0o755); err != nil {
			return file{}, err
		}
	}
	// The same name in every attempt, so that a crash leaves no litter.
	key := sha256.Sum256([]byte(env.IdempotencyKey()))
	tmp := dir.Child(fmt.Sprintf(".%s.%x.part", filepath.Base(p.Abs), key[:5]))
	_ = tmp.Remove() // of an attempt that was interrupted
	f, err := fill(tmp, mode, src)
	if err == nil {
		err = check(f.sum)
	}
	if err == nil {
		err = tmp.Rename(p)
	}
	if err != nil {
		_ = tmp.Remove() // the first error is the one to report
		return file{}, err
	}
	if d, err := dir.Open(); err == nil { // make the new name durable
		_ = d.Sync() // some file systems cannot; the rename stands all the same
		d.Close()
	}
	return f, nil
}

func fill(p sandbox.Path, mode fs.FileMode, src io.Reader) (file, error) {
	dst, err := p.OpenFile(writeNew, 0o600)
	if err != nil {
		return file{}, err
	}
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(dst, h), src)
	if err := errors.Join(err, dst.Chmod(mode), dst.Sync(), dst.Close()); err != nil {
		return file{}, fault.Wrap(fault.Failed, err, "cannot write %q", p.Name)
	}
	return file{exists: true, mode: mode, size: size, sum: hex.EncodeToString(h.Sum(nil))}, nil
}
