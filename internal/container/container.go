// Package container drives a container engine: Docker from Engine 20.10 on, or
// Podman by the socket on which it speaks the same API.
//
// [Find] tells where the engine is, [Open] connects to it. An [Engine] makes, finds
// and removes containers, images, networks and volumes; [Conn] makes a machine of a
// container, so that all that works on machines works in containers.
//
// Everything that is made carries the labels of its [Owner], and what it was made
// of. Two promises rest on these. Making something a second time finds what is
// there already, by its name and these labels; and [Engine.Sweep] finds all that a
// run, or a workspace, has left behind, whatever became of the program.
//
// The engine's own client and its types stay within this package.
package container

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// minAPI is what Engine 20.10 speaks.
const minAPI = "1.41"

// Patience is how long an engine may take to answer the first time.
const Patience = 5 * time.Second

// Engine is a container engine. It is safe for concurrent use.
type Engine struct {
	at  Endpoint
	api api
}

// Open connects to the engine at an endpoint, and finds out which version of the
// API both speak.
func Open(ctx context.Context, at Endpoint) (*Engine, error) {
	dial, err := at.dialer()
	if err != nil {
		return nil, err
	}
	// All of the transport is made here, TLS as well: a request that takes over its
	// connection does not heed its context otherwise (see takenOver).
	transport := &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: 30 * time.Second}
	c, err := client.NewClientWithOpts(
		client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}),
		client.WithHost(at.clientHost()),
		client.WithDialContext(func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }),
		client.WithScheme("http"),
	)
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "the address of the container engine, %s, cannot be used", at.Host)
	}
	e := &Engine{at: at, api: c}
	if err := e.greet(ctx, c); err != nil {
		_ = c.Close()
		return nil, err
	}
	return e, nil
}

// greet settles the version of the API.
func (e *Engine) greet(ctx context.Context, c *client.Client) error {
	patient, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	ping, err := c.Ping(patient)
	if err != nil {
		return e.noAnswer(ctx, patient, err)
	}
	if ping.APIVersion == "" || !plain(ping.APIVersion, ".") {
		return unsent(fault.New(fault.Config, "what listens at %s is no container engine", e.at.Host).WithHint("%s", e.at.hint()))
	}
	if versions.LessThan(ping.APIVersion, minAPI) {
		return unsent(fault.New(fault.Config, "the container engine at %s is too old: it speaks version %s of the API, and %s is needed",
			e.at.Host, ping.APIVersion, minAPI).WithHint("install Docker Engine 20.10 or Podman 4, or newer ones"))
	}
	c.NegotiateAPIVersionPing(ping)
	return nil
}

// Close ends the connections to the engine.
func (e *Engine) Close() error { return e.api.Close() }

// Endpoint is where the engine is.
func (e *Engine) Endpoint() Endpoint { return e.at }

// Info is what an engine says of itself.
type Info struct {
	Name     string `star:"name" json:"name"`             // of its machine
	Engine   string `star:"engine" json:"engine"`         // "docker" or "podman"
	Version  string `star:"version" json:"version"`       // of the engine
	API      string `star:"api" json:"api"`               // version of the API that is spoken
	Host     string `star:"host" json:"host"`             // its address
	Context  string `star:"context" json:"context"`       // the Docker context it was found by; ""
	OS       string `star:"os" json:"os"`                 // "Debian GNU/Linux 12 (bookworm)"
	Arch     string `star:"arch" json:"arch"`             // "x86_64"
	Kernel   string `star:"kernel" json:"kernel"`         // its version
	CPUs     int    `star:"cpus" json:"cpus"`             //
	Memory   int64  `star:"memory" json:"memory"`         // bytes
	Storage  string `star:"storage" json:"storage"`       // the storage driver
	Cgroup   string `star:"cgroup" json:"cgroup"`         // "1" or "2"
	Rootless bool   `star:"rootless" json:"rootless"`     //
	Running  int    `star:"running" json:"running"`       // containers that run
	Total    int    `star:"containers" json:"containers"` // all containers
	Images   int    `star:"images" json:"images"`         //
}

// Info asks the engine what it is.
func (e *Engine) Info(ctx context.Context) (Info, error) {
	i, err := e.api.Info(ctx)
	if err != nil {
		return Info{}, e.fault(ctx, err, "cannot ask the container engine what it is")
	}
	info := Info{
		Name: i.Name, Engine: "docker", Version: i.ServerVersion, API: e.api.ClientVersion(), Host: e.at.Host, Context: e.at.Context,
		OS: i.OperatingSystem, Arch: i.Architecture, Kernel: i.KernelVersion, CPUs: i.NCPU, Memory: i.MemTotal, Storage: i.Driver,
		Cgroup: i.CgroupVersion, Running: i.ContainersRunning, Total: i.Containers, Images: i.Images,
	}
	for _, option := range i.SecurityOptions {
		info.Rootless = info.Rootless || option == "name=rootless" || option == "rootless"
	}
	v, err := e.api.ServerVersion(ctx)
	if err != nil {
		return Info{}, e.fault(ctx, err, "cannot ask the container engine for its version")
	}
	for _, c := range v.Components {
		if c.Name == "Podman Engine" {
			info.Engine, info.Version = "podman", c.Version
		}
	}
	return info, nil
}
