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
	"github.com/provisioning-systems/provisioning/runtime/event"
)

// hold watches an execution and holds its branches where they are to stop. Which
// those are is a matter of the journal and never of timing.
type hold struct {
	mu      sync.Mutex
	changed *sync.Cond
	stops   func(*door.Sight) bool    // what to hold
	held    map[string]*door.Sight    // by path of the branch
	passed  map[string]bool           // places that were not held
	ended   map[string]string         // paths of branches that are over, with their status
	results map[string]result         // what effects gave, by place
	answers map[string]starlark.Value // in place of what effects gave
	printed []string
	over    bool
	err     error // how the execution ended
	left    bool  // nobody looks any more
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
		stops: stops, held: map[string]*door.Sight{}, passed: map[string]bool{}, ended: map[string]string{},
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
	h.passed[s.Place] = true
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
	switch e.Type {
	case event.BranchEnded:
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

// wait waits until reached, which is called with the lock, says so, or the
// execution is over.
func (h *hold) wait(ctx context.Context, reached func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.changed.Broadcast()
	})()
	h.mu.Lock()
	defer h.mu.Unlock()
	for !h.over && !reached() {
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
