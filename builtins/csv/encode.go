package csv

import (
	"fmt"
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
def encode(rows, header = None, separator = ","):
    """Returns rows as CSV text.

    Args:
      rows (list): dicts or structs, or lists of fields. A field is a string, a
        number, a bool, a time, or None for an empty one.
      header (list of string): the columns; by default the keys of the first
        row, or no header if that is a list.
      separator (string): the character between fields.

    Returns:
      The text. Secrets in it stay markers until it is used.

    Errors:
      invalid: a field is a list or another value of no plain text, a row has
      more or fewer fields than the first, or a key that is no column.

    Example:
      csv.encode([{"a": 1, "b": "x,y"}])  # "a,b\\n1,\\"x,y\\"\\n"
      csv.encode([[1, None]], header = ["a", "b"])  # "a,b\\n1,\\n"
    """`, &encode{})

// encode is the function csv.encode.
type encode struct {
	Rows      []starlark.Value `star:"rows"`
	Header    []string         `star:"header"`
	Separator string           `star:"separator"`
}

func (e *encode) Compute(env *effect.Env) (any, error) {
	if err := checkSeparator(e.Separator); err != nil {
		return nil, err
	}
	w := writer{separator: e.Separator, secrets: env.Run.Secrets, columns: e.Header}
	if len(e.Rows) > 0 && w.columns == nil {
		entries, _ := value.Entries(e.Rows[0])
		for _, entry := range entries {
			w.columns = append(w.columns, textOf(entry.Key))
		}
	}
	if w.columns != nil {
		if err := w.row(w.columns); err != nil {
			return nil, err
		}
	}
	for i, v := range e.Rows {
		fields, err := w.fields(v)
		if err == nil {
			err = w.row(fields)
		}
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, value.Within(err, i), "cannot encode CSV")
		}
	}
	return w.out.String(), nil
}

type writer struct {
	out       strings.Builder
	separator string
	secrets   *value.Secrets
	columns   []string // nil: no header
	width     int
}

// fields returns the fields of a row, those of a dict in the order of the
// columns.
func (w *writer) fields(v starlark.Value) ([]string, error) {
	if entries, ok := value.Entries(v); ok {
		return w.named(entries)
	}
	seq, ok := v.(starlark.Iterable)
	if !ok {
		return nil, &value.Misfit{Text: fmt.Sprintf("is a %s; a row is a list or a dict", v.Type())}
	}
	var fields []string
	iter := seq.Iterate()
	defer iter.Done()
	var x starlark.Value
	for i := 0; iter.Next(&x); i++ {
		field, err := fieldText(x)
		if err != nil {
			return nil, value.Within(err, i)
		}
		fields = append(fields, field)
	}
	return fields, nil
}

func (w *writer) named(entries []value.Entry) ([]string, error) {
	at := make(map[string]int, len(w.columns))
	for i, name := range w.columns {
		at[name] = i
	}
	fields := make([]string, len(w.columns))
	for _, entry := range entries {
		i, ok := at[textOf(entry.Key)]
		if !ok {
			return nil, value.Within(&value.Misfit{Text: "is no column"}, entry.Key)
		}
		var err error
		if fields[i], err = fieldText(entry.Value); err != nil {
			return nil, value.Within(err, entry.Key)
		}
	}
	return fields, nil
}

func textOf(key starlark.Value) string {
	text, err := fieldText(key)
	if err != nil {
		return key.String()
	}
	return text
}

func fieldText(v starlark.Value) (string, error) {
	switch v := v.(type) {
	case starlark.NoneType:
		return "", nil
	case starlark.String:
		return string(v), nil
	case starlark.Int, starlark.Float, *value.Secret:
		return v.String(), nil
	case starlark.Bool:
		return strconv.FormatBool(bool(v)), nil
	case time.Time:
		return gotime.Time(v).Format(gotime.RFC3339Nano), nil
	case time.Duration:
		return gotime.Duration(v).String(), nil
	}
	return "", &value.Misfit{Text: fmt.Sprintf("is a %s, which a field cannot be", v.Type())}
}

func (w *writer) row(fields []string) error {
	if w.width == 0 {
		w.width = len(fields)
	}
	if len(fields) != w.width || len(fields) == 0 {
		return &value.Misfit{Text: fmt.Sprintf("has %d fields, not %d", len(fields), w.width)}
	}
	if w.out.Len() > maxSize {
		return fmt.Errorf("the text is larger than %d MiB", maxSize>>20)
	}
	for i, field := range fields {
		if i > 0 {
			w.out.WriteString(w.separator)
		}
		quoted, err := w.quote(field, len(fields) == 1)
		if err != nil {
			return err
		}
		w.out.WriteString(quoted)
	}
	w.out.WriteByte('\n')
	return nil
}

// quote returns a field as it is written. Markers know no encoding for CSV, so
// that a secret that needs quotes becomes another secret, which has them.
func (w *writer) quote(field string, alone bool) (string, error) {
	plain, err := w.secrets.Expand(field)
	if err != nil {
		return "", err
	}
	if !(plain == "" && alone) && !strings.ContainsAny(plain, "\"\r\n") && !strings.Contains(plain, w.separator) &&
		!strings.HasPrefix(plain, " ") && !strings.HasPrefix(plain, "\uFEFF") {
		return field, nil
	}
	v, err := w.secrets.Derive("csv", []string{field}, func(plain []string) (string, error) {
		return "\"" + strings.ReplaceAll(plain[0], "\"", "\"\"") + "\"", nil
	})
	if secret, ok := v.(*value.Secret); ok {
		return secret.String(), err
	}
	text, _ := starlark.AsString(v)
	return text, err
}
