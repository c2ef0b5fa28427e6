package main

import (
	"fmt"
	goruntime "runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// version is set by the linker: -ldflags "-X main.version=…".
var version = "dev"

// build is what programs see of this program.
type build struct {
	Version      string       `json:"version"`
	Commit       string       `json:"commit,omitempty"`
	Modified     bool         `json:"modified"` // built from a tree with changes
	Go           string       `json:"go"`
	Platform     string       `json:"platform"`
	Journal      int          `json:"journal_format"`
	Dependencies []dependency `json:"dependencies,omitempty"`
}

type dependency struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

// thisBuild says what this program was built from. A version that was linked in
// wins over that of "go install", and that over the commit.
func thisBuild(dependencies bool) build {
	b := build{
		Version: version, Go: goruntime.Version(), Platform: goruntime.GOOS + "/" + goruntime.GOARCH,
		Journal: journal.Version,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	if b.Version == "dev" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	} else if b.Version == "dev" && b.Commit != "" {
		b.Version = b.Commit[:min(12, len(b.Commit))]
	}
	if dependencies {
		for _, d := range info.Deps {
			if d.Replace != nil {
				d = d.Replace
			}
			b.Dependencies = append(b.Dependencies, dependency{d.Path, d.Version})
		}
	}
	return b
}

func (b build) String() string {
	text := "provisioning " + b.Version
	if b.Commit != "" && b.Commit[:min(12, len(b.Commit))] != b.Version {
		text += " (" + b.Commit[:min(12, len(b.Commit))] + ")"
	}
	if b.Modified {
		text += " with changes"
	}
	return text
}

func (a *app) versionCommand() *cobra.Command {
	var dependencies bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show the version of this program, and of what is installed on servers",
		Long:    "Show the version of this program; with --verbose, what it was built with as well. The\ncommands below it are about the versions of what is installed on servers.",
		Example: "  provisioning version\n  provisioning version --verbose\n  provisioning version show",
		Args:    cobra.ArbitraryArgs, // which are said to be no verbs
	}
	cmd.Flags().BoolVar(&dependencies, "dependencies", false, "the modules that it was built from, too (--verbose shows them as well)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownVerb(cmd, args)
		}
		return a.showVersion(dependencies || a.console.Verbose)
	}
	cmd.AddCommand(a.versionVerbs()...)
	return cmd
}

func (a *app) showVersion(dependencies bool) error {
	b := thisBuild(dependencies)
	if a.console.Structured() {
		return a.console.Result(b)
	}
	a.console.Print("%s", b)
	if a.console.Verbose {
		a.console.Print("%s %s, journal format %d", b.Go, b.Platform, b.Journal)
	}
	for _, d := range b.Dependencies {
		a.console.Print("  %s %s", d.Path, d.Version)
	}
	return nil
}

// count is a number with its noun: "1 error", "2 errors".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
