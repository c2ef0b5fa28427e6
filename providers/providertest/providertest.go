// Package providertest tests what all providers promise. A provider passes it in a
// test of ten lines:
//
//	func TestContract(t *testing.T) {
//		providertest.Run(t, providertest.Setup{
//			Provider: func(t *testing.T) providers.Provider { … },
//			Record:   providers.Record{Image: "debian-12", Plan: "small", Workspace: "test"},
//			Plan:     "large",
//		})
//	}
//
// [Memory] is a provider whose servers are entries of a table, for tests of those
// that use providers.
package providertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/providers"
)

// Setup is what the suite needs of a provider.
type Setup struct {
	// Provider connects to the provider. It is called more than once, and has to
	// reach the same servers each time.
	Provider func(t *testing.T) providers.Provider
	Record   providers.Record // of servers that can be made; the suite gives the names
	Plan     string           // another plan, for resizing
	// Broken is a configuration that is not valid; nil: there is none.
	Broken func() providers.Provider
	Slow   time.Duration // what one state takes to become the next; 0: a minute
}

// suite is a run of it.
type suite struct {
	Setup
	p providers.Provider
}

// Run tests a provider. What it makes is removed.
func Run(t *testing.T, s Setup) {
	if s.Slow == 0 {
		s.Slow = time.Minute
	}
	u := &suite{s, s.Provider(t)}
	t.Cleanup(func() {
		u.clean(t)
		if err := u.p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	u.clean(t)
	for _, c := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"Info", u.info},
		{"Config", u.config},
		{"Prices", u.prices},
		{"CreateIsIdempotent", u.create},
		{"Exists", u.exists},
		{"Refuses", u.refuses},
		{"List", u.list},
		{"Power", u.power},
		{"Resize", u.resize},
		{"Delete", u.remove},
		{"Parallel", u.parallel},
		{"Missing", u.missing},
		{"Cancelled", u.cancelled},
	} {
		t.Run(c.name, c.test)
	}
}

// clean removes all servers of the suite's workspaces.
func (u *suite) clean(t *testing.T) {
	t.Helper()
	for _, w := range []string{u.Record.Workspace, u.Record.Workspace + "-other"} {
		servers, err := u.p.ListServers(context.Background(), providers.Filter{Workspace: w})
		if err != nil {
			t.Fatalf("ListServers: %v", err)
		}
		for _, s := range servers {
			if err := u.p.DeleteServer(context.Background(), s.ID, false); err != nil {
				t.Errorf("DeleteServer: %v", err)
			}
		}
	}
}

func (u *suite) record(name string) providers.Record {
	r := u.Record
	r.Name = name
	return r
}

// make makes a server that has to become a running one.
func (u *suite) make(t *testing.T, name string) providers.Server {
	t.Helper()
	s, err := u.p.CreateServer(t.Context(), u.record(name), "key-of-"+name)
	if err != nil {
		t.Fatalf("CreateServer: %v", err)
	}
	return u.until(t, s.ID, providers.Running)
}

// until waits for a state.
func (u *suite) until(t *testing.T, id string, want providers.Status) providers.Server {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) { // a provider is asked; there is nothing to wait on
		s, err := u.p.GetServer(t.Context(), id)
		if err != nil {
			t.Fatalf("GetServer: %v", err)
		}
		if s.Status == want {
			return s
		}
		if s.Status == providers.Failed || time.Since(began) > u.Slow {
			t.Fatalf("the server %s is %s (%s), not %s", s.Name, s.Status, s.Message, want)
		}
	}
}

func (u *suite) info(t *testing.T) {
	i := u.p.Info()
	if i.Name == "" || i.Version == "" || i.Description == "" || i.InterfaceVersion != providers.Version || !i.Capabilities.ServerManagement {
		t.Errorf("the metadata is not complete: %+v", i)
	}
	if !slices.Contains([]string{"cloud", "container", "metal", "local"}, i.Type) {
		t.Errorf("type %q", i.Type)
	}
	if a, err := u.p.TestConnection(t.Context()); err != nil || !a.Success || a.Message == "" {
		t.Errorf("TestConnection: %+v, %v", a, err)
	}
}

func (u *suite) config(t *testing.T) {
	if v := u.p.ValidateConfig(); !v.Valid || len(v.Errors) > 0 {
		t.Errorf("its own configuration is not valid: %v", v.Errors)
	}
	if u.Broken == nil {
		return
	}
	if v := u.Broken().ValidateConfig(); v.Valid || len(v.Errors) == 0 {
		t.Error("a broken configuration is valid")
	}
}

func (u *suite) prices(t *testing.T) {
	plans, err := u.p.Plans(t.Context())
	if err != nil || len(plans) == 0 {
		t.Fatalf("Plans: %v, %v", plans, err)
	}
	zones, err := u.p.Zones(t.Context())
	if err != nil || len(zones) == 0 {
		t.Fatalf("Zones: %v, %v", zones, err)
	}
	for _, plan := range plans {
		if plan.Name == "" || plan.Cores <= 0 || plan.MemoryMB <= 0 {
			t.Errorf("plan %+v", plan)
		}
		price, err := u.p.Pricing(t.Context(), plan.Name, zones[0].Name)
		if err != nil || price.Currency == "" || price.Monthly != price.Hourly*providers.HoursOfMonth {
			t.Errorf("Pricing(%s): %+v, %v", plan.Name, price, err)
		}
	}
	if _, err := u.p.Pricing(t.Context(), "no such plan", ""); fault.KindOf(err) != fault.Invalid {
		t.Errorf("the price of a plan that there is not: %v", err)
	}
}

func (u *suite) create(t *testing.T) {
	r := u.record("first")
	r.Tags = map[string]string{"role": "web", "team": "a b"}
	s, err := u.p.CreateServer(t.Context(), r, "key-1")
	if err != nil {
		t.Fatalf("CreateServer: %v", err)
	}
	s = u.until(t, s.ID, providers.Running)
	if s.Name != "first" || s.Provider != u.p.Info().Name || s.Key != "key-1" || s.Plan != r.Plan || s.Image != r.Image || s.CreatedAt.IsZero() {
		t.Errorf("it is not what was asked for: %+v", s)
	}
	if s.Tags["role"] != "web" || s.Tags["team"] != "a b" || len(s.Tags) != 2 {
		t.Errorf("tags %v", s.Tags)
	}
	if s.Addresses.Reach() == "" {
		t.Error("it has no address")
	}
	other := u.Provider(t) // as a process that goes on with the run
	defer other.Close()    //nolint:errcheck // it only asked
	again, err := other.CreateServer(t.Context(), r, "key-1")
	if err != nil || again.ID != s.ID || again.Addresses != s.Addresses {
		t.Errorf("the same key makes %v, %v, not %v", again, err, s)
	}
	if again, err = u.p.CreateServer(t.Context(), r, "key-2"); err != nil || again.ID != s.ID || again.Key != "key-1" {
		t.Errorf("another key, and the same record: %+v, %v", again, err)
	}
}

func (u *suite) exists(t *testing.T) {
	u.make(t, "there")
	r := u.record("there")
	r.Tags = map[string]string{"other": "tag"}
	if s, err := u.p.CreateServer(t.Context(), r, "key-3"); fault.KindOf(err) != fault.Exists {
		t.Errorf("another server of the same name: %+v, %v", s, err)
	}
	r = u.record("there")
	r.Plan = u.Plan
	if s, err := u.p.CreateServer(t.Context(), r, "key-3"); fault.KindOf(err) != fault.Exists || !strings.Contains(err.Error(), u.Plan) {
		t.Errorf("a server of the same name with another plan: %+v, %v", s, err)
	}
}

func (u *suite) refuses(t *testing.T) {
	for what, change := range map[string]func(*providers.Record){
		"no name":           func(r *providers.Record) { r.Name = "" },
		"a name that hurts": func(r *providers.Record) { r.Name = "a; rm -rf /" },
		"an image":          func(r *providers.Record) { r.Image = "no-such-image-anywhere:9" },
		"a plan":            func(r *providers.Record) { r.Plan = "no such plan" },
		"a zone":            func(r *providers.Record) { r.Zone = "no-such-zone" },
		"a key":             func(r *providers.Record) { r.SSHKeys = []string{"no key\nat all"} },
	} {
		r := u.record("refused")
		change(&r)
		_, err := u.p.CreateServer(t.Context(), r, "key-4")
		if e := fault.As(err); e == nil || !e.Unsent || e.Kind != fault.Invalid && e.Kind != fault.NotFound || e.Hint == "" && what != "a key" {
			t.Errorf("%s: %#v", what, err)
		}
		if again := u.p.CheckServer(t.Context(), r); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: to make it says %q, to check it %q", what, err, again)
		}
	}
	if err := u.p.CheckServer(t.Context(), u.record("refused")); err != nil {
		t.Errorf("what is right is refused: %v", err)
	}
	if left, err := u.p.ListServers(t.Context(), providers.Filter{Workspace: u.Record.Workspace, Name: "refused"}); err != nil || len(left) > 0 {
		t.Errorf("what was refused is there: %v, %v", left, err)
	}
}

func (u *suite) list(t *testing.T) {
	r := u.record("listed")
	r.Tags, r.Infra = map[string]string{"role": "db"}, "shop"
	if _, err := u.p.CreateServer(t.Context(), r, "key-5"); err != nil {
		t.Fatal(err)
	}
	elsewhere := r
	elsewhere.Workspace += "-other"
	if _, err := u.p.CreateServer(t.Context(), elsewhere, "key-6"); err != nil {
		t.Fatalf("a server of the same name in another workspace: %v", err)
	}
	w := u.Record.Workspace
	for _, c := range []struct {
		f    providers.Filter
		want bool
	}{
		{providers.Filter{Workspace: w}, true},
		{providers.Filter{Workspace: w, Name: "listed"}, true},
		{providers.Filter{Workspace: w, Key: "key-5"}, true},
		{providers.Filter{Workspace: w, Infra: "shop", Tags: map[string]string{"role": "db"}}, true},
		{providers.Filter{Workspace: w, Tags: map[string]string{"role": "web"}, Name: "listed"}, false},
		{providers.Filter{Workspace: w, Key: "key-6"}, false},
		{providers.Filter{Workspace: w, Infra: "other"}, false},
		{providers.Filter{Workspace: w + "-third"}, false},
	} {
		found, err := u.p.ListServers(t.Context(), c.f)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, s := range found {
			if s.Name == "listed" {
				n++
			}
		}
		if want := map[bool]int{true: 1}[c.want]; n != want {
			t.Errorf("%+v finds it %d times, not %d", c.f, n, want)
		}
		if !slices.IsSortedFunc(found, func(a, b providers.Server) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%+v is not sorted", c.f)
		}
	}
}

func (u *suite) power(t *testing.T) {
	s := u.make(t, "power")
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for range 2 { // what it is like already is no error
		must("StopServer", u.p.StopServer(t.Context(), s.ID))
	}
	u.until(t, s.ID, providers.Stopped)
	for range 2 {
		must("StartServer", u.p.StartServer(t.Context(), s.ID))
	}
	if now := u.until(t, s.ID, providers.Running); now.Addresses != s.Addresses {
		t.Errorf("its addresses were %v and are %v", s.Addresses, now.Addresses)
	}
	must("RebootServer", u.p.RebootServer(t.Context(), s.ID))
	u.until(t, s.ID, providers.Running)
}

func (u *suite) resize(t *testing.T) {
	s := u.make(t, "resize")
	if !u.p.Info().Capabilities.ResizeInPlace {
		if err := u.p.StopServer(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
		u.until(t, s.ID, providers.Stopped)
	}
	if err := u.p.ResizeServer(t.Context(), s.ID, "no such plan"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a plan that there is not: %v", err)
	}
	for range 2 {
		if err := u.p.ResizeServer(t.Context(), s.ID, u.Plan); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := u.p.GetServer(t.Context(), s.ID); err != nil || s.Plan != u.Plan {
		t.Errorf("its plan is %s, not %s: %v", s.Plan, u.Plan, err)
	}
}

func (u *suite) remove(t *testing.T) {
	s := u.make(t, "gone")
	for range 2 {
		if err := u.p.DeleteServer(t.Context(), s.ID, false); err != nil {
			t.Fatal(err)
		}
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) { // a provider is asked; there is nothing to wait on
		left, err := u.p.ListServers(t.Context(), providers.Filter{Workspace: u.Record.Workspace, Name: "gone"})
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			break
		}
		if time.Since(began) > u.Slow {
			t.Fatalf("it is %s still", left[0].Status)
		}
	}
	again := u.make(t, "gone")
	if again.ID == s.ID {
		t.Error("the server that was deleted is back")
	}
}

// atOnce is how many servers are made side by side.
const atOnce = 5

func (u *suite) parallel(t *testing.T) {
	var wg sync.WaitGroup
	servers := make([]providers.Server, 2*atOnce)
	errs := make([]error, len(servers))
	for i := range servers {
		wg.Go(func() { // each twice, as two processes with the same run would
			name := fmt.Sprintf("many-%d", i/2)
			servers[i], errs[i] = u.p.CreateServer(t.Context(), u.record(name), "key-of-"+name)
		})
	}
	wg.Wait()
	addresses, ids := map[string]string{}, map[string]bool{}
	for i, s := range servers {
		if errs[i] != nil {
			t.Fatalf("CreateServer: %v", errs[i])
		}
		if other := addresses[s.Addresses.Reach()]; other != "" && other != s.ID {
			t.Errorf("two servers have the address %s", s.Addresses.Reach())
		}
		addresses[s.Addresses.Reach()], ids[s.ID] = s.ID, true
	}
	if len(ids) != atOnce {
		t.Errorf("there are %d servers, not %d", len(ids), atOnce)
	}
}

func (u *suite) missing(t *testing.T) {
	for what, do := range map[string]func() error{
		"GetServer":    func() error { _, err := u.p.GetServer(t.Context(), "no-such-server"); return err },
		"StartServer":  func() error { return u.p.StartServer(t.Context(), "no-such-server") },
		"StopServer":   func() error { return u.p.StopServer(t.Context(), "no-such-server") },
		"RebootServer": func() error { return u.p.RebootServer(t.Context(), "no-such-server") },
		"ResizeServer": func() error { return u.p.ResizeServer(t.Context(), "no-such-server", u.Plan) },
	} {
		if err := do(); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := u.p.DeleteServer(t.Context(), "no-such-server", false); err != nil {
		t.Errorf("DeleteServer: %v", err)
	}
}

// cancelled: whoever stops does not get a server that nobody knows of.
func (u *suite) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := u.p.CreateServer(ctx, u.record("stopped"), "key-7"); err == nil {
		t.Fatalf("it was made: %+v", s)
	}
	left, err := u.p.ListServers(t.Context(), providers.Filter{Workspace: u.Record.Workspace, Name: "stopped"})
	if err != nil || len(left) > 1 || len(left) == 1 && left[0].Key != "key-7" {
		t.Errorf("there is %v, %v", left, err)
	}
}
