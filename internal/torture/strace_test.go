package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A call is a system call in the record of strace, at its beginning or its end.
type call struct {
	pid    int
	name   string
	args   []string
	result int
	begun  bool // the call has begun; its end comes later
	ended  bool // the call has ended; both are set where nothing came between
}

var (
	wholeLine   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)`)
	begunLine   = regexp.MustCompile(`^(\d+) +(\w+)\((.*?),? <unfinished \.\.\.>$`)
	resumedLine = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)`)
)

// parseTrace reads the record of strace -f.
func parseTrace(text string) []call {
	var calls []call
	open := map[int]call{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := resumedLine.FindStringSubmatch(line); m != nil {
			pid, _ := strconv.Atoi(m[1])
			c := open[pid]
			c.begun, c.ended = false, true
			c.args = append(c.args[:len(c.args):len(c.args)], arguments(strings.TrimPrefix(m[3], ", "))...)
			c.result, _ = strconv.Atoi(m[4])
			calls = append(calls, c)
		} else if m := begunLine.FindStringSubmatch(line); m != nil {
			pid, _ := strconv.Atoi(m[1])
			c := call{pid: pid, name: m[2], args: arguments(m[3]), begun: true}
			open[pid] = c
			calls = append(calls, c)
		} else if m := wholeLine.FindStringSubmatch(line); m != nil {
			pid, _ := strconv.Atoi(m[1])
			result, _ := strconv.Atoi(m[4])
			calls = append(calls, call{pid, m[2], arguments(m[3]), result, true, true})
		}
	}
	return calls
}

// arguments splits at commas that are not within quotes. All strings are in
// hexadecimal, so quotes are never escaped.
func arguments(text string) []string {
	var args []string
	quoted, start := false, 0
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == ',' && !quoted:
			args = append(args, strings.TrimSpace(text[start:i]))
			start = i + 1
		}
	}
	if rest := strings.TrimSpace(text[start:]); rest != "" {
		args = append(args, rest)
	}
	return args
}

// plain decodes "\x61\x62".
func plain(text string) string {
	text = strings.Trim(text, `"`)
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) && text[i+1] == 'x' {
			n, _ := strconv.ParseUint(text[i+2:i+4], 16, 8)
			b.WriteByte(byte(n))
			i += 3
			continue
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// descriptor takes 5</path> apart.
func descriptor(text string) (fd int, path string) {
	number, rest, _ := strings.Cut(text, "<")
	fd, err := strconv.Atoi(number)
	if err != nil {
		fd = -1
	}
	return fd, plain(strings.TrimSuffix(rest, ">"))
}

// at makes an absolute path of a directory and a name.
func at(dir, name string) string {
	name = plain(name)
	if filepath.IsAbs(name) {
		return name
	}
	_, base := descriptor(dir)
	return filepath.Join(base, name)
}

const cwd = "AT_FDCWD"

// player performs the calls of a record on a disk.
type player struct {
	*disk
	within  string // calls elsewhere are left out
	syncing map[int]state
	making  map[int]call // calls of mkdir that have begun and not ended
}

func (p *player) play(c call) error {
	switch c.name {
	case "fsync", "fdatasync":
		p.sync(c)
		return nil
	case "mkdir", "mkdirat":
		if p.making == nil {
			p.making = map[int]call{}
		}
		p.making[c.pid] = c
		if c.ended {
			delete(p.making, c.pid)
		}
	}
	if !c.ended || c.result < 0 {
		return nil
	}
	switch c.name {
	case "openat":
		p.open(c.result, at(c.args[0], c.args[1]), c.args[2], c.args[3:])
	case "open":
		p.open(c.result, at(cwd, c.args[0]), c.args[1], c.args[2:])
	case "copy_file_range", "sendfile":
		p.copy(c)
	case "write", "pwrite64", "ftruncate", "lseek":
		return p.data(c)
	case "mkdir", "mkdirat":
		p.mkdir(made(c))
	case "unlink", "rmdir":
		p.remove(at(cwd, c.args[0]))
	case "unlinkat":
		p.remove(at(c.args[0], c.args[1]))
	case "rename":
		p.rename(at(cwd, c.args[0]), at(cwd, c.args[1]))
	case "renameat", "renameat2":
		p.rename(at(c.args[0], c.args[1]), at(c.args[2], c.args[3]))
	case "link":
		p.link(at(cwd, c.args[0]), at(cwd, c.args[1]))
	case "linkat":
		p.link(at(c.args[0], c.args[1]), at(c.args[2], c.args[3]))
	case "fchmod":
		if h := p.fds[number(c.args[0])]; h != nil {
			h.node.mode = mode(c.args[1])
		}
	}
	return nil
}

func number(text string) int {
	fd, _ := descriptor(text)
	return fd
}

func mode(text string) os.FileMode {
	n, _ := strconv.ParseUint(text, 8, 32)
	return os.FileMode(n) & os.ModePerm
}

func (p *player) has(path string) bool { return strings.HasPrefix(path+"/", p.within+"/") }

func (p *player) sync(c call) {
	h := p.fds[number(c.args[0])]
	if h == nil {
		return
	}
	if c.begun {
		p.syncing[c.pid] = h.node.state()
	}
	if c.ended && c.result == 0 {
		p.syncing[c.pid].sync()
	}
}

func (p *player) open(fd int, path, flags string, rest []string) {
	delete(p.fds, fd)
	if !p.has(path) {
		return
	}
	n := p.find(path)
	if n == nil {
		dir, name := p.parent(path)
		if dir == nil || !strings.Contains(flags, "O_CREAT") {
			return
		}
		n = &inode{mode: 0o600}
		if len(rest) > 0 {
			n.mode = mode(rest[0]) &^ 0o022
		}
		dir.entries[name] = n
	}
	if strings.Contains(flags, "O_TRUNC") && len(n.data) > 0 {
		n.write(write{cut: true})
	}
	p.fds[fd] = &handle{node: n, append: strings.Contains(flags, "O_APPEND")}
}

func (p *player) data(c call) error {
	h := p.fds[number(c.args[0])]
	if h == nil {
		if _, path := descriptor(c.args[0]); p.has(path) && c.name != "lseek" {
			return fmt.Errorf("%s of an unknown file %s", c.name, path)
		}
		return nil
	}
	switch c.name {
	case "lseek":
		h.offset = int64(c.result)
	case "ftruncate":
		size, _ := strconv.ParseInt(c.args[1], 10, 64)
		if size < int64(len(h.node.data)) {
			h.node.write(write{offset: size, cut: true})
		} else {
			h.node.write(write{offset: size})
		}
	case "pwrite64":
		offset, _ := strconv.ParseInt(c.args[3], 10, 64)
		h.node.write(write{offset: offset, data: []byte(plain(c.args[1]))[:c.result]})
	default:
		if h.append {
			h.offset = int64(len(h.node.data))
		}
		h.node.write(write{offset: h.offset, data: []byte(plain(c.args[1]))[:c.result]})
		h.offset += int64(c.result)
	}
	return nil
}

// copy is a copy within the kernel, from the beginning of a file.
func (p *player) copy(c call) {
	from, to := p.fds[number(c.args[0])], p.fds[number(c.args[2])]
	if c.name == "sendfile" {
		from, to = p.fds[number(c.args[1])], p.fds[number(c.args[0])]
	}
	if from == nil || to == nil {
		return
	}
	to.node.write(write{offset: to.offset, data: from.node.data[from.offset : from.offset+int64(c.result)]})
	from.offset += int64(c.result)
	to.offset += int64(c.result)
}

// made is what a call of mkdir makes.
func made(c call) (path, perm string) {
	if c.name == "mkdir" {
		return at(cwd, c.args[0]), c.args[1]
	}
	return at(c.args[0], c.args[1]), c.args[2]
}

// parent also finds a directory whose making is seen to end only later.
func (p *player) parent(path string) (*inode, string) {
	if p.find(filepath.Dir(path)) == nil {
		for _, c := range p.making {
			if dir, _ := made(c); dir == filepath.Dir(path) {
				p.mkdir(made(c))
			}
		}
	}
	return p.disk.parent(path)
}

func (p *player) mkdir(path, perm string) {
	if dir, name := p.parent(path); dir != nil && p.has(path) && dir.entries[name] == nil {
		n := newDir()
		n.mode = mode(perm)
		if !strings.Contains(path, ".provisioning") {
			n.mode = 0o755 // what it gets by fchmodat2, which strace 6.1 cannot show
		}
		dir.entries[name] = n
	}
}

func (p *player) remove(path string) {
	if dir, name := p.parent(path); dir != nil && p.has(path) {
		delete(dir.entries, name)
	}
}

func (p *player) rename(from, to string) {
	n := p.find(from)
	source, name := p.parent(from)
	target, as := p.parent(to)
	if n == nil || target == nil || !p.has(from) || from == to {
		return
	}
	delete(source.entries, name)
	target.entries[as] = n
	m := &move{n, source, target, name, as}
	source.moves = append(source.moves, m)
	if target != source {
		target.moves = append(target.moves, m)
	}
}

func (p *player) link(from, to string) {
	if n := p.find(from); n != nil && p.has(to) {
		dir, name := p.parent(to)
		dir.entries[name] = n
	}
}
