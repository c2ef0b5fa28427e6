package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/reference"
)

// generatedMark begins every page that is written here, so that one which is not
// written any more can be told from one that a person wrote.
const generatedMark = "<!-- Written by \"provisioning docs --markdown\": change the declarations, not this page. -->\n\n"

// referencePages are the pages of docs/reference by name. They depend on the
// declarations only, so that they change with them and at no other time.
func referencePages(root *cobra.Command, libs []reference.Library) map[string]string {
	pages := map[string]string{
		"options.md":   reference.Options(),
		"commands.md":  commandsPage(root),
		"taskservs.md": taskservsPage(),
	}
	index := reference.Index(builtins.All) +
		"\n# Standard library\n\nWhat scripts load.\n\n| Module | |\n| --- | --- |\n"
	for _, l := range libs {
		pages[l.File()] = l.Markdown()
		index += fmt.Sprintf("| [%s](%s) | %s |\n", l.Path, l.File(), l.Doc.Summary)
	}
	pages["index.md"] = index + "\n# Taskservs\n\nSee [the catalogue](taskservs.md).\n\n# Command line\n\nSee [commands](commands.md).\n"
	for _, m := range builtins.All {
		pages[reference.File(m)] = reference.Markdown(m)
	}
	return pages
}

// writeReference makes the pages of dir those given, and leaves alone what has
// another origin.
func (a *app) writeReference(dir string, pages map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot make %q", dir)
	}
	written := []string{}
	for _, name := range sortedKeys(pages) {
		path := filepath.Join(dir, name)
		page := []byte(generatedMark + pages[name])
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, page) {
			continue
		}
		if err := os.WriteFile(path, page, 0o644); err != nil {
			return fault.Wrap(fault.Failed, err, "cannot write %q", path)
		}
		written = append(written, path)
	}
	removed, err := removeStale(dir, pages)
	if err != nil {
		return err
	}
	if a.console.Structured() {
		return a.console.Result(map[string]any{"pages": len(pages), "written": written, "removed": removed})
	}
	a.console.Note("%s in %s: %d written, %d removed", count(len(pages), "page"), dir, len(written), len(removed))
	return nil
}

func removeStale(dir string, pages map[string]string) ([]string, error) {
	removed := []string{}
	found, err := filepath.Glob(filepath.Join(globEscape(dir), "*.md"))
	if err != nil {
		return nil, err
	}
	for _, path := range found {
		if _, current := pages[filepath.Base(path)]; current {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fileFault(err, path)
		}
		if !bytes.HasPrefix(content, []byte(generatedMark)) {
			continue
		}
		if err := os.Remove(path); err != nil {
			return nil, fault.Wrap(fault.Failed, err, "cannot remove %q", path)
		}
		removed = append(removed, path)
	}
	return removed, nil
}

// commandsPage is the reference of the command line.
func commandsPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Commands\n\n")
	fmt.Fprintf(&b, "%s.\n\n| Command | |\n| --- | --- |\n", root.Short)
	eachCommand(root, func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", path, strings.ReplaceAll(path, " ", "-"), cmd.Short)
	})
	b.WriteString("\n## Flags of all commands\n")
	flagTable(&b, root.PersistentFlags())
	b.WriteString("\n## Exit codes\n\n| Code | |\n| --- | --- |\n")
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "| %d | %s |\n", c.code, c.meaning)
	}
	eachCommand(root, func(cmd *cobra.Command) { commandSection(&b, cmd) })
	return b.String()
}

// eachCommand calls do for every command below cmd that people see, sorted.
func eachCommand(cmd *cobra.Command, do func(*cobra.Command)) {
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			do(c)
			eachCommand(c, do)
		}
	}
}

func commandSection(b *strings.Builder, cmd *cobra.Command) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	use := cmd.CommandPath() + strings.TrimPrefix(cmd.Use, cmd.Name())
	fmt.Fprintf(b, "\n## %s\n\n```\n%s\n```\n\n%s\n", cmd.CommandPath(), use, markdownText(text))
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(b, "\nAlso: `%s`\n", strings.Join(cmd.Aliases, "`, `"))
	}
	flagTable(b, cmd.LocalNonPersistentFlags())
	if cmd.Example != "" {
		fmt.Fprintf(b, "\n**Example**:\n\n```sh\n%s\n```\n", dedent(cmd.Example))
	}
}

// markdownText makes the indented lines of a help text a block of code.
func markdownText(text string) string {
	var b strings.Builder
	inCode := false
	for line := range strings.SplitSeq(text, "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != inCode && (indented || line != "") {
			inCode = indented
			if b.WriteString("```\n"); !indented {
				b.WriteByte('\n')
			}
		}
		b.WriteString(line + "\n")
	}
	if inCode {
		b.WriteString("```\n")
	}
	return strings.TrimRight(strings.ReplaceAll(b.String(), "\n\n```\n\n", "\n```\n\n"), "\n")
}

func dedent(text string) string {
	return strings.TrimPrefix(strings.ReplaceAll(text, "\n  ", "\n"), "  ")
}

func flagTable(b *strings.Builder, flags *pflag.FlagSet) {
	var rows []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		kind, usage := pflag.UnquoteUsage(f)
		standard := ""
		if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0" {
			standard = "`" + d + "`"
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |\n", name, kind, standard, strings.ReplaceAll(usage, "|", "\\|")))
	})
	if len(rows) > 0 {
		fmt.Fprintf(b, "\n| Flag | Value | Default | |\n| --- | --- | --- | --- |\n%s", strings.Join(rows, ""))
	}
}
