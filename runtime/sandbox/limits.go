package sandbox

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/duration"
)

// Limits bound one run. They protect against accidents: a single operation of
// the interpreter can allocate more than the watchdog can prevent. 0 means
// without limit.
type Limits struct {
	Steps    int64         // of the interpreter, over all branches
	Wall     time.Duration // of one execution
	CPU      time.Duration // of the process of an isolated run; others have none
	Memory   int64         // bytes of the heap of the process that has the interpreter
	Depth    int64         // calls within calls, and branches within branches
	Output   int64         // bytes that the run prints, and that its effects print
	Branches int64         // over the whole run
	Effects  int64         // over the whole run
}

// DefaultLimits are those of a run that names none.
var DefaultLimits = Limits{
	Steps:    20_000_000_000,
	Wall:     24 * time.Hour,
	CPU:      15 * time.Minute,
	Memory:   4 << 30,
	Depth:    200,
	Output:   1 << 30,
	Branches: 100_000,
	Effects:  1_000_000,
}

func (l *Limits) fields() map[string]*int64 {
	return map[string]*int64{
		"steps": &l.Steps, "wall": (*int64)(&l.Wall), "cpu": (*int64)(&l.CPU), "memory": &l.Memory, "depth": &l.Depth,
		"output": &l.Output, "branches": &l.Branches, "effects": &l.Effects,
	}
}

// Set sets the limit called name from text: a number, with k, M, G (or Ki, Mi,
// Gi) behind it, or for wall a duration. "none" removes the limit.
func (l *Limits) Set(name, text string) error {
	fields := l.fields()
	f, ok := fields[name]
	if !ok {
		names := make([]string, 0, len(fields))
		for n := range fields {
			names = append(names, n)
		}
		sort.Strings(names)
		e := fault.New(fault.Usage, "there is no limit %q", name).WithHint("the limits are %s", strings.Join(names, ", "))
		if near := spell.Nearest(name, names); near != "" {
			e.Msg += fmt.Sprintf(" (did you mean %q?)", near)
		}
		return e
	}
	n, err := parseLimit(name, text)
	if err != nil {
		return fault.New(fault.Usage, "the limit %s=%s is not valid: %v", name, text, err)
	}
	*f = n
	return nil
}

func parseLimit(name, text string) (int64, error) {
	if text == "none" || text == "0" {
		return 0, nil
	}
	if name == "wall" || name == "cpu" {
		d, err := duration.Parse(text)
		if err == nil && d <= 0 {
			err = fmt.Errorf("it must be longer than nothing; \"none\" removes it")
		}
		return int64(d), err
	}
	unit := float64(1)
	for _, u := range []struct {
		suffix string
		factor float64
	}{{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}} {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			text, unit = rest, u.factor
			break
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if n := f * unit; err != nil || !(n >= 1 && n < math.MaxInt64/2) { // NaN is neither
		return 0, fmt.Errorf("it must be a number of 1 or more, such as 500M")
	}
	return int64(f * unit), nil
}

// Budget counts what a run uses up, over all its branches, and stops the run
// when a limit is reached.
type Budget struct {
	limits Limits
	stop   func(error) // ends the run; called once for each limit that is reached

	steps, output, branches, effects atomic.Int64
}

// NewBudget returns a budget that calls stop when a limit is reached.
func NewBudget(limits Limits, stop func(error)) *Budget { return &Budget{limits: limits, stop: stop} }

func (b *Budget) spend(counter *atomic.Int64, n, limit int64, name string) error {
	if used := counter.Add(n); limit > 0 && used > limit {
		return b.exceed(name, strconv.FormatInt(limit, 10))
	}
	return nil
}

func (b *Budget) exceed(name, limit string) error {
	err := Exceeded(name, limit)
	b.stop(err)
	return err
}

// Exceeded is the error of a run that has reached a limit.
func Exceeded(name, limit string) *fault.Error {
	return fault.New(fault.Limit, "the run reached its limit of %s: %s", name, limit).
		WithHint("raise it with --limit %s=N, or --limit %s=none", name, name)
}

// Limits are those of the budget.
func (b *Budget) Limits() Limits { return b.limits }

// Effect counts an effect.
func (b *Budget) Effect() error { return b.spend(&b.effects, 1, b.limits.Effects, "effects") }

// Branches counts n new branches at the given depth.
func (b *Budget) Branches(n, depth int) error {
	if b.limits.Depth > 0 && int64(depth) > b.limits.Depth {
		return b.exceed("depth", strconv.FormatInt(b.limits.Depth, 10))
	}
	return b.spend(&b.branches, int64(n), b.limits.Branches, "branches")
}

// Output counts n bytes that are printed.
func (b *Budget) Output(n int) error {
	return b.spend(&b.output, int64(n), b.limits.Output, "output")
}

// stepQuantum is how many steps a thread makes at most between two looks at the
// budget.
const stepQuantum = 20_000

const countedKey = "provisioning.steps"

// Watch makes the steps of thread count. What it makes after its last look counts
// when it is settled.
func (b *Budget) Watch(thread *starlark.Thread) {
	quantum := uint64(stepQuantum)
	if b.limits.Steps > 0 {
		quantum = min(quantum, uint64(b.limits.Steps))
	}
	thread.SetLocal(countedKey, new(uint64))
	thread.SetMaxExecutionSteps(quantum)
	thread.OnMaxSteps = func(thread *starlark.Thread) {
		err := b.Settle(thread)
		if depth := int64(thread.CallStackDepth()); err == nil && b.limits.Depth > 0 && depth > b.limits.Depth {
			err = b.exceed("depth", strconv.FormatInt(b.limits.Depth, 10))
		}
		if err != nil {
			thread.Cancel(err.Error())
			return
		}
		thread.SetMaxExecutionSteps(thread.ExecutionSteps() + quantum)
	}
}

// Settle counts the steps that thread, which is watched, has made since it was
// last looked at. Only the goroutine of thread may call it.
func (b *Budget) Settle(thread *starlark.Thread) error {
	counted, ok := thread.Local(countedKey).(*uint64)
	if !ok {
		return nil
	}
	made := thread.ExecutionSteps() - *counted
	*counted += made
	return b.spend(&b.steps, int64(made), b.limits.Steps, "steps")
}

// Guard enforces wall time and memory until ctx ends.
func (b *Budget) Guard(ctx context.Context) {
	if b.limits.Memory > 0 {
		// Makes the collector work harder near the limit, so that garbage alone
		// does not reach it.
		debug.SetMemoryLimit(b.limits.Memory - b.limits.Memory/8)
		go b.guardMemory(ctx)
	}
	if b.limits.Wall > 0 {
		timer := time.AfterFunc(b.limits.Wall, func() {
			if ctx.Err() == nil {
				b.Late()
			}
		})
		context.AfterFunc(ctx, func() { timer.Stop() })
	}
}

// Late says that the wall time is over.
func (b *Budget) Late() {
	b.exceed("wall", duration.Short(b.limits.Wall)) //nolint:errcheck // exceed stops the run
}

const memoryInterval = 5 * time.Millisecond

func (b *Budget) guardMemory(ctx context.Context) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() int64 {
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if heap() <= b.limits.Memory {
			continue
		}
		if runtime.GC(); heap() > b.limits.Memory {
			b.exceed("memory", fmt.Sprintf("%d MiB", b.limits.Memory>>20)) //nolint:errcheck // exceed stops the run
			return
		}
	}
}
