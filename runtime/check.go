package runtime

import (
	"github.com/google/uuid"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Check plans a script: it makes the reads and none of the writes. What only the
// run can decide is followed both ways: the script is executed once for each
// arm, and all of them see the world that the first one saw.
func (r *Runtime) Check(in Interrupt, s Start) (*Outcome, error) {
	c := &checking{r: r, in: in, start: s}
	c.begin(seal.NewBox(), &door.Reads{})
	return explore(&plan.Explorer{}, c.arm)
}

// An arm is one execution of what is planned.
type arm func(trace *plan.Trace, how armed) (*Outcome, error)

type armed struct {
	quiet   bool // what it prints was printed before
	ordered bool // branches follow each other
}

// explore executes arms until the explorer has seen enough. The outcome is that
// of the likely arm, with the plan of all.
//
// The first execution looks at the world with its branches beside each other, as
// the run will. When there are any it is made again with one after the other, from
// what it saw: which branch came first must make no difference to a plan.
func explore(e *plan.Explorer, execute arm) (*Outcome, error) {
	trace := e.Next()
	likely, err := execute(trace, armed{})
	if err == nil && trace.Forks() {
		trace = e.Again()
		_, err = execute(trace, armed{quiet: true, ordered: true})
	}
	for ; err == nil; _, err = execute(trace, armed{quiet: true, ordered: true}) {
		e.Done(trace)
		if trace = e.Next(); trace == nil {
			likely.Plan = e.Plan()
			return likely, nil
		}
	}
	if likely != nil {
		likely.Plan = plan.Of(trace)
	}
	return likely, err
}

// checking is the planning of a script.
type checking struct {
	r     *Runtime
	in    Interrupt
	start Start
	req   request
	name  string // of the main module
	// silent says that nothing is shown: the plan was shown when it was made first.
	silent bool
	guess  guesses
}

// begin makes what the arms share.
func (c *checking) begin(box *seal.Box, reads *door.Reads) {
	c.req = request{id: uuid.NewString(), box: box, reads: reads, secrets: value.NewSecrets(box.Key)}
}

// arm executes one arm of the plan.
func (c *checking) arm(trace *plan.Trace, how armed) (*Outcome, error) {
	req := c.req
	req.trace, req.quiet, req.ordered = trace, how.quiet || c.silent, how.ordered
	x, name, err := c.r.ready(c.in, c.start, req)
	if x != nil {
		defer x.end()
	}
	if err != nil {
		return nil, err
	}
	c.name = name
	if c.req.sources == nil { // all arms are arms of the same script
		c.req.sources = map[string][]byte{}
		for _, src := range x.sources() {
			c.req.sources[src.Name] = src.Content
		}
		if !c.silent {
			if c.guess, err = c.r.guesses(name); err != nil {
				return nil, err
			}
		}
	}
	x.door.Guess = c.guess.arm()
	if err := x.door.Print("0", x.printed); err != nil {
		return nil, err
	}
	return x.armEnded(x.engine.Run())
}

// armEnded says how an arm of a plan has ended. Where a decision led to a
// failure, that is something to know about the plan, and no failure of planning.
func (x *execution) armEnded(v starlark.Value, err error) (*Outcome, error) {
	root := branch.NewRoot(x.stop, "0", x.star.Tree)
	switch {
	case undecided(err):
		x.door.Ended(root, x.explain(err))
		v, err = starlark.None, nil
	case err != nil && branch.Catchable(err) && x.door.Trace.Decided():
		x.door.Failed(root, x.explain(err))
		v, err = starlark.None, nil
	}
	return x.conclude(v, err)
}
