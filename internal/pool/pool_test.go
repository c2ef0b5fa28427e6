package pool_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/pool"
)

func names(hosts []pool.Host) string {
	var all []string
	for _, h := range hosts {
		all = append(all, h.Name)
	}
	return strings.Join(all, " ")
}

func TestSelect(t *testing.T) {
	c := pool.Content{}
	for _, h := range []pool.Host{{Name: "web-1", Groups: []string{"web"}}, {Name: "web-2", Groups: []string{"web", "new"}}, {Name: "db", User: "root"}} {
		c.Put(h)
	}
	tests := []struct{ text, want string }{
		{"web-1", "web-1"},
		{"web-1,db", "web-1 db"},
		{"[web-1, db]", "web-1 db"},
		{`["web-1", 'db']`, "web-1 db"},
		{"@web", "web-1 web-2"},
		{"@new,@web,db,db", "web-2 web-1 db"},
		{"@all", "web-1 web-2 db"},
		{"root@[::1]:22,other", "root@[::1]:22 other"},
		{"[::1]:22", "[::1]:22"},
	}
	for _, test := range tests {
		hosts, err := c.Select(test.text)
		if err != nil || names(hosts) != test.want {
			t.Errorf("%s is %q, %v, want %q", test.text, names(hosts), err, test.want)
		}
	}
	if h, _ := c.Select("db"); h[0].User != "root" {
		t.Error("what the register knows of a host is lost")
	}
	for text, kind := range map[string]fault.Kind{"@nobody": fault.NotFound, "": fault.Usage, "[]": fault.Usage, " , ": fault.Usage} {
		if hosts, err := c.Select(text); !fault.Is(err, kind) {
			t.Errorf("%q is %q, %v", text, names(hosts), err)
		}
	}
}

func TestPut(t *testing.T) {
	c := pool.Content{}
	c.Put(pool.Host{Name: "a", Groups: []string{"x"}})
	c.Put(pool.Host{Name: "a", User: "root", Groups: []string{"b"}})
	h, ok := c.Find("a")
	if !ok || h.User != "root" || strings.Join(h.Groups, " ") != "b x" || len(c.Hosts) != 1 {
		t.Errorf("it is %+v", c.Hosts)
	}
	if !c.Remove("a") || c.Remove("a") {
		t.Error("it was there once")
	}
}

// Processes that change the register at the same time lose nothing.
func TestChange(t *testing.T) {
	r := pool.At(filepath.Join(t.TempDir(), "state"))
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			err := r.Change(func(c *pool.Content) error {
				c.Put(pool.Host{Name: strings.Repeat("h", i+1)})
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	c, err := r.Read()
	if err != nil || len(c.Hosts) != 20 {
		t.Errorf("%d hosts, %v", len(c.Hosts), err)
	}
}

func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pool.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.At(dir).Read(); fault.As(err) == nil || fault.As(err).Hint == "" {
		t.Error("a damaged register is an error that says what to do:", err)
	}
}
