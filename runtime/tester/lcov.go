package tester

import (
	"bufio"
	"fmt"
	"io"
)

// WriteLCOV writes the coverage of lines in the form of LCOV's tracefiles. path
// says how the file calls a script.
func WriteLCOV(w io.Writer, files []FileCoverage, path func(file string) string) error {
	out := bufio.NewWriter(w)
	for _, f := range files {
		fmt.Fprintf(out, "TN:\nSF:%s\n", path(f.File))
		for _, l := range f.Lines {
			fmt.Fprintf(out, "DA:%d,%d\n", l.Line, l.Count)
		}
		fmt.Fprintf(out, "LF:%d\nLH:%d\nend_of_record\n", len(f.Lines), f.LinesCovered())
	}
	return out.Flush()
}
