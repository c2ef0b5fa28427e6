package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// The checks of doctor on the machine.

const (
	fewFiles  = 256              // a wide parallel needs a few descriptors per branch
	clockSkew = 10 * time.Second // between this machine and the server of its disk
)

// earliest is before any build of this program: a clock behind it is wrong.
var earliest = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

func (d *doctor) limits() {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		d.add("open files", checkWarning, fmt.Sprintf("cannot read the limit: %v", err), "")
		return
	}
	detail := fmt.Sprintf("at most %d", limit.Cur)
	if limit.Cur < fewFiles {
		d.add("open files", checkWarning, detail, "raise it before parallel runs: ulimit -n 4096")
		return
	}
	d.add("open files", checkOK, detail, "")
}

// clock: times order runs for people, and certificates need them to be right.
func (d *doctor) clock() {
	const remedy = "set the clock, and keep it with NTP"
	now := time.Now()
	if now.Before(earliest) {
		d.add("clock", checkFailed, now.Format(time.RFC3339)+" is before this program was written", remedy)
		return
	}
	if d.journal != nil {
		if runs, err := d.journal.Runs(1); err == nil && len(runs) > 0 && runs[0].Created.After(now.Add(clockSkew)) {
			d.add("clock", checkWarning, now.Format(time.RFC3339)+" is before the newest run", remedy)
			return
		}
	}
	if skew, ok := diskSkew(d.ws.Root); ok && skew.Abs() > clockSkew {
		d.add("clock", checkWarning, fmt.Sprintf("differs by %s from that of the disk's server", skew.Round(time.Second)), remedy)
		return
	}
	d.add("clock", checkOK, now.Format(time.RFC3339), "")
}

// diskSkew compares the clock with that of whoever keeps the files: on a network
// file system that is another machine.
func diskSkew(dir string) (time.Duration, bool) {
	if dir == "" {
		return 0, false
	}
	probe, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return 0, false
	}
	defer os.Remove(probe.Name()) //nolint:errcheck // nothing to be done about it
	defer probe.Close()           //nolint:errcheck // it is empty
	info, err := probe.Stat()
	if err != nil {
		return 0, false
	}
	return time.Since(info.ModTime()), true
}

// tools are those that scripts often run. Which ones are needed, the scripts
// alone know.
func (d *doctor) tools() {
	for _, name := range []string{"sh", "python3", "docker"} {
		detail := "not found"
		if path, err := exec.LookPath(name); err == nil {
			detail = path
		}
		d.add(name, checkInfo, detail, "")
	}
}
