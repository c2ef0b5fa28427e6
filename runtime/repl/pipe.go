package repl

import (
	"bufio"
	"io"
	"strings"
)

// pipe reads lines that no person types.
type pipe struct{ in *bufio.Reader }

// NewPipe reads the lines of in.
func NewPipe(in io.Reader) Lines { return &pipe{bufio.NewReader(in)} }

func (p *pipe) Line(bool) (string, error) {
	line, err := p.in.ReadString('\n')
	if err != nil && line == "" {
		return "", err
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

func (p *pipe) Remember(string) {}
