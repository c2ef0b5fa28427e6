package repl

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/peterh/liner"
)

const (
	prompt     = ">>> "
	morePrompt = "... "
)

// Terminal is a person at a terminal. Close gives the terminal back.
type Terminal struct {
	editor  *liner.State
	history *History
}

var _ Lines = (*Terminal)(nil)

// NewTerminal takes the terminal, with the history in a file.
func NewTerminal(historyFile string) *Terminal {
	t := &Terminal{editor: liner.NewLiner()}
	t.editor.SetCtrlCAborts(true)
	t.editor.SetTabCompletionStyle(liner.TabPrints)
	t.editor.SetBeep(false)
	var items []string
	t.history, items = OpenHistory(historyFile)
	for _, item := range items {
		t.editor.AppendHistory(oneLine(item))
	}
	return t
}

// Complete makes Tab call complete with the text before the cursor.
func (t *Terminal) Complete(complete func(before string) (start int, candidates []string)) {
	t.editor.SetWordCompleter(func(line string, pos int) (string, []string, string) {
		runes := []rune(line)
		before, after := string(runes[:pos]), string(runes[pos:])
		if strings.TrimSpace(before) == "" {
			return before, []string{"    "}, after // the indentation of a block
		}
		start, candidates := complete(before)
		return before[:start], candidates, after
	})
}

// Line reads a line.
func (t *Terminal) Line(more bool) (string, error) {
	if more {
		return t.Prompt(morePrompt)
	}
	return t.Prompt(prompt)
}

// Prompt reads a line with a prompt of its own.
func (t *Terminal) Prompt(text string) (string, error) {
	line, err := t.editor.Prompt(text)
	switch {
	case errors.Is(err, liner.ErrPromptAborted):
		return "", ErrInterrupted
	case errors.Is(err, io.EOF):
		fmt.Println() // the cursor is behind the prompt
	}
	return line, err
}

// Remember keeps an item in the history.
func (t *Terminal) Remember(item string) {
	item = strings.TrimRight(item, "\n")
	t.editor.AppendHistory(oneLine(item))
	t.history.Add(item)
}

func oneLine(item string) string { return strings.ReplaceAll(item, "\n", newlineMark) }

// Close gives the terminal back.
func (t *Terminal) Close() error { return t.editor.Close() }
