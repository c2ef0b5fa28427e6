package table

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def format(rows, columns = None, sort_by = None):
    """Writes rows as a table.

    Columns of numbers are aligned to the right. Wide characters, such as
    Chinese ones, count for two. Secrets are shown by their names.

    Args:
      rows: a list of dicts or structs. What a row lacks, and None, is empty.
      columns: list of the keys to show, in this order; by default all of them,
        in the order in which they come up.
      sort_by: the key to sort by; with a - before it, the largest first. Rows
        without it come last.

    Returns:
      A string of lines, the first of which names the columns; without a newline
      at the end. Empty when there are neither rows nor columns.

    Errors:
      invalid: a row is neither a dict nor a struct, or a key is no string; or
        no row has the key to sort by.

    Example:
      table.format([{"name": "web-1", "port": 80}, {"name": "db", "port": 5432}], sort_by = "name")
    """`, &format{})

// format is the function table.format.
type format struct {
	Rows    starlark.Iterable `star:"rows"`
	Columns []string          `star:"columns"`
	SortBy  string            `star:"sort_by"`
}

func (f *format) Compute(env *effect.Env) (any, error) {
	return render(f.Rows, f.Columns, f.SortBy, env.Run.Secrets.Redact)
}
