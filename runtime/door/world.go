package door

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// World performs the effects of a run in other processes, which the door sends orders
// to; [Hand] is the other side. All else stays with the door: places, the journal,
// retries, doubt. Effects that are about the run alone, such as waits, stay too.
//
// ctx is that of the branch.
type World interface {
	// Perform does what an order says. An error that leaves open whether that happened
	// has InDoubt set; what the order has remembered by then is in the deed.
	Perform(ctx context.Context, o *Order, output func(stream, line string)) (Deed, error)
	// Happened asks whether an order was carried out whose deed was lost.
	Happened(ctx context.Context, o *Order) (effect.Doubt, Deed, error)
	// Undo takes back what an order did.
	Undo(ctx context.Context, o *Order, output func(stream, line string)) error
	// Lives is told of an effect whose outcome lives with the process that performs it,
	// and Ended that it has ended. Whatever comes after it is performed by the same
	// process, or by one that brings it back.
	Lives(handle string, o *Order)
	Ended(handle string)
	// Finish clears away what orders have left, once the run is complete.
	Finish(orders []*Order)
	// Close ends what lives, when an execution is over.
	Close()
	// Foreign returns those of the modules whose code is not the user's own.
	Foreign(modules []string) []string
	// Allowed returns an error unless the code that has led to an order may have it carried
	// out. One that stops the run, for now, is no refusal.
	Allowed(ctx context.Context, o *Order) error
	// Enter is called before each effect that nothing is known of yet. Its error stops
	// the run there, for now.
	Enter() error
}

// Order is an effect that another process performs.
type Order struct {
	Infra       string
	Generation  int
	Kind        string
	Write       bool
	Description string
	Args        []byte // as the journal keeps them
	Place       string
	Origin      string
	Begun       time.Time
	Turn        int64         // see [effect.Env]; until the world makes one of it, the number of the attempt
	Again       bool          // it failed in an earlier execution
	Repeatable  bool          // it may be performed twice
	Remembers   bool          // it says when it has remembered what undo needs, and only then begins
	Timeout     time.Duration // of one attempt; 0: the effect's own
	Undo        []byte        // sealed: what it has remembered; nil: it has not yet
	Result      []byte        // of one that is undone; nil when it is not known
	Lives       bool          // its outcome lives with the process that performs it
	Route       string        // where it is to be performed; "" for anywhere
	Routed      bool          // that is the queue of the branch
	Modules     []string      // files of the code that has led to it, and is not the user's own
}

// Deed is what came of an order.
type Deed struct {
	Result []byte // codec
	Undo   []byte // sealed: what it has remembered
	Why    string // what an answer to the question whether it happened rests on
}

// abroad reports whether the effect is performed in another process.
func (d *Door) abroad(do effect.Performer, kind string) bool {
	if d.World == nil || effect.OfTheRun(kind) {
		return false
	}
	switch do.(type) {
	case effect.Patient, effect.Inner:
		return false
	}
	return true
}

// order is what the other side has to know of an effect with its record.
func (d *Door) order(do effect.Performer, options effect.Options, rec *journal.Effect, again bool) *Order {
	o := &Order{
		Infra: d.Run.Infra, Generation: d.Run.Generation, Kind: rec.Kind, Write: rec.Write, Description: rec.Description,
		Args: rec.Args, Place: rec.Place, Origin: rec.Origin, Begun: rec.Begun, Turn: int64(rec.Attempts), Again: again, Repeatable: !rec.Write,
		Timeout: options.Timeout, Route: options.Queue, Undo: rec.Undo,
	}
	_, o.Remembers = do.(effect.Undoer)
	_, o.Lives = do.(effect.Reviver)
	if r, ok := do.(effect.Repeatable); ok && r.Repeatable() {
		o.Repeatable = true
	}
	return o
}

// orderAt is the order of an effect that is asked for at s, with who asks.
func (d *Door) orderAt(s *site, do effect.Performer, rec *journal.Effect, again bool) *Order {
	o := d.order(do, s.call.Options, rec, again)
	o.Modules, o.Routed = d.foreign(s), s.call.Routed
	return o
}

// send has the world perform an effect.
func (d *Door) send(s *site, do effect.Performer, rec *journal.Effect) (any, error) {
	o := d.orderAt(s, do, rec, s.rec != nil && s.rec.Status == journal.Erred)
	deed, err := d.World.Perform(s.branch.Context(), o, func(stream, line string) { d.output(s.place, stream, line) })
	if rec.Undo == nil && deed.Undo != nil {
		if rec.Undo = deed.Undo; err != nil { // it may have happened, whatever comes next
			if jerr := d.Record.Intend(rec); jerr != nil {
				return nil, jerr
			}
		}
	}
	if _, ok := do.(effect.Leaver); ok {
		d.leaves(do, s.call.Options, rec)
	}
	if err != nil {
		return nil, err
	}
	d.lives(s, do, rec)
	return d.Codec.Decode(deed.Result)
}

// lives tells the world of what lives with a process.
func (d *Door) lives(s *site, do effect.Performer, rec *journal.Effect) {
	if ender, ok := do.(effect.Ender); ok {
		d.World.Ended(ender.Ends())
		return
	}
	reviver, ok := do.(effect.Reviver)
	if !ok {
		return
	}
	if rec.Args == nil && d.Record.Details(rec) != nil {
		return // the next effect says that the journal is broken
	}
	o := d.orderAt(s, do, rec, false)
	o.Result = rec.Result
	d.World.Lives(reviver.Handle(d.env(s, rec)), o)
}

// leaves notes that an effect has left something that goes when the run is complete.
// Reading its arguments again, where the journal answers it, can wait until then.
func (d *Door) leaves(do effect.Performer, options effect.Options, rec *journal.Effect) {
	d.left.Store(rec.Place, leaving{do, options, rec})
}

// leaving is an effect that has left something.
type leaving struct {
	do      effect.Performer
	options effect.Options
	rec     *journal.Effect
}

// Leaving returns orders of all effects that have left something which goes when the
// run is complete, in the order of their places.
func (d *Door) Leaving() ([]*Order, error) {
	var orders []*Order
	var err error
	d.left.Range(func(_, v any) bool {
		l := v.(leaving)
		if l.rec.Args == nil {
			if err = d.Record.Details(l.rec); err != nil {
				return false
			}
		}
		orders = append(orders, d.order(l.do, l.options, l.rec, false))
		return true
	})
	slices.SortFunc(orders, func(a, b *Order) int { return strings.Compare(a.Place, b.Place) })
	return orders, err
}

// sendQuestion asks the world, in another process, whether an effect happened.
func (d *Door) sendQuestion(s *site, do effect.Performer, rec *journal.Effect) (effect.Answer, error) {
	happened, deed, err := d.World.Happened(s.branch.Context(), d.order(do, s.call.Options, rec, false))
	a := effect.Answer{Happened: happened, Why: deed.Why}
	if err == nil && happened == effect.Yes {
		a.Result, err = d.Codec.Decode(deed.Result)
	}
	return a, err
}

// sendUndo has the world take an effect back.
func (d *Door) sendUndo(ctx context.Context, do effect.Undoer, options effect.Options, rec *journal.Effect) error {
	performer, _ := do.(effect.Performer)
	o := d.order(performer, options, rec, false)
	if rec.Status == journal.Done || rec.Status == journal.Assumed {
		o.Result = rec.Result
	}
	return d.World.Undo(ctx, o, func(stream, line string) { d.output(rec.Place, stream, line) })
}

// Hand carries out orders of the runs of other processes. It serves one run.
type Hand struct {
	Door *Door
	// Recall makes the call of an effect of a kind from the arguments that the journal keeps.
	Recall func(kind string, args *starlark.Dict) (*effect.Call, error)
}

// Call is how one order is carried out.
type Call struct {
	Output   func(stream, line string)
	Progress func(done, total int64, note string)
	// Remember makes what an order has remembered durable, before it is performed.
	Remember func(sealed []byte) error
}

// recall makes the call of an order.
func (h *Hand) recall(o *Order) (*effect.Call, error) {
	args, err := h.Door.Codec.Decode(o.Args)
	if err != nil {
		return nil, err
	}
	dict, ok := args.(*starlark.Dict)
	if !ok {
		return nil, fault.New(fault.Internal, "the arguments of %s are damaged", o.Kind)
	}
	return h.Recall(o.Kind, dict)
}

// Allowed returns an error unless the code that has led to an order, and is not the
// user's own, may have it carried out. Each of its files has to be known here as one of
// an extension: else it would act with the rights of the others.
func (h *Hand) Allowed(o *Order) error {
	if len(o.Modules) == 0 || effect.Bookkeeping(o.Kind) {
		return nil
	}
	for _, file := range o.Modules {
		if h.Door.Guard == nil || len(h.Door.Guard.Restricted([]string{file})) == 0 {
			return fault.New(fault.Permission, "%s is not allowed: it is asked for by %s, which the workspace of this worker does not know as a file of an extension", o.Kind, file).
				WithHint("bring the workspace of the worker up to date: what an extension may do is decided there")
		}
	}
	call, err := h.recall(o)
	if err != nil {
		return err
	}
	call.Routed = o.Routed
	return h.Door.guardedCall(call, o.Modules)
}

// restore makes the effect of an order, with secrets in the clear.
func (h *Hand) restore(o *Order, call Call) (effect.Performer, *effect.Env, *journal.Effect, error) {
	asked, err := h.recall(o)
	if err != nil {
		return nil, nil, nil, err
	}
	do, err := h.Door.expanded(asked.Do)
	if err != nil {
		return nil, nil, nil, err
	}
	rec := &journal.Effect{Place: o.Place, Kind: o.Kind, Write: o.Write, Args: o.Args, Undo: o.Undo, Begun: o.Begun, Origin: o.Origin, Result: o.Result}
	if o.Result != nil {
		rec.Status = journal.Done
	}
	env := &effect.Env{
		Run: h.Door.Run, Place: o.Place, Options: asked.Options, Begun: o.Begun, Origin: o.Origin, Turn: o.Turn, Again: o.Again,
		Output: call.Output, Progress: call.Progress,
		Ask: func(context.Context, string, string, []string) (string, string, error) {
			return "", "", fault.New(fault.Internal, "%s asks a question away from its run", o.Kind)
		},
	}
	return do, env, rec, nil
}

// Perform carries out an order.
func (h *Hand) Perform(ctx context.Context, o *Order, call Call) (deed Deed, err error) {
	if err := h.Allowed(o); err != nil { // another worker may have said that it may
		return Deed{}, err
	}
	do, env, rec, err := h.restore(o, call)
	if err != nil {
		return Deed{}, err
	}
	defer func() {
		if r := recover(); r != nil {
			err = fault.New(fault.Internal, "a defect of this program: %v", r)
		}
		deed.Undo = rec.Undo
	}()
	if q, ok := do.(effect.Queued); ok {
		release, err := q.Enter(ctx, env)
		if err != nil {
			return deed, err
		}
		defer release()
	}
	if o.Write && o.Undo == nil {
		if err := h.Door.remember(ctx, do, env, rec); err != nil {
			return deed, err
		}
		if o.Remembers && !idle(do) {
			if err := call.Remember(rec.Undo); err != nil {
				return deed, err
			}
		}
	}
	result, err := h.attempt(ctx, o, do, env)
	if err != nil {
		return deed, err
	}
	if deed.Result, err = h.Door.Codec.Encode(value.Of(result)); err != nil {
		err = fault.Wrap(fault.Internal, err, "cannot record the result")
	}
	return deed, err
}

// attempt is one attempt, within its time.
func (h *Hand) attempt(ctx context.Context, o *Order, do effect.Performer, env *effect.Env) (any, error) {
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, fault.New(fault.Timeout, "it took longer than _timeout = %s", o.Timeout))
		defer cancel()
	}
	perform := func() (any, error) { return do.Perform(ctx, env) }
	var result any
	var err error
	if breaker := h.Door.breakerOf(do); breaker != nil {
		result, err = breaker.execute(h.Door, perform)
	} else {
		result, err = perform()
	}
	if err == nil || ctx.Err() == nil {
		return result, err
	}
	why := context.Cause(ctx)
	if e := fault.As(err); e != nil && (e.InDoubt || e.Kind == fault.Timeout) {
		return nil, err
	}
	if !fault.Is(why, fault.Timeout) {
		return nil, &fault.Error{Kind: fault.Cancelled, Msg: o.Kind + " was cut off: " + why.Error(), InDoubt: o.Write, Cause: why}
	}
	late := *fault.As(why)
	e := fault.As(err)
	late.Unsent = e != nil && e.Unsent
	late.InDoubt = o.Write && !late.Unsent // the effect does not say how far it came
	return nil, &late
}

// Happened asks the world whether an order was carried out.
func (h *Hand) Happened(ctx context.Context, o *Order, call Call) (effect.Doubt, Deed, error) {
	do, env, rec, err := h.restore(o, call)
	if err != nil {
		return effect.Unsure, Deed{}, err
	}
	asker, ok := do.(effect.Asker)
	if !ok {
		return effect.Unsure, Deed{}, nil
	}
	answer, err := asker.Happened(ctx, env, past{h.Door, rec})
	if err != nil {
		return effect.Unsure, Deed{}, err
	}
	deed := Deed{Why: answer.Why}
	if answer.Happened == effect.Yes {
		deed.Result, err = h.Door.Codec.Encode(value.Of(answer.Result))
	}
	return answer.Happened, deed, err
}

// Revive brings back what orders have left running in a process that is gone.
func (h *Hand) Revive(ctx context.Context, orders []*Order, call Call) error {
	for _, o := range orders {
		do, env, rec, err := h.restore(o, call)
		if err == nil {
			err = h.Allowed(o)
		}
		if err != nil {
			return err
		}
		if reviver, ok := do.(effect.Reviver); ok {
			if err := reviver.Revive(ctx, env, past{h.Door, rec}); err != nil {
				return fault.Wrap(fault.KindOf(err), err, "cannot bring back %s %s", o.Kind, o.Description)
			}
		}
	}
	return nil
}

// Finish clears away what orders have left, once the completion of the run is recorded.
func (h *Hand) Finish(orders []*Order, call Call) error {
	for _, o := range orders {
		do, env, _, err := h.restore(o, call)
		if err != nil {
			return err
		}
		if left, ok := do.(effect.Leaver); ok {
			left.Left(env)
		}
	}
	h.Door.Run.Live.FinishAll()
	return nil
}

// Undo takes back what an order did.
func (h *Hand) Undo(ctx context.Context, o *Order, call Call) error {
	do, env, rec, err := h.restore(o, call)
	if err != nil {
		return err
	}
	undoer, ok := do.(effect.Undoer)
	if !ok {
		return errors.New("there is no way to take it back")
	}
	return undoer.Undo(ctx, env, past{h.Door, rec})
}

// Close ends what lives of the run, and gives back what belongs to it.
func (h *Hand) Close() {
	h.Door.Run.Live.CloseAll()
	h.Door.Run.Files.Close() //nolint:errcheck // it only reads
}
