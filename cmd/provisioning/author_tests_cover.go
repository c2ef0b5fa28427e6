package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/tester"
)

// coverage is what the tests have executed of the scripts of the workspace.
func (a *app) coverage(f *testFlags, suite *tester.Suite) ([]tester.FileCoverage, error) {
	if suite.Cover == nil {
		return nil, nil
	}
	files, err := suite.Cover.Report(suite.Workspace.Root, lintOptions(true))
	if err == nil && f.coverOut != "" {
		err = writeCoverage(f.coverOut, suite.Workspace, files)
	}
	return files, err
}

// writeCoverage writes it for programs that know the form of LCOV. Files are named
// from the working directory, where it is above them.
func writeCoverage(name string, ws workspace.Workspace, files []tester.FileCoverage) error {
	here, err := filepath.Abs(".")
	if err == nil {
		here, err = filepath.EvalSymlinks(here)
	}
	if err != nil {
		return err
	}
	path := func(file string) string {
		abs := filepath.Join(ws.Root, filepath.FromSlash(file))
		if rel, err := filepath.Rel(here, abs); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
		return abs
	}
	return writeTo(name, func(w *os.File) error { return tester.WriteLCOV(w, files, path) })
}

// printCoverage prints a line for each file, and what no test has performed.
func (a *app) printCoverage(files []tester.FileCoverage) {
	if a.console.Structured() {
		return
	}
	var rows [][]string
	var lines, hit, sites, performed int
	for _, f := range files {
		l, e := f.LinesCovered(), f.EffectsCovered()
		rows = append(rows, []string{f.File, share(l, len(f.Lines)), share(e, len(f.Effects)), missingLines(f)})
		lines, hit, sites, performed = lines+len(f.Lines), hit+l, sites+len(f.Effects), performed+e
	}
	rows = append(rows, []string{"all", share(hit, lines), share(performed, sites), ""})
	a.console.Print("")
	a.console.Table([]string{"file", "lines", "effects", "lines not executed"}, rows)
	if performed == sites {
		return
	}
	a.console.Print("effects that no test performs:")
	for _, f := range files {
		for _, e := range f.Effects {
			if e.Count == 0 {
				a.console.Print("  %s:%d:%d  %s", e.File, e.Line, e.Col, e.Kind)
			}
		}
	}
}

func share(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d%% (%d/%d)", 100*n/of, n, of)
}

const shownRanges = 8

// missingLines are the lines of a file that were not executed, as ranges: 3-5, 9.
// Lines without a statement do not end a range.
func missingLines(f tester.FileCoverage) string {
	var ranges []string
	for i := 0; i < len(f.Lines); i++ {
		if f.Lines[i].Count > 0 {
			continue
		}
		first := i
		for i+1 < len(f.Lines) && f.Lines[i+1].Count == 0 {
			i++
		}
		text := fmt.Sprint(f.Lines[first].Line)
		if i > first {
			text += fmt.Sprintf("-%d", f.Lines[i].Line)
		}
		ranges = append(ranges, text)
	}
	if n := len(ranges) - shownRanges; n > 0 {
		ranges = append(ranges[:shownRanges], fmt.Sprintf("… and %d more", n))
	}
	return strings.Join(ranges, ", ")
}
