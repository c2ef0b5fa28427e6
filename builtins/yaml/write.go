package yaml

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// value writes v and the end of its line. indent is the column of the lines that
// v may need.
func (w *writer) value(v starlark.Value, indent int, at where) error {
	// Each value prints something, so that this also ends what is shared so
	// often that it would never be done.
	if w.out.Len() > maxSize {
		return fmt.Errorf("the text is larger than %d MiB", maxSize>>20)
	}
	if text, ok := v.(starlark.String); ok && isBlock(string(text)) {
		w.block(string(text), indent, at)
		return nil
	}
	text, ok, err := scalar(v)
	if err != nil {
		return err
	}
	if ok {
		w.inline(text, at)
		return nil
	}
	w.depth++
	defer func() { w.depth-- }()
	if w.depth > maxDepth {
		return &value.Misfit{Text: fmt.Sprintf("is nested deeper than %d levels, or contains itself", maxDepth)}
	}
	if entries, ok := value.Entries(v); ok {
		return w.mapping(entries, indent, at)
	}
	if seq, ok := v.(starlark.Iterable); ok {
		return w.sequence(seq, indent, at)
	}
	return &value.Misfit{Text: fmt.Sprintf("is a %s, which YAML has no form for", v.Type())}
}

func (w *writer) inline(text string, at where) {
	if at != atRoot {
		w.out.WriteByte(' ')
	}
	w.out.WriteString(text)
	w.out.WriteByte('\n')
}

// start begins line i of a mapping or sequence.
func (w *writer) start(i, indent int, at where) {
	if i == 0 && at == afterDash {
		w.out.WriteByte(' ')
		return
	}
	if i == 0 && at == afterKey {
		w.out.WriteByte('\n')
	}
	w.out.WriteString(strings.Repeat(" ", indent))
}

func (w *writer) mapping(entries []value.Entry, indent int, at where) error {
	if len(entries) == 0 {
		w.inline("{}", at)
		return nil
	}
	for i, entry := range entries {
		key, ok, err := scalar(entry.Key)
		if err != nil {
			return err
		}
		if !ok {
			return &value.Misfit{Text: fmt.Sprintf("has a key that is a %s", entry.Key.Type())}
		}
		w.start(i, indent, at)
		if len(key) > maxKey {
			key = "? " + key + "\n" + strings.Repeat(" ", indent)
		}
		w.out.WriteString(key)
		w.out.WriteByte(':')
		if err := w.value(entry.Value, indent+2, afterKey); err != nil {
			return value.Within(err, entry.Key)
		}
	}
	return nil
}

func (w *writer) sequence(seq starlark.Iterable, indent int, at where) error {
	iter := seq.Iterate()
	defer iter.Done()
	var x starlark.Value
	i := 0
	for ; iter.Next(&x); i++ {
		w.start(i, indent, at)
		w.out.WriteByte('-')
		if err := w.value(x, indent+2, afterDash); err != nil {
			return value.Within(err, i)
		}
	}
	if i == 0 {
		w.inline("[]", at)
	}
	return nil
}

// block writes a string of several lines as a literal block.
func (w *writer) block(text string, indent int, at where) {
	trimmed := strings.TrimRight(text, "\n")
	mark := "|"
	switch len(text) - len(trimmed) {
	case 0:
		mark = "|-"
	case 1:
	default:
		mark = "|+"
	}
	w.inline(mark, at)
	if at == atRoot {
		indent = 2
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if line != "" {
			w.out.WriteString(strings.Repeat(" ", indent))
			w.out.WriteString(line)
		}
		w.out.WriteByte('\n')
	}
}

// scalar returns the text of a value that fits on a line; ok is false for
// containers and what cannot be written.
func scalar(v starlark.Value) (text string, ok bool, err error) {
	switch v := v.(type) {
	case starlark.NoneType:
		return "null", true, nil
	case starlark.Bool:
		return strconv.FormatBool(bool(v)), true, nil
	case starlark.Int:
		return v.String(), true, nil
	case starlark.Float:
		return float(float64(v)), true, nil
	case starlark.String:
		if isPlain(string(v)) {
			return string(v), true, nil
		}
		text, err = value.Quote(string(v))
		return text, true, err
	case *value.Secret:
		text, err = value.Quote(v.String())
		return text, true, err
	case starlark.Bytes:
		return "!!binary " + strconv.Quote(base64.StdEncoding.EncodeToString([]byte(v))), true, nil
	case time.Time:
		return "!!timestamp " + gotime.Time(v).Format(gotime.RFC3339Nano), true, nil
	case time.Duration:
		return gotime.Duration(v).String(), true, nil
	case *value.Unknown:
		return "", false, &value.Undecided{Unknown: v, Op: "yaml.encode"}
	}
	return "", false, nil
}

func float(f float64) string {
	switch {
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	}
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0" // else it would come back as an int
	}
	return text
}
