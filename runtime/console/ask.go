package console

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Interactive reports whether there is a person to ask. A pipe, continuous
// integration and PROVISIONING_NONINTERACTIVE say no.
func Interactive() bool {
	return os.Getenv("PROVISIONING_NONINTERACTIVE") == "" && os.Getenv("CI") == "" &&
		term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd()))
}

// Person asks the person at the terminal.
type Person struct {
	C *Console
	// Prompt reads a line where something else has the terminal: an editor of
	// lines. nil: the console's input is read.
	Prompt func(prompt string) (string, error)

	in *bufio.Reader
}

// Ask shows a question and reads the answer. An empty line gives none.
func (p *Person) Ask(ctx context.Context, q journal.Question) (answer, reason string, ok bool) {
	p.C.suspend(true)
	defer p.C.suspend(false)
	if p.in == nil {
		p.in = bufio.NewReader(p.C.In)
	}
	for {
		fmt.Fprintf(p.C.Err, "%s\n", q.Text)
		line, err := p.line(ctx, fmt.Sprintf("[%s] (empty: answer later) > ", strings.Join(q.Choices, "/")))
		answer, reason, _ = strings.Cut(strings.TrimSpace(line), " ")
		if err != nil || answer == "" {
			return "", "", false
		}
		if slices.Contains(q.Choices, answer) {
			return answer, strings.TrimSpace(reason), true
		}
		fmt.Fprintf(p.C.Err, "the answer must be one of %s; a reason may follow it\n", strings.Join(q.Choices, ", "))
	}
}

// line reads a line, or gives up when ctx ends: the read then stays behind, and
// so does its goroutine, until the process ends.
func (p *Person) line(ctx context.Context, prompt string) (string, error) {
	if p.Prompt != nil {
		return p.Prompt(prompt)
	}
	fmt.Fprint(p.C.Err, prompt)
	type read struct {
		line string
		err  error
	}
	lines := make(chan read, 1)
	go func() {
		line, err := p.in.ReadString('\n')
		lines <- read{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case r := <-lines:
		return r.line, r.err
	}
}

// Asking has the terminal to itself while ask talks to a person: the live view is
// hidden, others who want to ask wait, and the lines of others are written
// afterwards. ask writes to c.Err.
func (c *Console) Asking(ask func()) {
	c.suspend(true)
	defer c.suspend(false)
	ask()
}

func (c *Console) suspend(asking bool) {
	if asking {
		c.asking.Lock()
	} else {
		defer c.asking.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.view != nil {
		c.view.erase(c.Err)
		c.view.asking = asking
	}
	c.quiet = asking
	if !asking {
		for _, l := range c.later {
			fmt.Fprintln(l.to, strings.TrimRight(l.line, "\n"))
		}
		c.later = nil
	}
}
