package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/tester"
)

// testRecord is what programs see of a test.
type testRecord struct {
	File    string              `json:"file"`
	Name    string              `json:"name,omitempty"` // missing: the file could not be read
	Line    int                 `json:"line,omitempty"`
	Status  tester.Status       `json:"status,omitempty"`
	Seconds float64             `json:"seconds,omitempty"`
	Effects int                 `json:"effects,omitempty"`
	Error   map[string]any      `json:"error,omitempty"`
	Output  []outputRecord      `json:"output,omitempty"`
	Unused  []string            `json:"unused_cassette_entries,omitempty"`
	Kept    string              `json:"kept,omitempty"`
	Crash   *tester.CrashReport `json:"crash,omitempty"`
	Undo    *undoRecord         `json:"undo,omitempty"`
}

type outputRecord struct {
	Level string `json:"level"`
	Text  string `json:"text"`
}

// testReport is what programs see of all of them.
type testReport struct {
	Summary  map[tester.Status]int `json:"summary"`
	Tests    []testRecord          `json:"tests"`
	Coverage []tester.FileCoverage `json:"coverage,omitempty"`
}

func recordOfTest(r tester.Result) testRecord {
	rec := testRecord{Crash: r.Crash, Undo: recordOfUndo(r.Undo), File: r.File, Name: r.Name, Line: r.Line, Status: r.Status, Seconds: r.Took.Seconds(), Effects: r.Effects, Unused: r.Unused, Kept: r.Kept}
	if r.Status == tester.Failed {
		rec.Error = errorRecord(r.Err)
	}
	for _, l := range r.Output {
		rec.Output = append(rec.Output, outputRecord(l))
	}
	return rec
}

// reportTests says how the tests have ended, in all forms that were asked for.
func (a *app) reportTests(f *testFlags, suite *tester.Suite, results []tester.Result) error {
	if f.junit != "" {
		if err := writeTo(f.junit, func(w *os.File) error { return tester.WriteJUnit(w, results) }); err != nil {
			return err
		}
	}
	files, err := a.coverage(f, suite)
	if err != nil {
		return err
	}
	report := testReport{Coverage: files, Summary: map[tester.Status]int{}, Tests: []testRecord{}}
	for _, r := range results {
		report.Summary[r.Status]++
		report.Tests = append(report.Tests, recordOfTest(r))
	}
	if a.console.Structured() {
		if err := a.console.Result(report); err != nil {
			return err
		}
	}
	if f.cover {
		a.printCoverage(files)
	}
	failed := report.Summary[tester.Failed]
	a.printTormentSummary(f, results)
	a.console.Print("%s", testSummary(report.Summary, len(results)))
	if failed > 0 {
		return exitCode(1)
	}
	return nil
}

func testSummary(by map[tester.Status]int, all int) string {
	parts := []string{}
	for _, status := range []tester.Status{tester.Passed, tester.Failed, tester.Skipped} {
		if n := by[status]; n > 0 {
			word := string(status)
			if status == tester.Skipped {
				word = "not run"
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, word))
		}
	}
	return count(all, "test") + ": " + strings.Join(parts, ", ")
}

// writable tells of files for results, by their flags, that could not be written
// when the tests have run. What it makes it takes away.
func writable(files map[string]string) error {
	for _, flag := range sortedKeys(files) {
		name := files[flag]
		switch name {
		case "":
			continue
		case "-":
			return fault.New(fault.Usage, "%s needs a file: the results for people are on standard output", flag).
				WithHint("%s /dev/stdout writes there all the same", flag)
		}
		_, missing := os.Lstat(name)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return fault.Wrap(fault.Failed, err, "%s: cannot write %q", flag, name)
		}
		_ = f.Close() // nothing was written
		if missing != nil {
			_ = os.Remove(name) // the tests may be interrupted
		}
	}
	return nil
}

func writeTo(name string, write func(*os.File) error) error {
	w, err := os.Create(name)
	if err == nil {
		err = write(w)
		if cerr := w.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "cannot write %q", name)
	}
	return nil
}
