package inspect

import (
	"bytes"
	"errors"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// lookAtShell parses the shell scripts, and asks shellcheck about them when it is there.
func (i *inspection) lookAtShell() {
	names := i.names(".sh")
	for _, name := range names {
		text := i.texts[name]
		if at, col, message := shellMistake(string(text), dialect(text)); message != "" {
			i.wrong(scripts, i.problem(name, at, col, message, ""))
			continue
		}
		if i.tools.ShellCheck == nil {
			continue
		}
		found, err := i.tools.ShellCheck(text)
		if err != nil {
			i.warn(scripts, i.problem(name, 1, 0, "shellcheck failed: "+err.Error(), ""))
		}
		for _, p := range found {
			i.warn(scripts, i.problem(name, p.Line, p.Col, p.Message, p.Hint))
		}
	}
	if len(names) > 0 && i.tools.ShellCheck == nil {
		i.warn(scripts, i.problem(names[0], 1, 0, "only the syntax of shell scripts was looked at: shellcheck is not installed", ""))
	}
}

// dialect is the shell that a script says it is for.
func dialect(text []byte) syntax.LangVariant {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	if bytes.HasPrefix(first, []byte("#!")) && bytes.Contains(first, []byte("bash")) {
		return syntax.LangBash
	}
	return syntax.LangPOSIX
}

// shellMistake is where a shell script cannot be read; no message when it can.
func shellMistake(text string, lang syntax.LangVariant) (line, col int, message string) {
	_, err := syntax.NewParser(syntax.Variant(lang)).Parse(strings.NewReader(text), "")
	var bad syntax.ParseError
	var other syntax.LangError
	switch {
	case err == nil:
		return 0, 0, ""
	case errors.As(err, &bad):
		return int(bad.Pos.Line()), int(bad.Pos.Col()), bad.Text
	case errors.As(err, &other):
		return int(other.Pos.Line()), int(other.Pos.Col()), strings.TrimPrefix(other.Error(), other.Pos.String()+": ")
	}
	return 1, 0, err.Error()
}
