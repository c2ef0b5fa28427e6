// Package providers is the contract between the program and those who make and
// remove machines: clouds, and the containers of package local.
//
// A provider knows what there is: it is asked, by the labels that it has put on what
// it has made, and there is no second record of it that could be wrong. Making a
// server is idempotent by a key, so that a run that was killed in the middle can
// make it again and gets the one that is there, finished.
//
// What all providers promise is tested by package providertest.
package providers

import "context"

// Version is that of the contract.
const Version = "2.0.0"

// Provider makes and removes servers. It is safe for concurrent use, and connects
// when it first has to. Errors are *fault.Error: not_found for a server that there
// is not, exists for one that is in the way, invalid for what can never work,
// unavailable for a quota or a limit of requests, network for no answer; with Unsent
// when nothing was asked for certain, with InDoubt when the answer was lost.
type Provider interface {
	Info() Info
	// ValidateConfig looks at the configuration that the provider was made with. It
	// asks nobody.
	ValidateConfig() Validation
	// TestConnection asks whether the provider answers, and lets us in.
	TestConnection(ctx context.Context) (Account, error)

	Plans(ctx context.Context) ([]Plan, error)
	Zones(ctx context.Context) ([]Zone, error)
	// Pricing is what a server of a plan costs in a zone; "" is the default one.
	Pricing(ctx context.Context, plan, zone string) (Price, error)

	// CheckServer says what would keep a server from being made of the record, as far
	// as that can be known: it looks, and changes nothing. That there is one of that
	// name is none of its concerns.
	CheckServer(ctx context.Context, r Record) error
	// CreateServer makes a server, and starts it. It does not wait until the server
	// answers. A second call with the same key returns the same server; one with
	// another key returns the server of that name in the workspace when it is like
	// the record, and is an error of the kind exists when it is not. Whatever was
	// left half made is finished.
	CreateServer(ctx context.Context, r Record, key string) (Server, error)
	// GetServer describes a server, with its host keys.
	GetServer(ctx context.Context, id string) (Server, error)
	// ListServers describes servers, sorted by name. Their host keys may be missing.
	ListServers(ctx context.Context, f Filter) ([]Server, error)
	// DeleteServer removes a server; there being none is no error. keepStorage keeps
	// its volumes.
	DeleteServer(ctx context.Context, id string, keepStorage bool) error

	// The power of a server. What it is like already is no error.
	StartServer(ctx context.Context, id string) error
	StopServer(ctx context.Context, id string) error
	RebootServer(ctx context.Context, id string) error
	// ResizeServer gives a server another plan. Where Info says that it cannot be
	// done in place, the server has to be stopped.
	ResizeServer(ctx context.Context, id, plan string) error

	// Close ends the connections to the provider.
	Close() error
}
