package ssh

import (
	"context"
	"net"
	"strconv"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/ssh"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/target"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def forward(target, to, listen = "127.0.0.1:0", remote = False):
    """Passes TCP connections on through a machine.

    Whoever connects to the address listen of this machine gets a connection from
    the target to the address to. With remote it is the other way round: the target
    listens, and the connections go from this machine to the address to.

    The forward lives with the run: ssh.close ends it, so does the end of the run, and
    a resumed run makes it again, at the same address. It also comes back when the
    connection to the target was lost.

    Args:
      target: a target of ssh.host.
      to: "host:port", as seen from the side that does not listen.
      listen: "host:port" to listen at; port 0 is a free one.
      remote: the target listens, not this machine.
    Returns:
      A struct forward: handle (for ssh.close), address ("host:port" that listens),
      host and port.
    Errors:
      exists when the port is in use; failed when the target does not listen;
      permission, network as for every connection.
    Example:
      db = ssh.forward(ssh.host("bastion"), "db.internal:5432")
      print("psql -h 127.0.0.1 -p %d" % db.port)
      ssh.close(db)
    """`, &forward{}, effect.Approximate)

type forward struct {
	Target starlark.Value `star:"target"`
	To     string         `star:"to"`
	Listen string         `star:"listen"`
	Remote bool           `star:"remote"`
}

var (
	_ effect.Validator = (*forward)(nil)
	_ effect.Describer = (*forward)(nil)
	_ effect.Predictor = (*forward)(nil)
	_ effect.Undoer    = (*forward)(nil)
	_ effect.Asker     = (*forward)(nil)
	_ effect.Reviver   = (*forward)(nil)
	_ effect.Remote    = (*forward)(nil)
)

// Forward is what ssh.forward returns.
type Forward struct {
	Handle  string `star:"handle"`
	Address string `star:"address"`
	Host    string `star:"host"`
	Port    int    `star:"port"`
}

// handlePrefix is what the handles of forwards begin with.
const handlePrefix = "ssh/forward/"

func (f *forward) Handle(env *effect.Env) string { return handlePrefix + env.Identity() }

func (f *forward) Describe() string {
	t, err := overSSH("target", f.Target)
	switch {
	case err != nil:
		return f.To
	case f.Remote:
		return f.Listen + " of " + t.Name + " to " + f.To
	}
	return f.Listen + " through " + t.Name + " to " + f.To
}

// Endpoint is what the circuit breaker counts by.
func (f *forward) Endpoint() string {
	t, err := overSSH("target", f.Target)
	if err != nil {
		return ""
	}
	return t.ID
}

func (f *forward) Validate() error {
	if _, err := overSSH("target", f.Target); err != nil {
		return err
	}
	if err := checkAddress("to", f.To, 1); err != nil {
		return err
	}
	return checkAddress("listen", f.Listen, 0)
}

func checkAddress(argument, text string, least int) error {
	_, port, err := net.SplitHostPort(text)
	n, err2 := strconv.Atoi(port)
	if err != nil || err2 != nil || n < least || n > 65535 {
		return fault.New(fault.Invalid, "the argument %q is %q, which is no address", argument, text).WithHint("host:port is one, such as 127.0.0.1:5432")
	}
	return nil
}

func (f *forward) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	host, port, _ := net.SplitHostPort(f.Listen) // Validate has read it
	n, _ := strconv.Atoi(port)
	if n == 0 {
		return effect.Prediction{Result: value.NewUnknown("ssh.forward(%s)", f.Describe()), Change: effect.Act}, nil
	}
	return effect.Prediction{Result: Forward{f.Handle(env), f.Listen, host, n}, Change: effect.Act}, nil
}

func (f *forward) Remember(_ context.Context, env *effect.Env) (any, error) {
	return f.Handle(env), nil
}

func (f *forward) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	var handle string
	if err := past.Remembered(&handle); err != nil {
		return err
	}
	return end(env, handle)
}

// end ends a forward, if it is there.
func end(env *effect.Env, handle string) error {
	l, ok := env.Run.Live.Get(handle).(*ssh.Forward)
	if !ok {
		return nil
	}
	env.Run.Live.Drop(handle)
	return l.Close()
}

// Happened says no in another process, because there it has ended.
func (f *forward) Happened(_ context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	if l, ok := env.Run.Live.Get(f.Handle(env)).(*ssh.Forward); ok {
		return effect.Answer{Happened: effect.Yes, Result: f.result(env, l), Why: "it listens"}, nil
	}
	return effect.Answer{Happened: effect.No, Why: "it ended with the program that made it"}, nil
}

// Revive listens at the address that it had: the script knows it.
func (f *forward) Revive(ctx context.Context, env *effect.Env, past effect.Past) error {
	if _, ok := env.Run.Live.Get(f.Handle(env)).(*ssh.Forward); ok {
		return nil
	}
	again := *f
	if was, ok := past.Result().(starlark.HasAttrs); ok {
		if v, err := was.Attr("address"); err == nil && v != nil {
			again.Listen, _ = starlark.AsString(v)
		}
	}
	_, err := again.Perform(ctx, env)
	return err
}

func (f *forward) Perform(ctx context.Context, env *effect.Env) (any, error) {
	t, err := overSSH("target", f.Target)
	if err != nil {
		return nil, err
	}
	opened, err := target.Open(ctx, env, t)
	if err != nil {
		return nil, err
	}
	conn, ok := opened.(*ssh.Conn)
	if !ok {
		return nil, fault.New(fault.Internal, "the connection to %s is none over SSH", t.Name)
	}
	make := conn.Forward
	if f.Remote {
		make = conn.Reverse
	}
	l, err := make(ctx, f.Listen, f.To)
	if err != nil {
		return nil, err
	}
	env.Run.Live.Put(f.Handle(env), l)
	return f.result(env, l), nil
}

func (f *forward) result(env *effect.Env, l *ssh.Forward) Forward {
	host, port, _ := net.SplitHostPort(l.Addr()) // it is that of a listener
	n, _ := strconv.Atoi(port)
	return Forward{f.Handle(env), l.Addr(), host, n}
}
