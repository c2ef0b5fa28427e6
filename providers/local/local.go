// Package local makes servers of containers: Docker or Podman on this machine.
//
// A server is a container on a private network, with an address that it keeps, a
// name that the other servers of the network know it by, limits by its plan and an
// SSH server of its own, whose host key is read out of the container: nobody has to
// trust the first connection. Any image will do that has an SSH server; systemd as
// process 1 gets what it needs.
//
// All that is known of a server is in labels of its container. A workspace has a
// network for its servers, more when they ask for them; a network goes with its last
// server.
package local

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/providers"
)

// Name is that of the provider.
const Name = "local"

// zone is the only one.
const zone = "local"

// Provider is the local provider.
type Provider struct {
	config   settings
	problems []string

	mu     sync.Mutex
	engine *container.Engine

	addresses sync.Mutex // held from the choice of an address until a container has it
}

var _ providers.Provider = (*Provider)(nil)

// New makes the provider. It connects to the engine when it first needs it.
func New(c providers.Config) providers.Provider {
	p := &Provider{}
	p.config, p.problems = read(c)
	return p
}

// Info is what the provider says of itself.
func (p *Provider) Info() providers.Info {
	return providers.Info{
		Name: Name, Version: "1.0.0", Type: "container", InterfaceVersion: providers.Version,
		Description:  "servers as containers on this machine",
		Capabilities: providers.Capabilities{ServerManagement: true, Containers: true, ResizeInPlace: true},
		Operations: []string{
			"create_server", "get_server", "list_servers", "delete_server", "start_server", "stop_server", "reboot_server", "resize_server",
		},
		RequiredAuth: []string{}, SupportedOS: []string{"linux"}, Regions: []string{zone}, Certified: false,
	}
}

// TestConnection asks the engine what it is.
func (p *Provider) TestConnection(ctx context.Context) (providers.Account, error) {
	e, err := p.open(ctx)
	if err != nil {
		return providers.Account{Message: err.Error()}, err
	}
	i, err := e.Info(ctx)
	if err != nil {
		return providers.Account{Message: err.Error()}, err
	}
	return providers.Account{
		Success: true, Message: fmt.Sprintf("%s %s on %s", i.Engine, i.Version, i.Name),
		Info: map[string]any{"engine": i.Engine, "version": i.Version, "host": i.Host, "cpus": i.CPUs, "memory": i.Memory, "os": i.OS},
	}, nil
}

// Plans are some that make sense; others of the same form will do.
func (p *Provider) Plans(context.Context) ([]providers.Plan, error) {
	var plans []providers.Plan
	for _, s := range []size{{1, 512}, {1, 1024}, {1, 2048}, {2, 2048}, {2, 4096}, {4, 8192}, {8, 16384}} {
		plans = append(plans, providers.Plan{Name: s.String(), Cores: s.cores, MemoryMB: s.memory})
	}
	return plans, nil
}

// Zones is this machine.
func (p *Provider) Zones(context.Context) ([]providers.Zone, error) {
	return []providers.Zone{{Name: zone, Region: zone, Available: true}}, nil
}

// Pricing is nothing, unless the configuration has a table of prices.
func (p *Provider) Pricing(_ context.Context, plan, in string) (providers.Price, error) {
	s, err := parsePlan(plan)
	if err != nil {
		return providers.Price{}, err
	}
	if err := validZone(in); err != nil {
		return providers.Price{}, err
	}
	hourly := p.config.prices[s.String()]
	return providers.Price{
		Hourly: hourly, Monthly: hourly * providers.HoursOfMonth, Currency: p.config.currency,
		Items: []providers.PriceItem{{Name: s.String(), Hourly: hourly}},
	}, nil
}

func validZone(name string) error {
	if name == "" || name == zone || name == "auto" {
		return nil
	}
	return fault.New(fault.Invalid, "the local provider has no zone %q", name).WithHint("its only zone is %q", zone)
}

// open connects to the engine, once.
func (p *Provider) open(ctx context.Context) (*container.Engine, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.engine != nil {
		return p.engine, nil
	}
	at, err := container.Find(p.config.engine)
	if err != nil {
		return nil, fault.Before(err)
	}
	p.engine, err = container.Open(ctx, at)
	return p.engine, fault.Before(err)
}

// Close ends the connection to the engine.
func (p *Provider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.engine == nil {
		return nil
	}
	e := p.engine
	p.engine = nil
	return e.Close()
}

// ValidateConfig says what is wrong with the configuration.
func (p *Provider) ValidateConfig() providers.Validation {
	v := providers.Validation{Valid: len(p.problems) == 0, Errors: slices.Clone(p.problems), Warnings: []string{}}
	if at, err := container.Find(p.config.engine); err != nil {
		v.Warnings = append(v.Warnings, err.Error())
	} else if strings.HasPrefix(at.Host, "tcp:") {
		v.Warnings = append(v.Warnings, "the engine is on another machine: the addresses of its servers cannot be reached from here by themselves")
	}
	return v
}
