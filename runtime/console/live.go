package console

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/event"
)

// liveView is the tree of what is going on, drawn below the printed lines. The
// lock of its console guards it. All methods do nothing on a nil view.
type liveView struct {
	c        *Console
	began    time.Time
	branches map[string]*liveBranch // by path; only those that are running
	done     int
	failed   int
	frame    int
	drawn    int // lines on the screen
	asking   bool
	render   func(now time.Time) []string // in place of the tree; nil: the tree
}

type liveBranch struct {
	label    string
	began    time.Time
	effect   string // what is under way
	since    time.Time
	progress string
	done     int
}

const maxRows = 12 // further branches are counted, not shown

var spinner = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

func newLiveView(c *Console) *liveView {
	now := time.Now()
	return &liveView{c: c, began: now, branches: map[string]*liveBranch{"0": {began: now}}}
}

func (v *liveView) note(e event.Event) {
	path, _, _ := strings.Cut(e.Place, "#")
	b := v.branches[path]
	switch e.Type {
	case event.BranchStarted:
		v.branches[path] = &liveBranch{label: e.Text, began: e.Time}
		return
	case event.BranchEnded:
		delete(v.branches, path)
		return
	}
	if b == nil {
		return
	}
	switch e.Type {
	case event.EffectStarted, event.UndoStarted:
		b.effect, b.since = e.Kind+" "+e.Text, e.Time
	case event.EffectEnded, event.UndoEnded:
		b.effect = ""
		b.done++
		v.done++
		if e.Status == "failed" {
			v.failed++
		}
	case event.Progressed:
		b.progress = progressText(e)
	}
}

// erase removes the view from the screen.
func (v *liveView) erase(w io.Writer) {
	if v == nil || v.drawn == 0 {
		return
	}
	fmt.Fprintf(bare(w), "\x1b[%dA\x1b[J", v.drawn)
	v.drawn = 0
}

// draw puts the view on the screen.
func (v *liveView) draw(w io.Writer) {
	if v == nil || v.asking {
		return
	}
	v.frame++
	width, _, err := term.GetSize(int(os.Stderr.Fd()))
	if err != nil || width < 20 {
		width = 80
	}
	render := v.render
	if render == nil {
		render = v.lines
	}
	lines := render(time.Now())
	var out strings.Builder
	for _, line := range lines {
		line = strings.ReplaceAll(shown(line), "\n", " ") // or there are more lines than are erased
		out.WriteString(runewidth.Truncate(line, width-1, "…"))
		out.WriteByte('\n')
	}
	io.WriteString(bare(w), out.String()) //nolint:errcheck // a terminal that is gone
	v.drawn = len(lines)
}

func (v *liveView) lines(now time.Time) []string {
	paths := make([]string, 0, len(v.branches))
	for path := range v.branches {
		paths = append(paths, path)
	}
	slices.SortFunc(paths, comparePaths)
	var lines []string
	for i, path := range paths {
		if i == maxRows {
			lines = append(lines, fmt.Sprintf("  … and %d more branches", len(paths)-maxRows))
			break
		}
		lines = append(lines, v.row(path, v.branches[path], now))
	}
	total := fmt.Sprintf("%s %d effects", spinner[v.frame%len(spinner)], v.done)
	if v.failed > 0 {
		total += fmt.Sprintf(", %d failed", v.failed)
	}
	if len(paths) > 1 {
		total += fmt.Sprintf(", %d branches running", len(paths)-1)
	}
	return append(lines, total+", "+duration.Short(now.Sub(v.began)))
}

func (v *liveView) row(path string, b *liveBranch, now time.Time) string {
	var row strings.Builder
	row.WriteString(strings.Repeat("  ", 1+strings.Count(path, ".")))
	row.WriteString(path)
	if b.label != "" {
		row.WriteString(" " + b.label)
	}
	if b.progress != "" {
		row.WriteString(" [" + b.progress + "]")
	}
	if b.effect != "" {
		row.WriteString("  " + b.effect + " " + duration.Short(now.Sub(b.since)))
	}
	return row.String()
}

// comparePaths orders 0.2 before 0.10.
func comparePaths(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		i, _ := strconv.Atoi(x)
		j, _ := strconv.Atoi(y)
		return i - j
	})
}
