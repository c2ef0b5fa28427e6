package container

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Container is a container as its engine describes it.
type Container struct {
	ID       string             `star:"id" json:"id"`
	Name     string             `star:"name" json:"name"`
	Image    string             `star:"image" json:"image"`
	State    string             `star:"state" json:"state"`   // created, running, paused, restarting, removing, exited, dead
	Health   string             `star:"health" json:"health"` // healthy, unhealthy, starting; "" without a check
	ExitCode int                `star:"exit_code" json:"exit_code"`
	Error    string             `star:"error" json:"error"` // why it could not be started
	Command  []string           `star:"command" json:"command"`
	Created  time.Time          `star:"created" json:"created"`
	Started  *time.Time         `star:"started" json:"started"` // nil: never
	Labels   map[string]string  `star:"labels" json:"labels"`
	Networks map[string]Address `star:"networks" json:"networks"`
	Ports    []Published        `star:"ports" json:"ports"`
	Restarts int                `star:"restarts" json:"restarts"` // how often the engine has restarted it
	Limits   Limits             `star:"limits" json:"limits"`
}

// Address is that of a container on a network.
type Address struct {
	IPv4    string   `star:"ipv4" json:"ipv4"`
	IPv6    string   `star:"ipv6" json:"ipv6"`
	Gateway string   `star:"gateway" json:"gateway"`
	MAC     string   `star:"mac" json:"mac"`
	Aliases []string `star:"aliases" json:"aliases"`
}

// Published is a port that the machine of the engine passes on.
type Published struct {
	Container int    `star:"container" json:"container"`
	Protocol  string `star:"protocol" json:"protocol"`
	Host      int    `star:"host" json:"host"`
	Address   string `star:"address" json:"address"`
}

// Alive reports whether something runs in the container.
func (c Container) Alive() bool {
	return c.State == "running" || c.State == "paused" || c.State == "restarting"
}

// Inspect describes a container. One that is not there is an error of the kind
// not_found.
func (e *Engine) Inspect(ctx context.Context, name string) (Container, error) {
	c, found, err := e.Look(ctx, name)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "there is no container %q", name).WithHint("container.list() shows those that there are; docker ps -a, too")
	}
	return c, err
}

// Look is as Inspect, and says whether there is one.
func (e *Engine) Look(ctx context.Context, name string) (c Container, found bool, err error) {
	i, err := e.api.ContainerInspect(ctx, name)
	switch {
	case errdefs.IsNotFound(err):
		return Container{}, false, nil
	case err != nil:
		return Container{}, false, looked(e.fault(ctx, err, "cannot look at the container %q", name))
	case i.ContainerJSONBase == nil || i.State == nil || i.Config == nil || i.HostConfig == nil:
		return Container{}, false, fault.New(fault.Failed, "the engine describes the container %q without its state", name)
	}
	return described(i), true, nil
}

// looked clears what matters to writes only.
func looked(f *fault.Error) *fault.Error {
	f.InDoubt = false
	return f
}

func described(i container.InspectResponse) Container {
	c := Container{
		ID: i.ID, Name: strings.TrimPrefix(i.Name, "/"), Image: i.Config.Image, State: string(i.State.Status), ExitCode: i.State.ExitCode,
		Error: i.State.Error, Command: append([]string{i.Path}, i.Args...), Created: parseTime(i.Created),
		Labels: i.Config.Labels, Networks: map[string]Address{}, Ports: []Published{}, Restarts: i.RestartCount,
	}
	if started := parseTime(i.State.StartedAt); !started.IsZero() {
		c.Started = &started
	}
	if i.State.Health != nil && i.State.Health.Status != "none" {
		c.Health = string(i.State.Health.Status)
	}
	c.Limits = Limits{CPUs: float64(i.HostConfig.NanoCPUs) / 1e9, Memory: i.HostConfig.Memory}
	if i.HostConfig.CPUPeriod > 0 { // see SetLimits
		c.Limits.CPUs = float64(i.HostConfig.CPUQuota) / float64(i.HostConfig.CPUPeriod)
	}
	if i.HostConfig.PidsLimit != nil {
		c.Limits.Pids = *i.HostConfig.PidsLimit
	}
	if i.NetworkSettings == nil {
		return c
	}
	for name, n := range i.NetworkSettings.Networks {
		if n != nil {
			c.Networks[name] = Address{
				IPv4: n.IPAddress, IPv6: n.GlobalIPv6Address, Gateway: n.Gateway, MAC: n.MacAddress, Aliases: append([]string{}, n.Aliases...),
			}
		}
	}
	for port, bindings := range i.NetworkSettings.Ports {
		for _, b := range bindings {
			host, _ := strconv.Atoi(b.HostPort)
			c.Ports = append(c.Ports, Published{port.Int(), port.Proto(), host, b.HostIP})
		}
	}
	slices.SortFunc(c.Ports, func(a, b Published) int {
		return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Address, b.Address))
	})
	return c
}

// parseTime reads a time of the engine, for which the year 1 is never.
func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t.UTC()
}

// Filter chooses containers, images, networks and volumes by their labels.
type Filter struct {
	Owner  Owner             // of those fields that are not empty
	Labels map[string]string // "" for a label with any value
}

func (f Filter) args() filters.Args {
	args := filters.NewArgs()
	for name, v := range f.Owner.Labels(f.Labels) {
		if v != "" {
			name += "=" + v
		}
		args.Add("label", name)
	}
	return args
}

// List describes containers, those that do not run too, sorted by name.
func (e *Engine) List(ctx context.Context, f Filter) ([]Container, error) {
	found, err := e.api.ContainerList(ctx, container.ListOptions{All: true, Filters: f.args()})
	if err != nil {
		return nil, looked(e.fault(ctx, err, "cannot list the containers"))
	}
	all := make([]Container, 0, len(found))
	for _, s := range found {
		c, there, err := e.Look(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		if there { // it may have gone meanwhile
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Stats are what a container uses.
type Stats struct {
	CPU      float64 `star:"cpu" json:"cpu"`           // share of one processor, over about a second
	Memory   int64   `star:"memory" json:"memory"`     // bytes, without what can be given back
	Limit    int64   `star:"limit" json:"limit"`       // of memory
	Pids     int64   `star:"pids" json:"pids"`         //
	Received int64   `star:"received" json:"received"` // bytes on all networks
	Sent     int64   `star:"sent" json:"sent"`         //
	Read     int64   `star:"read" json:"read"`         // bytes from disks
	Written  int64   `star:"written" json:"written"`   //
}

// Stats measures what a container uses. It takes a second or two.
func (e *Engine) Stats(ctx context.Context, name string) (Stats, error) {
	r, err := e.api.ContainerStats(ctx, name, false)
	if err != nil {
		return Stats{}, looked(e.fault(ctx, err, "cannot measure the container %q", name))
	}
	defer r.Body.Close()
	var s container.StatsResponse
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		return Stats{}, looked(e.fault(ctx, err, "cannot measure the container %q", name))
	}
	return used(s), nil
}

func used(s container.StatsResponse) Stats {
	u := Stats{Memory: int64(s.MemoryStats.Usage), Limit: int64(s.MemoryStats.Limit), Pids: int64(s.PidsStats.Current)}
	for _, name := range []string{"total_inactive_file", "inactive_file"} { // cgroup v1, v2
		if idle := int64(s.MemoryStats.Stats[name]); idle > 0 && idle < u.Memory {
			u.Memory -= idle
			break
		}
	}
	used := float64(s.CPUStats.CPUUsage.TotalUsage) - float64(s.PreCPUStats.CPUUsage.TotalUsage)
	passed := float64(s.CPUStats.SystemUsage) - float64(s.PreCPUStats.SystemUsage)
	if used > 0 && passed > 0 {
		u.CPU = used / passed * float64(max(s.CPUStats.OnlineCPUs, 1))
	}
	for _, n := range s.Networks {
		u.Received += int64(n.RxBytes)
		u.Sent += int64(n.TxBytes)
	}
	for _, entry := range s.BlkioStats.IoServiceBytesRecursive {
		switch strings.ToLower(entry.Op) {
		case "read":
			u.Read += int64(entry.Value)
		case "write":
			u.Written += int64(entry.Value)
		}
	}
	return u
}
