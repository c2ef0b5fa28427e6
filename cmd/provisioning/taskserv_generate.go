package main

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// scaffold is a taskserv with the names replaced that begin with two underscores.
//
//go:embed all:scaffold
var scaffold embed.FS

func (a *app) generateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "generate", Aliases: []string{"g", "gen"}, Short: "Write the beginnings of what a workspace has", Args: cobra.ArbitraryArgs,
		Example: "  provisioning generate taskserv hello",
	}
	cmd.AddCommand(a.generateTaskserv())
	return cmd
}

func (a *app) generateTaskserv() *cobra.Command {
	var category, description, pkg, dir string
	var port int
	cmd := &cobra.Command{
		Use: "taskserv NAME", Short: "Write a taskserv to begin with", Args: exactly(1, "the name of the taskserv"),
		Long: `Write a taskserv to begin with: a package, its configuration, a service, a health check,
and a test. It is valid as it is, and installs the package of its name.

Existing files are not touched: that is an error.`,
		Example: `  provisioning generate taskserv memcached --port 11211 --category databases
  provisioning taskserv validate memcached`,
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			if err := recipe.ValidName("the taskserv", name); err != nil {
				return err
			}
			if !workspace.ValidName(category) {
				return fault.New(fault.Usage, "%q is no category: lower case letters, digits, - and _", category)
			}
			if port < 1 || port > 65535 {
				return fault.New(fault.Usage, "there is no port %d", port)
			}
			ws, err := a.workspace("")
			if err != nil {
				return err
			}
			if dir == "" {
				dir = filepath.Join(ws.Root, "extensions", "taskservs", name)
			}
			files, err := scaffolded(dir, strings.NewReplacer(
				"__name", name, "__category", category, "__description", orElse(description, "the service "+name),
				"__package", orElse(pkg, name), "__port", strconv.Itoa(port),
			))
			if err != nil {
				return err
			}
			if a.console.Structured() {
				return a.console.Result(map[string]any{"taskserv": name, "dir": dir, "files": files})
			}
			for _, file := range files {
				a.console.Print("%s", file)
			}
			a.console.Note("next: provisioning taskserv validate %s", name)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&category, "category", "misc", "what kind of service it is")
	f.StringVar(&description, "description", "", "one line for people")
	f.StringVar(&pkg, "package", "", "package of the software (default: NAME)")
	f.IntVar(&port, "port", 8080, "port that it listens on")
	f.StringVar(&dir, "output", "", "directory (default: extensions/taskservs/NAME)")
	return cmd
}

// scaffolded writes the files of the scaffold to dir, and returns their names.
func scaffolded(dir string, names *strings.Replacer) ([]string, error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fault.New(fault.Exists, "%s is there already, and not empty", dir).WithHint("choose another name, or another directory with --output")
	}
	var written []string
	err := fs.WalkDir(scaffold, "scaffold/taskserv", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := scaffold.ReadFile(name)
		if err != nil {
			return err
		}
		rel := names.Replace(strings.TrimPrefix(name, "scaffold/taskserv/"))
		file := filepath.Join(dir, filepath.FromSlash(rel))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		written = append(written, file)
		return os.WriteFile(file, []byte(names.Replace(string(text))), 0o644) //nolint:gosec // source, for all to read
	})
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot write the taskserv")
	}
	return written, nil
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
