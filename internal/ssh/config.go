package ssh

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Config is what files such as ~/.ssh/config say. The first file, and in it the
// first line, goes first, as in OpenSSH.
//
// A block Match exec fits nothing: its command is not run.
type Config struct {
	blocks []block
}

// block is the lines below a Host or Match line.
type block struct {
	when  []criterion // all have to hold
	lines []setting
}

// criterion is a part of a Host or Match line.
type criterion struct {
	what    string // "host", "originalhost" (that of a Host line, too), "user", "localuser", "all", "never"
	list    []string
	negated bool
}

type setting struct {
	key    string // lower case
	args   []string
	source string // FILE:LINE
}

const (
	maxIncludes    = 16      // OpenSSH's own limit of their depth
	maxConfigFiles = 1024    // of all of them
	maxConfigLine  = 1 << 20 // bytes
)

// LoadConfig reads configuration files. Those that are not there say nothing, unless
// needed.
func LoadConfig(home string, needed bool, files ...string) (*Config, error) {
	r := &configReader{home: home}
	for _, file := range files {
		err := r.file(file, nil, 0, filepath.Dir(file))
		if errors.Is(err, os.ErrNotExist) && !needed {
			continue
		}
		if err != nil {
			return nil, configFault(err)
		}
	}
	return &Config{r.blocks}, nil
}

func configFault(err error) error {
	if fault.As(err) != nil {
		return err
	}
	e := unsent(fault.Config, "cannot read the SSH configuration: %v", err)
	e.Cause = err
	return e
}

type configReader struct {
	home   string
	blocks []block
	files  int
}

// file reads a file whose lines hold only when the criteria do, which is how it is
// with Include within a Host block.
func (r *configReader) file(name string, when []criterion, depth int, dir string) error {
	if r.files++; depth > maxIncludes || r.files > maxConfigFiles {
		return unsent(fault.Config, "cannot read the SSH configuration: %s includes too many files, or itself", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r.blocks = append(r.blocks, block{when: when})
	s := bufio.NewScanner(f)
	s.Buffer(make([]byte, 4096), maxConfigLine)
	for n := 1; s.Scan(); n++ {
		if err := r.line(s.Text(), fmt.Sprintf("%s:%d", name, n), when, depth, dir); err != nil {
			return err
		}
	}
	return s.Err()
}

func (r *configReader) line(text, source string, outer []criterion, depth int, dir string) error {
	key, args, err := splitLine(text)
	if err != nil {
		return unsent(fault.Config, "%s: %v", source, err)
	}
	current := &r.blocks[len(r.blocks)-1]
	switch key {
	case "":
	case "host":
		r.blocks = append(r.blocks, block{when: with(outer, criterion{what: "originalhost", list: args})})
	case "match":
		criteria, err := matchLine(args)
		if err != nil {
			return unsent(fault.Config, "%s: %v", source, err)
		}
		r.blocks = append(r.blocks, block{when: with(outer, criteria...)})
	case "include":
		when := current.when
		for _, pattern := range args {
			if err := r.include(pattern, when, depth, dir); err != nil {
				return err
			}
		}
		r.blocks = append(r.blocks, block{when: when}) // what follows is of the block again
	default:
		current.lines = append(current.lines, setting{key, args, source})
	}
	return nil
}

func with(outer []criterion, more ...criterion) []criterion {
	return append(append([]criterion{}, outer...), more...)
}

func (r *configReader) include(pattern string, when []criterion, depth int, dir string) error {
	pattern = expandHome(pattern, r.home)
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(dir, pattern)
	}
	names, err := filepath.Glob(pattern)
	if err != nil {
		return unsent(fault.Config, "cannot read the SSH configuration: %q is no pattern for files", pattern)
	}
	for _, name := range names {
		if err := r.file(name, when, depth+1, dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func expandHome(path, home string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return path
}

// splitLine reads "Key value", "Key=value" and quotes.
func splitLine(text string) (key string, args []string, err error) {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' {
		return "", nil, nil
	}
	end := strings.IndexAny(text, " \t=\"")
	if end < 0 {
		return "", nil, fmt.Errorf("%q has no value", printable(text))
	}
	key = strings.ToLower(text[:end])
	rest := strings.TrimLeft(text[end:], " \t")
	if after, ok := strings.CutPrefix(rest, "="); ok {
		rest = strings.TrimLeft(after, " \t")
	}
	if key == "proxycommand" { // its quotes are for the shell
		if rest != "" {
			args = []string{rest}
		}
	} else {
		args, err = words(rest)
	}
	if err == nil && len(args) == 0 {
		err = fmt.Errorf("%q has no value", printable(key))
	}
	return key, args, err
}

// words splits at blanks outside of quotes. A # that begins a word begins a comment.
func words(text string) ([]string, error) {
	var all []string
	for {
		text = strings.TrimLeft(text, " \t")
		if text == "" || text[0] == '#' {
			return all, nil
		}
		var word strings.Builder
		var quote byte
		i := 0
		for ; i < len(text) && (quote != 0 || text[i] != ' ' && text[i] != '\t'); i++ {
			switch c := text[i]; {
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
			case c == quote:
				quote = 0
			case c == '\\' && i+1 < len(text) && strings.IndexByte(`"'\`, text[i+1]) >= 0:
				i++
				word.WriteByte(text[i])
			default:
				word.WriteByte(c)
			}
		}
		if quote != 0 {
			return nil, errors.New("a quote is not closed")
		}
		all = append(all, word.String())
		text = text[i:]
	}
}

// matchLine reads the criteria of a Match line.
func matchLine(args []string) ([]criterion, error) {
	var all []criterion
	for i := 0; i < len(args); i++ {
		what, value, inline := strings.Cut(args[i], "=")
		what, negated := strings.CutPrefix(strings.ToLower(what), "!")
		switch what {
		case "all":
			all = append(all, criterion{what: "all", negated: negated})
			continue
		case "canonical", "final": // the second reading of the file, which is not done
			all = append(all, criterion{what: "never", negated: negated})
			continue
		}
		if !inline {
			if i++; i == len(args) {
				return nil, fmt.Errorf("match %s has no value", printable(what))
			}
			value = args[i]
		}
		switch what {
		case "host", "originalhost", "user", "localuser":
			all = append(all, criterion{what, strings.Split(value, ","), negated})
		default: // exec, localnetwork, tagged, version …: it is not known whether they hold
			all = append(all, criterion{what: "never"})
		}
	}
	if len(all) == 0 {
		return nil, errors.New("match has no criterion")
	}
	return all, nil
}

// query is what blocks are compared with.
type query struct {
	original  string // as it was given
	host      string // after HostName
	user      string
	localUser string
}

func (c *criterion) holds(q query) bool {
	ok := false
	switch c.what {
	case "all":
		ok = true
	case "never":
		return c.negated
	case "host":
		ok = matchList(c.list, q.host)
	case "originalhost":
		ok = matchList(c.list, q.original)
	case "user":
		ok = matchList(c.list, q.user)
	case "localuser":
		ok = matchList(c.list, q.localUser)
	}
	return ok != c.negated
}

// Settings are what the configuration says of a host.
type Settings struct {
	HostName, User, Port        string
	HostKeyAlias                string
	ProxyJump, ProxyCommand     string
	IdentityFiles, CertFiles    []string
	IdentityAgent               string
	IdentitiesOnly              bool
	UserKnownHosts, GlobalKnown []string
	StrictHostKeyChecking       string
	ServerAlive, ConnectTimeout string // seconds
	sources                     map[string]string
}

// aliases are the names of Host lines that are no patterns.
func (c *Config) aliases() []string {
	var names []string
	for _, b := range c.blocks {
		for _, w := range b.when {
			if w.what != "originalhost" || w.negated {
				continue
			}
			for _, name := range w.list {
				if !strings.ContainsAny(name, "*?!") {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// Lookup returns what holds for a host. user is that which was given, or "".
func (c *Config) Lookup(host, user, localUser string) Settings {
	s := Settings{sources: map[string]string{}}
	q := query{original: host, host: host, user: user, localUser: localUser}
	for _, b := range c.blocks {
		if q.user == "" {
			q.user = s.User
		}
		if s.HostName != "" {
			q.host = strings.NewReplacer("%h", host, "%%", "%").Replace(s.HostName)
		}
		if b.holds(q) {
			for _, line := range b.lines {
				s.set(line)
			}
		}
	}
	return s
}

func (b *block) holds(q query) bool {
	if q.user == "" {
		q.user = q.localUser
	}
	for i := range b.when {
		if !b.when[i].holds(q) {
			return false
		}
	}
	return true
}

// set takes a setting, if none was there before it.
func (s *Settings) set(line setting) {
	switch line.key {
	case "identityfile":
		s.IdentityFiles = append(s.IdentityFiles, line.args[0])
		return
	case "certificatefile":
		s.CertFiles = append(s.CertFiles, line.args[0])
		return
	}
	if _, ok := s.sources[line.key]; ok {
		return
	}
	first := line.args[0]
	switch line.key {
	case "hostname":
		s.HostName = first
	case "user":
		s.User = first
	case "port":
		s.Port = first
	case "hostkeyalias":
		s.HostKeyAlias = first
	case "proxyjump":
		s.ProxyJump = first
		s.sources["proxycommand"] = line.source // the first of the two counts
	case "proxycommand":
		s.ProxyCommand = first
		s.sources["proxyjump"] = line.source
	case "identityagent":
		s.IdentityAgent = first
	case "identitiesonly":
		s.IdentitiesOnly = strings.EqualFold(first, "yes")
	case "userknownhostsfile":
		s.UserKnownHosts = line.args
	case "globalknownhostsfile":
		s.GlobalKnown = line.args
	case "stricthostkeychecking":
		s.StrictHostKeyChecking = strings.ToLower(first)
	case "serveraliveinterval":
		s.ServerAlive = first
	case "connecttimeout":
		s.ConnectTimeout = first
	default:
		return
	}
	s.sources[line.key] = line.source
}
