package ssh

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// session is a channel that a line can be run in.
type session struct {
	ssh.Channel
	requests <-chan *ssh.Request
}

// sessions are the channels of a link for lines. A server allows so many at a
// time, and says so by refusing the next one: then a line waits for a free one.
type sessions struct {
	link *link
	conn *Conn // remembers the limit for the next link

	mu      sync.Mutex
	open    int // that the server has, with the spare one
	opening int // that it was asked for
	peak    int // the most that were open
	limit   int // what the server allows, as far as is known; 0: not known
	refused int // refusals in a row while none was open
	served  int // lines since the limit was last tried
	trust   int // lines after which it is tried again
	lines   int // that were run
	spare   *session
	waiting []chan struct{} // first come, first served
}

// usual is what servers allow by default. Beyond it, and as long as the limit is not
// known, one more is asked for at a time.
const usual = 10

var (
	errGone    = errors.New("the connection is gone")
	errRefused = errors.New("the server refuses sessions")
)

func newSessions(l *link, c *Conn) *sessions {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &sessions{link: l, conn: c, limit: c.limit, trust: usual}
}

// free reports whether another session may be asked for.
func (s *sessions) free() bool {
	limit := s.limit
	switch {
	case limit == 0:
		limit = max(usual, s.open+1)
	case s.served > s.trust:
		limit++ // sessions that end while others are refused make it look smaller than it is
	}
	return s.open+s.opening < limit
}

// plenty reports whether one of the sessions can be kept for something else than lines.
func (s *sessions) plenty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit == 0 || s.limit >= fewSessions
}

// take returns a session, and waits for one when the server has no more. The error
// is errGone when another link has to be tried; else it is a fault.
func (s *sessions) take(ctx context.Context) (*session, error) {
	for {
		s.mu.Lock()
		if ch := s.spare; ch != nil {
			s.spare = nil
			s.lines++
			s.mu.Unlock()
			return ch, nil
		}
		if s.free() {
			s.opening++
			s.mu.Unlock()
			ch, err := s.ask(ctx)
			if err == nil || !errors.Is(err, errRefused) {
				return ch, err
			}
			continue
		}
		turn := make(chan struct{})
		s.waiting = append(s.waiting, turn)
		s.mu.Unlock()
		if err := s.wait(ctx, turn); err != nil {
			return nil, err
		}
	}
}

func (s *sessions) wait(ctx context.Context, turn chan struct{}) error {
	select {
	case <-turn:
		return nil
	case <-s.link.done:
		return errGone
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		select {
		case <-turn: // it is somebody else's then
			s.wake()
		default:
			s.forget(turn)
		}
		return machine.Stopped(ctx, true)
	}
}

func (s *sessions) forget(turn chan struct{}) {
	for i, t := range s.waiting {
		if t == turn {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			return
		}
	}
}

// wake lets the next one try. s is locked.
func (s *sessions) wake() {
	if len(s.waiting) > 0 {
		close(s.waiting[0])
		s.waiting = s.waiting[1:]
	}
}

// ask opens a session that opening counts already. errRefused says that there is
// one to wait for.
func (s *sessions) ask(ctx context.Context) (*session, error) {
	type answer struct {
		ch  *session
		err error
	}
	answered := make(chan answer, 1)
	go func() { // opening cannot be interrupted, and ends with the connection
		ch, err := s.request()
		answered <- answer{ch, err}
	}()
	select {
	case a := <-answered:
		if a.err == nil {
			s.mu.Lock()
			s.lines++
			s.mu.Unlock()
		}
		return a.ch, a.err
	case <-ctx.Done():
		go func() {
			if a := <-answered; a.err == nil {
				s.give(a.ch)
			}
		}()
		return nil, machine.Stopped(ctx, true)
	}
}

func (s *sessions) request() (*session, error) {
	ch, requests, err := s.link.client.OpenChannel("session", nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opening--
	if err == nil {
		s.open++
		s.served++
		s.refused = 0
		if s.peak = max(s.peak, s.open); s.limit > 0 && s.peak > s.limit {
			s.learn(s.peak)
		}
		return &session{ch, requests}, nil
	}
	var refused *ssh.OpenChannelError
	switch {
	case !errors.As(err, &refused):
		s.wake()
		return nil, errGone
	case s.open > 0:
		s.full()
		return nil, errRefused
	case (s.peak > 0 || s.opening > 0) && s.refused < mostRefused: // those that were open have just ended, or are about to be
		s.refused++
		s.full()
		return nil, errRefused
	}
	s.wake() // everybody is told
	return nil, unsent(fault.Failed, "%s lets %s in, but runs nothing for it: %s", s.link.host, s.link.host.User, printable(refused.Message)).
		WithHint("sessions may be switched off for this user: see MaxSessions and ForceCommand in its sshd_config")
}

// mostRefused is how often in a row a server may refuse sessions while none is open.
const mostRefused = 4 * usual

// full notes that the server has refused a session. s is locked.
func (s *sessions) full() {
	if s.served > s.trust {
		s.trust *= 2 // it was tried, and is as it was
	}
	s.served = 0
	if s.peak > 0 {
		s.learn(s.peak)
	}
}

// learn notes how many sessions the server allows. s is locked.
func (s *sessions) learn(n int) {
	s.limit = n
	c := s.conn
	if n < fewSessions {
		go s.link.dismissReaper()
	}
	go func() { // whoever holds the lock of the connection may be waiting for s
		c.mu.Lock()
		c.limit = n
		c.mu.Unlock()
	}()
}

// give ends a session and lets the next one have its place.
func (s *sessions) give(ch *session) {
	_ = ch.Close() // it may be closed, or gone, already
	go ssh.DiscardRequests(ch.requests)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.wake()
}

// prepare opens a session for the line after this one, so that it saves the round
// trip. It is not worth it for a connection that runs one line only.
func (s *sessions) prepare() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines < 2 || s.spare != nil || len(s.waiting) > 0 || s.opening > 0 || !s.free() {
		return
	}
	s.opening++
	go func() {
		ch, err := s.request()
		if err != nil {
			return // the next line finds out why
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.spare = ch
		s.wake()
	}()
}
