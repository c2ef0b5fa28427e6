package csv

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Pure(`
def decode(text, header = True, separator = ","):
    """Returns the rows of CSV text.

    All fields are strings. Empty lines are skipped. If the text is a secret as
    a whole, all fields are secrets.

    Args:
      text (string or bytes): the table.
      header (bool): the first row names the columns.
      separator (string): the character between fields.

    Returns:
      A list of dicts by column, or of lists without header.

    Errors:
      invalid: a quote is out of place, a row has more or fewer fields than the
      first, or two columns have the same name; the message tells the line.

    Example:
      csv.decode("a,b\\n1,'2'\\n")  # [{"a": "1", "b": "'2'"}]
      csv.decode("1;2", header = False, separator = ";")  # [["1", "2"]]
    """`, &decode{})

// decode is the function csv.decode.
type decode struct {
	Text      []byte `star:"text"`
	Header    bool   `star:"header"`
	Separator string `star:"separator"`
}

func (d *decode) Compute(env *effect.Env) (any, error) {
	doc, err := env.Run.Secrets.Document(string(d.Text), "csv")
	if err != nil {
		return nil, err
	}
	rows, err := scan(doc.Text, d.Separator)
	if err != nil {
		return nil, err
	}
	if d.Header {
		return dicts(doc, rows)
	}
	out := make([]starlark.Value, len(rows))
	for i, row := range rows {
		elems := make([]starlark.Value, len(row.fields))
		for j, field := range row.fields {
			elems[j] = doc.String(field)
		}
		out[i] = starlark.NewList(elems)
	}
	return starlark.NewList(out), nil
}

func dicts(doc value.Document, rows []row) (starlark.Value, error) {
	if len(rows) == 0 {
		return starlark.NewList(nil), nil
	}
	columns := rows[0].fields
	seen := map[string]bool{}
	for i, name := range columns {
		if seen[name] {
			return nil, fault.New(fault.Invalid, "cannot decode CSV: column %d has the name of another one", i+1).
				WithHint("header = False returns lists")
		}
		seen[name] = true
	}
	out := make([]starlark.Value, len(rows)-1)
	for i, row := range rows[1:] {
		d := starlark.NewDict(len(columns))
		for j, field := range row.fields {
			_ = d.SetKey(starlark.String(columns[j]), doc.String(field)) // a string key of a fresh dict cannot fail
		}
		out[i] = d
	}
	return starlark.NewList(out), nil
}
