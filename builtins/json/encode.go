package json

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Pure(`
def encode(value, indent = ""):
    """Returns a value as JSON text.

    Dicts keep their order. Lists, tuples and sets become arrays, structs
    objects, times and durations strings.

    Args:
      value (any): what to encode.
      indent (string): white space for each level; without it the text is one line.

    Returns:
      The text. Secrets in it stay markers until it is used.

    Errors:
      invalid: the value holds something that JSON has no form for, such as a
      function, bytes, or a number that is not finite; or it contains itself.

    Example:
      json.encode([1, 2.0, None, ()])  # "[1,2.0,null,[]]"
    """`, &encode{})

// encode is the function json.encode.
type encode struct {
	Value  starlark.Value `star:"value"`
	Indent string         `star:"indent"`
}

func (e *encode) Compute(*effect.Env) (any, error) {
	if strings.Trim(e.Indent, " \t") != "" || len(e.Indent) > 16 {
		return nil, fault.New(fault.Invalid, "cannot encode JSON: indent must be up to 16 spaces or tabs")
	}
	return encodeText(e.Value, e.Indent)
}

func encodeText(v starlark.Value, indent string) (string, error) {
	w := writer{indent: indent}
	if err := w.value(v); err != nil {
		return "", fault.Wrap(fault.Invalid, err, "cannot encode JSON")
	}
	return w.out.String(), nil
}

type writer struct {
	out    strings.Builder
	indent string
	depth  int
}

func (w *writer) value(v starlark.Value) error {
	// Each value prints something, so that this also ends what is shared so
	// often that it would never be done.
	if w.out.Len() > maxSize {
		return fmt.Errorf("the text is larger than %d MiB", maxSize>>20)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		w.out.WriteString("null")
		return nil
	case starlark.Bool:
		w.out.WriteString(strconv.FormatBool(bool(v)))
		return nil
	case starlark.Int:
		w.out.WriteString(v.String())
		return nil
	case starlark.Float:
		return w.float(float64(v))
	case starlark.String:
		return w.string(string(v))
	case *value.Secret:
		return w.string(v.String())
	case time.Time:
		return w.string(gotime.Time(v).Format(gotime.RFC3339Nano))
	case time.Duration:
		return w.string(gotime.Duration(v).String())
	case starlark.Bytes:
		return &value.Misfit{Text: "is bytes, which JSON has no form for; encode it with base64 first"}
	case *value.Unknown:
		return &value.Undecided{Unknown: v, Op: "json.encode"}
	}
	return w.container(v)
}

func (w *writer) container(v starlark.Value) error {
	w.depth++
	defer func() { w.depth-- }()
	if w.depth > maxDepth {
		return &value.Misfit{Text: fmt.Sprintf("is nested deeper than %d levels, or contains itself", maxDepth)}
	}
	if entries, ok := value.Entries(v); ok {
		return w.object(entries)
	}
	if seq, ok := v.(starlark.Iterable); ok {
		return w.array(seq)
	}
	return &value.Misfit{Text: fmt.Sprintf("is a %s, which JSON has no form for", v.Type())}
}

func (w *writer) object(entries []value.Entry) error {
	if len(entries) == 0 {
		w.out.WriteString("{}")
		return nil
	}
	for i, entry := range entries {
		w.separate("{,", i)
		switch entry.Key.(type) {
		case starlark.String, *value.Secret:
		default:
			return &value.Misfit{Text: fmt.Sprintf("has a key that is a %s; keys must be strings", entry.Key.Type())}
		}
		if err := w.value(entry.Key); err != nil {
			return err
		}
		w.out.WriteByte(':')
		if w.indent != "" {
			w.out.WriteByte(' ')
		}
		if err := w.value(entry.Value); err != nil {
			return value.Within(err, entry.Key)
		}
	}
	w.end('}')
	return nil
}

func (w *writer) array(seq starlark.Iterable) error {
	iter := seq.Iterate()
	defer iter.Done()
	var x starlark.Value
	i := 0
	for ; iter.Next(&x); i++ {
		w.separate("[,", i)
		if err := w.value(x); err != nil {
			return value.Within(err, i)
		}
	}
	if i == 0 {
		w.out.WriteString("[]")
		return nil
	}
	w.end(']')
	return nil
}

// separate writes what stands before element i: the opening or a comma.
func (w *writer) separate(marks string, i int) {
	w.out.WriteByte(marks[min(i, 1)])
	w.newline(w.depth)
}

func (w *writer) end(mark byte) {
	w.newline(w.depth - 1)
	w.out.WriteByte(mark)
}

func (w *writer) newline(depth int) {
	if w.indent != "" {
		w.out.WriteByte('\n')
		w.out.WriteString(strings.Repeat(w.indent, depth))
	}
}

func (w *writer) string(s string) error {
	quoted, err := value.Quote(s)
	w.out.WriteString(quoted)
	return err
}

func (w *writer) float(f float64) error {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return &value.Misfit{Text: "is a number that is not finite, which JSON has no form for"}
	}
	text := strconv.FormatFloat(f, 'g', -1, 64)
	w.out.WriteString(text)
	if !strings.ContainsAny(text, ".e") {
		w.out.WriteString(".0") // else it would come back as an int
	}
	return nil
}
