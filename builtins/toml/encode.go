package toml

import (
	"fmt"
	"regexp"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Pure(`
def encode(value):
    """Returns a dict or struct as TOML text.

    Keys keep their order, but those of a table stand before the tables in it.
    A list of dicts becomes an array of tables.

    Args:
      value (dict or struct): what to encode.

    Returns:
      The text. Secrets in it stay markers until it is used.

    Errors:
      invalid: the value is no dict or struct, or holds something that TOML has
      no form for, such as None, bytes or an int of more than 64 bits.

    Example:
      toml.encode({"a": {"b": 1}, "c": [1, "x"]})  # "c = [1, \\"x\\"]\\n\\n[a]\\nb = 1\\n"
    """`, &encode{})

// encode is the function toml.encode.
type encode struct {
	Value starlark.Value `star:"value"`
}

func (e *encode) Compute(*effect.Env) (any, error) { return encodeText(e.Value) }

func encodeText(v starlark.Value) (string, error) {
	entries, ok := value.Entries(v)
	if !ok {
		return "", fault.New(fault.Invalid, "cannot encode TOML: the value is a %s, but a document is a table", v.Type()).
			WithHint("pass a dict or a struct")
	}
	var w writer
	if err := w.table(entries, ""); err != nil {
		return "", fault.Wrap(fault.Invalid, err, "cannot encode TOML")
	}
	return w.out.String(), nil
}

type writer struct {
	out   strings.Builder
	depth int
}

// enter begins a container, or says that there are too many around it, or too
// much text. Each container prints something sooner or later, so that this also
// ends what is shared so often that it would never be done.
func (w *writer) enter() error {
	if w.depth++; w.depth > maxDepth {
		return &value.Misfit{Text: fmt.Sprintf("is nested deeper than %d levels, or contains itself", maxDepth)}
	}
	if w.out.Len() > maxSize {
		return fmt.Errorf("the text is larger than %d MiB", maxSize>>20)
	}
	return nil
}

// table writes the entries of the table that is called prefix, such as "a.b.".
func (w *writer) table(entries []value.Entry, prefix string) error {
	if err := w.enter(); err != nil {
		return err
	}
	defer func() { w.depth-- }()
	for _, e := range entries {
		if isTables(e.Value) {
			continue
		}
		k, err := keyText(e.Key)
		if err != nil {
			return err
		}
		w.out.WriteString(k + " = ")
		if err := w.value(e.Value); err != nil {
			return value.Within(err, e.Key)
		}
		w.out.WriteByte('\n')
	}
	for _, e := range entries {
		if !isTables(e.Value) {
			continue
		}
		k, err := keyText(e.Key)
		if err != nil {
			return err
		}
		if err := w.tables(e.Value, prefix+k); err != nil {
			return value.Within(err, e.Key)
		}
	}
	return nil
}

// tables writes a table, or an array of tables, with its headers.
func (w *writer) tables(v starlark.Value, name string) error {
	if entries, ok := value.Entries(v); ok {
		if needsHeader(entries) {
			w.header("[" + name + "]\n")
		}
		return w.table(entries, name+".")
	}
	if err := w.enter(); err != nil {
		return err
	}
	defer func() { w.depth-- }()
	list := v.(starlark.Indexable)
	for i := range list.Len() {
		entries, _ := value.Entries(list.Index(i))
		w.header("[[" + name + "]]\n")
		if err := w.table(entries, name+"."); err != nil {
			return value.Within(err, i)
		}
	}
	return nil
}

func (w *writer) header(text string) {
	if w.out.Len() > 0 {
		w.out.WriteByte('\n')
	}
	w.out.WriteString(text)
}

// needsHeader is false for a table that only holds tables: their own headers
// make it.
func needsHeader(entries []value.Entry) bool {
	for _, e := range entries {
		if !isTables(e.Value) {
			return true
		}
	}
	return len(entries) == 0
}

// isTables reports whether v is written with headers of its own.
func isTables(v starlark.Value) bool {
	if _, ok := value.Entries(v); ok {
		return true
	}
	list, ok := v.(starlark.Indexable)
	if _, isString := v.(starlark.String); !ok || isString || list.Len() == 0 {
		return false
	}
	for i := range list.Len() {
		if _, ok := value.Entries(list.Index(i)); !ok {
			return false
		}
	}
	return true
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func keyText(k starlark.Value) (string, error) {
	switch k := k.(type) {
	case starlark.String:
		if bareKey.MatchString(string(k)) {
			return string(k), nil
		}
		return value.Quote(string(k))
	case *value.Secret:
		return value.Quote(k.String())
	}
	return "", &value.Misfit{Text: fmt.Sprintf("has a key that is a %s; keys must be strings", k.Type())}
}
