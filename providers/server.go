package providers

import (
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Record is what a server shall be.
type Record struct {
	Name      string            // unique in the workspace; also its host name
	Image     string            // in the words of the provider
	Plan      string            // in the words of the provider; "": its smallest
	Zone      string            // "": the default one
	Network   string            // private network; "": that of the workspace
	User      string            // that may log in; "": the image's, else root
	SSHKeys   []string          // public keys, as lines of authorized_keys
	Tags      map[string]string //
	Workspace string            // whose server it is
	Infra     string            // infrastructure within the workspace; may be ""
}

// Status is how a server is, in words that all providers share.
type Status string

// The states of a server.
const (
	Creating  Status = "creating"
	Starting  Status = "starting"
	Running   Status = "running"
	Stopping  Status = "stopping"
	Stopped   Status = "stopped"
	Rebooting Status = "rebooting"
	Resizing  Status = "resizing"
	Deleting  Status = "deleting"
	Deleted   Status = "deleted"
	Failed    Status = "error"
	Unknown   Status = "unknown"
)

// Server is a server as its provider describes it.
type Server struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Provider  string            `json:"provider"`
	Status    Status            `json:"status"`
	Word      string            `json:"provider_status"` // the provider's own word for it
	Plan      string            `json:"plan"`
	Zone      string            `json:"zone"`
	Image     string            `json:"image"`
	Network   string            `json:"network"`
	Addresses Addresses         `json:"addresses"`
	User      string            `json:"user"`
	Port      int               `json:"port"`      // of its SSH server
	HostKeys  []string          `json:"host_keys"` // public keys of its SSH server: "ssh-ed25519 AAAA…"; none while it has none
	Tags      map[string]string `json:"tags"`
	Volumes   []string          `json:"volumes"`
	Infra     string            `json:"infra"`
	Key       string            `json:"key"` // that it was made with
	Message   string            `json:"message,omitempty"`
	CreatedAt time.Time         `json:"created_at"`
	Raw       map[string]any    `json:"raw"` // what else the provider says
}

// Addresses of a server; "" for those that it has not.
type Addresses struct {
	PublicIPv4  string `json:"public_ipv4"`
	PublicIPv6  string `json:"public_ipv6"`
	PrivateIPv4 string `json:"private_ipv4"`
}

// Reach is the address that it is connected to by: the public one, if it has one.
func (a Addresses) Reach() string {
	for _, address := range []string{a.PublicIPv4, a.PublicIPv6, a.PrivateIPv4} {
		if address != "" {
			return address
		}
	}
	return ""
}

// Filter chooses servers: by all fields that are not empty.
type Filter struct {
	Workspace string
	Infra     string
	Name      string
	Key       string
	Tags      map[string]string
}

// Matches reports whether a server of the filter's workspace is chosen.
func (f Filter) Matches(s Server) bool {
	for tag, want := range f.Tags {
		if got, ok := s.Tags[tag]; !ok || got != want {
			return false
		}
	}
	return (f.Infra == "" || f.Infra == s.Infra) && (f.Name == "" || f.Name == s.Name) && (f.Key == "" || f.Key == s.Key)
}

// NotFound is the error for a server that there is not.
func NotFound(id string) error {
	return fault.New(fault.NotFound, "there is no server %q", id).WithHint("see: provisioning server list")
}
