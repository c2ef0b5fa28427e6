package temporal

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Contact knows whether the server answers a worker. It is told by every call, and tells
// when that changes.
type Contact struct {
	Log *slog.Logger

	mu   sync.Mutex
	lost time.Time // zero: it answers
}

// Lost returns since when the server does not answer; zero: it does.
func (c *Contact) Lost() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// watch is a [grpc.UnaryClientInterceptor].
func (c *Contact) watch(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := call(ctx, method, req, reply, conn, opts...)
	switch {
	case ctx.Err() != nil: // nothing is known: who asked did not wait
	case status.Code(err) == codes.Unavailable:
		c.away(err)
	default:
		c.back()
	}
	return err
}

// asking is how often a server that is away is asked whether it is back.
const asking = time.Second

// tend asks a server that is away whether it is back, until ctx ends: what a worker waits
// for may come a minute later.
func (c *Contact) tend(ctx context.Context, ask func(context.Context) error) {
	again := time.NewTicker(asking)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		if !c.Lost().IsZero() {
			within, cancel := context.WithTimeout(ctx, dialTime)
			_ = ask(within) // watch hears of what comes of it
			cancel()
		}
	}
}

func (c *Contact) away(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost.IsZero() {
		c.lost = time.Now()
		c.Log.Warn("the Temporal server does not answer; what is under way goes on, and is reported when it does", "error", err)
	}
}

func (c *Contact) back() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.lost.IsZero() {
		c.Log.Info("the Temporal server answers again", "after", time.Since(c.lost).Round(time.Millisecond))
		c.lost = time.Time{}
	}
}
