package cassette

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
)

// decode is the inverse of encode. A secret comes back under its name, with a
// value that nobody has to hide.
func (f *format) decode(data []byte) (starlark.Value, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := f.read(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows the value")
	}
	return v, nil
}

func (f *format) read(dec *json.Decoder, depth int) (starlark.Value, error) {
	if depth > 4*maxDepth {
		return nil, fmt.Errorf("a value is nested too deeply")
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok := tok.(type) {
	case nil:
		return starlark.None, nil
	case bool:
		return starlark.Bool(tok), nil
	case string:
		return starlark.String(tok), nil
	case json.Number:
		return number(tok.String())
	case json.Delim:
		if tok == '[' {
			return f.readList(dec, depth)
		}
		return f.readObject(dec, depth)
	}
	return nil, fmt.Errorf("unexpected %v", tok)
}

func number(text string) (starlark.Value, error) {
	if !strings.ContainsAny(text, ".eE") {
		i, ok := new(big.Int).SetString(text, 10)
		if !ok {
			return nil, fmt.Errorf("%q is no number", text)
		}
		return starlark.MakeBigInt(i), nil
	}
	x, err := strconv.ParseFloat(text, 64)
	return starlark.Float(x), err
}

func (f *format) readList(dec *json.Decoder, depth int) (starlark.Value, error) {
	var elems []starlark.Value
	for dec.More() {
		v, err := f.read(dec, depth+1)
		if err != nil {
			return nil, err
		}
		elems = append(elems, v)
	}
	_, err := dec.Token()
	return starlark.NewList(elems), err
}

func (f *format) readObject(dec *json.Decoder, depth int) (starlark.Value, error) {
	d := new(starlark.Dict)
	special := ""
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("the key %v is no string", key)
		}
		v, err := f.read(dec, depth+1)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(name, "$") {
			special = name
		}
		if err := d.SetKey(starlark.String(name), v); err != nil {
			return nil, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if special == "" {
		return d, nil
	}
	if d.Len() != 1 {
		return nil, fmt.Errorf("an object with the key %q has others, too", special)
	}
	return f.special(special, d.Items()[0][1])
}

// special makes the value that {tag: v} stands for.
func (f *format) special(tag string, v starlark.Value) (starlark.Value, error) {
	bad := fmt.Errorf("{%q: …} is not as it should be", tag)
	list, _ := v.(*starlark.List)
	text, isText := starlark.AsString(v)
	switch tag {
	case "$tuple", "$set", "$dict", "$struct", "$text", "$large":
		if list == nil {
			return nil, bad
		}
	default:
		if !isText {
			return nil, bad
		}
	}
	switch tag {
	case "$tuple":
		return starlark.Tuple(elements(list)), nil
	case "$set":
		set := new(starlark.Set)
		for _, x := range elements(list) {
			if err := set.Insert(x); err != nil {
				return nil, err
			}
		}
		return set, nil
	case "$dict":
		return dictOf(list, bad)
	case "$struct":
		return structOf(list, bad)
	case "$text":
		return joined(list, bad)
	case "$large":
		return nil, tooLarge
	case "$bytes":
		return starlark.Bytes(text), nil
	case "$bytes64", "$string64":
		data, err := base64.StdEncoding.DecodeString(text)
		if tag == "$string64" {
			return starlark.String(data), err
		}
		return starlark.Bytes(data), err
	case "$workspace":
		return starlark.String(f.root + text), nil
	case "$float":
		x, err := strconv.ParseFloat(text, 64)
		if err == nil && !math.IsNaN(x) && !math.IsInf(x, 0) {
			err = bad
		}
		return starlark.Float(x), err
	case "$duration":
		d, err := gotime.ParseDuration(text)
		return time.Duration(d), err
	case "$time":
		t, err := gotime.Parse(gotime.RFC3339Nano, text)
		return time.Time(t.UTC()), err
	case "$codec":
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		return (&codec.Codec{Secrets: f.secrets}).Decode(data)
	}
	if layers, ok := strings.CutPrefix(tag, "$secret"); ok && text != "" {
		secret, _ := f.secrets.Add(text, "value of "+text+" in the cassette")
		if layers == "" {
			return secret, nil
		}
		return starlark.String(secret.Marker(strings.TrimPrefix(layers, "+"))), nil
	}
	return nil, fmt.Errorf("there is no {%q: …}", tag)
}

var tooLarge = fault.New(fault.TooLarge, "a text is larger than %d KiB, and left out", maxText>>10)

func elements(list *starlark.List) []starlark.Value {
	elems := make([]starlark.Value, list.Len())
	for i := range elems {
		elems[i] = list.Index(i)
	}
	return elems
}

func dictOf(list *starlark.List, bad error) (starlark.Value, error) {
	d := new(starlark.Dict)
	for _, pair := range elements(list) {
		kv, ok := pair.(*starlark.List)
		if !ok || kv.Len() != 2 {
			return nil, bad
		}
		if err := d.SetKey(kv.Index(0), kv.Index(1)); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func structOf(list *starlark.List, bad error) (starlark.Value, error) {
	if list.Len() != 2 {
		return nil, bad
	}
	fields, ok := list.Index(1).(*starlark.Dict)
	if !ok {
		return nil, bad
	}
	members := starlark.StringDict{}
	for _, kv := range fields.Items() {
		name, ok := starlark.AsString(kv[0])
		if !ok {
			return nil, bad
		}
		members[name] = kv[1]
	}
	return starlarkstruct.FromStringDict(list.Index(0), members), nil
}

// joined puts a text together: the parts are strings, and secrets.
func joined(list *starlark.List, bad error) (starlark.Value, error) {
	var b strings.Builder
	for _, part := range elements(list) {
		switch part := part.(type) {
		case starlark.String:
			b.WriteString(string(part))
		case interface{ Marker(string) string }:
			b.WriteString(part.Marker(""))
		default:
			return nil, bad
		}
	}
	return starlark.String(b.String()), nil
}
