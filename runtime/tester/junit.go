package tester

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// The form of JUnit, as its readers agree on it: a testsuite for each file, a
// testcase for each test, a failure for an assertion that does not hold, an error
// for anything else.
type junitSuites struct {
	XMLName  xml.Name      `xml:"testsuites"`
	Tests    int           `xml:"tests,attr"`
	Failures int           `xml:"failures,attr"`
	Errors   int           `xml:"errors,attr"`
	Skipped  int           `xml:"skipped,attr"`
	Time     string        `xml:"time,attr"`
	Suites   []*junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`

	seconds float64
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr,omitempty"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Skipped *struct{}     `xml:"skipped"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes results as XML in the form of JUnit.
func WriteJUnit(w io.Writer, results []Result) error {
	all := &junitSuites{}
	byFile := map[string]*junitSuite{}
	total := 0.0
	for _, r := range results {
		suite := byFile[r.File]
		if suite == nil {
			suite = &junitSuite{Name: r.File}
			byFile[r.File] = suite
			all.Suites = append(all.Suites, suite)
		}
		suite.add(r)
		total += r.Took.Seconds()
	}
	for _, s := range all.Suites {
		s.Time = seconds(s.seconds)
		all.Tests, all.Failures, all.Errors, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors, all.Skipped+s.Skipped
	}
	all.Time = seconds(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(r Result) {
	c := junitCase{Name: r.Name, Class: strings.TrimSuffix(r.File, ".star"), File: r.File, Line: r.Line, Time: seconds(r.Took.Seconds())}
	if c.Name == "" {
		c.Name = r.File
	}
	s.Tests++
	s.seconds += r.Took.Seconds()
	switch {
	case r.Status == Skipped:
		s.Skipped++
		c.Skipped = &struct{}{}
	case fault.Is(r.Err, fault.Assertion):
		s.Failures++
		c.Failure = problem(r.Err)
	case r.Err != nil:
		s.Errors++
		c.Error = problem(r.Err)
	}
	var out strings.Builder
	for _, l := range r.Output {
		fmt.Fprintf(&out, "%s: %s\n", l.Level, l.Text)
	}
	c.Output = out.String()
	s.Cases = append(s.Cases, c)
}

func problem(err error) *junitProblem {
	return &junitProblem{Message: err.Error(), Type: string(fault.KindOf(err)), Text: fault.Render(err)}
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }
