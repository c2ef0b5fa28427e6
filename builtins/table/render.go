package table

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// widths does not ask the environment, as runewidth's functions do: the same
// table shall be the same text on every machine.
var widths = runewidth.Condition{StrictEmojiNeutral: true}

const gap = "  " // between columns

type row map[string]starlark.Value

func render(list starlark.Iterable, columns []string, sortBy string, redact func(string) string) (string, error) {
	rows, keys, err := rowsOf(list)
	if err != nil {
		return "", err
	}
	if sortBy != "" {
		if err := sortRows(rows, keys, sortBy); err != nil {
			return "", err
		}
	}
	if columns == nil {
		columns = keys
	}
	if len(columns) == 0 {
		return "", nil
	}
	lines := make([]strings.Builder, len(rows)+1)
	for i, column := range columns {
		writeColumn(lines, rows, column, i == len(columns)-1, redact)
	}
	text := make([]string, len(lines))
	for i := range lines {
		text[i] = strings.TrimRight(lines[i].String(), " ")
	}
	return strings.Join(text, "\n"), nil
}

// rowsOf returns the rows, and their keys in the order in which they come up.
func rowsOf(list starlark.Iterable) (rows []row, keys []string, err error) {
	seen := map[string]bool{}
	i := 0
	for v := range starlark.Elements(list) {
		r := row{}
		names, err := fill(r, v)
		if err != nil {
			return nil, nil, fault.New(fault.Invalid, "row %d %v", i, err)
		}
		for _, name := range names {
			if !seen[name] {
				seen[name] = true
				keys = append(keys, name)
			}
		}
		rows = append(rows, r)
		i++
	}
	return rows, keys, nil
}

func fill(r row, v starlark.Value) (names []string, err error) {
	switch v := v.(type) {
	case *starlark.Dict:
		for _, kv := range v.Items() {
			name, ok := starlark.AsString(kv[0])
			if !ok {
				return nil, fmt.Errorf("has the key %s, which is no string", kv[0])
			}
			r[name] = kv[1]
			names = append(names, name)
		}
	case *starlarkstruct.Struct:
		names = v.AttrNames()
		for _, name := range names {
			r[name], _ = v.Attr(name) // a name that it has
		}
	default:
		return nil, fmt.Errorf("must be a dict or a struct, not a %s", v.Type())
	}
	return names, nil
}

func writeColumn(lines []strings.Builder, rows []row, column string, last bool, redact func(string) string) {
	cells := []string{clean(column)}
	numbers := len(rows) > 0
	for _, r := range rows {
		v := r[column]
		cells = append(cells, clean(redact(text(v))))
		numbers = numbers && isNumber(v)
	}
	width := 0
	for _, c := range cells {
		width = max(width, widths.StringWidth(c))
	}
	for i, c := range cells {
		pad := strings.Repeat(" ", width-widths.StringWidth(c))
		switch {
		case numbers:
			c = pad + c
		case !last:
			c += pad
		}
		lines[i].WriteString(c)
		if !last {
			lines[i].WriteString(gap)
		}
	}
}

func text(v starlark.Value) string {
	switch v := v.(type) {
	case nil, starlark.NoneType:
		return ""
	case starlark.String:
		return string(v)
	case *value.Secret:
		return "«secret " + v.Name + "»"
	}
	return v.String()
}

// clean keeps a cell on its line, and control characters from the terminal.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return ' '
		case unicode.IsControl(c):
			return -1
		}
		return c
	}, s)
}

// isNumber also takes what is missing, which does not make a column text.
func isNumber(v starlark.Value) bool {
	switch v.(type) {
	case nil, starlark.NoneType, starlark.Int, starlark.Float:
		return true
	}
	return false
}

func sortRows(rows []row, keys []string, by string) error {
	key, descending := strings.CutPrefix(by, "-")
	if len(rows) > 0 && !slices.Contains(keys, key) {
		e := fault.New(fault.Invalid, "cannot sort by %q: no row has it", key)
		if near := spell.Nearest(key, keys); near != "" {
			e.Msg += fmt.Sprintf(" (did you mean %q?)", near)
		}
		return e
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		x, y := a[key], b[key]
		if isMissing(x) || isMissing(y) {
			return order(!isMissing(x), !isMissing(y))
		}
		if descending {
			x, y = y, x
		}
		return compare(x, y)
	})
	return nil
}

func isMissing(v starlark.Value) bool { return v == nil || v == starlark.None }

// order puts what is before what is not.
func order(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return -1
	}
	return 1
}

// compare orders values of one kind as Starlark does, and others by their text.
func compare(x, y starlark.Value) int {
	if less, err := starlark.Compare(syntax.LT, x, y); err == nil {
		more, _ := starlark.Compare(syntax.LT, y, x)
		return order(less, more)
	}
	return strings.Compare(text(x), text(y))
}
