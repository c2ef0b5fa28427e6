// Package pool is the register of machines that a workspace has connected to: their
// names, how they are reached, and in which groups they are. It is a file in the
// state directory.
package pool

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Host is a machine of the register.
type Host struct {
	Name      string    `json:"host"` // as people call it
	User      string    `json:"user,omitempty"`
	Port      int       `json:"port,omitempty"`
	Key       string    `json:"key,omitempty"` // file with the private key
	Groups    []string  `json:"groups,omitempty"`
	Connected time.Time `json:"connected_at"` // when it last answered
}

// Retry is how connections are tried again.
type Retry struct {
	Curve string        `json:"curve"`
	Max   int           `json:"max_retries"`
	Base  time.Duration `json:"base"`
}

// StandardRetry is that of a register that says nothing of it.
var StandardRetry = Retry{Curve: "exponential", Max: 3, Base: time.Second}

// Content is what the register has in it.
type Content struct {
	Hosts []Host `json:"hosts"`
	Retry *Retry `json:"retry,omitempty"`
}

// Register is the file.
type Register struct{ file string }

// At is the register of a workspace with the given state directory.
func At(state string) Register { return Register{filepath.Join(state, "pool.json")} }

// Read returns what the register has in it; nothing where there is none yet.
func (r Register) Read() (Content, error) {
	var c Content
	data, err := os.ReadFile(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		return c, fault.Wrap(fault.Failed, err, "cannot read the register of the pool, %s", r.file).
			WithHint("repair the file, or remove it and connect to the machines again")
	}
	return c, nil
}

// Change reads the register, has do change it, and writes it, while no other process
// does that.
func (r Register) Change(do func(*Content) error) error {
	unlock, err := r.lock()
	if err != nil {
		return err
	}
	defer unlock()
	c, err := r.Read()
	if err != nil {
		return err
	}
	if err := do(&c); err != nil {
		return err
	}
	slices.SortFunc(c.Hosts, func(a, b Host) int { return cmp.Compare(a.Name, b.Name) })
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	temp := r.file + ".new" // the lock keeps others from it
	if err := os.WriteFile(temp, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, r.file)
}

func (r Register) lock() (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(r.file), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(r.file+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// Put enters a host, or replaces the one of its name. It keeps the groups that the
// host is in.
func (c *Content) Put(h Host) {
	if old, ok := c.Find(h.Name); ok {
		for _, g := range old.Groups {
			if !slices.Contains(h.Groups, g) {
				h.Groups = append(h.Groups, g)
			}
		}
	}
	c.Remove(h.Name)
	slices.Sort(h.Groups)
	c.Hosts = append(c.Hosts, h)
}

// Remove takes a host out, and reports whether it was there.
func (c *Content) Remove(name string) bool {
	n := len(c.Hosts)
	c.Hosts = slices.DeleteFunc(c.Hosts, func(h Host) bool { return h.Name == name })
	return len(c.Hosts) < n
}

// Find returns the host of a name.
func (c *Content) Find(name string) (Host, bool) {
	i := slices.IndexFunc(c.Hosts, func(h Host) bool { return h.Name == name })
	if i < 0 {
		return Host{}, false
	}
	return c.Hosts[i], true
}

// Groups are the names of the groups, sorted.
func (c *Content) Groups() []string {
	var groups []string
	for _, h := range c.Hosts {
		groups = append(groups, h.Groups...)
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// Select returns the hosts that a person names: "web-1,web-2", "[web-1, web-2]",
// "@group", "@all", and any of them joined by commas. A host that is not in the
// register is taken as it is written. Each is there once.
func (c *Content) Select(text string) ([]Host, error) {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(text, "]") && !strings.Contains(text, "]:") {
		text = strings.TrimSuffix(inner, "]")
	}
	var hosts []Host
	add := func(h Host) {
		if !slices.ContainsFunc(hosts, func(x Host) bool { return x.Name == h.Name }) {
			hosts = append(hosts, h)
		}
	}
	for word := range strings.SplitSeq(text, ",") {
		word = strings.Trim(strings.TrimSpace(word), `"'`)
		group, isGroup := strings.CutPrefix(word, "@")
		switch {
		case word == "":
			continue
		case isGroup:
			members := c.group(group)
			if len(members) == 0 {
				return nil, fault.New(fault.NotFound, "no host is in the group %q", group).
					WithHint("groups are %s; a host gets into one by: ssh pool connect HOST USER --group %s", strings.Join(append(c.Groups(), "all"), ", "), group)
			}
			for _, h := range members {
				add(h)
			}
		default:
			h, ok := c.Find(word)
			if !ok {
				h = Host{Name: word}
			}
			add(h)
		}
	}
	if len(hosts) == 0 {
		return nil, fault.New(fault.Usage, "no hosts are named").WithHint("name them as h1,h2 or @group")
	}
	return hosts, nil
}

func (c *Content) group(name string) []Host {
	var members []Host
	for _, h := range c.Hosts {
		if name == "all" || slices.Contains(h.Groups, name) {
			members = append(members, h)
		}
	}
	return members
}
