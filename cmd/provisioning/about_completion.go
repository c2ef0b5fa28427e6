package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

var shells = []string{"bash", "zsh", "fish", "powershell"}

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Write the completion script of a shell",
		Long: `Write the completion script of a shell: bash, zsh, fish or powershell. It completes
commands, flags, the ids of runs, scripts and their parameters.

  bash        needs the package bash-completion:
              provisioning completion bash > ~/.local/share/bash-completion/completions/provisioning
  zsh         into a directory of $fpath, before compinit is called:
              provisioning completion zsh > "${fpath[1]}/_provisioning"
  fish        provisioning completion fish > ~/.config/fish/completions/provisioning.fish
  powershell  provisioning completion powershell | Out-String | Invoke-Expression
              (in $PROFILE, for all sessions)

Then start a new shell.`,
		Example:   "  source <(provisioning completion bash)   # for this shell only",
		Args:      exactly(1, "a shell: "+strings.Join(shells, ", ")),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			out, root := a.console.Out, cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return suggest(fault.New(fault.Usage, "there is no completion for %q", args[0]), args[0], shells).
				WithHint("the shells are %s", strings.Join(shells, ", "))
		},
	}
}

// completeRunIDs gives every command that takes a run the completion of one. The
// usage line says which ones do.
func (a *app) completeRunIDs(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		a.completeRunIDs(c)
	}
	if words := strings.Fields(cmd.Use); len(words) > 1 && words[1] == "RUN" && cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = a.runIDs
	}
}

func (a *app) runIDs(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	const no = cobra.ShellCompDirectiveNoFileComp
	j := a.existingJournal()
	if j == nil {
		return nil, no
	}
	if len(args) == 1 && cmd.Name() == "answer" {
		return openChoices(j, args[0]), no
	}
	if len(args) > 0 {
		return nil, no
	}
	runs, err := j.Runs(50)
	if err != nil || len(runs) == 0 {
		return nil, no
	}
	names := []string{"last\tthe newest run"}
	for _, r := range runs {
		names = append(names, r.ID[:8]+"\t"+string(state(r))+" "+script.FileName(r.Script)+" "+r.Created.Format("2006-01-02 15:04"))
	}
	return names, no | cobra.ShellCompDirectiveKeepOrder // the newest first
}

// existingJournal opens the journal of the workspace unless there is none: a tab
// must not make one.
func (a *app) existingJournal() *journal.Journal {
	if a.setUp() != nil { // cobra does not call it for completions
		return nil
	}
	ws, err := a.workspace("")
	if err != nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(ws.State, journal.FileName)); err != nil {
		return nil
	}
	j, err := a.journal()
	if err != nil {
		return nil
	}
	return j
}

func openChoices(j *journal.Journal, id string) []string {
	run, err := j.Find(id)
	if err != nil {
		return nil
	}
	questions, err := run.Questions()
	if err != nil {
		return nil
	}
	var choices []string
	for _, q := range questions {
		for _, c := range q.Choices {
			if q.Answer == "" && !slices.Contains(choices, c) {
				choices = append(choices, c)
			}
		}
	}
	return choices
}

// completeRun offers scripts, and the parameters of the one that is given after some
// other arguments.
func completeRun(before int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, beginning string) ([]string, cobra.ShellCompDirective) {
		file, entry := findScript(cmd, args, before)
		if file == "" && !strings.HasPrefix(beginning, "-") {
			words, _ := positional(cmd, args)
			if len(words) < before {
				return nil, cobra.ShellCompDirectiveNoFileComp // a name that nobody knows yet
			}
			return completeScripts(cmd, nil, beginning)
		}
		sig, err := script.ReadSignature(file, entry)
		if err != nil || !strings.HasPrefix(beginning, "-") {
			return nil, cobra.ShellCompDirectiveDefault // the value of a parameter may be a file
		}
		var names []string
		for _, p := range sig.Params {
			if name := "--" + p.Flag(); !slices.Contains(args, name) && cmd.Flags().Lookup(p.Flag()) == nil {
				names = append(names, name+"\t"+p.Help)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
