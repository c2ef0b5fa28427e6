package providertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/providers"
)

// Memory is a provider whose servers are entries of a table. It keeps all promises
// of the contract, and nothing answers at the addresses of its servers, unless
// Address says so.
type Memory struct {
	Address  string   // of all servers; "": one of 192.0.2.0/24, which nobody has
	Port     int      // of their SSH servers; 0: 22
	HostKeys []string // of their SSH servers
	// Lose, when it is not nil, is asked after each change: an error is what the caller
	// gets in place of the answer.
	Lose func(operation string) error

	mu      sync.Mutex
	servers map[string]*entry // by id
	made    int
}

// entry is a server, and whose it is.
type entry struct {
	providers.Server
	workspace string
}

var _ providers.Provider = (*Memory)(nil)

// Plans of the provider.
var plans = []providers.Plan{{Name: "small", Cores: 1, MemoryMB: 1024, DiskGB: 10}, {Name: "large", Cores: 4, MemoryMB: 8192, DiskGB: 80}}

// Info is what the provider says of itself.
func (m *Memory) Info() providers.Info {
	return providers.Info{
		Name: "memory", Version: "1.0.0", Description: "entries of a table", Type: "local", InterfaceVersion: providers.Version,
		Capabilities: providers.Capabilities{ServerManagement: true, ResizeInPlace: true},
	}
}

// ValidateConfig finds nothing: there is no configuration.
func (m *Memory) ValidateConfig() providers.Validation { return providers.Validation{Valid: true} }

// TestConnection always succeeds.
func (m *Memory) TestConnection(context.Context) (providers.Account, error) {
	return providers.Account{Success: true, Message: "a table"}, nil
}

// Plans are two.
func (m *Memory) Plans(context.Context) ([]providers.Plan, error) { return plans, nil }

// Zones is one.
func (m *Memory) Zones(context.Context) ([]providers.Zone, error) {
	return []providers.Zone{{Name: "here", Region: "here", Available: true}}, nil
}

// Pricing is a cent per hour and core.
func (m *Memory) Pricing(_ context.Context, plan, _ string) (providers.Price, error) {
	p, err := planNamed(plan)
	hourly := float64(p.Cores) / 100
	return providers.Price{Hourly: hourly, Monthly: hourly * providers.HoursOfMonth, Currency: "EUR"}, err
}

func planNamed(name string) (providers.Plan, error) {
	for _, p := range plans {
		if p.Name == name || name == "" {
			return p, nil
		}
	}
	return providers.Plan{}, unsent(fault.Invalid, "there is no plan %q", name).WithHint("small or large")
}

func unsent(kind fault.Kind, format string, args ...any) *fault.Error {
	e := fault.New(kind, format, args...)
	e.Unsent = true
	return e
}

// CheckServer refuses what CreateServer does.
func (m *Memory) CheckServer(ctx context.Context, r providers.Record) error {
	_, err := planNamed(r.Plan)
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return unsent(fault.Cancelled, "it was stopped")
	case !workspace.ValidName(r.Name):
		return unsent(fault.Invalid, "%q is no name of a server", r.Name).WithHint("lower case letters and digits")
	case r.Zone != "" && r.Zone != "here":
		return unsent(fault.Invalid, "there is no zone %q", r.Zone).WithHint("here")
	case strings.HasPrefix(r.Image, "no-such"):
		return unsent(fault.NotFound, "there is no image %q", r.Image).WithHint("any other will do")
	case slices.ContainsFunc(r.SSHKeys, func(k string) bool { return strings.Contains(k, "\n") }):
		return unsent(fault.Invalid, "an SSH key is none")
	}
	return nil
}

// CreateServer adds an entry.
func (m *Memory) CreateServer(ctx context.Context, r providers.Record, key string) (providers.Server, error) {
	if err := m.CheckServer(ctx, r); err != nil {
		return providers.Server{}, err
	}
	plan, _ := planNamed(r.Plan) // it was checked
	m.mu.Lock()
	defer m.mu.Unlock()
	if there := m.named(r.Workspace, r.Name); there != nil {
		return there.Server, sameServer(there, r, plan.Name, key)
	}
	m.made++
	s := m.entry(r, plan.Name, key)
	if m.servers == nil {
		m.servers = map[string]*entry{}
	}
	m.servers[s.ID] = s
	return s.Server, m.lost("create")
}

func (m *Memory) entry(r providers.Record, plan, key string) *entry {
	s := &entry{workspace: r.Workspace, Server: providers.Server{
		ID: fmt.Sprintf("memory-%d", m.made), Name: r.Name, Provider: "memory", Status: providers.Running, Word: "on", Plan: plan, Zone: "here",
		Image: r.Image, Network: r.Network, User: r.User, Port: max(m.Port, 22), HostKeys: m.HostKeys, Tags: r.Tags, Infra: r.Infra, Key: key,
		Volumes: []string{}, CreatedAt: time.Now().UTC().Truncate(time.Second), Raw: map[string]any{},
	}}
	if s.Tags == nil {
		s.Tags = map[string]string{}
	}
	if s.Addresses.PublicIPv4 = m.Address; m.Address == "" {
		s.Addresses.PublicIPv4 = fmt.Sprintf("192.0.2.%d", m.made%256)
	}
	return s
}

func (m *Memory) named(workspace, name string) *entry {
	for _, s := range m.servers {
		if s.workspace == workspace && s.Name == name {
			return s
		}
	}
	return nil
}

func sameServer(there *entry, r providers.Record, plan, key string) error {
	if there.Key == key || there.Plan == plan && there.Image == r.Image && fmt.Sprint(there.Tags) == fmt.Sprint(r.Tags) {
		return nil
	}
	return unsent(fault.Exists, "there is a server %q already, and its plan is %s, not %s, or it differs otherwise", r.Name, there.Plan, plan)
}

func (m *Memory) lost(operation string) error {
	if m.Lose == nil {
		return nil
	}
	return m.Lose(operation)
}

// GetServer returns an entry.
func (m *Memory) GetServer(_ context.Context, id string) (providers.Server, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.servers[id]; s != nil {
		return s.Server, nil
	}
	return providers.Server{}, providers.NotFound(id)
}

// ListServers returns entries.
func (m *Memory) ListServers(_ context.Context, f providers.Filter) ([]providers.Server, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := []providers.Server{}
	for _, s := range m.servers {
		if (f.Workspace == "" || f.Workspace == s.workspace) && f.Matches(s.Server) {
			found = append(found, s.Server)
		}
	}
	slices.SortFunc(found, func(a, b providers.Server) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// DeleteServer removes an entry.
func (m *Memory) DeleteServer(_ context.Context, id string, _ bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.servers, id)
	return m.lost("delete")
}

// StartServer turns an entry on.
func (m *Memory) StartServer(_ context.Context, id string) error {
	return m.change(id, "start", func(s *entry) { s.Status, s.Word = providers.Running, "on" })
}

// StopServer turns an entry off.
func (m *Memory) StopServer(_ context.Context, id string) error {
	return m.change(id, "stop", func(s *entry) { s.Status, s.Word = providers.Stopped, "off" })
}

// RebootServer turns an entry on.
func (m *Memory) RebootServer(_ context.Context, id string) error {
	return m.change(id, "reboot", func(s *entry) { s.Status, s.Word = providers.Running, "on" })
}

// ResizeServer gives an entry another plan.
func (m *Memory) ResizeServer(_ context.Context, id, plan string) error {
	p, err := planNamed(plan)
	if err != nil {
		return err
	}
	return m.change(id, "resize", func(s *entry) { s.Plan = p.Name })
}

func (m *Memory) change(id, operation string, change func(*entry)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.servers[id]
	if s == nil {
		return providers.NotFound(id)
	}
	change(s)
	return m.lost(operation)
}

// Close does nothing.
func (m *Memory) Close() error { return nil }
