package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/providers"
)

const (
	firstPoll   = 20 * time.Millisecond
	longestPoll = 5 * time.Second
	greetTime   = 3 * time.Second // for one try to reach the SSH server
)

// ready waits until a server runs and its SSH server answers.
func ready(ctx context.Context, p providers.Provider, id string, patience time.Duration) (providers.Server, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := firstPoll; ; pause = min(pause*3/2, longestPoll) {
		s, why, err := tryReach(limited, p, id)
		switch {
		case ctx.Err() != nil:
			return s, doubtful(ctx, s)
		case limited.Err() != nil:
			return s, late(s, patience, why)
		case err != nil || why == nil:
			return s, err
		}
		select {
		case <-time.After(pause):
		case <-limited.Done():
		}
	}
}

// tryReach asks for a server once. why says why it is not ready yet.
func tryReach(ctx context.Context, p providers.Provider, id string) (s providers.Server, why, err error) {
	s, err = p.GetServer(ctx, id)
	switch {
	case err != nil && fault.Is(err, fault.Network, fault.Unavailable):
		return s, err, nil
	case err != nil:
		return s, nil, err
	case s.Status == providers.Failed:
		return s, nil, fault.New(fault.Failed, "the server %q is broken: %s", s.Name, s.Message).
			WithHint("look at its image: it has to start an SSH server, and to go on")
	case s.Status != providers.Running:
		return s, fmt.Errorf("it is %s", s.Status), nil
	case len(s.HostKeys) == 0:
		return s, errors.New("it has no SSH host key"), nil
	}
	return s, greet(ctx, net.JoinHostPort(s.Addresses.Reach(), strconv.Itoa(s.Port))), nil
}

// greet looks whether an SSH server says hello.
func greet(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, greetTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // without one it takes until the other side gives up
	}
	hello := make([]byte, 4)
	if _, err := io.ReadFull(conn, hello); err != nil || string(hello) != "SSH-" {
		return fmt.Errorf("no SSH server answers at %s", address)
	}
	return nil
}

func late(s providers.Server, patience time.Duration, why error) error {
	e := fault.New(fault.Failed, "the server %q does not answer after %s: %v", s.Name, patience, why)
	return e.WithHint("its image needs an SSH server that starts by itself; wait = \"10m\" waits longer, and resume goes on waiting")
}

// doubtful is the error of whoever was stopped while a server was on its way.
func doubtful(ctx context.Context, s providers.Server) error {
	cause := context.Cause(ctx)
	e := fault.Wrap(fault.KindOf(cause), cause, "the server %q is not waited for any more", s.Name)
	e.InDoubt = true
	return e
}
