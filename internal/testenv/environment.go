// Package testenv is what is known of test environments: machines made of containers,
// on a network of their own, which services are tried on and which are removed again.
//
// An environment is a directory of the workspace, .provisioning/environments/ID, with
// its record, the logs of its machines, and a lock that the process holds which works
// on it: one whose process has died is known by a lock that nobody holds. The user has
// a copy of the record and a second lock, so that other workspaces know of it. Everything
// else of it is containers and networks with the label [Label]; the scripts that make,
// test and remove them are in stdlib/testenv.star.
package testenv

import "time"

// Labels of everything that is made for an environment.
const (
	Label      = "provisioning.test.env"   // its id
	LabelOwner = "provisioning.test.owner" // whose it is, see [Store.Owner]
)

// LabelInit is by which images say which init system they have, NoInit that it is none.
const (
	LabelInit = "provisioning.init"
	NoInit    = "none"
)

// Standards of what is not said.
const (
	BaseImage  = "provisioning/debian:12"
	CPU        = 1000 // thousandths of a processor
	MemoryMB   = 2048
	Pool       = "172.20.0.0/16" // networks are taken from it
	Zone       = "test.local"    // nodes are found by NODE.test.local
	RunTimeout = 5 * time.Minute
	Lifetime   = 24 * time.Hour     // of one that is not removed after its run
	Limit      = 4                  // environments at a time
	Keep       = 7 * 24 * time.Hour // what is known of one that is removed
)

// Types of environments.
const (
	Single  = "single_taskserv"
	Server  = "server_simulation"
	Cluster = "cluster_topology"
)

// Statuses of an environment.
const (
	Creating = "creating"
	Ready    = "ready"
	Testing  = "testing"
	Failed   = "failed"
	Removing = "removing"
	Removed  = "removed"
)

// Statuses of a test.
const (
	Passed     = "passed"
	Skipped    = "skipped"
	TestFailed = "failed"
)

// Resources are what a node may use.
type Resources struct {
	CPU        int  `json:"cpu_millicores,omitempty" toml:"cpu_millicores,omitempty"`
	MemoryMB   int  `json:"memory_mb,omitempty" toml:"memory_mb,omitempty"`
	Privileged bool `json:"privileged,omitempty" toml:"privileged,omitempty"`
}

// complete fills in what is not said.
func (r *Resources) complete() {
	if r.CPU == 0 {
		r.CPU = CPU
	}
	if r.MemoryMB == 0 {
		r.MemoryMB = MemoryMB
	}
}

// Node is a machine of an environment.
type Node struct {
	Name        string    `json:"name"`
	Role        string    `json:"role,omitempty"`
	Taskservs   []string  `json:"taskservs"` // that are tested
	Recipes     []string  `json:"recipes"`   // these, and what they require
	Services    []string  `json:"-"`         // those of them that have system services; known until it is made
	Container   string    `json:"container"`
	ContainerID string    `json:"container_id,omitempty"`
	IP          string    `json:"ip,omitempty"`
	HostKey     string    `json:"host_key,omitempty"` // of its SSH server, where that is used
	Status      string    `json:"status"`
	Resources   Resources `json:"resources"`
}

// Network is that of an environment.
type Network struct {
	Name    string `json:"name"`
	Subnet  string `json:"subnet,omitempty"`  // before it is made: the one that is wanted, or ""
	Outside string `json:"outside,omitempty"` // a second one, the only way out until all is installed; "" for none
	DNS     string `json:"dns"`
}

// Config is what an environment was asked for with.
type Config struct {
	Type        string            `json:"type" toml:"type"`
	Taskserv    string            `json:"taskserv,omitempty" toml:"taskserv"`
	ServerName  string            `json:"server_name,omitempty" toml:"server_name"`
	Taskservs   []string          `json:"taskservs,omitempty" toml:"taskservs"`
	ClusterType string            `json:"cluster_type,omitempty" toml:"cluster_type"`
	Topology    *Topology         `json:"topology,omitempty" toml:"topology"`
	BaseImage   string            `json:"base_image,omitempty" toml:"base_image"`
	Environment map[string]string `json:"environment,omitempty" toml:"environment"`
	Resources   Resources         `json:"resources" toml:"resources"`
	Volumes     []string          `json:"volumes,omitempty" toml:"volumes"`
	Privileged  bool              `json:"privileged,omitempty" toml:"privileged"`
	Runtime     string            `json:"runtime,omitempty" toml:"runtime"`         // docker, podman, native; "": the engine that is found
	NoInternet  bool              `json:"no_internet,omitempty" toml:"no_internet"` // once all is installed
	SSH         bool              `json:"ssh,omitempty" toml:"ssh"`                 // not through the engine
	Profile     string            `json:"profile,omitempty" toml:"profile"`
	Version     string            `json:"version,omitempty" toml:"version"`
}

// Environment is the record of an environment.
type Environment struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Type        string    `json:"type"`
	Status      string    `json:"status"`
	Message     string    `json:"message,omitempty"` // why it has failed
	Config      Config    `json:"config"`
	Workspace   string    `json:"workspace"` // its directory
	Infra       string    `json:"infra,omitempty"`
	Image       string    `json:"image,omitempty"` // what the machines are made of, where that is not the base image
	Nodes       []Node    `json:"nodes"`
	Network     Network   `json:"network"`
	Runtime     string    `json:"runtime,omitempty"`    // the container engine
	RuntimeAt   string    `json:"runtime_at,omitempty"` // its machine, and its address
	Owner       string    `json:"owner,omitempty"`      // see [Store.Owner]
	AutoCleanup bool      `json:"auto_cleanup"`
	CreatedAt   time.Time `json:"created_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	RemovedAt   time.Time `json:"removed_at,omitzero"`
	Results     []Result  `json:"results,omitempty"`
}

// MemoryMB is what all nodes together may use.
func (e *Environment) MemoryMB() int {
	sum := 0
	for _, n := range e.Nodes {
		sum += n.Resources.MemoryMB
	}
	return sum
}

// Node is the one of the name; "" is the first.
func (e *Environment) Node(name string) (Node, bool) {
	for _, n := range e.Nodes {
		if n.Name == name || name == "" {
			return n, true
		}
	}
	return Node{}, false
}

// Test is the result of one test.
type Test struct {
	Name     string  `json:"name"`
	Taskserv string  `json:"taskserv,omitempty"`
	Node     string  `json:"node"`
	Status   string  `json:"status"` // Passed, Skipped, TestFailed
	Message  string  `json:"message,omitempty"`
	Duration float64 `json:"duration"` // seconds
	Log      string  `json:"log,omitempty"`
}

// Result is that of a run of tests.
type Result struct {
	EnvID       string    `json:"env_id"`
	RunID       string    `json:"run_id"`
	Total       int       `json:"total"`
	Passed      int       `json:"passed"`
	Failed      int       `json:"failed"`
	Skipped     int       `json:"skipped"`
	Duration    float64   `json:"duration"` // seconds
	CompletedAt time.Time `json:"completed_at"`
	Error       string    `json:"error,omitempty"` // why the run did not end
	Tests       []Test    `json:"tests"`
}

// Count counts the tests.
func (r *Result) Count() {
	r.Total, r.Passed, r.Failed, r.Skipped = len(r.Tests), 0, 0, 0
	for _, t := range r.Tests {
		switch t.Status {
		case Passed:
			r.Passed++
		case Skipped:
			r.Skipped++
		default:
			r.Failed++
		}
	}
}

// OK reports whether something was tested, and none of it failed.
func (r *Result) OK() bool { return r.Error == "" && r.Failed == 0 && r.Passed > 0 }
