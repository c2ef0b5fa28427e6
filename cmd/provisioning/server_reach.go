package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/providers"
)

func (a *app) serverSSH() *cobra.Command {
	var f serverFlags
	var user, key, command string
	var port int
	cmd := &cobra.Command{
		Use: "ssh NAME [-- COMMAND…]", Short: "Log in to a server", Args: atLeastOne("the name of a server"),
		Long: `Log in to a server with the ssh of this machine, or run a command there.

The host key is the one that the provider knows: there is no question whether to
trust it, and another key is an error.`,
		Example: "  provisioning server ssh web-1\n  provisioning server ssh web-1 -- journalctl -n 20",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.server(cmd, f.provider, args[0])
			if err != nil {
				return err
			}
			if user != "" {
				s.User = user
			}
			if port != 0 {
				s.Port = port
			}
			words := args[1:]
			if command != "" {
				words = append([]string{command}, words...)
			}
			return a.openSSH(s, key, words, command == "")
		},
	}
	f.define(cmd.Flags())
	cmd.Flags().StringVar(&user, "user", "", "who logs in, if not the user that the server was made for")
	cmd.Flags().StringVar(&key, "key", "", "private key (default: the workspace's own)")
	cmd.Flags().IntVar(&port, "port", 0, "port of the SSH server")
	cmd.Flags().StringVar(&command, "command", "", "command for the shell of the server")
	return cmd
}

// openSSH becomes the ssh of the machine: a person knows its keys and its escapes,
// and a terminal works as always.
func (a *app) openSSH(s providers.Server, key string, words []string, quote bool) error {
	if s.Status != providers.Running || len(s.HostKeys) == 0 {
		return fault.New(fault.Unavailable, "the server %q is %s, so nobody can log in", s.Name, s.Status).
			WithHint("provisioning server start %s", s.Name)
	}
	program, err := exec.LookPath("ssh")
	if err != nil {
		return fault.New(fault.NotFound, "there is no ssh on this machine").
			WithHint("install openssh-client; or run commands with: provisioning server exec %s -- COMMAND", s.Name)
	}
	ws, err := a.workspace("")
	if err != nil {
		return err
	}
	known, err := knownHosts(ws.State, s)
	if err != nil {
		return err
	}
	argv := []string{
		"ssh", "-p", strconv.Itoa(s.Port), "-l", s.User,
		"-o", "UserKnownHostsFile=" + known, "-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=yes", "-o", "HostKeyAlias=" + s.Name,
	}
	if own := filepath.Join(ws.State, "ssh", "id_ed25519"); key == "" && exists(own) {
		key = own
	}
	if key != "" {
		argv = append(argv, "-i", key)
	}
	argv = append(argv, "--", s.Addresses.Reach())
	for _, word := range words {
		if quote { // ssh puts spaces between them, and the shell of the server reads that
			word = machine.Quote(word)
		}
		argv = append(argv, word)
	}
	if err := a.close(); err != nil {
		return err
	}
	return fault.Wrap(fault.Failed, syscall.Exec(program, argv, os.Environ()), "cannot start ssh")
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// knownHosts writes a file with the host keys of a server, for ssh.
func knownHosts(state string, s providers.Server) (string, error) {
	var b strings.Builder
	for _, key := range s.HostKeys {
		fmt.Fprintf(&b, "%s %s\n", s.Name, key)
	}
	dir := filepath.Join(state, "ssh", "known")
	file := filepath.Join(dir, s.Name)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		temp := file + "." + strconv.Itoa(os.Getpid())
		if err = os.WriteFile(temp, []byte(b.String()), 0o600); err == nil {
			err = os.Rename(temp, file)
		}
	}
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "cannot write the host keys of the server %q", s.Name)
	}
	return file, nil
}

func (a *app) serverExec() *cobra.Command {
	var f serverFlags
	var shell, sudo bool
	var timeout time.Duration
	var key string
	cmd := &cobra.Command{
		Use: "exec NAME… -- COMMAND…", Short: "Run a command on servers", Args: atLeastOne("names of servers, --, and a command"),
		Long: `Run a command on servers, side by side, and show its exit code on each.

What it has printed is shown with the name of the server before each line. It exits
with 1 when the command failed somewhere, or a server could not be reached.`,
		Example: "  provisioning server exec 'web-*' -- uptime\n  provisioning server exec web-1 db --shell -- 'df -h | tail -1'",
		RunE: func(cmd *cobra.Command, args []string) error {
			names, words, err := splitCommand(cmd, args)
			if err != nil {
				return err
			}
			params := map[string]starlark.Value{
				"names": stringsValue(names), "command": stringsValue(words), "shell": starlark.Bool(shell), "sudo": starlark.Bool(sudo),
				"timeout": starlark.String(timeout.String()),
			}
			if key != "" {
				params["ssh_key"] = starlark.String(key)
			}
			failed := false
			err = a.runServers(&f, "run_command", params, func(v starlark.Value) { failed = a.showExits(v) })
			if err == nil && failed {
				return exitCode(1)
			}
			return err
		},
	}
	f.defineRun(cmd.Flags())
	cmd.Flags().BoolVar(&shell, "shell", false, "have the shell of the server read the command")
	cmd.Flags().BoolVar(&sudo, "sudo", false, "run it as root, by sudo")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "how long it may take on each server")
	cmd.Flags().StringVar(&key, "key", "", "private key (default: the workspace's own)")
	return cmd
}

// splitCommand parts the names from the command: by --, else after the first name.
func splitCommand(cmd *cobra.Command, args []string) (names, words []string, err error) {
	at := cmd.ArgsLenAtDash()
	if at < 0 {
		at = 1
	}
	if at == 0 || at >= len(args) {
		return nil, nil, fault.New(fault.Usage, "%s takes names of servers, --, and a command", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
	}
	return args[:at], args[at:], nil
}

// showExits shows how the command ended on each server, and reports whether it failed
// anywhere.
func (a *app) showExits(v starlark.Value) (failed bool) {
	var rows [][]string
	for _, s := range structs(v) {
		code := attr(s, "rc")
		if code == "" {
			code = "-"
		}
		failed = failed || code != "0"
		for _, stream := range []string{"stdout", "stderr"} {
			for line := range strings.Lines(attr(s, stream)) {
				a.console.Print("%s | %s", attr(s, "name"), strings.TrimRight(line, "\r\n"))
			}
		}
		rows = append(rows, []string{attr(s, "name"), code, attr(s, "error")})
	}
	a.console.Table([]string{"SERVER", "EXIT", "ERROR"}, rows)
	return failed
}

func (a *app) serverCopy() *cobra.Command {
	var f serverFlags
	var sudo bool
	var key string
	cmd := &cobra.Command{
		Use: "copy SOURCE DESTINATION", Aliases: []string{"cp"}, Short: "Copy files to a server and back", Args: exactly(2, "a source and a destination"),
		Long: `Copy a file or a tree to a server, or from one.

One of the two is NAME:PATH, with an absolute path on the server. What is equal
already is not sent, and each file is replaced as a whole.`,
		Example: "  provisioning server copy site web-1:/srv/www\n  provisioning server copy web-1:/var/log/nginx logs",
		RunE: func(cmd *cobra.Command, args []string) error {
			params := map[string]starlark.Value{"sudo": starlark.Bool(sudo)}
			if key != "" {
				params["ssh_key"] = starlark.String(key)
			}
			entry, err := f.copyParams(args[0], args[1], params)
			if err != nil {
				return err
			}
			f.atOnce = 0 // it is one
			return a.runServers(&f, entry, params, func(v starlark.Value) { a.showCopied(v) })
		},
	}
	f.defineRun(cmd.Flags())
	cmd.Flags().BoolVar(&sudo, "sudo", false, "as root on the server, by sudo")
	cmd.Flags().StringVar(&key, "key", "", "private key (default: the workspace's own)")
	return cmd
}

// copyParams reads the two ends of a copy, and lets the run reach the local one.
func (f *serverFlags) copyParams(from, to string, params map[string]starlark.Value) (entry string, err error) {
	fromServer, fromPath, fromThere := remotePath(from)
	toServer, toPath, toThere := remotePath(to)
	if fromThere == toThere {
		return "", fault.New(fault.Usage, "one of %q and %q has to be on a server, as NAME:PATH", from, to)
	}
	entry, name, local := "put", toServer, from
	if fromThere {
		entry, name, local = "get", fromServer, to
	}
	slash := strings.HasSuffix(local, "/")
	if local, err = filepath.Abs(local); err != nil {
		return "", err
	}
	f.start.AllowPaths = []string{existingParent(local)}
	if slash {
		local += "/"
	}
	source, destination := local, toPath
	if fromThere {
		source, destination = fromPath, local
	}
	params["name"], params["source"], params["destination"] = starlark.String(name), starlark.String(source), starlark.String(destination)
	return entry, nil
}

// remotePath reads NAME:PATH. A path of this machine has a slash before any colon.
func remotePath(text string) (server, path string, ok bool) {
	server, path, ok = strings.Cut(text, ":")
	if !ok || strings.Contains(server, "/") || server == "" || path == "" || net.ParseIP(text) != nil {
		return "", "", false
	}
	return server, path, true
}

// existingParent is the nearest directory above a path that is there.
func existingParent(path string) string {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() || dir == filepath.Dir(dir) {
			return dir
		}
	}
}

func (a *app) showCopied(v starlark.Value) {
	s, ok := v.(starlark.HasAttrs)
	if !ok {
		return
	}
	diff, err := s.Attr("diff")
	if text, isText := starlark.AsString(diff); err == nil && isText && text != "" {
		a.console.Print("%s", strings.TrimRight(text, "\n"))
		return
	}
	a.console.Note("everything is there already")
}
