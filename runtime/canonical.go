package runtime

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// canonicalEffect is an effect without what is another each time.
type canonicalEffect struct {
	Place       string         `json:"place"`
	Kind        string         `json:"kind"`
	Write       bool           `json:"write"`
	Key         string         `json:"key,omitempty"`
	Position    string         `json:"position"`
	Description string         `json:"description"`
	Args        string         `json:"args"`
	Status      string         `json:"status"`
	Result      string         `json:"result,omitempty"`
	Error       *journal.Fault `json:"error,omitempty"`
	Undo        string         `json:"undo,omitempty"`
}

// Canonical returns the journal of a run as a text that is the same, byte for byte, for
// runs that did the same, whatever engine has executed them: a line of JSON for each
// effect, in the order of their places, without what was measured (times, durations,
// and how often something had to be tried).
func (r *Runtime) Canonical(run *journal.Run) ([]byte, error) {
	j, err := r.Journal()
	if err != nil {
		return nil, err
	}
	secrets, err := r.Secrets(run)
	if err != nil {
		return nil, err
	}
	effects, err := run.Effects()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(effects, func(a, b *journal.Effect) int { return comparePlaces(a.Place, b.Place) })
	values := &codec.Codec{Secrets: secrets, Blobs: j.Blobs}
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	lines.SetEscapeHTML(false)
	for _, e := range effects {
		if err := run.Details(e); err != nil {
			return nil, err
		}
		c, err := canonical(values, e, secrets.Redact)
		if err == nil {
			err = lines.Encode(c)
		}
		if err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func canonical(values *codec.Codec, e *journal.Effect, redact func(string) string) (c canonicalEffect, err error) {
	c = canonicalEffect{
		Place: e.Place, Kind: e.Kind, Write: e.Write, Key: hex.EncodeToString(e.Key), Position: e.Pos,
		Description: e.Description, Status: e.Status.String(), Undo: e.UndoStatus.String(),
	}
	text := func(data []byte) (text string, secrets bool) {
		if data == nil {
			return "", false // of what is about the run alone, such as branches
		}
		v, derr := values.Decode(data)
		if derr != nil {
			err = errors.Join(err, derr)
			return "", false
		}
		plain := timeless(v).String()
		text = redact(plain)
		return text, text != plain
	}
	secrets := false
	if c.Args, secrets = text(e.Args); secrets {
		c.Key = "" // it is made under the key of the run
	}
	switch e.Status {
	case journal.Done, journal.Assumed, journal.Skipped:
		c.Result, _ = text(e.Result)
	case journal.Erred, journal.Caught:
		c.Error, err = e.Failure()
	}
	return c, err
}

// timeless is a value without times and durations.
func timeless(v starlark.Value) starlark.Value {
	same, err := value.Map(unmeasured(v), func(v starlark.Value) (starlark.Value, error) {
		if _, ok := v.(startime.Time); ok {
			return starlark.None, nil
		}
		return v, nil
	})
	if err != nil {
		return v
	}
	return same
}

// comparePlaces orders places by branch, and within a branch as the effects came.
func comparePlaces(a, b string) int {
	split := func(place string) []string {
		return strings.FieldsFunc(place, func(c rune) bool { return c == '.' || c == '#' || c == ':' })
	}
	x, y := split(a), split(b)
	return cmp.Or(slices.CompareFunc(x, y, func(a, b string) int {
		m, errA := strconv.Atoi(a)
		n, errB := strconv.Atoi(b)
		if errA != nil || errB != nil {
			return strings.Compare(a, b)
		}
		return m - n
	}), strings.Compare(a, b))
}
