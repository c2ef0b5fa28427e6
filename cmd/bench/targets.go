package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// targets measures commands, files and plays on machines that are reached over SSH,
// against what does the same on this machine.
func (b *bench) targets() {
	h, why := startHosts(b.dir, 100)
	if h == nil {
		fmt.Printf("commands and files over SSH: skipped, %s\n", why)
		return
	}
	defer h.stop()
	part := "all"
	if len(os.Args) == 3 {
		part = os.Args[2]
	}
	for name, measure := range map[string]func(*hosts){"commands": b.commands, "files": b.files, "play": b.play} {
		if part == "all" || part == name {
			measure(h)
		}
	}
}

// commands are one on each host, connections included, and 20 more on each, one after
// the other, over connections that are there.
func (b *bench) commands(h *hosts) {
	const more = 20
	ansible := ansibleOf(h)
	for _, n := range []int{10, 50, 100} {
		script := func(each int) string {
			return fmt.Sprintf("def work(t):\n    for i in range(%d):\n        target.run(t, [\"true\"])\n\ndef main():\n    parallel(work, %s, limit = 0)\n", each, h.targets(n))
		}
		var ours, oursMore, raw, rawMore []time.Duration
		for range 3 { // in turns, so that what else the machine does meets both
			one, _, _ := b.run(script(1))
			many, _, _ := b.run(script(1 + more))
			ours, oursMore = append(ours, one), append(oursMore, many-one)
			one, many = h.raw(n, 1), h.raw(n, 1+more)
			raw, rawMore = append(raw, one), append(rawMore, many-one)
		}
		line(fmt.Sprintf("one command on %d hosts over SSH", n), best(ours), best(raw), "raw x/crypto/ssh")
		line(fmt.Sprintf("%d more on each of %d hosts", more, n), best(oursMore), best(rawMore), "the same, over its connections")
		if ansible == nil {
			fmt.Println("  against Ansible: skipped, it is not installed")
			continue
		}
		line(fmt.Sprintf("one command on %d hosts over SSH", n), best(ours), ansible.time(n, "ad-hoc", "-m", "raw", "-a", "true"), "Ansible with pipelining")
	}
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
				check(s.Run("true"))
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

// play is 20 operations that bring files into a state, on 50 hosts. In the second run
// they have nothing to do.
func (b *bench) play(h *hosts) {
	const n, each = 50, 20
	root := b.newDir()
	dir, file := b.workspace(fmt.Sprintf(`
def work(t):
%s
def main():
    parallel(work, %s, limit = 0)
`, operations(root, each), h.targets(n)))
	_ = dir
	var ours []time.Duration
	for range 3 {
		ours = append(ours, b.process1("run", file))
	}
	ansible := ansibleOf(h)
	if ansible == nil {
		fmt.Printf("%-46s %14s  Ansible is not installed\n", "20 operations on 50 hosts, first run", ours[0].Round(time.Millisecond))
		fmt.Printf("%-46s %14s\n", "20 operations on 50 hosts, second run", best(ours[1:]))
		return
	}
	playbook := filepath.Join(b.dir, "play.yml")
	check(os.WriteFile(playbook, []byte(ansiblePlay(b.newDir(), each)), 0o600))
	first := ansible.time(n, "playbook", playbook)
	second := ansible.time(n, "playbook", playbook)
	line("20 operations on 50 hosts, first run", ours[0].Round(time.Millisecond), first, "Ansible with pipelining")
	line("20 operations on 50 hosts, second run", best(ours[1:]), second, "Ansible with pipelining")
}

func operations(root string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "    op.file(t, %q + \"/\" + t.name + \"-%d\", content = \"content %d\\n\", mode = 0o640)\n", root, i, i)
	}
	return b.String()
}

func ansiblePlay(root string, n int) string {
	var b strings.Builder
	b.WriteString("- hosts: all\n  gather_facts: false\n  tasks:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - copy:\n      dest: \"%s/{{ inventory_hostname }}-%d\"\n      content: \"content %d\\n\"\n      mode: \"0640\"\n", root, i, i)
	}
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
	return &ansible{h, append(os.Environ(), "ANSIBLE_PIPELINING=True", "ANSIBLE_FORKS=50", "ANSIBLE_NOCOLOR=1", "ANSIBLE_CONFIG="+config,
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
	cmd.Env = a.env
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s\n", out)
	}
	check(err)
	return time.Since(began).Round(time.Millisecond)
}
