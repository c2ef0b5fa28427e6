package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Auth is how to get in. All that is given is tried: keys, then the agent, then the
// password.
type Auth struct {
	Keys      []Key
	Agent     string // socket of an agent; "": none
	NeedAgent bool   // it is an error when the agent cannot be asked
	Only      bool   // of the agent's keys use only those that are among Keys
	Password  string
}

// login is one try to get in.
type login struct {
	host    *Host
	keys    []loadedKey
	agent   net.Conn
	asked   bool     // the server has asked who it is
	allowed []string // how it lets people in
	tried   []string // for people
	err     error    // why something could not be tried
}

func newLogin(h *Host, keys *keyring) (*login, error) {
	l := &login{host: h}
	for _, k := range h.Auth.Keys {
		loaded, err := keys.load(k)
		if err != nil {
			return nil, err
		}
		if loaded != nil {
			l.keys = append(l.keys, *loaded)
		}
	}
	return l, nil
}

// methods are the ways to get in, best first.
func (l *login) methods(ctx context.Context) []ssh.AuthMethod {
	l.asked, l.tried, l.err = false, nil, nil // another attempt begins anew
	methods := []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) { return l.signers(ctx) })}
	if l.host.Auth.Password != "" {
		methods = append(methods, ssh.PasswordCallback(l.password), ssh.KeyboardInteractive(l.answer))
	}
	return methods
}

// note learns what the server asks for.
func (l *login) note(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	l.asked, l.allowed = true, c.AllowedMethods
	return nil, nil
}

// signers are the keys to try: those that were named first, then others of the agent.
func (l *login) signers(ctx context.Context) ([]ssh.Signer, error) {
	var signers []ssh.Signer
	held, err := l.fromAgent(ctx)
	if err != nil {
		l.err = err
		return nil, err
	}
	for _, k := range l.keys {
		at := slices.IndexFunc(held, func(s ssh.Signer) bool { return sameKey(s.PublicKey(), k.public) })
		switch {
		case k.signer != nil:
			signers = append(signers, k.all()...)
		case at >= 0: // encrypted, or only its public half is there
			signers = append(signers, held[at])
		case !k.Default:
			l.err = k.locked(l.host.Auth.Agent != "")
			continue
		default:
			continue
		}
		l.tried = append(l.tried, k.String())
		if at >= 0 {
			held = slices.Delete(held, at, at+1)
		}
	}
	if !l.host.Auth.Only {
		for _, s := range held {
			l.tried = append(l.tried, "the agent's key "+ssh.FingerprintSHA256(s.PublicKey()))
		}
		signers = append(signers, held...)
	}
	return signers, nil
}

// fromAgent asks the agent which keys it has.
func (l *login) fromAgent(ctx context.Context) ([]ssh.Signer, error) {
	socket := l.host.Auth.Agent
	locked := slices.ContainsFunc(l.keys, func(k loadedKey) bool { return k.signer == nil })
	if socket == "" || l.host.Auth.Only && !locked {
		return nil, nil
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	var held []ssh.Signer
	if err == nil {
		context.AfterFunc(ctx, func() { conn.Close() }) // an agent may ask a person, who is not there
		l.agent = conn
		held, err = agent.NewClient(conn).Signers()
	}
	if err == nil || !l.host.Auth.NeedAgent {
		return held, nil
	}
	e := unsent(fault.Config, "cannot ask the SSH agent at %s: %v", socket, err).
		WithHint("start one with: eval $(ssh-agent) && ssh-add, or leave agent = … out")
	e.Cause = err
	return nil, e
}

// close ends the talk with the agent.
func (l *login) close() {
	if l.agent != nil {
		l.agent.Close()
		l.agent = nil
	}
}

func (l *login) password() (string, error) {
	l.tried = append(l.tried, "the password")
	return l.host.Auth.Password, nil
}

// errQuestion is why keyboard-interactive was given up.
var errQuestion = errors.New("the server asks a question that has no answer")

// answer answers the server's questions: the one for the password, once.
func (l *login) answer(_, _ string, questions []string, echos []bool) ([]string, error) {
	const again = "the password, in answer to its question"
	var answers []string
	for i, q := range questions {
		if echos[i] || slices.Contains(l.tried, again) {
			l.err = unsent(fault.Permission, "%s asks %q, and only a password is given", l.host, printable(strings.TrimSpace(q))).
				WithHint("a second factor cannot be answered by a script: use a key, or a certificate, for it")
			return nil, errQuestion
		}
		l.tried = append(l.tried, again)
		answers = append(answers, l.host.Auth.Password)
	}
	return answers, nil
}

// refused is the error of a server that does not let in.
func (l *login) refused(err error) *fault.Error {
	if f := fault.As(l.err); f != nil {
		return f
	}
	who := l.host.User
	if strings.Contains(err.Error(), "disconnect") {
		e := unsent(fault.Permission, "the server gave up while %s was let in: %s", who, plain(err))
		if strings.Contains(err.Error(), "Too many authentication failures") {
			return e.WithHint("it allows few tries, and %s: name the right one with key = …", l.offered())
		}
		return e
	}
	if broken(err) {
		return unsent(fault.Network, "the connection broke while %s was let in", who)
	}
	e := unsent(fault.Permission, "%s is not let in: %s, and the server wants %s", who, l.offered(), orNothing(l.allowed))
	switch {
	case len(l.tried) == 0:
		return e.WithHint("give a key with key = …, start an SSH agent, or give a password with password = secret.get(…)")
	case !slices.Contains(l.allowed, "publickey"):
		return e.WithHint("the server takes no keys: give a password with password = secret.get(…)")
	}
	return e.WithHint("is %s the right user? Its ~/.ssh/authorized_keys on the machine has to have one of these keys", who)
}

// offered says for people what was tried.
func (l *login) offered() string {
	if len(l.tried) == 0 {
		return "there was nothing to try"
	}
	const most = 5
	tried := l.tried
	if len(tried) > most {
		tried = append(slices.Clone(tried[:most]), fmt.Sprintf("%d more", len(tried)-most))
	}
	return "tried " + strings.Join(tried, ", ")
}

func orNothing(methods []string) string {
	if len(methods) == 0 {
		return "nothing that is known here"
	}
	return printable(strings.Join(methods, ", "))
}
