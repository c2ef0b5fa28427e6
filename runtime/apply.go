package runtime

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/interpreter"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// CheckToFile plans a script, as [Runtime.Check] does, and returns the plan in
// the form that [Runtime.Apply] takes.
func (r *Runtime) CheckToFile(in Interrupt, s Start) (*Outcome, *plan.File, error) {
	c := &checking{r: r, in: in, start: s}
	c.begin(seal.NewBox(), &door.Reads{})
	return c.toFile(&plan.Explorer{})
}

func (c *checking) toFile(e *plan.Explorer) (*Outcome, *plan.File, error) {
	out, err := explore(e, c.arm)
	if err != nil {
		return out, nil, err
	}
	inputs, err := c.start.inputs().Encode()
	if err != nil {
		return out, nil, fault.Wrap(fault.Usage, err, "cannot record the parameters")
	}
	f := &plan.File{
		Made: time.Now().UTC().Truncate(time.Second), Script: c.name, Entry: c.start.Entry, Inputs: inputs, Infra: c.start.Infra,
		Paths: c.start.AllowPaths, Limits: c.start.Limits, Rollback: c.start.RollbackOnFailure,
		Root: out.Plan.Root(), Allowance: out.Plan.Allowance(), Summary: out.Plan.Summary(), Reads: c.reads(),
		Secrets: c.fixedSecrets(), Likely: e.Answers(),
	}
	for name, text := range c.req.sources {
		f.Sources = append(f.Sources, plan.Source{Name: name, Text: string(text)})
	}
	slices.SortFunc(f.Sources, func(a, b plan.Source) int { return strings.Compare(a.Name, b.Name) })
	if f.Key, err = c.r.sealKey(c.req.box); err != nil {
		return out, nil, err
	}
	return out, f, f.Seal(c.req.box.Key)
}

// reads lists what the world said while the plan was made.
func (c *checking) reads() []plan.Read {
	reads := []plan.Read{}
	for _, a := range c.req.reads.All() {
		r := plan.Read{Place: a.Item.Place, Key: a.Item.Key, Kind: a.Item.Kind, Description: a.Item.Description, Position: a.Item.Position}
		var data []byte
		if a.Err != nil {
			data, r.Shown = []byte(a.Err.Error()), c.req.secrets.Redact("an error: "+a.Err.Error())
		} else {
			data, _ = new(codec.Codec).Encode(unmeasured(a.Steady)) // one without encoding counts as the same
			r.Shown = clip(c.req.secrets.Redact(shown(a.Value)))
		}
		mac := hmac.New(sha256.New, c.req.box.Key) // a plain hash of a short secret would tell it
		mac.Write(data)
		r.Digest = hex.EncodeToString(mac.Sum(nil))
		if a.Volatile && a.Err == nil {
			r.Fixed, _ = new(codec.Codec).Encode(a.Value) // without: it is another one in the run
		}
		reads = append(reads, r)
	}
	return reads
}

// fixedSecrets are those in what the run of the plan repeats: it cannot make them again.
func (c *checking) fixedSecrets() []plan.Secret {
	var secrets []plan.Secret
	for _, a := range c.req.reads.All() {
		if !a.Volatile || a.Err != nil {
			continue
		}
		value.Walk(a.Value, func(v starlark.Value) bool {
			if s, ok := v.(*value.Secret); ok {
				secrets = append(secrets, plan.Secret{Name: s.Name, Sealed: c.req.box.Seal([]byte(c.req.secrets.Plain(s)))})
			}
			return true
		})
	}
	return secrets
}

// openFixed returns the secrets that a plan has made up.
func openFixed(f *plan.File, box *seal.Box) (*value.Secrets, error) {
	secrets := value.NewSecrets(box.Key)
	for _, s := range f.Secrets {
		if err := unseal(journal.Secret(s), box, secrets); err != nil {
			return nil, err
		}
	}
	return secrets, nil
}

// unmeasured is a result without what is another time each time, and says nothing
// about the world: how long it took to look, and when an answer was made.
func unmeasured(v starlark.Value) starlark.Value {
	same, err := value.Map(v, func(v starlark.Value) (starlark.Value, error) {
		if _, ok := v.(startime.Duration); ok {
			return starlark.None, nil
		}
		return v, nil
	})
	if err != nil {
		return v
	}
	value.Walk(same, func(v starlark.Value) bool {
		if d, ok := v.(*starlark.Dict); ok { // a copy
			for _, header := range []string{"date", "age"} {
				_, _, _ = d.Delete(starlark.String(header))
			}
		}
		return true
	})
	return same
}

// likely are the decisions of a plan; not nil, so that no later run counts.
func likely(f *plan.File) map[string]int {
	if f.Likely == nil {
		return map[string]int{}
	}
	return f.Likely
}

func shown(v starlark.Value) string {
	if s, ok := starlark.AsString(v); ok && strings.Contains(s, "\n") {
		return s
	}
	return value.Show(v)
}

// maxShown is how much of a result a plan shows.
const maxShown = 4 << 10

func clip(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "…"
}

// Apply executes the script of a plan, if the plan made again is the same. A
// write that the plan does not have stops the run for an answer.
func (r *Runtime) Apply(in Interrupt, f *plan.File) (*Outcome, error) {
	a, err := r.approve(in, f)
	if err != nil {
		return nil, err
	}
	return r.begin(in, a.start, a.req, a.follows)
}

// SubmitPlan is Apply up to where an engine is to execute the run, see [Runtime.Submit].
func (r *Runtime) SubmitPlan(in Interrupt, f *plan.File, engine string) (*journal.Run, error) {
	a, err := r.approve(in, f)
	if err != nil {
		return nil, err
	}
	return r.submit(in, a.start, a.req, a.follows, engine)
}

// approved is a plan that holds still.
type approved struct {
	start   Start
	req     request
	follows *journal.Applied
}

// approve makes a plan again, and compares.
func (r *Runtime) approve(in Interrupt, f *plan.File) (*approved, error) {
	start, err := r.planned(f)
	if err != nil {
		return nil, err
	}
	box, err := r.openKey(f.Key, "the plan")
	if err != nil {
		return nil, err
	}
	if !f.Authentic(box.Key) {
		return nil, fault.New(fault.Usage, "the plan was changed after it was made").
			WithHint("make a new one with: provisioning run %s --plan-out FILE", script.FileName(f.Script))
	}
	again := &checking{r: r, in: in, start: start, silent: true}
	again.begin(box, &door.Reads{Fixed: fixed(f)})
	if again.req.secrets, err = openFixed(f, box); err != nil {
		return nil, err
	}
	_, now, err := again.toFile(&plan.Explorer{Likely: likely(f)})
	if err != nil {
		return nil, err
	}
	if diff := f.Difference(now); diff != "" {
		return nil, fault.New(fault.Mismatch, "the plan was made for another state of things, and is not applied").
			WithHint("%s\nmake a new one with: provisioning run %s --plan-out FILE", strings.TrimRight(diff, "\n"), script.FileName(f.Script))
	}
	secrets, err := openFixed(f, box) // and none that the plan has only read
	if err != nil {
		return nil, err
	}
	// With the key of the plan: what has secrets in it is identified under that. And
	// with the texts that were planned, whatever is on the disk by now.
	return &approved{start, request{box: box, secrets: secrets, sources: again.req.sources}, &journal.Applied{Plan: f.Hash, Writes: now.Allowance, Fixed: fixed(f)}}, nil
}

// planned is the request to start what a plan is of.
func (r *Runtime) planned(f *plan.File) (Start, error) {
	inputs, err := interpreter.DecodeInputs(f.Entry, f.Inputs)
	if err != nil {
		return Start{}, fault.Wrap(fault.Invalid, err, "cannot read the arguments in the plan")
	}
	file := f.Script
	if rel, ok := strings.CutPrefix(file, "//"); ok {
		file = filepath.Join(r.cfg.Workspace.Root, filepath.FromSlash(rel))
	}
	return Start{
		Script: file, Entry: f.Entry, Params: inputs.File, Flags: inputs.Flags, Infra: f.Infra,
		AllowPaths: f.Paths, Limits: f.Limits, RollbackOnFailure: f.Rollback,
	}, nil
}

// fixed are the results of the plan that its run repeats.
func fixed(f *plan.File) map[string][]byte {
	m := map[string][]byte{}
	for _, read := range f.Reads {
		if key, err := hex.DecodeString(read.Key); err == nil && read.Fixed != nil {
			m[door.ReadName(read.Place, key)] = read.Fixed
		}
	}
	return m
}

// follow makes the execution one of a plan that is applied. effects are those that
// the journal has already.
func (x *execution) follow(a *journal.Applied, effects []*journal.Effect) {
	if a == nil {
		return
	}
	x.door.Allowed, x.door.Reads = a.Writes.Clone(), &door.Reads{Fixed: a.Fixed}
	for _, e := range effects {
		if e.Write && e.Status != journal.Erred && e.Status != journal.Dropped { // what failed is tried again
			x.door.Allowed.Spend(e.Kind, hex.EncodeToString(e.Key), e.Pos)
		}
	}
}
