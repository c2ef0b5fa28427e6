package toml

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// value writes what stands behind a key or within an array.
func (w *writer) value(v starlark.Value) error {
	switch v := v.(type) {
	case starlark.NoneType:
		return &value.Misfit{Text: "is None, which TOML has no form for; leave it out"}
	case starlark.Bool:
		w.out.WriteString(strconv.FormatBool(bool(v)))
		return nil
	case starlark.Int:
		if _, ok := v.Int64(); !ok {
			return &value.Misfit{Text: "is an int of more than 64 bits, which TOML has no form for"}
		}
		w.out.WriteString(v.String())
		return nil
	case starlark.Float:
		w.out.WriteString(float(float64(v)))
		return nil
	case starlark.String:
		return w.quote(string(v))
	case *value.Secret:
		return w.quote(v.String())
	case time.Duration:
		return w.quote(gotime.Duration(v).String())
	case time.Time:
		w.out.WriteString(gotime.Time(v).Format(gotime.RFC3339Nano))
		return nil
	case starlark.Bytes:
		return &value.Misfit{Text: "is bytes, which TOML has no form for; encode it with base64 first"}
	case *value.Unknown:
		return &value.Undecided{Unknown: v, Op: "toml.encode"}
	}
	return w.container(v)
}

func (w *writer) container(v starlark.Value) error {
	if err := w.enter(); err != nil {
		return err
	}
	defer func() { w.depth-- }()
	if entries, ok := value.Entries(v); ok {
		return w.inlineTable(entries)
	}
	if seq, ok := v.(starlark.Iterable); ok {
		return w.array(seq)
	}
	return &value.Misfit{Text: fmt.Sprintf("is a %s, which TOML has no form for", v.Type())}
}

func (w *writer) array(seq starlark.Iterable) error {
	iter := seq.Iterate()
	defer iter.Done()
	w.out.WriteByte('[')
	var x starlark.Value
	for i := 0; iter.Next(&x); i++ {
		if i > 0 {
			w.out.WriteString(", ")
		}
		if err := w.value(x); err != nil {
			return value.Within(err, i)
		}
	}
	w.out.WriteByte(']')
	return nil
}

func (w *writer) inlineTable(entries []value.Entry) error {
	w.out.WriteByte('{')
	for i, e := range entries {
		if i > 0 {
			w.out.WriteString(", ")
		}
		k, err := keyText(e.Key)
		if err != nil {
			return err
		}
		w.out.WriteString(k + " = ")
		if err := w.value(e.Value); err != nil {
			return value.Within(err, e.Key)
		}
	}
	w.out.WriteByte('}')
	return nil
}

func (w *writer) quote(s string) error {
	text, err := value.Quote(s)
	w.out.WriteString(text)
	return err
}

func float(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0" // else it would come back as an int
	}
	return text
}
