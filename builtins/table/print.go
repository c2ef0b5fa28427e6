package table

import (
	"fmt"

	"go.starlark.net/starlark"
)

var _ = Module.Control(`
def print(rows, columns = None, sort_by = None):
    """Prints rows as a table; see table.format.

    Args:
      rows: a list of dicts or structs.
      columns: list of the keys to show, in this order; by default all of them.
      sort_by: the key to sort by; with a - before it, the largest first.

    Errors:
      invalid: a row is neither a dict nor a struct, or a key is no string; or
        no row has the key to sort by.

    Example:
      table.print([{"name": "web-1", "port": 80}])
    """`, &printing{})

// printing is the function table.print.
type printing struct {
	Rows    starlark.Iterable `star:"rows"`
	Columns []string          `star:"columns"`
	SortBy  string            `star:"sort_by"`
}

func (p *printing) Control(thread *starlark.Thread) (any, error) {
	// What the thread prints is redacted by whoever shows it; here are no
	// secrets to redact with.
	text, err := render(p.Rows, p.Columns, p.SortBy, func(s string) string { return s })
	if err != nil {
		return nil, err
	}
	if thread.Print != nil {
		thread.Print(thread, text)
	} else {
		fmt.Println(text)
	}
	return nil, nil
}
