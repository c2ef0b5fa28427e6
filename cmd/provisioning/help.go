package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// exitCodes are all that the program ends with. The help of the program and the
// reference show them.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{0, "done"},
	{1, "failed"},
	{2, "usage: unknown command, bad arguments, missing confirmation"},
	{3, "configuration missing or invalid"},
	{4, "permission"},
	{5, "not found"},
	{6, "the run waits for a person's answer"},
	{10, "--check --exit-code: changes planned"},
	{130, "interrupted"},
}

func exitCodeHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "  %-4d %s\n", c.code, c.meaning)
	}
	return strings.TrimRight(b.String(), "\n")
}

// helpCommand is help: what it prints of a command is what --help prints.
func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Aliases: []string{"h"},
		Short:   "Show the help of a command",
		Example: "  provisioning help run\n  provisioning help runs show",
		RunE:    func(cmd *cobra.Command, args []string) error { return showHelp(cmd.Root(), args) },
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, c := range found.Commands() {
				names = append(names, c.Name()+"\t"+c.Short)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// showHelp shows the help of the command that path leads to from cmd.
func showHelp(cmd *cobra.Command, path []string) error {
	for _, word := range path {
		next := child(cmd, word)
		if next == nil {
			return unknownVerb(cmd, []string{word})
		}
		cmd = next
	}
	cmd.InitDefaultHelpFlag() // else the flag would be missing from the list
	return cmd.Help()
}

func child(cmd *cobra.Command, word string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.Name() == word || c.HasAlias(word) {
			return c
		}
	}
	return nil
}

// helpable makes "X help" the same as "X --help", for X and what is below it.
func helpable(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		helpable(c)
	}
	check, run := cmd.Args, cmd.RunE
	if run == nil {
		return
	}
	cmd.Args = func(c *cobra.Command, args []string) error {
		if asksForHelp(c, args) || check == nil {
			return nil
		}
		return check(c, args)
	}
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if asksForHelp(c, args) {
			return showHelp(c, args[1:])
		}
		return run(c, args)
	}
}

// asksForHelp: a group has no other use for the word; elsewhere it may be the
// name of a file.
func asksForHelp(cmd *cobra.Command, args []string) bool {
	if len(args) == 0 || args[0] != "help" {
		return false
	}
	if cmd.HasSubCommands() {
		return true
	}
	_, err := os.Stat("help")
	return len(args) == 1 && err != nil
}
