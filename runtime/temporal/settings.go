package temporal

import (
	"errors"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Settings say how the server is reached, and what runs on it share. They are the table
// [engine.temporal] of the configuration.
type Settings struct {
	Address   string `toml:"address"`      // host:port; default 127.0.0.1:7233
	Namespace string `toml:"namespace"`    // default "default"
	Queue     string `toml:"task_queue"`   // of runs, and of effects that are not routed; default "provisioning"
	KeyFile   string `toml:"key_file"`     // age key that all workers and clients share; default: that of the user
	Large     string `toml:"large"`        // directory that all workers and clients share, for values of more than 64 KiB; "": one of the user for a server on this machine, else they go into histories
	APIKey    string `toml:"api_key_file"` // read again for every call, so that it can be renewed
	TLS       struct {
		CA         string `toml:"ca_file"`   // default: those of the system
		Cert       string `toml:"cert_file"` // read again for every connection, as its key
		Key        string `toml:"key_file"`
		ServerName string `toml:"server_name"`
		Enabled    bool   `toml:"enabled"` // also without any of the others
	} `toml:"tls"`
	Routes map[string]string `toml:"routes"` // see route
	// History is after how many events a run goes on in another history; 0: 20,000.
	History int `toml:"history_events"`
	// Heartbeat is how long a worker may say nothing before it counts as lost; 0: 15 s.
	Heartbeat Span `toml:"heartbeat"`
}

// Span is a time as configurations have it: "15s".
type Span time.Duration

// UnmarshalText reads a time of a second or more: messages take a part of it.
func (s *Span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err == nil && d < time.Second {
		err = errors.New("it must be 1s or more")
	}
	*s = Span(d)
	return err
}

// String says which server is meant.
func (s Settings) String() string {
	s = s.complete()
	return "Temporal server " + s.Address + ", namespace " + s.Namespace
}

// complete fills in the defaults.
func (s Settings) complete() Settings {
	for field, standard := range map[*string]string{&s.Address: client.DefaultHostPort, &s.Namespace: client.DefaultNamespace, &s.Queue: "provisioning"} {
		if *field == "" {
			*field = standard
		}
	}
	if s.Address == client.DefaultHostPort {
		s.Address = "127.0.0.1:7233"
	}
	return s
}

// Loopback reports whether the server is one of this machine.
func (s Settings) Loopback() bool {
	host, _, err := net.SplitHostPort(s.complete().Address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// Below returns the settings with relative names of files and directories as such below
// dir, which they were written for.
func (s Settings) Below(dir string) Settings {
	for _, name := range []*string{&s.KeyFile, &s.Large, &s.APIKey, &s.TLS.CA, &s.TLS.Cert, &s.TLS.Key} {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(dir, *name)
		}
	}
	return s
}

// queues are those that work goes to: that of runs first.
func (s Settings) queues() []string {
	all := slices.Sorted(maps.Values(s.Routes))
	all = slices.DeleteFunc(slices.Compact(all), func(queue string) bool { return queue == s.Queue })
	return append([]string{s.Queue}, all...)
}

// check finds what is wrong with complete settings before anything is done with them.
func (s Settings) check() error {
	if host, port, err := net.SplitHostPort(s.Address); err != nil || host == "" || port == "" {
		return fault.New(fault.Config, "the address of the Temporal server must be HOST:PORT, not %q", s.Address).
			WithHint("it is that of [engine.temporal] address, PROVISIONING_ENGINE_TEMPORAL_ADDRESS or --temporal; servers mostly listen on port 7233")
	}
	if s.History < 0 {
		return fault.New(fault.Config, "[engine.temporal] history_events must not be %d", s.History).
			WithHint("leave it out: a run then goes on in another history when the server suggests it")
	}
	if (s.TLS.Cert == "") != (s.TLS.Key == "") {
		there, missing := "cert_file", "key_file"
		if s.TLS.Cert == "" {
			there, missing = missing, there
		}
		return fault.New(fault.Config, "[engine.temporal.tls] has %s without %s", there, missing).
			WithHint("a client certificate needs both")
	}
	_, err := routesOf(s.Routes)
	return err
}
