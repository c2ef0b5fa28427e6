package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// finding is the result of one check of doctor.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

const (
	checkOK      = "ok"
	checkInfo    = "info" // neither good nor bad
	checkWarning = "warning"
	checkFailed  = "failed"
)

// doctor collects findings. It leaves nothing behind: what a run would make,
// such as the key and the state directory, it does not make.
type doctor struct {
	app      *app
	findings []finding
	ws       workspace.Workspace
	journal  *journal.Journal // nil when there is none, or it does not open
}

func (d *doctor) add(check, status, detail, remedy string) {
	d.findings = append(d.findings, finding{check, status, detail, remedy})
}

// failed adds a check that failed; the hint of err is the remedy, if it has one.
func (d *doctor) failed(check string, err error, remedy string) {
	d.because(check, checkFailed, err, remedy)
}

func (d *doctor) because(check, status string, err error, remedy string) {
	if e := fault.As(err); e != nil && e.Hint != "" {
		remedy = e.Hint
	}
	d.add(check, status, message(err), remedy)
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine and the workspace",
		Long: `Check this machine and the workspace: the program, the state directory, the
journal, the disk, the key, the limits of the system, runs that need someone, and,
where [engine] or its environment names one, the cluster: whether the server answers,
knows the namespace, and workers with the same key take work from the queues.

Each check is ok, info, warning or failed, with what to do about it. The exit code
is 1 when one failed. Nothing is changed.`,
		Example: "  provisioning doctor\n  provisioning doctor --out json",
		Args:    exactly(0, "no arguments"),
		RunE:    func(*cobra.Command, []string) error { return a.doctor() },
	}
}

func (a *app) doctor() error {
	d := &doctor{app: a}
	d.program()
	if d.workspace() {
		d.state()
		d.openJournal()
	}
	d.key()
	d.cache()
	d.limits()
	d.clock()
	d.engine()
	d.runs()
	d.tools()
	if err := a.showDoctor(d.findings); err != nil {
		return err
	}
	for _, f := range d.findings {
		if f.Status == checkFailed {
			return exitCode(1)
		}
	}
	return nil
}

func (a *app) showDoctor(findings []finding) error {
	if a.console.Structured() {
		return a.console.Result(findings)
	}
	counts := map[string]int{}
	for _, f := range findings {
		counts[f.Status]++
		a.console.Print("%-7s  %-16s  %s", f.Status, f.Check, strings.ReplaceAll(f.Detail, "\n", " "))
		if f.Remedy != "" {
			a.console.Print("%27s remedy: %s", "", strings.ReplaceAll(f.Remedy, "\n", " "))
		}
	}
	a.console.Note("%d ok, %s, %d failed", counts[checkOK], count(counts[checkWarning], "warning"), counts[checkFailed])
	return nil
}

func (d *doctor) program() {
	b := thisBuild(false)
	d.add("version", checkOK, b.String(), "")
	d.add("build", checkOK, b.Go+" "+b.Platform, "")
}

// workspace reports whether there is one. Doctor is also of use outside of all.
func (d *doctor) workspace() bool {
	ws, err := d.app.workspace("")
	if err == nil {
		d.ws = ws
		d.add("workspace", checkOK, ws.Root, "")
		return true
	}
	status := checkWarning
	if d.app.flags.workspace != "" {
		status = checkFailed // this one was asked for
	}
	d.because("workspace", status, err, "")
	return false
}
