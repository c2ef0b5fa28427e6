// Package console is how the program talks: results on standard output, all
// else on standard error, in the form that was asked for.
package console

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/mattn/go-runewidth"
	"go.yaml.in/yaml/v3"
	"golang.org/x/term"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Format of results.
type Format string

const (
	Table Format = "table"
	Text  Format = "text"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

// ParseFormat reads the name of a format; "" is the standard of the command.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case "", Table, Text, JSON, YAML:
		return f, nil
	}
	return "", fault.New(fault.Usage, "--out must be table, json, yaml or text, not %q", s)
}

// Console is the place where results, progress and questions go. Its methods
// are safe for concurrent use once it is set up.
type Console struct {
	Out     io.Writer
	Err     io.Writer
	In      io.Reader
	Format  Format // "": the standard of the command
	Quiet   bool   // errors only
	Verbose bool
	Color   bool
	Live    bool // standard error is a terminal that can be redrawn

	asking sync.Mutex // held by who asks a person
	mu     sync.Mutex
	view   *liveView // drawn below the lines
	quiet  bool      // somebody asks: what others have to say waits
	later  []later
}

// later is a line that waits.
type later struct {
	to   io.Writer
	line string
}

// New returns the console of this process. NO_COLOR and TERM=dumb are heeded.
func New() *Console {
	tty := term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb"
	return &Console{
		Out: shownOn(os.Stdout), Err: shownOn(os.Stderr), In: os.Stdin,
		Live: tty, Color: tty && os.Getenv("NO_COLOR") == "",
	}
}

func shownOn(f *os.File) io.Writer {
	if term.IsTerminal(int(f.Fd())) {
		return &screen{f}
	}
	return f
}

// Structured reports whether results are for programs.
func (c *Console) Structured() bool { return c.Format == JSON || c.Format == YAML }

// Print writes a line of a result. It is dropped where results are structured.
func (c *Console) Print(format string, args ...any) {
	if !c.Structured() {
		c.write(c.Out, fmt.Sprintf(format, args...))
	}
}

// Note writes a line for people to standard error.
func (c *Console) Note(format string, args ...any) {
	if !c.Quiet {
		c.write(c.Err, fmt.Sprintf(format, args...))
	}
}

// write writes a line above the live view.
func (c *Console) write(w io.Writer, line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.quiet {
		c.later = append(c.later, later{w, line})
		return
	}
	c.view.erase(c.Err)
	fmt.Fprintln(w, strings.TrimRight(line, "\n"))
	c.view.draw(c.Err)
}

// Result writes a result for programs: v as JSON or YAML.
func (c *Console) Result(v any) error {
	if c.Format == YAML {
		return c.yaml(v)
	}
	enc := json.NewEncoder(c.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// yaml goes by way of JSON, so that both have the same names and forms.
func (c *Console) yaml(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(data, &node); err != nil {
		return err
	}
	plainStyle(&node)
	enc := yaml.NewEncoder(c.Out)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return err
	}
	return enc.Close()
}

func plainStyle(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plainStyle(c)
	}
}

// Table writes rows in aligned columns; titles first, unless there are none.
func (c *Console) Table(titles []string, rows [][]string) {
	all := rows
	if len(titles) > 0 {
		all = append([][]string{titles}, rows...)
	}
	widths := make([]int, 0, len(titles))
	for _, row := range all {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], runewidth.StringWidth(cell))
		}
	}
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-runewidth.StringWidth(cell)+2))
		}
		fmt.Fprintln(c.Out, strings.TrimRight(line.String(), " "))
	}
}

// Colours of the terminal, ECMA-48 SGR.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
	faint  = "2"
)

// Good and Bad mark words that say how something ended.
func (c *Console) Good(word string) string { return c.paint(green, word) }

// Bad see Good.
func (c *Console) Bad(word string) string { return c.paint(red, word) }

func (c *Console) paint(code, text string) string {
	if !c.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
