package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/textdiff"
	"github.com/provisioning-systems/provisioning/runtime/lint"
)

// fmtFlags are the flags of fmt. Both leave the files as they are.
type fmtFlags struct {
	check bool
	diff  bool
}

// formatted is what programs see of a file.
type formatted struct {
	File   string         `json:"file"`
	Status string         `json:"status"` // unchanged, formatted, would_change, failed
	Diff   string         `json:"diff,omitempty"`
	Error  map[string]any `json:"error,omitempty"`
}

func (a *app) fmtCommand() *cobra.Command {
	var f fmtFlags
	cmd := &cobra.Command{
		Use:   "fmt [PATHS]",
		Short: "Lay scripts out in the one style",
		Long: `Lay scripts out in the one style. The meaning, the order and the comments stay.

PATHS are files, and directories with all *.star below them; hidden directories
are left out. With "-", or without PATHS in a pipe, standard input is formatted to
standard output.

A script with an error of syntax is shown and left as it is; the others are
formatted all the same, and the exit code is 1.`,
		Example: `  provisioning fmt deploy.star workflows
  provisioning fmt --check .              # exit code 1 when a file would change
  provisioning fmt --diff deploy.star
  provisioning fmt - < deploy.star`,
		RunE: func(_ *cobra.Command, args []string) error { return a.format(f, args) },
	}
	cmd.Flags().BoolVarP(&f.check, "check", "c", false, "list the files that would change, write nothing; exit code 1 when there are any")
	cmd.Flags().BoolVar(&f.diff, "diff", false, "show what would change, write nothing")
	cmd.ValidArgsFunction = completeScripts
	return cmd
}

func (a *app) format(f fmtFlags, args []string) error {
	if len(args) == 0 && piped(a.console.In) || len(args) == 1 && args[0] == "-" {
		return a.formatInput(f)
	}
	if len(args) == 0 {
		return fault.New(fault.Usage, "fmt needs files or directories").WithHint("usage: provisioning fmt [PATHS]; \".\" is the working directory")
	}
	files, err := scriptFiles(args)
	if err != nil {
		return err
	}
	results, failed := []formatted{}, false
	for _, file := range files {
		r, err := f.file(file.path)
		if err != nil {
			r = formatted{File: file.path, Status: "failed", Error: errorRecord(err)}
			if !a.console.Structured() {
				a.report(err)
			}
		}
		failed = failed || err != nil || f.check && r.Status == "would_change"
		a.showFormatted(r)
		results = append(results, r)
	}
	if a.console.Structured() {
		if err := a.console.Result(results); err != nil {
			return err
		}
	}
	if failed {
		return exitCode(1)
	}
	return nil
}

func (a *app) showFormatted(r formatted) {
	switch {
	case r.Status == "formatted":
		a.console.Note("formatted %s", r.File)
	case r.Status == "would_change" && r.Diff != "":
		a.console.Print("%s", r.Diff)
	case r.Status == "would_change":
		a.console.Print("%s", r.File)
	}
}

// file formats one file.
func (f fmtFlags) file(path string) (formatted, error) {
	r := formatted{File: path, Status: "unchanged"}
	src, err := os.ReadFile(path)
	if err != nil {
		return r, fileFault(err, path)
	}
	out, err := lint.Format(path, src)
	if err != nil || bytes.Equal(src, out) {
		return r, err
	}
	if f.check || f.diff {
		r.Status = "would_change"
		if f.diff {
			r.Diff = textdiff.Unified(path, string(src), string(out), textdiff.Options{})
		}
		return r, nil
	}
	r.Status = "formatted"
	return r, replaceFile(path, out)
}

// formatInput is for editors: nothing is printed when the input cannot be
// formatted, so that they keep what they have.
func (a *app) formatInput(f fmtFlags) error {
	src, err := io.ReadAll(a.console.In)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "cannot read standard input")
	}
	const name = "<stdin>"
	out, err := lint.Format(name, src)
	switch {
	case err != nil:
		return err
	case f.diff:
		a.console.Print("%s", textdiff.Unified(name, string(src), string(out), textdiff.Options{}))
	case f.check:
		if !bytes.Equal(src, out) {
			a.console.Print("%s", name)
		}
	default:
		_, err = a.console.Out.Write(out)
		return err
	}
	if f.check && !bytes.Equal(src, out) {
		return exitCode(1)
	}
	return nil
}

// piped reports whether input comes from a pipe or a file. A terminal and
// /dev/null do not count: with them, the paths were forgotten.
func piped(in io.Reader) bool {
	file, ok := in.(*os.File)
	if !ok {
		return true
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice == 0
}

// replaceFile writes a file in one step, so that a crash leaves the old text or
// the new one. Its mode stays, and a symbolic link goes on leading to it.
func replaceFile(path string, content []byte) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fileFault(err, path)
	}
	info, err := os.Stat(real)
	if err != nil {
		return fileFault(err, path)
	}
	tmp, err := os.CreateTemp(filepath.Dir(real), "."+filepath.Base(real)+"-*")
	if err != nil {
		return fault.New(fault.Failed, "cannot write %q: %v", path, cause(err))
	}
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Chmod(info.Mode().Perm()), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), real)
	}
	if err != nil {
		os.Remove(tmp.Name()) //nolint:errcheck // the first error is the one to report
		return fault.Wrap(fault.Failed, err, "cannot write %q", path)
	}
	return nil
}
