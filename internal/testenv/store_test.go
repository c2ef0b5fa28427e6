package testenv

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// TestStore: a record is found by its id, the beginning of it, and its name.
func TestStore(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "environments")}
	if all, err := s.List(); err != nil || len(all) != 0 {
		t.Fatalf("at first there are %v, %v", all, err)
	}
	e := &Environment{Name: "redis", Status: Ready, CreatedAt: time.Now()}
	lease, err := s.New(e)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := s.List(); err != nil || len(all) != 0 {
		t.Fatalf("before it is saved there are %v, %v", all, err)
	}
	if err := s.Save(e); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{e.ID, e.ID[:4], "redis"} {
		if got, err := s.Get(id); err != nil || got.ID != e.ID {
			t.Errorf("%q: %v, %v", id, got, err)
		}
	}
	if _, err := s.Get("nope"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
	if other, err := s.Lease(e.ID); err != nil || other != nil {
		t.Errorf("the lease was given twice: %v", err)
	}
	lease.Release()
	if other, err := s.Lease(e.ID); err != nil || other == nil {
		t.Errorf("the lease was not given after its release: %v", err)
	}
	e.Status, e.RemovedAt = Removed, time.Now()
	if err := s.Save(e); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		left  int
	}{{Keep - time.Hour, 1}, {Keep + time.Hour, 0}} {
		if err := s.Forget(time.Now().Add(c.after)); err != nil {
			t.Fatal(err)
		}
		if all, err := s.List(); err != nil || len(all) != c.left {
			t.Errorf("after %s there are %v, %v", c.after, all, err)
		}
	}
}

// TestParallel: environments that are made at the same time get different ids.
func TestParallel(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "environments")}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			e := &Environment{Name: "x"}
			lease, err := s.New(e)
			if err == nil {
				err = s.Save(e)
			}
			if err != nil || lease == nil {
				t.Errorf("%v, %v", lease, err)
			}
		})
	}
	wg.Wait()
	if all, err := s.List(); err != nil || len(all) != 20 {
		t.Errorf("there are %d, %v", len(all), err)
	}
}

func TestOrphan(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		status string
		auto   bool
		until  time.Duration
		want   bool
	}{
		{Creating, false, time.Hour, true},
		{Removing, false, time.Hour, true},
		{Ready, false, time.Hour, false},
		{Ready, false, -time.Hour, true},
		{Testing, false, time.Hour, false},
		{Testing, true, time.Hour, true},
		{Failed, false, time.Hour, false},
		{Removed, true, -time.Hour, false},
	} {
		e := &Environment{Status: c.status, AutoCleanup: c.auto, ExpiresAt: now.Add(c.until)}
		if got := e.Orphan(now); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestResult(t *testing.T) {
	for _, c := range []struct {
		statuses []string
		want     bool
	}{{nil, false}, {[]string{"skipped"}, false}, {[]string{"passed", "skipped"}, true}, {[]string{"passed", "failed"}, false}} {
		var r Result
		for _, s := range c.statuses {
			r.Tests = append(r.Tests, Test{Status: s})
		}
		if r.Count(); r.OK() != c.want || r.Total != len(c.statuses) {
			t.Errorf("%v: %+v", c.statuses, r)
		}
	}
}

// TestUser: the user has copies of the environments of all workspaces, and a lease that
// outlives a workspace.
func TestUser(t *testing.T) {
	dir := t.TempDir()
	one := Store{Dir: filepath.Join(dir, "one"), User: filepath.Join(dir, "user")}
	two := Store{Dir: filepath.Join(dir, "two"), User: one.User}
	begun := time.Now()
	var leases []*Lease
	var made []*Environment
	for i, s := range []Store{one, two} {
		e := &Environment{Name: "redis", Status: Ready, CreatedAt: begun.Add(time.Duration(i))}
		lease, err := s.New(e)
		if err == nil {
			err = s.Save(e)
		}
		if err != nil {
			t.Fatal(err)
		}
		leases, made = append(leases, lease), append(made, e)
	}
	for _, s := range []Store{one, two} {
		all, err := s.Everywhere()
		if err != nil || len(all) != 2 || all[0].ID != made[0].ID || all[1].ID != made[1].ID {
			t.Errorf("everywhere there are %v, %v", all, err)
		}
		if mine, err := s.List(); err != nil || len(mine) != 1 {
			t.Errorf("here there are %v, %v", mine, err)
		}
	}

	if err := os.RemoveAll(two.Dir); err != nil {
		t.Fatal(err)
	}
	copies := Store{Dir: one.User}
	if lease, err := copies.Lease(made[1].ID); err != nil || lease != nil {
		t.Errorf("without its workspace the lease was given twice: %v, %v", lease, err)
	}
	leases[1].Release()
	if lease, err := copies.Lease(made[1].ID); err != nil || lease == nil {
		t.Errorf("without its workspace the lease was not given: %v", err)
	}
	if err := one.Drop(made[1].ID); err != nil {
		t.Fatal(err)
	}

	made[0].Status = Removed
	if err := one.Save(made[0]); err != nil {
		t.Fatal(err)
	}
	if all, err := two.Everywhere(); err != nil || len(all) != 0 {
		t.Errorf("at last there are %v, %v", all, err)
	}
	if one.Owner() == "" || one.Owner() != two.Owner() || copies.Owner() != "" {
		t.Errorf("the owners are %q, %q and %q", one.Owner(), two.Owner(), copies.Owner())
	}
}

// TestUnreadable: a record that is broken hinders nobody but its workspace, which learns
// what file it is.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	one := Store{Dir: filepath.Join(dir, "one"), User: filepath.Join(dir, "user")}
	two := Store{Dir: filepath.Join(dir, "two"), User: one.User}
	var ids []string
	for _, s := range []Store{one, two} {
		e := &Environment{Name: "redis", Status: Ready}
		lease, err := s.New(e)
		if err == nil {
			err = s.Save(e)
		}
		if err != nil {
			t.Fatal(err)
		}
		lease.Release()
		ids = append(ids, e.ID)
	}
	file := filepath.Join(one.User, ids[0], recordFile)
	check(t, os.Truncate(file, 0))
	if all, err := two.Everywhere(); err != nil || len(all) != 1 || all[0].ID != ids[1] {
		t.Errorf("everywhere there are %v, %v", all, err)
	}
	if broken, err := two.Unreadable(); err != nil || len(broken) != 1 || !strings.Contains(broken[ids[0]].Error(), file) {
		t.Errorf("unreadable are %v, %v", broken, err)
	}
	if broken, err := one.Unreadable(); err != nil || len(broken) != 0 {
		t.Errorf("unreadable are %v, %v, though the record is there", broken, err)
	}
	if all, err := one.Everywhere(); err != nil || len(all) != 2 {
		t.Errorf("everywhere there are %v, %v", all, err)
	}

	file = filepath.Join(one.Dir, ids[0], recordFile)
	check(t, os.Truncate(file, 0))
	if _, err := one.List(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("the error does not name the file: %v", err)
	}
	if all, err := two.Everywhere(); err != nil || len(all) != 1 {
		t.Errorf("everywhere there are %v, %v", all, err)
	}
}

// TestElsewhere: of all workspaces an environment is found by its id, and by the beginning
// of it where that is the only one.
func TestElsewhere(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "environments")}
	for _, id := range []string{"abc00001", "abc00002", "abd00001"} {
		check(t, os.MkdirAll(filepath.Join(s.Dir, id), 0o755))
		check(t, s.Save(&Environment{ID: id, Name: "redis", Status: Ready}))
	}
	for _, c := range []struct{ given, want string }{
		{"abc00001", "abc00001"},
		{"abd", "abd00001"},
		{"abc", `"abc" is several test environments: abc00001, abc00002`},
		{"ab", `there is no test environment "ab"`},
		{"redis", `there is no test environment "redis"`},
	} {
		e, err := s.Elsewhere(c.given)
		if err != nil {
			e = &Environment{ID: err.Error()}
		}
		if e.ID != c.want {
			t.Errorf("%q: %s, want %s", c.given, e.ID, c.want)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestCount: those who count wait for each other, so no more are made than there may be.
func TestCount(t *testing.T) {
	dir := t.TempDir()
	const limit = 3
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			s := Store{Dir: filepath.Join(dir, string(rune('a'+i%2))), User: filepath.Join(dir, "user")}
			done, err := s.Count()
			if err != nil {
				t.Error(err)
				return
			}
			defer done()
			all, err := s.Everywhere()
			e := &Environment{Status: Ready}
			if err == nil && len(all) < limit {
				if _, err = s.New(e); err == nil {
					err = s.Save(e)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := Store{Dir: filepath.Join(dir, "a"), User: filepath.Join(dir, "user")}
	if all, err := s.Everywhere(); err != nil || len(all) != limit {
		t.Errorf("there are %d, %v", len(all), err)
	}
}

// TestImages: one at a time makes images; who waits for it is told so once, and can give up.
func TestImages(t *testing.T) {
	s := &Store{Dir: t.TempDir(), User: t.TempDir()}
	other := &Store{Dir: t.TempDir(), User: s.User}
	told := 0
	waits := func() { told++ }
	done, err := s.Images(t.Context(), waits)
	if err != nil || told != 0 {
		t.Fatalf("told %d times, %v", told, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockPause)
	defer cancel()
	if _, err := other.Images(ctx, waits); !fault.Is(err, fault.Cancelled) || told != 1 {
		t.Errorf("told %d times, %v", told, err)
	}
	time.AfterFunc(lockPause, done)
	done, err = other.Images(t.Context(), waits)
	if err != nil || told != 2 {
		t.Fatalf("told %d times, %v", told, err)
	}
	done()
	if all, err := s.Everywhere(); err != nil || len(all) > 0 {
		t.Errorf("the lock counts as an environment: %v, %v", all, err)
	}
}
