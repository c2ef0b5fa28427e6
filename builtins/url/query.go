package url

import (
	"fmt"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Pure(`
def query_encode(params):
    """Returns a dict as the query of a URL.

    Secrets stay markers, whose values are quoted where the text is used.

    Args:
      params (dict): values by name: strings, numbers, bools (true, false), or
        lists of them for names that occur several times.

    Returns:
      The query, without a leading question mark, in the order of the dict.

    Errors:
      invalid: a value is something else, such as None.

    Example:
      url.query_encode({"q": "a b", "tag": ["x", 1]})  # "q=a%20b&tag=x&tag=1"
    """`, &queryEncode{})

// queryEncode is the function url.query_encode.
type queryEncode struct {
	Params *starlark.Dict `star:"params"`
}

func (q *queryEncode) Compute(*effect.Env) (any, error) { return encodeQuery(q.Params) }

func encodeQuery(params *starlark.Dict) (string, error) {
	var pairs []string
	for _, kv := range params.Items() {
		values := []starlark.Value{kv[1]}
		switch v := kv[1].(type) {
		case *starlark.List, starlark.Tuple:
			values = values[:0]
			for x := range starlark.Elements(v.(starlark.Iterable)) {
				values = append(values, x)
			}
		}
		name, err := plainText(kv[0])
		if err != nil {
			return "", fault.New(fault.Invalid, "cannot encode the query: a name %s", err)
		}
		for _, v := range values {
			text, err := plainText(v)
			if err != nil {
				return "", fault.New(fault.Invalid, "cannot encode the query: %q %s", name, err)
			}
			pairs = append(pairs, quoted(name, "")+"="+quoted(text, ""))
		}
	}
	return strings.Join(pairs, "&"), nil
}

func plainText(v starlark.Value) (string, error) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), nil
	case starlark.Int, starlark.Float, *value.Secret:
		return v.String(), nil
	case starlark.Bool:
		return strconv.FormatBool(bool(v)), nil
	}
	return "", fmt.Errorf("must be a string, a number or a bool, not a %s", v.Type())
}

var _ = Module.Pure(`
def query_decode(text, lists = False):
    """Returns the query of a URL as a dict.

    Args:
      text (string): the query, with or without a leading question mark.
      lists (bool): make every value a list, for names that occur several times.

    Returns:
      A dict of strings, or of lists of strings, in the order of the text.

    Errors:
      invalid: a name occurs twice and lists is False, or a % is not followed by
      two hexadecimal digits.

    Example:
      url.query_decode("?a=1+2&b=%26")  # {"a": "1 2", "b": "&"}
      url.query_decode("a=1&a=2", lists = True)  # {"a": ["1", "2"]}
    """`, &queryDecode{})

// queryDecode is the function url.query_decode.
type queryDecode struct {
	Text  string `star:"text"`
	Lists bool   `star:"lists"`
}

func (q *queryDecode) Compute(env *effect.Env) (any, error) {
	d := new(starlark.Dict)
	for pair := range strings.SplitSeq(strings.TrimPrefix(q.Text, "?"), "&") {
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		name, err := unquoted(k, true)
		if err != nil {
			return nil, err
		}
		text, err := unquoted(v, true)
		if err != nil {
			return nil, err
		}
		if err := q.put(d, starlark.String(name), env.Run.Secrets.Value(text)); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (q *queryDecode) put(d *starlark.Dict, name starlark.String, v starlark.Value) error {
	old, found, _ := d.Get(name)
	switch {
	case !found && q.Lists:
		return d.SetKey(name, starlark.NewList([]starlark.Value{v}))
	case !found:
		return d.SetKey(name, v)
	case q.Lists:
		return old.(*starlark.List).Append(v)
	}
	return fault.New(fault.Invalid, "cannot decode the query: %q occurs more than once", string(name)).
		WithHint("lists = True returns a list for every name")
}
