package isolate

import (
	"errors"
	"math"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// carried is an error as it crosses: the chain of its faults, outermost first,
// and what else others ask errors for.
type carried struct {
	Chain     []fault.Error // without causes; their details are in Details
	Details   [][]byte      // codec, on the wire: for each of the chain a dict, or nothing
	Plain     string        // the text of an error that is no fault
	Suspended bool
	Sibling   bool // it is branch.ErrSibling itself
	Undecided bool
	Unknown   string // of Undecided
	Op        string
}

const (
	maxChain = 16      // faults within one another
	maxText  = 1 << 20 // bytes of a message, which people have to read
)

// carry makes the form of err that crosses.
func carry(err error) *carried {
	if err == nil {
		return nil
	}
	c := &carried{Suspended: errors.Is(err, branch.ErrSuspended), Sibling: err == error(branch.ErrSibling)}
	var undecided *value.Undecided
	if errors.As(err, &undecided) {
		c.Undecided, c.Unknown, c.Op = true, undecided.Unknown.Text, undecided.Op
	}
	for e := fault.As(err); e != nil && len(c.Chain) < maxChain; e = fault.As(e.Cause) {
		copied := *e
		copied.Msg, copied.Hint = clip(e.Msg), clip(e.Hint)
		copied.Cause, copied.Details = nil, nil
		c.Chain = append(c.Chain, copied)
		c.Details = append(c.Details, encodeDetails(e.Details))
	}
	if len(c.Chain) == 0 {
		c.Plain = clip(err.Error())
	}
	return c
}

func clip(s string) string { return s[:min(len(s), maxText)] }

// err is the error that was carried. secrets are those that its details may
// refer to.
func (c *carried) err(secrets *value.Secrets) error {
	switch {
	case c == nil:
		return nil
	case c.Sibling:
		return branch.ErrSibling
	}
	var cause error
	if c.Suspended {
		cause = branch.ErrSuspended
	}
	if c.Undecided {
		undecided := &value.Undecided{Unknown: value.NewUnknown("%s", c.Unknown), Op: c.Op}
		if len(c.Chain) == 0 {
			return undecided
		}
		cause = errors.Join(cause, undecided)
	}
	if len(c.Chain) == 0 {
		if c.Suspended {
			return branch.ErrSuspended
		}
		return errors.New(c.Plain)
	}
	for i := len(c.Chain) - 1; i >= 0; i-- {
		e := c.Chain[i]
		e.Cause = cause
		if i < len(c.Details) {
			e.Details = decodeDetails(c.Details[i], secrets)
		}
		cause = &e
	}
	return cause
}

// encodeDetails notes for each detail whether it was plain Go.
func encodeDetails(details map[string]any) (data []byte) {
	if len(details) == 0 {
		return nil
	}
	defer func() {
		if recover() != nil { // a Go type that scripts do not have
			data = nil
		}
	}()
	dict := starlark.NewDict(len(details))
	for k, v := range details {
		_, star := v.(starlark.Value)
		if err := dict.SetKey(starlark.String(k), starlark.Tuple{starlark.Bool(star), value.Of(v)}); err != nil {
			return nil
		}
	}
	data, err := (&codec.Codec{Wire: true}).Encode(dict)
	if err != nil {
		return nil
	}
	return data
}

func decodeDetails(data []byte, secrets *value.Secrets) map[string]any {
	if len(data) == 0 {
		return nil
	}
	v, err := (&codec.Codec{Wire: true, Secrets: secrets}).Decode(data)
	dict, ok := v.(*starlark.Dict)
	if err != nil || !ok {
		return nil
	}
	details := make(map[string]any, dict.Len())
	for _, kv := range dict.Items() {
		k, ok := starlark.AsString(kv[0])
		pair, isPair := kv[1].(starlark.Tuple)
		if !ok || !isPair || len(pair) != 2 {
			return nil
		}
		details[k] = pair[1]
		if pair[0] == starlark.False {
			if plain, err := value.Go(pair[1]); err == nil {
				details[k] = plain
			}
		}
	}
	return details
}

// fault reads or writes an error, which may be nil.
func (c *coder) fault(f **carried) {
	there := *f != nil
	if c.flag(&there); !there || c.err != nil {
		return
	}
	if !c.writing {
		*f = &carried{}
	}
	e := *f
	for _, b := range []*bool{&e.Suspended, &e.Sibling, &e.Undecided} {
		c.flag(b)
	}
	for _, s := range []*string{&e.Plain, &e.Unknown, &e.Op} {
		c.text(s)
	}
	n := c.length(len(e.Chain))
	if n > maxChain {
		c.fail("an error has too many causes")
		return
	}
	if !c.writing {
		e.Chain, e.Details = make([]fault.Error, n), make([][]byte, n)
	}
	for i := range n {
		c.oneFault(&e.Chain[i])
		c.data(&e.Details[i])
	}
}

func (c *coder) oneFault(e *fault.Error) {
	kind := string(e.Kind)
	for _, s := range []*string{&kind, &e.Msg, &e.Hint, &e.Effect, &e.Place, &e.At} {
		c.text(s)
	}
	e.Kind = fault.Kind(kind)
	c.flag(&e.Unsent)
	c.flag(&e.InDoubt)
	c.float(&e.RetryAfter)
	if math.IsNaN(e.RetryAfter) {
		e.RetryAfter = 0
	}
	n := c.length(len(e.Stack))
	for i := range n {
		var f fault.Frame
		if c.writing {
			f = e.Stack[i]
		}
		c.text(&f.File)
		c.count(&f.Line)
		c.count(&f.Col)
		c.text(&f.Func)
		c.text(&f.Text)
		if c.err != nil {
			return
		}
		if !c.writing {
			e.Stack = append(e.Stack, f)
		}
	}
}
