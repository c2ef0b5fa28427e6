package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// The checks of doctor on what is kept on disk.

const (
	fsyncs     = 20
	slowFsync  = 50 * time.Millisecond // every effect waits for one
	littleDisk = 1 << 30
	noDisk     = 64 << 20
)

// state looks at the state directory, or at where it would be made.
func (d *doctor) state() {
	dir := d.ws.State
	note := dir
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		dir, note = d.ws.Root, dir+" is made by the first run"
	}
	probe, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		d.add("state directory", checkFailed, fmt.Sprintf("cannot write in %q: %v", dir, cause(err)), "make it writable for this user: chown or chmod "+dir)
		return
	}
	defer os.Remove(probe.Name()) //nolint:errcheck // nothing to be done about it
	defer probe.Close()           //nolint:errcheck // it holds nothing
	d.add("state directory", checkOK, note, "")
	d.fsync(probe)
	d.disk(dir)
}

// fsync measures what bounds the rate of effects.
func (d *doctor) fsync(probe *os.File) {
	took := make([]time.Duration, 0, fsyncs)
	for range fsyncs {
		begin := time.Now()
		if _, err := probe.WriteString("x"); err != nil {
			d.add("fsync", checkFailed, err.Error(), "make room on the disk, or repair it")
			return
		}
		if err := probe.Sync(); err != nil {
			d.add("fsync", checkFailed, err.Error(), "the disk cannot promise to keep what it is told: repair it, or move the workspace")
			return
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	median := took[len(took)/2]
	detail := fmt.Sprintf("median %s of %d", duration.Short(median), fsyncs)
	if median > slowFsync {
		d.add("fsync", checkWarning, detail, "effects wait for the disk: move the workspace to a faster one")
		return
	}
	d.add("fsync", checkOK, detail, "")
}

func (d *doctor) disk(dir string) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		d.add("disk", checkWarning, fmt.Sprintf("cannot look at the disk: %v", err), "")
		return
	}
	free := uint64(st.Bavail) * uint64(st.Bsize) //nolint:unconvert // the types differ between systems
	detail := fmt.Sprintf("%.1f GiB free", float64(free)/(1<<30))
	const remedy = "make room; old runs go with: provisioning runs prune"
	switch {
	case free < noDisk:
		d.add("disk", checkFailed, detail, remedy)
	case free < littleDisk:
		d.add("disk", checkWarning, detail, remedy)
	default:
		d.add("disk", checkOK, detail, "")
	}
}

func (d *doctor) openJournal() {
	if _, err := os.Stat(filepath.Join(d.ws.State, journal.FileName)); errors.Is(err, os.ErrNotExist) {
		d.add("journal", checkInfo, "none yet: the first run makes it", "")
		return
	}
	j, err := d.app.journal()
	if err != nil {
		d.failed("journal", err, "see that no other program uses "+journal.FileName+", and that this user may read and write it")
		return
	}
	d.add("journal", checkOK, fmt.Sprintf("format %d", journal.Version), "")
	if err := j.Check(); err != nil {
		d.failed("integrity", err, "")
		return
	}
	d.journal = j
	d.add("integrity", checkOK, "no damage found", "")
}

// key makes no key: Seal would, so it is not called where there is none.
func (d *doctor) key() {
	file, err := workspace.KeyFile()
	if err != nil {
		d.failed("key", err, "")
		return
	}
	info, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		d.add("key", checkInfo, file+" is made when the first secret is sealed", "")
		return
	}
	const test = "test"
	sealed, plain := "", ""
	k := seal.KeyAt(file)
	if err == nil {
		sealed, err = k.Seal(test)
	}
	if err == nil {
		plain, err = k.Unseal(sealed)
	}
	switch {
	case err != nil:
		d.failed("key", err, "make it readable for this user alone: chmod 600 "+file)
	case plain != test:
		d.add("key", checkFailed, file+" does not open what it has sealed", "restore the key from a backup")
	default:
		d.add("key", checkOK, fmt.Sprintf("%s, mode %04o, seals and opens", file, info.Mode().Perm()), "")
	}
}

func (d *doctor) cache() {
	dir := workspace.CacheDir()
	if dir == "" {
		d.add("cache", checkWarning, "there is no place for it: scripts are compiled every time", "set HOME or XDG_CACHE_HOME")
		return
	}
	existing := dir
	for {
		if _, err := os.Stat(existing); err == nil || existing == filepath.Dir(existing) {
			break
		}
		existing = filepath.Dir(existing)
	}
	if err := unix.Access(existing, unix.W_OK); err != nil {
		d.add("cache", checkWarning, fmt.Sprintf("cannot write in %q: %v; scripts are compiled every time", existing, err), "make it writable, or set XDG_CACHE_HOME")
		return
	}
	d.add("cache", checkOK, dir, "")
}

// runs looks for runs that need someone.
func (d *doctor) runs() {
	if d.journal == nil {
		return
	}
	all, err := d.journal.Runs(0)
	if err != nil {
		d.failed("runs", err, "")
		return
	}
	need := 0
	for _, r := range all {
		id := r.ID[:8]
		switch state(r) {
		case "interrupted":
			d.add("runs", checkWarning, fmt.Sprintf("%s of %s was interrupted", id, script.FileName(r.Script)), "provisioning resume "+id)
		case journal.Waiting:
			d.add("runs", checkWarning, fmt.Sprintf("%s of %s waits for an answer", id, script.FileName(r.Script)), "provisioning runs show "+id)
		default:
			continue
		}
		need++
	}
	if need == 0 {
		d.add("runs", checkOK, count(len(all), "run")+", none is interrupted or waits", "")
	}
}
