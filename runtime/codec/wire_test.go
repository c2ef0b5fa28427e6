package codec_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var wire = &codec.Codec{Wire: true}

func across(t *testing.T, v starlark.Value) starlark.Value {
	t.Helper()
	data, err := wire.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	back, err := wire.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// Every value crosses; what cannot be stored says so on the other side too.
func TestWireStandsIn(t *testing.T) {
	deep := starlark.Value(starlark.None)
	for range 600 {
		deep = starlark.Tuple{deep}
	}
	shared := starlark.Value(starlark.String(strings.Repeat("x", 1000)))
	for range 60 {
		shared = starlark.Tuple{shared, shared}
	}
	huge := starlark.MakeBigInt(new(big.Int).Lsh(big.NewInt(1), 10_000_000))
	for _, c := range []struct {
		v         starlark.Value
		text, why string
	}{
		{value.NewUnknown("a.b"), "«unknown a.b»", "a unknown cannot be stored"},
		{starlark.Universe["len"], "len", "a builtin_function_or_method cannot be stored"},
		{huge, "…", "an integer of 10000001 bits cannot leave the interpreter"},
		{shared, "…", "a value is larger than 128 MiB"},
	} {
		back := across(t, c.v)
		if back.Type() != c.v.Type() || back.String() != c.text {
			t.Errorf("%s: comes back as %s %s", c.text, back.Type(), back)
		}
		if _, err := new(codec.Codec).Encode(back); err == nil || err.Error() != c.why {
			t.Errorf("%s: %v, want %s", c.text, err, c.why)
		}
	}
	if _, err := new(codec.Codec).Encode(across(t, deep)); err == nil || !strings.Contains(err.Error(), "nested deeper") {
		t.Errorf("a deep value: %v", err)
	}
	if fn, ok := across(t, starlark.Universe["len"]).(starlark.Callable); !ok || fn.Name() != "len" {
		t.Error("a function comes back as something else")
	}
}

// A decoder that trusts nobody refuses what few bytes make large or slow.
func TestWireRefuses(t *testing.T) {
	flood := starlark.NewDict(0)
	for i := range 5000 { // the hash of an integer is made of its lowest 32 bits
		if err := flood.SetKey(starlark.MakeUint64(uint64(i)<<32), starlark.None); err != nil {
			t.Fatal(err)
		}
	}
	flooded, err := new(codec.Codec).Encode(flood)
	if err != nil {
		t.Fatal(err)
	}
	number, err := new(codec.Codec).Encode(starlark.MakeBigInt(new(big.Int).Lsh(big.NewInt(1), 10_000_000)))
	if err != nil {
		t.Fatal(err)
	}
	many := append([]byte{'l', 0x80, 0x80, 0x80, 0x04}, []byte(strings.Repeat("n", 8<<20))...)
	for name, data := range map[string][]byte{"hash flood": flooded, "integer": number, "values": many} {
		began := time.Now()
		if _, err := wire.Decode(data); !errors.Is(err, codec.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: refused after %s", name, took)
		}
	}
	honest := starlark.NewDict(0)
	for i := range 100_000 {
		if err := honest.SetKey(starlark.MakeInt(i), starlark.None); err != nil {
			t.Fatal(err)
		}
	}
	if across(t, honest).(*starlark.Dict).Len() != 100_000 {
		t.Error("a large dict does not cross")
	}
}
