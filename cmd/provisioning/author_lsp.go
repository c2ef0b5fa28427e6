package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/language"
)

// typingDelay is how long nothing is typed before a script is looked at.
const typingDelay = 150 * time.Millisecond

func (a *app) lspCommand() *cobra.Command {
	var stdio bool
	cmd := &cobra.Command{
		Use:   "lsp",
		Short: "Serve an editor with completion, help and diagnostics",
		Long: `Serve an editor with completion, help and diagnostics.

This is a server of the Language Server Protocol for scripts. It speaks through
standard input and output, so an editor starts it and no person does. It executes
no script. How to set up VS Code, Neovim and Helix is in docs/editors.md.`,
		Example: `  provisioning lsp          # what an editor has to start
  provisioning lsp --stdio  # the same, for editors that add the flag`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error { return a.lsp() },
	}
	cmd.Flags().BoolVar(&stdio, "stdio", true, "speak through standard input and output; there is no other way")
	return cmd
}

func (a *app) lsp() error {
	opts := language.Options{
		Modules: builtins.All, Predeclared: builtins.Globals.Keys(), Stdlib: library{},
		CacheDir: workspace.CacheDir(), Version: version, Delay: typingDelay,
	}
	// Else every script is in the workspace around it, wherever the editor began.
	if a.flags.workspace != "" || os.Getenv("PROVISIONING_WORKSPACE") != "" {
		ws, err := a.workspace("")
		if err != nil {
			return err
		}
		opts.Workspace = ws.Root
	}
	if !piped(a.console.In) {
		a.console.Note("this command is for editors: it speaks the Language Server Protocol (docs/editors.md); Ctrl-C ends it")
	}
	code, err := language.Serve(opts, a.console.In, a.console.Out)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "cannot go on speaking with the editor")
	}
	if code != 0 {
		return exitCode(code)
	}
	return nil
}
