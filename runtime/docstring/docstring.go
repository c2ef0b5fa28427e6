// Package docstring reads Google-style docstrings, those of builtins and those
// of a user's main alike. What it finds feeds help(), command-line flags,
// completion and the reference documentation.
package docstring

import "strings"

// Doc is a docstring taken apart.
type Doc struct {
	Summary  string     // the first paragraph
	Body     string     // what follows it, without the sections
	Args     []Argument // section Args:
	Returns  string     // section Returns:
	Errors   string     // section Errors: (or Raises:)
	Examples string     // section Example: (or Examples:), without its indentation
	Notes    string     // section Note: (or Notes:)
}

// Argument is one entry of the section Args.
type Argument struct {
	Name string
	Type string // of "name (type): text"; "" where it is not given
	Text string
}

// Arg returns the text about the argument called name.
func (d Doc) Arg(name string) string {
	for _, a := range d.Args {
		if a.Name == name {
			return a.Text
		}
	}
	return ""
}

// Parse takes a docstring apart. Any text is a valid docstring.
func Parse(text string) Doc {
	var d Doc
	sections := split(Dedent(text))
	head := strings.TrimSpace(sections[""])
	d.Summary, d.Body, _ = strings.Cut(head, "\n\n")
	d.Summary = strings.Join(strings.Fields(d.Summary), " ")
	d.Body = strings.TrimSpace(d.Body)
	d.Args = parseArgs(sections["args"])
	d.Returns = flow(sections["returns"])
	d.Errors = flow(sections["errors"])
	d.Examples = strings.Trim(Dedent(sections["example"]), "\n")
	d.Notes = flow(sections["note"])
	return d
}

var sectionNames = map[string]string{
	"Args:": "args", "Arguments:": "args", "Parameters:": "args",
	"Returns:": "returns", "Return:": "returns",
	"Errors:": "errors", "Raises:": "errors",
	"Example:": "example", "Examples:": "example",
	"Note:": "note", "Notes:": "note",
}

// split returns the text of each section, and under "" what stands before them.
func split(text string) map[string]string {
	sections := map[string]string{}
	current := ""
	for line := range strings.SplitSeq(text, "\n") {
		if name, ok := sectionNames[strings.TrimRight(line, " \t")]; ok {
			current = name
			continue
		}
		if current != "" && line != "" && line[0] != ' ' && line[0] != '\t' {
			current = "" // unindented text ends a section
		}
		sections[current] += line + "\n"
	}
	return sections
}

// parseArgs reads "name: text" entries; deeper lines continue the one above.
func parseArgs(text string) []Argument {
	var args []Argument
	for line := range strings.SplitSeq(Dedent(text), "\n") {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" {
			continue
		}
		name, rest, ok := strings.Cut(trimmed, ":")
		name, typ, _ := strings.Cut(name, " (") // "name (type): text"
		if ok && line[0] != ' ' && line[0] != '\t' && isName(name) {
			args = append(args, Argument{strings.TrimLeft(name, "*"), strings.TrimSuffix(typ, ")"), strings.TrimSpace(rest)})
		} else if len(args) > 0 {
			last := &args[len(args)-1]
			last.Text = strings.TrimSpace(last.Text + " " + trimmed)
		}
	}
	return args
}

func isName(s string) bool {
	s = strings.TrimLeft(s, "*")
	for i, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

func flow(text string) string { return strings.TrimSpace(Dedent(text)) }

// Dedent removes the indentation that all lines but the first have in common.
func Dedent(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\t", "    "), "\n")
	common := -1
	for i, line := range lines {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if (i == 0 && indent == 0) || indent == len(line) {
			continue
		}
		if common < 0 || indent < common {
			common = indent
		}
	}
	for i, line := range lines {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		lines[i] = strings.TrimRight(line[min(indent, max(common, 0)):], " ")
	}
	return strings.Join(lines, "\n")
}
