package schema

import (
	"strings"
	"unicode/utf8"

	"github.com/provisioning-systems/provisioning/runtime/document"
)

// Lines of files are shown with the problems in them, unless a secret may be on
// them: at a key of one, or behind one that goes on over several lines. What nobody
// knows, such as a field that is misspelt, may be a secret.

type line struct {
	file string
	n    int
}

// lines is what is known of the lines of the files.
type lines struct {
	at      map[string]document.Position
	secrets map[line]int  // column of the first secret
	behind  map[line]bool // something that may be secret ends there
}

func (c *checking) lines() *lines {
	l := &lines{at: c.at, secrets: map[line]int{}, behind: map[line]bool{}}
	first := map[line]document.Position{}
	for path, pos := range c.at {
		on := line{pos.File, pos.Line}
		if known, ok := first[on]; !ok || pos.Col < known.Col {
			first[on] = pos
		}
		if known, ok := l.secrets[on]; c.isHidden(path) && (!ok || pos.Col < known) {
			l.secrets[on] = pos.Col
		}
	}
	for _, pos := range c.at { // several may begin at the same place
		on := line{pos.File, pos.Line}
		if pos.Col == first[on].Col && pos.Before && c.isHidden(pos.After) {
			l.behind[on] = true
		}
	}
	return l
}

// isHidden says that a path is, or is within, something that may be secret.
func (c *checking) isHidden(path string) bool {
	for path != "" {
		if c.hidden[path] {
			return true
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return c.hidden[""]
}

// place gives a problem the position of its path, or of what that is in.
func (l *lines) place(p *Problem) {
	path := p.Path
	pos, ok := l.at[path]
	for !ok && path != "" {
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
		pos, ok = l.at[path]
	}
	if !ok {
		return
	}
	p.At = pos.Frame
	p.Position = pos.Frame.String()
	on := line{pos.File, pos.Line}
	secret, has := l.secrets[on]
	switch {
	case l.behind[on], has && secret < pos.Col:
		p.At.Text = ""
	case has && p.name != "" && secret == pos.Col:
		p.At.Text = keyOf(pos, p.name)
	case has:
		p.At.Text = ""
	}
}

// keyOf is the line up to the end of the key.
func keyOf(pos document.Position, name string) string {
	length := utf8.RuneCountInString(name)
	runes := []rune(pos.Text)
	start := min(pos.Col-1, len(runes))
	if start < len(runes) && strings.ContainsRune(`"'`, runes[start]) {
		length += 2
	}
	return string(runes[:min(start+length, len(runes))]) + " …"
}
