package console

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/duration"
)

// Tasks shows things that go on beside each other, by name, on a terminal: the
// tests that are running. Elsewhere it shows nothing. Close removes the view.
type Tasks struct {
	c    *Console
	stop chan struct{}
	once sync.Once
	view *taskView
}

// taskView is drawn below the printed lines. The lock of its console guards it.
type taskView struct {
	noun    string
	began   time.Time
	running map[string]*task
	done    int
	frame   int
}

type task struct {
	began time.Time
	doing string
}

// NewTasks begins to show tasks; noun is what they are, in the plural.
func (c *Console) NewTasks(noun string) *Tasks {
	t := &Tasks{c: c, stop: make(chan struct{})}
	if c.Live && !c.Quiet {
		t.view = &taskView{noun: noun, began: time.Now(), running: map[string]*task{}}
		view := &liveView{c: c, render: t.view.lines}
		c.mu.Lock()
		c.view = view
		c.mu.Unlock()
		go c.animate(t.stop)
	}
	return t
}

// Begin notes that a task runs, End that it does no more.
func (t *Tasks) Begin(name string) {
	t.change(func(v *taskView) { v.running[name] = &task{began: time.Now()} })
}

// End see Begin.
func (t *Tasks) End(name string) {
	t.change(func(v *taskView) { delete(v.running, name); v.done++ })
}

// Note says what a task does at the moment; "" for nothing worth telling.
func (t *Tasks) Note(name, doing string) {
	t.change(func(v *taskView) {
		if running := v.running[name]; running != nil {
			running.doing = doing
		}
	})
}

func (t *Tasks) change(f func(*taskView)) {
	if t.view != nil {
		t.c.mu.Lock()
		defer t.c.mu.Unlock()
		f(t.view)
	}
}

// Close ends the showing.
func (t *Tasks) Close() { t.once.Do(func() { t.c.endView(t.stop) }) }

func (v *taskView) lines(now time.Time) []string {
	names := make([]string, 0, len(v.running))
	for name := range v.running {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return v.running[a].began.Compare(v.running[b].began) })
	var lines []string
	for i, name := range names {
		if i == maxRows {
			lines = append(lines, fmt.Sprintf("  … and %d more", len(names)-maxRows))
			break
		}
		lines = append(lines, "  "+name+" "+duration.Short(now.Sub(v.running[name].began))+"  "+v.running[name].doing)
	}
	v.frame++
	return append(lines, fmt.Sprintf("%s %s: %d done, %d running, %s", spinner[v.frame%len(spinner)], v.noun, v.done, len(names), duration.Short(now.Sub(v.began))))
}
