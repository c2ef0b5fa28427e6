package codec_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestRoundTrip(t *testing.T) {
	for seed := range uint64(3000) {
		g := newGenerator(seed)
		c := &codec.Codec{Secrets: g.secrets}
		v := g.value(4)
		data, err := c.Encode(v)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		again, err := c.Encode(v)
		if err != nil || !bytes.Equal(data, again) {
			t.Fatalf("seed %d: a second encoding differs (%v)", seed, err)
		}
		back, err := c.Decode(data)
		if err != nil {
			t.Fatalf("seed %d: %v: %v", seed, v, err)
		}
		if d := difference(v, back, "v"); d != "" {
			t.Fatalf("seed %d: %s", seed, d)
		}
	}
}

func TestRanges(t *testing.T) {
	tests := []struct{ start, stop, step int }{
		{0, 0, 1}, {5, 5, 1}, {5, 1, 1}, {0, 10, 3}, {10, 0, -3}, {7, 8, 5}, {-5, 5, 2},
		{1 << 40, 1<<40 + 3, 1}, {0, 1 << 50, 1 << 45}, {0, math.MaxInt32 + 1, 1},
	}
	for _, test := range tests {
		v := makeRange(test.start, test.stop, test.step)
		if d := difference(v, reencoded(t, v), v.String()); d != "" {
			t.Error(d)
		}
	}
	empty, err := starlark.Equal(reencoded(t, makeRange(5, 5, 1)), makeRange(0, 0, 1))
	if err != nil || !empty {
		t.Errorf("range(5, 5) is not range(0) any more: %v", err)
	}
	if _, err := new(codec.Codec).Encode(makeRange(0, math.MaxInt, 1)); err == nil {
		t.Error("a range that cannot be decoded was encoded")
	}
}

func reencoded(t *testing.T, v starlark.Value) starlark.Value {
	t.Helper()
	data, err := new(codec.Codec).Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	back, err := new(codec.Codec).Decode(data)
	if err != nil {
		t.Fatalf("%v: %v", v, err)
	}
	return back
}

// blobs keeps contents in memory.
type blobs map[[32]byte]string

func (b blobs) Put(data string) ([32]byte, error) {
	hash := sha256.Sum256([]byte(data))
	b[hash] = data
	return hash, nil
}

func (b blobs) Get(hash [32]byte) (string, error) {
	if data, ok := b[hash]; ok {
		return data, nil
	}
	return "", errors.New("lost")
}

func TestLargeStringsGoToBlobs(t *testing.T) {
	kept := blobs{}
	c := &codec.Codec{Blobs: kept, Limit: 100}
	v := starlark.Tuple{starlark.String(strings.Repeat("s", 101)), starlark.Bytes(strings.Repeat("b", 5000)), starlark.String(strings.Repeat("t", 100))}
	data, err := c.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	if len(kept) != 2 || len(data) > 200 {
		t.Errorf("%d blobs are kept, and %d bytes inline", len(kept), len(data))
	}
	back, err := c.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := difference(v, back, "v"); d != "" {
		t.Error(d)
	}
	clear(kept)
	if _, err := c.Decode(data); err == nil {
		t.Error("a lost blob is no error")
	}
	if _, err := new(codec.Codec).Decode(data); !errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("without blobs: %v", err)
	}
}

func TestSecretsInTextAreNotStored(t *testing.T) {
	secrets := value.NewSecrets([]byte("k"))
	secret, _ := secrets.Add("db/password", "hunter2!")
	c := &codec.Codec{Secrets: secrets}
	data, err := c.Encode(starlark.Tuple{starlark.String("pw=hunter2!;"), secret})
	if err != nil || bytes.Contains(data, []byte("hunter2!")) {
		t.Fatalf("the encoding %q shows the secret (%v)", data, err)
	}
	v, err := c.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	text, err := secrets.Expand(string(v.(starlark.Tuple)[0].(starlark.String)))
	if err != nil || text != "pw=hunter2!;" {
		t.Errorf("expands to %q, %v", text, err)
	}
	if v.(starlark.Tuple)[1] != secret {
		t.Errorf("the secret became %v", v)
	}
	if _, err := new(codec.Codec).Decode(data); !errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("a secret that nobody knows: %v", err)
	}
}

func TestNotStorable(t *testing.T) {
	cyclic := starlark.NewList(nil)
	must(cyclic.Append(cyclic))
	must(cyclic.Append(cyclic))
	dict := starlark.NewDict(1)
	must(dict.SetKey(starlark.String("me"), starlark.Tuple{dict}))
	tests := []struct {
		name string
		v    starlark.Value
		want string
	}{
		{"list in itself", cyclic, "contains itself"},
		{"dict in itself", dict, "contains itself"},
		{"function", starlark.Universe["len"], "cannot be stored"},
		{"function in a list", starlark.NewList([]starlark.Value{starlark.Universe["len"]}), "cannot be stored"},
		{"unknown", value.NewUnknown("x"), "cannot be stored"},
		{"struct of a function", starlarkstruct.FromStringDict(starlark.Universe["len"], nil), "cannot be stored"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := new(codec.Codec).Encode(test.v); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// A small value whose parts are shared may be huge when it is written out.
func TestSizeIsBounded(t *testing.T) {
	written := make([]byte, 512<<20+1) // never touched, so it takes no memory
	if _, err := new(codec.Codec).Append(written, starlark.None); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v", err)
	}
}

func TestDamaged(t *testing.T) {
	tests := []struct{ name, data string }{
		{"nothing", ""},
		{"unknown tag", "?"},
		{"too much", "nn"},
		{"number cut", "i\x80"},
		{"string cut", "s\x05abc"},
		{"huge length", "s\xff\xff\xff\xff\xff\xff\xff\xff\x7f"},
		{"list cut", "l\x02n"},
		{"list as key", "m\x01l\x00n"},
		{"list in set", "e\x01l\x00"},
		{"float cut", "d\x00"},
		{"no step", "g\x00\x02\x00"},
		{"negative length", "g\x00\x01\x02"},
		{"bad time", "T\x01x\x00"},
		{"nested too deeply", strings.Repeat("u\x01", 600) + "n"},
		{"unknown secret", "x" + strings.Repeat("1", 39)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if v, err := new(codec.Codec).Decode([]byte(test.data)); !errors.Is(err, codec.ErrCorrupt) {
				t.Errorf("got %v, %v", v, err)
			}
		})
	}
}

// Each of 400 containers within one another promises as many elements as there
// are bytes left.
func TestDamagedLengthsDoNotAllocate(t *testing.T) {
	for _, tag := range []string{"l", "u", "m", "e"} {
		data := []byte(strings.Repeat(tag+"\x80\x80\x10", 400) + strings.Repeat("\x00", 1<<20))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := new(codec.Codec).Decode(data); err == nil {
			t.Errorf("%s: no error", tag)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
			t.Errorf("%s: decoding %d bytes allocated %d MiB", tag, len(data), used>>20)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for seed := range uint64(30) {
		data, err := new(codec.Codec).Encode(starlark.None)
		if g := newGenerator(seed); seed > 0 {
			data, err = (&codec.Codec{Secrets: g.secrets}).Encode(g.value(3))
		}
		must(err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &codec.Codec{Secrets: newGenerator(0).secrets}
		v, err := c.Decode(bytes.Clone(data)) // strings keep what is decoded
		if err != nil {
			return
		}
		data, err = c.Encode(v)
		if err != nil {
			t.Fatalf("%v cannot be encoded again: %v", v, err)
		}
		back, err := c.Decode(data)
		if err != nil {
			t.Fatalf("%v cannot be decoded again: %v", v, err)
		}
		if d := difference(v, back, "v"); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(uint64(1), "text", []byte("\xff"), int64(-1), math.NaN())
	f.Fuzz(func(t *testing.T, seed uint64, s string, b []byte, i int64, x float64) {
		g := newGenerator(seed)
		v := starlark.Tuple{g.value(3), starlark.String(s), starlark.Bytes(b), starlark.MakeInt64(i), starlark.Float(x),
			starlarkstruct.FromStringDict(starlark.String(s), starlark.StringDict{s: starlark.None})}
		c := &codec.Codec{Secrets: g.secrets}
		if c.Secrets.Mark(s) != s || c.Secrets.Mark(string(b)) != string(b) {
			t.Skip("a secret in a text comes back as its marker")
		}
		data, err := c.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if d := difference(v, back, "v"); d != "" {
			t.Fatal(d)
		}
	})
}
