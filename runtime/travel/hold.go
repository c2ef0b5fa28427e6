package travel

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
)

// hold watches an execution and holds its branches where they are to stop. Which
// those are is a matter of the journal and never of timing.
type hold struct {
	mu      sync.Mutex
	changed *sync.Cond
	stops   func(*door.Sight) bool    // what to hold
	held    map[string]*door.Sight    // by path of the branch
	forks   map[string]*fork          // the last fork of each branch, by path
	running map[string]bool           // branches that have begun and not ended
	ended   map[string]string         // paths of branches that are over, with their status
	results map[string]result         // what effects gave, by place
	answers map[string]starlark.Value // in place of what effects gave
	printed []string
	over    bool
	err     error // how the execution ended
	left    bool  // nobody looks any more
}

// fork is the making of branches.
type fork struct {
	thread  *starlark.Thread
	n       int // how many are made
	width   int // how many run at a time
	started int
	ended   int
}

type result struct {
	sight *door.Sight
	value starlark.Value
	err   error
}

var (
	_ door.Watcher = (*hold)(nil)
	_ event.Sink   = (*hold)(nil)
)

func newHold(stops func(*door.Sight) bool) *hold {
	h := &hold{
		forks: map[string]*fork{}, running: map[string]bool{"0": true},
		stops: stops, held: map[string]*door.Sight{}, ended: map[string]string{},
		results: map[string]result{}, answers: map[string]starlark.Value{},
	}
	h.changed = sync.NewCond(&h.mu)
	return h
}

// errLeft ends an execution that nobody looks at any more: nothing of the script
// may handle it.
var errLeft = &fault.Error{Kind: fault.Cancelled, Msg: "nobody looks any more", Cause: branch.ErrSuspended}

// Before holds an effect as long as it is to be held.
func (h *hold) Before(s *door.Sight) (starlark.Value, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for !h.left && h.stops(s) {
		h.held[s.Path()] = s
		h.changed.Broadcast()
		h.changed.Wait()
	}
	delete(h.held, s.Path())
	if h.left {
		return nil, errLeft
	}
	delete(h.forks, s.Path()) // it goes on after the last one
	if s.Kind == effect.KindFork && s.Children > 0 {
		f := &fork{thread: s.Thread, n: s.Children, width: s.Width}
		if f.width <= 0 {
			f.width = f.n
		}
		h.forks[s.Path()] = f
	}
	h.changed.Broadcast()
	return h.answers[s.Place], nil
}

func (h *hold) After(s *door.Sight, v starlark.Value, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.results[s.Place] = result{s, v, err}
}

// Emit notes which branches have ended, and what is printed.
func (h *hold) Emit(e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.forks[parentOf(e.Place)]
	switch e.Type {
	case event.BranchStarted:
		h.running[e.Place] = true
		if f != nil {
			f.started++
		}
	case event.BranchEnded:
		delete(h.running, e.Place)
		if f != nil {
			f.ended++
		}
		h.ended[e.Place] = e.Status
		h.changed.Broadcast()
	case event.Logged:
		h.printed = append(h.printed, e.Text)
	}
}

// finish notes that the execution is over.
func (h *hold) finish(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over, h.err = true, err
	h.changed.Broadcast()
}

// leave lets the execution end.
func (h *hold) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left = true
	h.changed.Broadcast()
	for !h.over {
		h.changed.Wait()
	}
}

// goOn changes what is held.
func (h *hold) goOn(stops func(*door.Sight) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stops = stops
	h.changed.Broadcast()
}

// patience is how long a replay may take from one stop to the next. It does
// nothing but compute.
const patience = 5 * time.Minute

// quiet reports whether all branches stand still: each is held, or waits for others
// that are.
func (h *hold) quiet() bool {
	for path := range h.running {
		if h.held[path] != nil {
			if h.stops(h.held[path]) {
				continue
			}
			return false // it has not noticed yet that it may go on
		}
		f := h.forks[path]
		if f == nil {
			return false
		}
		if left := f.n - f.ended; left == 0 || f.started-f.ended != min(f.width, left) {
			return false
		}
	}
	return true
}

// wait waits until all branches stand still, or the execution is over.
func (h *hold) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.changed.Broadcast()
	})()
	h.mu.Lock()
	defer h.mu.Unlock()
	for !h.over && !h.quiet() {
		if ctx.Err() != nil {
			return fault.New(fault.Cancelled, "the replay was interrupted")
		}
		h.changed.Wait()
	}
	return nil
}

// at returns where a branch stands; nil when it is not held.
func (h *hold) at(path string) *door.Sight {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held[path]
}

// waiting are the threads of the branches that wait for the one at path, innermost
// first.
func (h *hold) waiting(path string) []*starlark.Thread {
	h.mu.Lock()
	defer h.mu.Unlock()
	var threads []*starlark.Thread
	for p := parentOf(path); p != ""; p = parentOf(p) {
		if f := h.forks[p]; f != nil {
			threads = append(threads, f.thread)
		}
	}
	return threads
}

func (h *hold) isOver() (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over, h.err
}

// standing returns the branches that are held, by path.
func (h *hold) standing() map[string]*door.Sight {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make(map[string]*door.Sight, len(h.held))
	for path, s := range h.held {
		all[path] = s
	}
	return all
}

// lines returns what was printed since the last time.
func (h *hold) lines() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := h.printed
	h.printed = nil
	return lines
}

// answer makes an effect give a value.
func (h *hold) answer(place string, v starlark.Value) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers[place] = v
}

// within reports whether the branch at path is a part of the one at outer.
func within(path, outer string) bool { return strings.HasPrefix(path, outer+".") }

// parentOf is the path of the branch that has made the one at path; "" for none.
func parentOf(path string) string {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return ""
	}
	return path[:i]
}

// sortPaths orders 0.2 before 0.10, and a branch before those within it.
func sortPaths(paths []string) {
	slices.SortFunc(paths, func(a, b string) int {
		return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
			i, _ := strconv.Atoi(x)
			j, _ := strconv.Atoi(y)
			return i - j
		})
	})
}
