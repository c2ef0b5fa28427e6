package script

import (
	"encoding/json"
	"fmt"
	"math/big"
	"sort"
	"strconv"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

// plainValue converts what the decoders of parameter files give.
func plainValue(v any) (starlark.Value, error) {
	switch v := v.(type) {
	case nil:
		return starlark.None, nil
	case bool:
		return starlark.Bool(v), nil
	case string:
		return starlark.String(v), nil
	case int:
		return starlark.MakeInt(v), nil
	case int64:
		return starlark.MakeInt64(v), nil
	case uint64:
		return starlark.MakeUint64(v), nil
	case float64:
		return starlark.Float(v), nil
	case json.Number:
		return plainNumber(v)
	case gotime.Time:
		return time.Time(v), nil
	case []any:
		elems := make([]starlark.Value, len(v))
		for i, x := range v {
			var err error
			if elems[i], err = plainValue(x); err != nil {
				return nil, err
			}
		}
		return starlark.NewList(elems), nil
	case map[string]any:
		return plainDict(v)
	case fmt.Stringer: // the local dates and times of TOML
		return starlark.String(v.String()), nil
	}
	return nil, fmt.Errorf("a %T has no place in a parameter file", v)
}

func plainNumber(n json.Number) (starlark.Value, error) {
	if i, ok := new(big.Int).SetString(n.String(), 10); ok {
		return starlark.MakeBigInt(i), nil
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	return starlark.Float(f), err
}

func plainDict(m map[string]any) (starlark.Value, error) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	d := starlark.NewDict(len(m))
	for _, k := range keys {
		v, err := plainValue(m[k])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		_ = d.SetKey(starlark.String(k), v) // a string key of a fresh dict
	}
	return d, nil
}
