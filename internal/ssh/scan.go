package ssh

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// errSeen ends a handshake that has shown what is wanted.
var errSeen = errors.New("the host key was seen")

// scanned are the types of keys that servers have.
var scanned = []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512}

// ScannedKey is a host key that a server has shown.
type ScannedKey struct {
	Type        string
	Fingerprint string // SHA256:…
	Text        string // type and key
	Line        string // for a known_hosts file
}

// Scan asks a server for its host keys, one of each type that it has, and trusts
// none of them. Nobody logs in, but to the jump hosts on the way.
func (p *Pool) Scan(ctx context.Context, h Host) ([]ScannedKey, error) {
	keys, err := p.scan(ctx, h)
	var found []ScannedKey
	for _, k := range keys {
		text := keyText(k)
		found = append(found, ScannedKey{k.Type(), ssh.FingerprintSHA256(k), text, hostName(h.addr()) + " " + text})
	}
	return found, err
}

func (p *Pool) scan(ctx context.Context, h Host) ([]ssh.PublicKey, error) {
	c := &Conn{host: h, keys: &p.keys}
	if h.Jump != nil {
		var err error
		if c.jump, err = p.of(h.Jump); err != nil {
			return nil, err
		}
	}
	keys, errs := make([]ssh.PublicKey, len(scanned)), make([]error, len(scanned))
	var all sync.WaitGroup
	for i, algorithm := range scanned {
		all.Go(func() { keys[i], errs[i] = c.hostKey(ctx, algorithm) })
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, machine.Stopped(ctx, true)
	}
	keys = slices.DeleteFunc(keys, func(k ssh.PublicKey) bool { return k == nil })
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch {
	case len(errs) > 0: // some keys are worse than none: they look like all
		return nil, errs[0]
	case len(keys) == 0:
		return nil, unsent(fault.Network, "%s has no host key of a type that is known here", &h)
	}
	return keys, nil
}

// hostKey asks for the key of a type; nil when there is none.
func (c *Conn) hostKey(ctx context.Context, algorithm string) (key ssh.PublicKey, err error) {
	a := &attempt{conn: c, limit: orDefault(c.host.ConnectTimeout, defaultTimeout), login: &login{host: &c.host}, guard: &guard{host: &c.host}}
	within, cancel := context.WithTimeoutCause(ctx, a.limit, errSlow)
	defer cancel()
	raw, err := c.reach(within)
	if err != nil {
		return nil, a.unreachable(ctx, within, err)
	}
	defer raw.Close()
	w := &watched{Conn: newBatched(raw)}
	defer context.AfterFunc(within, func() { w.Close() })()
	_, _, _, err = ssh.NewClientConn(w, c.host.addr(), &ssh.ClientConfig{
		HostKeyAlgorithms: []string{algorithm}, ClientVersion: "SSH-2.0-provisioning",
		HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
			key = k
			return errSeen
		},
	})
	var negotiation *ssh.AlgorithmNegotiationError
	if key != nil || errors.As(err, &negotiation) && negotiation.What == "host key" {
		return key, nil
	}
	return nil, a.failure(ctx, within, w, err)
}
