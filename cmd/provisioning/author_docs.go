package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/reference"
	"github.com/provisioning-systems/provisioning/stdlib"
)

func (a *app) docsCommand() *cobra.Command {
	var search, markdown string
	cmd := &cobra.Command{
		Use:   "docs [NAME]",
		Short: "Show the reference of what scripts can use",
		Long: `Show the reference of a module, a function, a constant, an option of effects, or of
a function of the standard library. Without NAME: what there is.`,
		Example: `  provisioning docs fs.read
  provisioning docs fs
  provisioning docs _retries
  provisioning docs lists.chunks
  provisioning docs --search checksum`,
	}
	cmd.Flags().StringVar(&search, "search", "", "list what mentions this word")
	cmd.Flags().StringVar(&markdown, "markdown", "", "write all of it as Markdown into this directory")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		asked := len(args)
		for _, flag := range []string{search, markdown} {
			if flag != "" {
				asked++
			}
		}
		if asked > 1 {
			return fault.New(fault.Usage, "docs takes one of NAME, --search and --markdown").WithHint("usage: %s", cmd.UseLine())
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		libs, err := reference.Libraries(stdlib.FS)
		switch {
		case err != nil:
			return err
		case markdown != "":
			return a.writeReference(markdown, referencePages(cmd.Root(), libs))
		case search != "":
			return a.searchDocs(search, libs)
		case len(args) == 0:
			return a.listDocs(overview(libs))
		}
		return a.showDocs(cmd.Root(), args[0], libs)
	}
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		libs, _ := reference.Libraries(stdlib.FS) // a tab shows no errors
		return docNames(libs), cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// topic is one thing that has documentation.
type topic struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"` // module, function, constant, option, library
	Summary string `json:"summary"`
	text    string
}

// topics are all that has documentation, in the order of the overview.
func topics(libs []reference.Library) []topic {
	var all []topic
	for _, m := range builtins.All {
		if m.Name != "" {
			all = append(all, topic{m.Name, "module", m.Doc.Summary, m.Doc.Summary + m.Doc.Body + m.Doc.Notes})
		}
		for _, f := range m.Funcs() {
			all = append(all, topic{f.Name(), "function", f.Doc().Summary, f.Help()})
		}
		for _, f := range m.Facts() {
			all = append(all, topic{m.Name + "." + f.Name, "constant", f.Doc, f.Doc})
		}
	}
	for _, o := range module.Options {
		all = append(all, topic{o.Name, "option", o.Doc, o.Doc})
	}
	for _, l := range libs {
		all = append(all, topic{l.Name, "library", l.Doc.Summary, l.Help()})
		for _, f := range l.Funcs {
			all = append(all, topic{l.Name + "." + f.Name, "function", f.Doc.Summary, f.Help(l)})
		}
	}
	return all
}

// overview leaves out what a module or library lists itself.
func overview(libs []reference.Library) []topic {
	return slices.DeleteFunc(topics(libs), func(t topic) bool { return strings.Contains(t.Name, ".") })
}

func (a *app) listDocs(list []topic) error {
	if a.console.Structured() {
		return a.console.Result(list)
	}
	var rows [][]string
	for _, t := range list {
		rows = append(rows, []string{t.Name, t.Kind, t.Summary})
	}
	a.console.Table([]string{"name", "kind", ""}, rows)
	a.console.Note("more with: provisioning docs NAME")
	return nil
}

// searchDocs lists what mentions word, first where it is in the name.
func (a *app) searchDocs(word string, libs []reference.Library) error {
	word = strings.ToLower(word)
	found := slices.DeleteFunc(topics(libs), func(t topic) bool {
		return !strings.Contains(strings.ToLower(t.Name+"\n"+t.text), word)
	})
	if len(found) == 0 {
		return fault.New(fault.NotFound, "nothing mentions %q", word).WithHint("see what there is with: provisioning docs")
	}
	rank := func(t topic) int {
		switch {
		case strings.Contains(strings.ToLower(t.Name), word):
			return 0
		case strings.Contains(strings.ToLower(t.Summary), word):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(found, func(x, y topic) int { return cmp.Compare(rank(x), rank(y)) })
	return a.listDocs(found)
}

func (a *app) showDocs(root *cobra.Command, name string, libs []reference.Library) error {
	text, ok := reference.Find(builtins.All, name)
	if !ok {
		miss := text
		if text, ok = findInLibraries(libs, strings.TrimSuffix(name, "()")); !ok {
			return unknownTopic(root, name, miss, libs)
		}
	}
	if a.console.Structured() {
		return a.console.Result(map[string]string{"name": name, "text": text})
	}
	a.console.Print("%s", text)
	return nil
}

func findInLibraries(libs []reference.Library, name string) (string, bool) {
	for _, l := range libs {
		if name == l.Name || name == l.Path {
			return l.Help(), true
		}
		for _, f := range l.Funcs {
			if name == f.Name || name == l.Name+"."+f.Name {
				return f.Help(l), true
			}
		}
	}
	return "", false
}

// unknownTopic names what was probably meant; miss is what the builtins answer.
func unknownTopic(root *cobra.Command, name, miss string, libs []reference.Library) error {
	e := fault.New(fault.NotFound, "%s", strings.TrimSpace(miss)).WithHint("see what there is with: provisioning docs")
	if near := spell.Nearest(name, docNames(libs)); near != "" && !strings.Contains(e.Msg, "did you mean") {
		e.Msg += " (did you mean " + near + "?)"
	}
	if child(root, name) != nil {
		e.Hint = "for the command: provisioning help " + name
	}
	return e
}

func docNames(libs []reference.Library) []string {
	names := reference.Names(builtins.All)
	for _, l := range libs {
		names = append(names, l.Name)
		for _, f := range l.Funcs {
			names = append(names, l.Name+"."+f.Name)
		}
	}
	return names
}
