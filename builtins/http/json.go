package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// maxDepth bounds the nesting of a document, which comes from outside.
const maxDepth = 500

var errDepth = errors.New("nested too deeply")

// decodeJSON makes a Starlark value of a document. Integers keep all their
// digits, and dicts the order of the document.
func decodeJSON(data []byte) (starlark.Value, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := decodeValue(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

func decodeValue(dec *json.Decoder, depth int) (starlark.Value, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case nil:
		return starlark.None, nil
	case bool:
		return starlark.Bool(token), nil
	case string:
		return starlark.String(token), nil
	case json.Number:
		return decodeNumber(token.String())
	case json.Delim:
		if depth > maxDepth {
			return nil, errDepth
		}
		if token == '[' {
			return decodeList(dec, depth+1)
		}
		return decodeDict(dec, depth+1)
	}
	return nil, errors.New("not JSON")
}

func decodeNumber(text string) (starlark.Value, error) {
	if !strings.ContainsAny(text, ".eE") {
		i, ok := new(big.Int).SetString(text, 10)
		if !ok {
			return nil, errors.New("not a number")
		}
		return starlark.MakeBigInt(i), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	return starlark.Float(f), err
}

func decodeList(dec *json.Decoder, depth int) (starlark.Value, error) {
	var elems []starlark.Value
	for dec.More() {
		v, err := decodeValue(dec, depth)
		if err != nil {
			return nil, err
		}
		elems = append(elems, v)
	}
	_, err := dec.Token()
	return starlark.NewList(elems), err
}

func decodeDict(dec *json.Decoder, depth int) (starlark.Value, error) {
	d := new(starlark.Dict)
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := decodeValue(dec, depth)
		if err != nil {
			return nil, err
		}
		if err := d.SetKey(starlark.String(key.(string)), v); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	return d, err
}
