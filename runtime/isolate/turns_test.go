package isolate

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
)

// coroutines are lines of which one goes on at a time, as an engine has them that
// repeats runs. Their order is that of their beginning, or the opposite one.
type coroutines struct {
	mu       sync.Mutex
	cond     *sync.Cond
	backward bool
	now      int // the line that goes on
	waiting  map[int]func() bool
	made     int
	panicked any // what a line has panicked with: the others end
}

var _ branch.Coroutines = (*coroutines)(nil)

func newCoroutines(backward bool) *coroutines {
	c := &coroutines{backward: backward, waiting: map[int]func() bool{}, made: 1, now: 1}
	c.cond = sync.NewCond(&c.mu)
	return c
}

func (c *coroutines) Each(any, int, int, func(int, any)) { panic("branches are in the process") }

func (c *coroutines) Go(_ any, do func(line any)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	mine := c.made
	c.waiting[mine] = func() bool { return true }
	go func() {
		c.mu.Lock()
		for c.now != mine {
			c.cond.Wait()
		}
		c.mu.Unlock()
		defer func() {
			r := recover()
			c.mu.Lock()
			defer c.mu.Unlock()
			if r != nil {
				c.panicked = r
				c.cond.Broadcast()
				return
			}
			c.next()
		}()
		do(mine)
	}()
}

func (c *coroutines) Await(line any, met func() bool) error {
	mine := 1
	if line != nil {
		mine = line.(int)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[mine] = met
	c.next()
	for c.now != mine && c.panicked == nil {
		c.cond.Wait()
	}
	if c.panicked != nil {
		return fmt.Errorf("panic: %v", c.panicked)
	}
	return nil
}

// next chooses the line that goes on: the first one, or the last, whose condition is met.
func (c *coroutines) next() {
	lines := make([]int, 0, len(c.waiting))
	for line := range c.waiting {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	if c.backward {
		slices.Reverse(lines)
	}
	for _, line := range lines {
		if c.waiting[line]() {
			delete(c.waiting, line)
			c.now = line
			c.cond.Broadcast()
			return
		}
	}
	panic("no line can go on")
}

const inTurns = `
def leaf(n):
    w.act("a%d" % n)
    if n == 2:
        fail("no")
    w.act("b%d" % n)
    return n

def row(n):
    return w.branches(leaf, [n * 10 + i for i in range(3)], limit = 2, go_on = True)

def main():
    done = w.branches(row, [0, 1, 2, 3])
    w.act("end")
    return done
`

// TestTurns: where branches take turns, all that happens is a matter of the answers and
// their order, as often as the run is repeated.
func TestTurns(t *testing.T) {
	for _, backward := range []bool{false, true} {
		var first string
		for i := range 5 {
			s := newStage(t, "", inTurns)
			s.cfg.Lines = newCoroutines(backward)
			v, err := s.execute()
			if err != nil {
				t.Fatal(err)
			}
			order := fmt.Sprint(v, " ", strings.Join(s.world.all(), " "))
			if i == 0 {
				first = order
			}
			if order != first {
				t.Fatalf("backward %v: it was\n%s\nand is\n%s", backward, first, order)
			}
			if n := len(s.world.all()); n != 24 {
				t.Fatalf("%d effects: %s", n, order)
			}
			s.Close()
		}
	}
}

// TestTurnsOfASibling: a branch beside one that has failed stops at the same effect each
// time.
func TestTurnsOfASibling(t *testing.T) {
	var first string
	for i := range 5 {
		s := newStage(t, "", "def leaf(n):\n    w.act(\"a%d\" % n)\n    if n == 1:\n        fail(\"no\")\n    w.act(\"b%d\" % n)\n    w.act(\"c%d\" % n)\n\ndef main():\n    w.branches(leaf, [0, 1, 2, 3])\n")
		s.cfg.Lines = newCoroutines(false)
		_, err := s.execute()
		if err == nil || !strings.Contains(err.Error(), "no") {
			t.Fatal(err)
		}
		order := strings.Join(s.world.all(), " ")
		if i == 0 {
			first = order
		}
		if order != first || strings.Contains(order, "c0 a1") {
			t.Fatalf("it was\n%s\nand is\n%s", first, order)
		}
		s.Close()
	}
}

// TestSpell: with lines nothing else happens while the script computes, so it is ended
// when that takes too long; so it is by the time that the run may take.
func TestSpell(t *testing.T) {
	for text, set := range map[string]func(*stage){
		"the script has computed for more than 100ms without an effect": func(s *stage) { s.cfg.Spell = 100 * time.Millisecond },
		"the run reached its limit of wall: 100ms":                      func(s *stage) { s.cfg.Limits.Wall = 100 * time.Millisecond },
	} {
		s := newStage(t, "", "def main():\n    w.act(\"a\")\n    max(range(1 << 60))\n")
		s.cfg.Lines = newCoroutines(false)
		set(s)
		_, err := s.execute()
		if !fault.Is(err, fault.Limit) || !strings.Contains(err.Error(), text) {
			t.Errorf("%v", err)
		}
		if got := s.places(t); got != "0#1 w.act done\n" {
			t.Errorf("the journal has\n%s", got)
		}
		s.Close()
	}
}

// TestTurnsOfADeadProcess: that somebody has killed it is nothing that the run does, which
// another machine repeats.
func TestTurnsOfADeadProcess(t *testing.T) {
	s := newStage(t, "", "def main():\n    w.act(\"held\", wait = True)\n")
	s.cfg.Lines = newCoroutines(false)
	go func() {
		<-s.world.held
		s.process.kill()
		close(s.world.hold)
	}()
	_, err := s.execute()
	if err == nil || !strings.Contains(err.Error(), "panic: the interpreter of the run was killed from outside") {
		t.Error(err)
	}
}

// TestFate: what the process dies of is what the engine says, whenever it says so.
func TestFate(t *testing.T) {
	s := newStage(t, "", "def main():\n    w.act(\"a\")\n    w.act(\"b\")\n    w.act(\"c\")\n")
	s.cfg.Lines = newCoroutines(false)
	why := fault.New(fault.Limit, "it was too much then")
	n := 0
	s.cfg.Fate = func(died error) error {
		n++
		if died != nil {
			t.Errorf("it has died at %d: %v", n, died)
		}
		if n == 4 { // ready, asked for a, for b, for c
			return why
		}
		return nil
	}
	if _, err := s.execute(); !fault.Is(err, fault.Limit) || err.Error() != why.Msg {
		t.Error(err)
	}
	if got := s.places(t); got != "0#1 w.act done\n0#2 w.act done\n" {
		t.Errorf("the journal has\n%s", got)
	}
	s.cfg.Fate = nil
	s = newStage(t, "", "def main():\n    w.act(\"a\")\n    max(range(1 << 60))\n")
	s.cfg.Lines, s.cfg.Spell = newCoroutines(false), 100*time.Millisecond
	var told error
	s.cfg.Fate = func(died error) error { told = died; return died }
	if _, err := s.execute(); told == nil || err == nil || err.Error() != told.Error() {
		t.Errorf("it is told %v, and says %v", told, err)
	}
}

// fakesInTurns pretend that their branches take turns.
var fakesInTurns = map[string]fake{
	"it waits for nothing": {func(f *faker) { _ = f.send(&tellIdle{}) }, "it waits for nothing", fault.Internal, nil},
	"it says nothing":      {func(f *faker) { select {} }, "has computed for more than 1.0s without an effect", fault.Limit, nil},
	"it never rests": {func(f *faker) {
		f.effect("0", nil)
		select {}
	}, "has computed for more than 1.0s without an effect", fault.Limit, nil},
	"two things in one turn": {func(f *faker) {
		f.effect("0", nil)
		f.effect("0", nil)
	}, "asks for two things at a time", fault.Internal, nil},
	"an end and a rest within an effect": {func(f *faker) {
		f.effect("0", nil)
		_ = f.send(&done{})
		_ = f.send(&tellIdle{})
		select {}
	}, "it has ended within effects", fault.Internal, nil},
	"an honest turn": {func(f *faker) {
		f.effect("0", nil)
		_ = f.send(&tellIdle{})
		a := f.next()
		_ = f.send(&done{Value: a.Value})
		_ = f.send(&tellIdle{})
		select {}
	}, "", "", []string{"x"}},
}

// TestHostileInTurns is TestHostile for those that pretend to take turns.
func TestHostileInTurns(t *testing.T) {
	for name, f := range fakesInTurns {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, fakeProgram(t, name), "")
			s.cfg.Lines, s.cfg.Spell = newCoroutines(false), time.Second
			_, err := s.execute()
			s.Close()
			if f.says == "" && err != nil || f.says != "" && (err == nil || !strings.Contains(err.Error(), f.says) || fault.KindOf(err) != f.kind) {
				t.Errorf("the parent says %s: %.500v", fault.KindOf(err), err)
			}
			if got := fmt.Sprint(s.world.all()); got != fmt.Sprint(f.done) {
				t.Errorf("it has done %s", got)
			}
			if err := s.journal.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}
