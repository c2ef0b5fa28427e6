package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// targets measures commands, files and plays on machines that are reached over SSH,
// against what does the same on this machine.
func (b *bench) targets() {
	part, counts := "all", []int{10, 50, 100}
	if len(os.Args) > 2 {
		part = os.Args[2]
	}
	if len(os.Args) > 3 { // as in: bench targets commands 100
		n, err := strconv.Atoi(os.Args[3])
		check(err)
		counts = []int{n}
	}
	if part == "all" || part == "container" {
		b.container()
	}
	if part == "container" {
		return
	}
	h, why := startHosts(b.dir, 100)
	if h == nil {
		fmt.Printf("commands and files over SSH: skipped, %s\n", why)
		return
	}
	defer h.stop()
	switch part {
	case "all":
		b.commands(h, counts)
		b.files(h)
		b.play(h, 10)
	case "commands":
		b.commands(h, counts)
	case "files":
		b.files(h)
	case "play": // Ansible takes half a second of a processor for each of the operations
		n := 50
		if len(os.Args) > 3 { // as in: bench targets play 10
			n = counts[0]
		}
		b.play(h, n)
	default:
		check(fmt.Errorf("there is no part %q: commands, files, play, container", part))
	}
}

// commands are one on each host, and twenty on each, one after the other: connections
// included, and what is added to the first one by the others.
func (b *bench) commands(h *hosts, counts []int) {
	const each = 20
	ansible := ansibleOf(h)
	for _, n := range counts {
		script := func(each int) string {
			return fmt.Sprintf("def work(t):\n    for i in range(%d):\n        target.run(t, [\"uname\"])\n\ndef main():\n    parallel(work, %s, limit = 0)\n", each, h.targets(n))
		}
		var ours, raw succession
		for range 7 { // in turns, so that what else the machine does meets both
			one, _, _ := b.run(script(1))
			all, _, _ := b.run(script(each))
			ours.add(one, all)
			raw.add(h.raw(n, 1), h.raw(n, each))
		}
		line(fmt.Sprintf("one command on %d hosts over SSH", n), best(ours.one), best(raw.one), "raw x/crypto/ssh")
		line(fmt.Sprintf("%d in succession on each of %d hosts", each, n), best(ours.all), best(raw.all), "the same, over one connection for each")
		line("  of that, all but the first", best(ours.rest), best(raw.rest), "the same, without the connections")
		if ansible == nil {
			fmt.Println("  against Ansible: skipped, it is not installed")
			continue
		}
		line(fmt.Sprintf("one command on %d hosts over SSH", n), best(ours.one), ansible.time(n, "ad-hoc", "-m", "raw", "-a", "uname"), "Ansible with pipelining")
	}
}

// succession are measurements of one command, of all of them, and what is between both.
type succession struct{ one, all, rest []time.Duration }

func (s *succession) add(one, all time.Duration) {
	s.one, s.all, s.rest = append(s.one, one), append(s.all, all), append(s.rest, all-one)
}

func best(d []time.Duration) time.Duration { return slices.Min(d).Round(100 * time.Microsecond) }

// raw runs commands with x/crypto/ssh alone, one connection for each host.
func (h *hosts) raw(n, each int) time.Duration {
	began := time.Now()
	var group sync.WaitGroup
	for _, address := range h.addresses[:n] {
		group.Go(func() {
			c := h.dial(address)
			defer c.Close()
			for range each {
				s, err := c.NewSession()
				check(err)
				s.Stdout, s.Stderr = io.Discard, io.Discard
				check(s.Run("uname"))
				_ = s.Close() // the command has ended
			}
		})
	}
	group.Wait()
	return time.Since(began)
}

// files sends many small files, and one that is large, and both again when nothing
// has changed.
func (b *bench) files(h *hosts) {
	for _, c := range []struct {
		what, name string
		fill       func(dir string)
	}{
		{"1,000 files of 4 KB", "small", smallFiles},
		{"a file of 100 MB", "large", largeFile},
	} {
		source := filepath.Join(b.dir, c.name)
		check(os.MkdirAll(source, 0o755))
		c.fill(source)
		var first, again, rsync, rsyncAgain, scp []time.Duration
		for range 3 {
			dest := b.newDir()
			first = append(first, b.put(h, source, dest))
			again = append(again, b.put(h, source, dest))
			if has("rsync") {
				dest := b.newDir()
				shell := strings.Join(append([]string{"ssh"}, h.options()...), " ")
				args := []string{"-a", "-e", shell, source + "/", h.user + "@" + h.addresses[0] + ":" + dest + "/"}
				rsync = append(rsync, timed("rsync", args...))
				rsyncAgain = append(rsyncAgain, timed("rsync", args...))
			}
			if has("scp") {
				args := append(h.options(), "-q", "-r", source, h.user+"@"+h.addresses[0]+":"+b.newDir())
				args[slices.Index(args, "-p")] = "-P"
				scp = append(scp, timed("scp", args...))
			}
		}
		compare(c.what+" over SSH", first, rsync, "rsync")
		compare(c.what+" over SSH", first, scp, "scp")
		compare(c.what+", nothing to do", again, rsyncAgain, "rsync, which compares times, not checksums")
		sftp := h.sftp(source, b.newDir())
		line(c.what+" by pkg/sftp", sftp, best(first), "ours")
	}
}

func compare(what string, ours, peer []time.Duration, of string) {
	if len(peer) == 0 {
		fmt.Printf("%-46s skipped, there is no %s\n", what, of)
		return
	}
	line(what, best(ours), best(peer), of)
}

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

func timed(name string, args ...string) time.Duration {
	began := time.Now()
	check(command(name, args...))
	return time.Since(began)
}

func (b *bench) newDir() string {
	b.n++
	dir := filepath.Join(b.dir, fmt.Sprintf("dest%d", b.n))
	check(os.Mkdir(dir, 0o755))
	return dir
}

// put is a whole run, with its start and its connection, as rsync is measured.
func (b *bench) put(h *hosts, source, dest string) time.Duration {
	dir, file := b.workspace(fmt.Sprintf("def main():\n    target.put(%s[0], %q, %q)\n", h.targets(1), "files", dest))
	check(os.Rename(source, filepath.Join(dir, "files")))
	defer func() { check(os.Rename(filepath.Join(dir, "files"), source)) }()
	return b.process1("run", file)
}

// process1 is one process of ours.
func (b *bench) process1(args ...string) time.Duration {
	cmd := exec.Command(filepath.Join(b.dir, "provisioning"), args...)
	cmd.Env = append(os.Environ(), "PROVISIONING_HOME="+b.dir)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s", out)
	}
	check(err)
	return time.Since(began)
}

func smallFiles(dir string) {
	data := make([]byte, 4096)
	for i := range 1000 {
		_, _ = rand.Read(data) // never fails
		name := filepath.Join(dir, fmt.Sprintf("d%d", i%20), fmt.Sprintf("file%d", i))
		check(os.MkdirAll(filepath.Dir(name), 0o755))
		check(os.WriteFile(name, data, 0o644))
	}
}

func largeFile(dir string) {
	data := make([]byte, 100<<20)
	_, _ = rand.Read(data) // never fails
	check(os.WriteFile(filepath.Join(dir, "file"), data, 0o644))
}

// play is 20 operations of six kinds, on 50 hosts. In the second run they have nothing
// to do. Ansible needs half a second of a processor for each of the 1,000, so it gets as
// many of the hosts as there is time for, and is compared with ours on the same ones.
func (b *bench) play(h *hosts, withAnsible int) {
	const n = 50
	first, again := b.playOn(h, n)
	line("20 operations on 50 hosts, second run", again, first, "the first run")
	ansible := ansibleOf(h)
	if ansible == nil {
		fmt.Println("  against Ansible: skipped, it is not installed")
		return
	}
	if withAnsible != n {
		first, again = b.playOn(h, withAnsible)
	}
	playbook := filepath.Join(b.dir, "play.yml")
	check(os.WriteFile(playbook, []byte(ansiblePlay(b.newDir())), 0o600))
	what := fmt.Sprintf("20 operations on %d hosts, ", withAnsible)
	line(what+"first run", first, ansible.time(withAnsible, "playbook", playbook), "Ansible with pipelining")
	line(what+"second run", again, ansible.time(withAnsible, "playbook", playbook), "Ansible with pipelining")
}

// playOn runs the play three times on n hosts: once to make everything, and then with
// nothing to do.
func (b *bench) playOn(h *hosts, n int) (first, again time.Duration) {
	_, file := b.workspace(fmt.Sprintf("def work(t):\n%s\ndef main():\n    parallel(work, %s, limit = 0)\n", operations(b.newDir()), h.targets(n)))
	first = b.process1("run", file).Round(time.Millisecond)
	return first, best([]time.Duration{b.process1("run", file), b.process1("run", file)})
}

// operations are those of the play. All hosts are this machine, so that each has a
// directory of its own; the user and the packages are there before.
func operations(root string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "    d = %q + \"/\" + t.name\n", root)
	b.WriteString("    op.directory(t, d, mode = 0o755)\n")
	for i := range 3 {
		fmt.Fprintf(&b, "    op.directory(t, d + \"/d%d\", mode = 0o750)\n", i)
	}
	for i := range 8 {
		fmt.Fprintf(&b, "    op.file(t, d + \"/f%d\", content = \"content %d\\n\", mode = 0o640)\n", i, i)
	}
	for i := range 4 {
		fmt.Fprintf(&b, "    op.line(t, d + \"/l%d\", line = \"key = %d\", match = \"^key\", create = True)\n", i, i)
	}
	b.WriteString("    op.link(t, d + \"/link\", to = d + \"/f1\")\n    op.user(t, \"nobody\")\n")
	b.WriteString("    op.package(t, \"coreutils\")\n    op.package(t, \"openssh-server\")\n")
	return b.String()
}

func ansiblePlay(root string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "- hosts: all\n  gather_facts: false\n  vars:\n    d: \"%s/{{ inventory_hostname }}\"\n  tasks:\n", root)
	b.WriteString("  - file: {path: \"{{ d }}\", state: directory, mode: \"0755\"}\n")
	for i := range 3 {
		fmt.Fprintf(&b, "  - file: {path: \"{{ d }}/d%d\", state: directory, mode: \"0750\"}\n", i)
	}
	for i := range 8 {
		fmt.Fprintf(&b, "  - copy: {dest: \"{{ d }}/f%d\", content: \"content %d\\n\", mode: \"0640\"}\n", i, i)
	}
	for i := range 4 {
		fmt.Fprintf(&b, "  - lineinfile: {path: \"{{ d }}/l%d\", line: \"key = %d\", regexp: \"^key\", create: true}\n", i, i)
	}
	b.WriteString("  - file: {src: \"{{ d }}/f1\", dest: \"{{ d }}/link\", state: link}\n  - user: {name: nobody}\n")
	b.WriteString("  - package: {name: coreutils}\n  - package: {name: openssh-server}\n")
	return b.String()
}

// ansible is the program, with an inventory of the hosts.
type ansible struct {
	h   *hosts
	env []string
}

func ansibleOf(h *hosts) *ansible {
	if !has("ansible") {
		return nil
	}
	config := filepath.Join(h.dir, "ansible.cfg")
	check(os.WriteFile(config, nil, 0o600))
	return &ansible{h, append(os.Environ(), "ANSIBLE_PIPELINING=True", "ANSIBLE_NOCOLOR=1", "ANSIBLE_CONFIG="+config,
		"ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3", "ANSIBLE_SSH_ARGS=-F none -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile="+filepath.Join(h.dir, "known_hosts"))}
}

// time is how long it takes on the first n hosts.
func (a *ansible) time(n int, kind string, args ...string) time.Duration {
	var text strings.Builder
	for _, address := range a.h.addresses[:n] {
		fmt.Fprintf(&text, "%s ansible_port=%d ansible_user=%s ansible_ssh_private_key_file=%s\n", address, a.h.port, a.h.user, a.h.key)
	}
	inventory := filepath.Join(a.h.dir, "inventory")
	check(os.WriteFile(inventory, []byte(text.String()), 0o600))
	name, all := "ansible-playbook", append([]string{"-i", inventory}, args...)
	if kind == "ad-hoc" {
		name, all = "ansible", append([]string{"all", "-i", inventory}, args...)
	}
	cmd := exec.Command(name, all...)
	cmd.Env = append(a.env, fmt.Sprintf("ANSIBLE_FORKS=%d", n))
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s\n", out)
	}
	check(err)
	return time.Since(began).Round(time.Millisecond)
}
