// Package cmdline is what all effects that run commands have in common: how a
// script writes a command down, and how what it prints is kept and shown.
package cmdline

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Argv reads the argument "command": a list, or a string for the shell.
func Argv(command starlark.Value, shell bool) ([]string, error) {
	text, isText := wordOf(command)
	if _, isInt := command.(starlark.Int); isInt {
		isText = false
	}
	switch {
	case shell && !isText:
		return nil, fault.New(fault.Invalid, "with shell = True the command must be a string, not a %s", command.Type()).
			WithHint("drop shell = True: a list needs no shell")
	case shell && strings.TrimSpace(text) == "":
		return nil, fault.New(fault.Invalid, "the command is empty")
	case shell:
		return []string{"/bin/sh", "-c", text}, noZeroByte(text)
	case isText:
		return nil, fault.New(fault.Invalid, "the command must be a list, not a string").
			WithHint("write %s, or pass shell = True to have /bin/sh read the string", listForm(text))
	}
	seq, ok := command.(starlark.Iterable)
	if _, isDict := command.(*starlark.Dict); !ok || isDict {
		return nil, fault.New(fault.Invalid, "the command must be a list, not a %s", command.Type())
	}
	return wordsOf(seq)
}

func wordsOf(seq starlark.Iterable) ([]string, error) {
	var argv []string
	iter := seq.Iterate()
	defer iter.Done()
	var x starlark.Value
	for i := 0; iter.Next(&x); i++ {
		word, ok := wordOf(x)
		if !ok {
			return nil, fault.New(fault.Invalid, "the command at index %d must be a string, not a %s", i, x.Type())
		}
		if err := noZeroByte(word); err != nil {
			return nil, err
		}
		argv = append(argv, word)
	}
	if len(argv) == 0 || argv[0] == "" {
		return nil, fault.New(fault.Invalid, "the command is empty")
	}
	return argv, nil
}

// wordOf takes a number too: ["sleep", 5] can mean only one thing.
func wordOf(v starlark.Value) (string, bool) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), true
	case *value.Secret:
		return v.String(), true
	case starlark.Int:
		return v.String(), true
	}
	return "", false
}

func noZeroByte(s string) error {
	if strings.ContainsRune(s, 0) {
		return fault.New(fault.Invalid, "the command has a zero byte in it")
	}
	return nil
}

// listForm shows a command line as the list that its author probably meant.
func listForm(text string) string {
	if value.HasMarker(text) || strings.ContainsAny(text, "'\"\\|&;<>$*()\n") || len(text) > 80 {
		return `["program", "argument", …]`
	}
	words := []starlark.Value{}
	for word := range strings.FieldsSeq(text) {
		words = append(words, starlark.String(word))
	}
	return starlark.NewList(words).String()
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// Describe shows a command in one line, quoted as for a shell.
func Describe(command starlark.Value, shell bool) string {
	argv, err := Argv(command, shell)
	if err != nil {
		return ""
	}
	if shell {
		return Clip(strings.Join(strings.Fields(argv[2]), " "), 120)
	}
	for i, word := range argv {
		if !plainWord.MatchString(word) && !value.HasMarker(word) {
			argv[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return Clip(strings.Join(strings.Fields(strings.Join(argv, " ")), " "), 120)
}

// Clip cuts text after n characters, but not within the marker of a secret,
// which would make it unknown to the redaction.
func Clip(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	cut := string([]rune(text)[:n])
	if i := strings.LastIndex(cut, value.MarkOpen); i > strings.LastIndex(cut, value.MarkClose) {
		cut = cut[:i]
	}
	return cut + "…"
}
