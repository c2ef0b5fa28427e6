package ssh

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Wanted is a host as somebody asks for it. What is left out comes from the
// configuration of OpenSSH, and then from what is usual.
type Wanted struct {
	Name     string
	Address  string // or an alias of the configuration
	Port     int
	User     string
	Key      Key // one without File and PEM: none was named
	Password string
	Agent    string // socket; "": that of the environment where it can help; None
	Policy   Policy // "": Strict, or Pinned when there are HostKeys
	HostKeys []string
	Jump     *Wanted // nil: what JumpList, else the configuration says
	JumpList string  // "user@host:port,…", nearest to here first; None: straight
	Config   string  // file; "": ~/.ssh/config and /etc/ssh/ssh_config; None

	ConnectTimeout, KeepAlive time.Duration
}

// None in place of a file or a host says that there is none.
const None = "none"

// Place is where connections are made from. It reads each configuration once, and is
// safe for concurrent use.
type Place struct {
	Home   string // of the user
	User   string
	Agent  string // socket of the SSH agent; "": none
	Dir    string // relative files are relative to it
	Record string // known_hosts file for FirstUse, which is always read

	mu      sync.Mutex
	configs map[string]*Config
}

// Here is this process.
func Here(dir, record string) *Place {
	p := &Place{Agent: os.Getenv("SSH_AUTH_SOCK"), Dir: dir, Record: record, User: os.Getenv("USER")}
	p.Home, _ = os.UserHomeDir() // without one there are no files in it
	if me, err := user.Current(); err == nil {
		p.User = me.Username
	}
	return p
}

func (p *Place) config(name string) (*Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.configs[name]; c != nil {
		return c, nil
	}
	c, err := &Config{}, error(nil)
	switch name {
	case None:
	case "":
		var system *Config
		if c, err = LoadConfig(p.Home, false, filepath.Join(p.Home, ".ssh", "config")); err == nil {
			if system, err = LoadConfig(p.Home, false, "/etc/ssh/ssh_config"); err == nil {
				c = &Config{append(c.blocks, system.blocks...)}
			}
		}
	default:
		c, err = LoadConfig(p.Home, true, p.file(name))
	}
	if err != nil {
		return nil, err
	}
	if p.configs == nil {
		p.configs = map[string]*Config{}
	}
	p.configs[name] = c
	return c, nil
}

// file is the absolute path of a file that somebody has named.
func (p *Place) file(name string) string {
	name = expandHome(name, p.Home)
	if !filepath.IsAbs(name) {
		name = filepath.Join(p.Dir, name)
	}
	return name
}

// maxHops is how many jump hosts there may be.
const maxHops = 16

// Resolve completes what somebody asks for.
func (p *Place) Resolve(w Wanted) (Host, error) { return p.resolve(w, maxHops) }

func (p *Place) resolve(w Wanted, hops int) (Host, error) {
	if w.Address == "" {
		return Host{}, unsent(fault.Invalid, "the host has no address")
	}
	if hops < 0 {
		return Host{}, unsent(fault.Config, "the way to %s has more than %d jump hosts", w.Address, maxHops).
			WithHint("does a jump host go through itself? Give it ProxyJump none in the configuration")
	}
	config, err := p.config(w.Config)
	if err != nil {
		return Host{}, err
	}
	r := &resolver{place: p, wanted: w, says: config.Lookup(w.Address, w.User, p.User)}
	r.host = Host{Name: w.Name, Address: w.Address, Port: w.Port, User: w.User, ConnectTimeout: w.ConnectTimeout, KeepAlive: w.KeepAlive, Aliases: config.aliases()}
	if r.host.Name == "" {
		r.host.Name = w.Address
	}
	for _, step := range []func() error{r.where, r.times, r.auth, r.trust, func() error { return r.jump(hops) }} {
		if err := step(); err != nil {
			return Host{}, err
		}
	}
	return r.host, nil
}

// resolver completes one host.
type resolver struct {
	place  *Place
	wanted Wanted
	says   Settings
	host   Host
}

// bad is the error of a setting that cannot be used.
func (r *resolver) bad(key, format string, args ...any) *fault.Error {
	return unsent(fault.Config, "%s: %s", r.says.sources[key], fmt.Sprintf(format, args...))
}

// where completes address, port and user.
func (r *resolver) where() error {
	if r.says.HostName != "" {
		name, err := r.tokens("hostname", r.says.HostName)
		if err != nil {
			return err
		}
		r.host.Address = name
	}
	if r.host.Port == 0 && r.says.Port != "" {
		port, err := strconv.Atoi(r.says.Port)
		if err != nil {
			return r.bad("port", "%q is no port", printable(r.says.Port))
		}
		r.host.Port = port
	}
	if r.host.Port == 0 {
		r.host.Port = 22
	}
	if r.host.Port < 1 || r.host.Port > 65535 {
		return unsent(fault.Invalid, "the port of %s is %d, which is no TCP port", r.wanted.Address, r.host.Port)
	}
	if r.host.User == "" {
		r.host.User = r.says.User
	}
	if r.host.User == "" {
		r.host.User = r.place.User
	}
	return nil
}

func (r *resolver) times() error {
	for _, t := range []struct {
		key, text string
		to        *time.Duration
	}{
		{"serveraliveinterval", r.says.ServerAlive, &r.host.KeepAlive},
		{"connecttimeout", r.says.ConnectTimeout, &r.host.ConnectTimeout},
	} {
		if *t.to != 0 || t.text == "" || strings.EqualFold(t.text, None) {
			continue
		}
		seconds, err := strconv.Atoi(strings.TrimSuffix(t.text, "s"))
		if err != nil || seconds < 0 || seconds > 1<<20 {
			return r.bad(t.key, "%q is no number of seconds", printable(t.text))
		}
		*t.to = time.Duration(seconds) * time.Second // 0 is OpenSSH's default, and ours is meant then
	}
	return nil
}

// tokens fills in %h and the like.
func (r *resolver) tokens(key, text string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		if i++; i == len(text) {
			return "", r.bad(key, "%q ends with %%", printable(text))
		}
		switch text[i] {
		case '%':
			b.WriteByte('%')
		case 'h':
			b.WriteString(r.host.Address)
		case 'n':
			b.WriteString(r.wanted.Address)
		case 'p':
			b.WriteString(strconv.Itoa(r.host.Port))
		case 'r':
			b.WriteString(r.host.User)
		case 'u':
			b.WriteString(r.place.User)
		case 'd':
			b.WriteString(r.place.Home)
		default:
			return "", r.bad(key, "%%%c is not known here", text[i]).WithHint("%%h %%n %%p %%r %%u %%d and %%%% are")
		}
	}
	return b.String(), nil
}

func (r *resolver) files(key string, names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		if strings.EqualFold(name, None) {
			continue
		}
		text, err := r.tokens(key, name)
		if err != nil {
			return nil, err
		}
		text = expandHome(text, r.place.Home)
		if !filepath.IsAbs(text) { // OpenSSH takes them relative to where it was started
			text = filepath.Join(r.place.Home, ".ssh", text)
		}
		files = append(files, text)
	}
	return files, nil
}

// usualKeys are those that OpenSSH tries, the quick ones first.
var usualKeys = []string{"id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk"}

func (r *resolver) auth() error {
	a := &r.host.Auth
	w := &r.wanted
	a.Password = w.Password
	named := w.Key.File != "" || w.Key.PEM != ""
	if err := r.agent(named); err != nil {
		return err
	}
	switch {
	case named:
		if w.Key.File != "" {
			w.Key.File = r.place.file(w.Key.File)
		}
		if c := w.Key.Certificate; c != "" && !strings.Contains(c, "-cert-v01@openssh.com ") {
			w.Key.Certificate = r.place.file(c)
		}
		a.Keys, a.Only = []Key{w.Key}, w.Agent == ""
		return nil
	case w.Password != "": // who gives a password does not mean the keys that lie about
		return nil
	}
	a.Only = r.says.IdentitiesOnly
	files, err := r.files("identityfile", r.says.IdentityFiles)
	if err != nil {
		return err
	}
	certs, err := r.files("certificatefile", r.says.CertFiles)
	if err != nil {
		return err
	}
	if len(r.says.IdentityFiles) == 0 {
		for _, name := range usualKeys {
			files = append(files, filepath.Join(r.place.Home, ".ssh", name))
		}
	}
	for _, file := range files {
		a.Keys = append(a.Keys, Key{File: file, Passphrase: w.Key.Passphrase, CertFiles: certs, Default: true})
	}
	return nil
}

func (r *resolver) agent(named bool) error {
	a := &r.host.Auth
	switch {
	case r.wanted.Agent == None:
	case r.wanted.Agent != "":
		a.Agent, a.NeedAgent = r.place.file(r.wanted.Agent), true
	case named && r.wanted.Key.Passphrase != "", r.wanted.Password != "" && !named:
	case strings.EqualFold(r.says.IdentityAgent, None):
	case r.says.IdentityAgent != "" && r.says.IdentityAgent != "SSH_AUTH_SOCK":
		files, err := r.files("identityagent", []string{r.says.IdentityAgent})
		if err != nil {
			return err
		}
		a.Agent = files[0]
	default:
		a.Agent = r.place.Agent
	}
	return nil
}

func (r *resolver) trust() error {
	t := &r.host.Trust
	t.Policy, t.Keys = r.wanted.Policy, r.wanted.HostKeys
	if t.Policy == "" && len(t.Keys) > 0 {
		t.Policy = Pinned
	}
	if t.Policy == "" || t.Policy == FirstUse && r.says.StrictHostKeyChecking == "yes" {
		t.Policy = Strict // the configuration can only make it stricter
	}
	if t.Policy == Pinned {
		return nil
	}
	t.Alias = r.says.HostKeyAlias
	if r.place.Record != "" {
		t.Record = r.place.Record
		t.Files = append(t.Files, t.Record)
	}
	user, global := r.says.UserKnownHosts, r.says.GlobalKnown
	if user == nil {
		user = []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}
	}
	if global == nil {
		global = []string{"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"}
	}
	for _, f := range []struct {
		key   string
		names []string
	}{{"userknownhostsfile", user}, {"globalknownhostsfile", global}} {
		files, err := r.files(f.key, f.names)
		if err != nil {
			return err
		}
		t.Files = append(t.Files, files...)
	}
	return nil
}

// jump completes the way to the host.
func (r *resolver) jump(hops int) error {
	if r.wanted.Jump != nil {
		jump, err := r.place.resolve(*r.wanted.Jump, hops-1)
		if err != nil {
			return err
		}
		r.host.Jump = &jump
		return nil
	}
	list := r.wanted.JumpList
	if list == "" {
		var err error
		if list, err = r.tokens("proxyjump", r.says.ProxyJump); err != nil {
			return err
		}
	}
	if list == "" && r.says.ProxyCommand != "" && !strings.EqualFold(r.says.ProxyCommand, None) {
		return r.proxy()
	}
	if list == "" || strings.EqualFold(list, None) {
		return nil
	}
	return r.through(strings.Split(list, ","), hops)
}

// proxy completes the command that the connection goes through. Only the user's own
// configuration may have one: a file that a script names may be of anybody. And what
// is put into it must not be read by the shell as anything but a name.
func (r *resolver) proxy() (err error) {
	if r.wanted.Config != "" {
		return r.bad("proxycommand", "%s needs a ProxyCommand, and commands are only run for the configuration of the user and of the machine", r.wanted.Address).
			WithHint("move it to ~/.ssh/config, use ProxyJump there, or jump = … here; jump = \"none\" goes straight")
	}
	for _, name := range []string{r.host.Address, r.wanted.Address, r.host.User} {
		if !plainName.MatchString(name) {
			return r.bad("proxycommand", "%q is put into no command: it has other characters than names have", printable(name)).
				WithHint("use ProxyJump, or jump = …")
		}
	}
	r.host.Proxy, err = r.tokens("proxycommand", r.says.ProxyCommand)
	return err
}

// plainName is a name that means nothing to a shell, and is no option.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_.:%@][A-Za-z0-9_.:%@-]*$`)

// through makes the way of a list: the last one is the nearest to the host.
func (r *resolver) through(list []string, hops int) error {
	var last *Host
	for i, text := range list {
		w, err := ParseHop(strings.TrimSpace(text))
		if err != nil {
			return err
		}
		if w.Address == r.wanted.Address && i == len(list)-1 {
			return nil // a line for all hosts, that fits the jump host too
		}
		w.Config, w.Policy = r.wanted.Config, r.wanted.Policy
		if w.Policy == Pinned {
			w.Policy = "" // its key was not given
		}
		if i > 0 {
			w.JumpList = None // the one before it
		}
		hop, err := r.place.resolve(w, hops-len(list))
		if err != nil {
			return err
		}
		if i > 0 {
			hop.Jump = last
		}
		last = &hop
	}
	r.host.Jump = last
	return nil
}

// ParseHop reads "user@host:port".
func ParseHop(text string) (Wanted, error) {
	w := Wanted{Address: strings.TrimPrefix(text, "ssh://")}
	if at := strings.LastIndexByte(w.Address, '@'); at >= 0 {
		w.User, w.Address = w.Address[:at], w.Address[at+1:]
	}
	if host, port, err := net.SplitHostPort(w.Address); err == nil {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return w, unsent(fault.Invalid, "the jump host %q has no good port", printable(text))
		}
		w.Address, w.Port = host, n
	}
	w.Address = strings.TrimSuffix(strings.TrimPrefix(w.Address, "["), "]")
	if w.Address == "" || strings.ContainsAny(w.Address, " /") {
		return w, unsent(fault.Invalid, "%q is no jump host: user@host:port is", printable(text))
	}
	return w, nil
}
