package cassette

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func newFormat() *format {
	return &format{secrets: value.NewSecrets([]byte("key")), root: "/home/me/ws"}
}

func eval(t *testing.T, expr string) starlark.Value {
	t.Helper()
	v, err := starlark.EvalOptions(&syntax.FileOptions{Set: true}, new(starlark.Thread), "x", expr, starlark.StringDict{"struct": starlark.NewBuiltin("struct", starlarkstruct.Make)})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestText(t *testing.T) {
	for expr, want := range map[string]string{
		`None`: `null`, `True`: `true`, `1`: `1`, `1 << 70`: `1180591620717411303424`, `1.0`: `1.0`, `-0.0`: `-0.0`, `1e300`: `1e+300`,
		`float("nan")`: `{"$float": "nan"}`, `float("-inf")`: `{"$float": "-Inf"}`,
		`"a <b> \n\u00e9"`: `"a <b> \n` + "é" + `"`, `b"abc"`: `{"$bytes": "abc"}`, `b"\xff"`: `{"$bytes64": "/w=="}`,
		`[1, [2], ()]`: `[1, [2], {"$tuple": []}]`, `{"b": 1, "a": None}`: `{"b": 1, "a": null}`,
		`{1: 2}`: `{"$dict": [[1, 2]]}`, `{"$x": 2}`: `{"$dict": [["$x", 2]]}`, `struct(b = 1, a = "x")`: `{"$struct": ["struct", {"a": "x", "b": 1}]}`,
		`"in /home/me/ws/a/b, /home/me/wsx and /home/me/ws"`: `{"$text": ["in ", {"$workspace": "/a/b"}, ", /home/me/wsx and ", {"$workspace": ""}]}`,
		`range(3)`: `{"$codec": "ZwAGAg=="}`,
	} {
		f := newFormat()
		text, err := f.encode(eval(t, expr))
		if err != nil || string(text) != want {
			t.Errorf("%s is %s, want %s (%v)", expr, text, want, err)
		}
		same(t, f, eval(t, expr))
	}
	utc := gotime.Date(2026, 1, 2, 3, 4, 5, 6, gotime.UTC)
	for _, v := range []starlark.Value{
		time.Time(utc), time.Time(utc.In(gotime.FixedZone("X", 3600))), time.Duration(90 * gotime.Second), starlark.String("\xff\xfe"),
		starlark.String(strings.Repeat("x", maxText)),
	} {
		same(t, newFormat(), v)
	}
}

// same checks that nothing of v is lost on the way through the text.
func same(t *testing.T, f *format, v starlark.Value) {
	t.Helper()
	text, err := f.encode(v)
	if err != nil {
		t.Fatalf("%s: %v", v, err)
	}
	again, err := f.decode(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	c := codec.Codec{Secrets: f.secrets}
	x, err1 := c.Encode(v)
	y, err2 := c.Encode(again)
	if err1 != nil || err2 != nil || !bytes.Equal(x, y) {
		t.Errorf("%s becomes %s by way of %s (%v, %v)", v, again, text, err1, err2)
	}
	if spaced, err := respaced(bytes.ReplaceAll(text, []byte(`", "`), []byte(`" ,  "`))); len(text) < 100 && !bytes.Contains(text, []byte("\\")) && (err != nil || spaced != string(text)) {
		t.Errorf("%s is respaced to %s (%v)", text, spaced, err)
	}
}

func TestRandomValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		same(t, newFormat(), random(r, 4))
	}
}

func random(r *rand.Rand, depth int) starlark.Value {
	texts := []string{"", "a", "$x", "é\n", "\xff", "/home/me/ws/x y", `"quoted\"`, "\u2028<&>"}
	text := texts[r.IntN(len(texts))]
	list := func() []starlark.Value {
		elems := make([]starlark.Value, r.IntN(4))
		for i := range elems {
			elems[i] = random(r, depth-1)
		}
		return elems
	}
	kind := r.IntN(12)
	if depth == 0 {
		kind = r.IntN(7)
	}
	switch kind {
	case 0:
		return starlark.None
	case 1:
		return starlark.Bool(r.IntN(2) == 0)
	case 2:
		return starlark.MakeInt64(r.Int64() - 1<<62)
	case 3:
		return starlark.Float(math.Float64frombits(r.Uint64()&^(1<<62) | 1))
	case 4:
		return starlark.String(text)
	case 5:
		return starlark.Bytes(text)
	case 6:
		return time.Duration(r.Int64())
	case 7:
		return starlark.NewList(list())
	case 8:
		return starlark.Tuple(list())
	case 9:
		d := new(starlark.Dict)
		for range r.IntN(4) {
			_ = d.SetKey(random(r, 0), random(r, depth-1))
		}
		return d
	case 10:
		s := new(starlark.Set)
		for range r.IntN(4) {
			_ = s.Insert(random(r, 0))
		}
		return s
	}
	fields := starlark.StringDict{}
	for range r.IntN(3) {
		fields[[]string{"a", "b", "name"}[r.IntN(3)]] = random(r, depth-1)
	}
	return starlarkstruct.FromStringDict(starlark.String("result"), fields)
}

// TestSecrets: they are written by name, and come back under it.
func TestSecrets(t *testing.T) {
	f := newFormat()
	secret, _ := f.secrets.Add("db/password", "correct horse battery")
	quoted := value.Through(`{"p": "`+secret.String()+`"}`, value.LayerJSON)
	for _, c := range []struct {
		v    starlark.Value
		want string
	}{
		{secret, `{"$secret": "db/password"}`},
		{starlark.String(secret.String()), `{"$text": [{"$secret": "db/password"}]}`},
		{starlark.String("p=correct horse battery!"), `{"$text": ["p=", {"$secret": "db/password"}, "!"]}`},
		{starlark.String(quoted), `{"$text": ["{\"p\": \"", {"$secret+j": "db/password"}, "\"}"]}`},
		{starlark.Bytes("p=" + secret.String()), `{"$bytes": {"$text": ["p=", {"$secret": "db/password"}]}}`},
	} {
		text, err := f.encode(c.v)
		if err != nil || string(text) != c.want {
			t.Errorf("%s, want %s (%v)", text, c.want, err)
			continue
		}
		other := newFormat() // a run that never knew the value
		v, err := other.decode(text)
		if err != nil {
			t.Error(err)
			continue
		}
		if again, err := other.encode(v); err != nil || string(again) != c.want {
			t.Errorf("%s comes back as %s (%v)", text, again, err)
		}
	}
	// In a form that something has quoted it in, and cut in two.
	if _, isNew := f.secrets.Add("quoted", `a "long" one`); !isNew {
		t.Fatal("the secret is known")
	}
	for _, text := range []string{`the answer is a \"long\" one`, "half of " + secret.String()[:12]} {
		if got, err := f.encode(starlark.String(text)); err != nil || strings.Contains(string(got), "long") {
			t.Errorf("%s, %v", got, err)
		}
	}
	if _, err := f.encode(starlark.String("\xff correct horse battery")); err == nil {
		t.Error("a secret in a text that is not UTF-8 is written")
	}
}

func TestLargeTexts(t *testing.T) {
	f := newFormat()
	text, err := f.encode(starlark.String(strings.Repeat("x", maxText+1)))
	if err != nil || !strings.HasPrefix(string(text), `{"$large": ["sha256 `) {
		t.Fatalf("%.100s, %v", text, err)
	}
	if _, err := f.decode(text); !fault.Is(err, fault.TooLarge) {
		t.Errorf("got %v", err)
	}
}

var fsRead = &effect.Decl{Kind: "fs.read", Params: []string{"path", "limit"}, Tuning: []bool{false, true}}

func ask(d *Deck, args ...starlark.Tuple) (starlark.Value, error) {
	return d.Answer(door.Request{Decl: fsRead, Args: args, Secrets: value.NewSecrets([]byte("key")), Root: "/elsewhere"})
}

func pair(name string, v starlark.Value) starlark.Tuple {
	return starlark.Tuple{starlark.String(name), v}
}

func TestDeck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.cassette")
	err := os.WriteFile(file, []byte(`{"cassette": 1}
{"kind": "fs.read", "args": { "path" :{"$text": [ {"$workspace": "/a"}]}, "limit": 7}, "result": "first"}
{"kind": "fs.read", "args": {"path": {"$text": [{"$workspace": "/a"}]}}, "result": "second"}
{"kind": "fs.read", "args": {"path": "b"}, "error": {"kind": "not_found", "message": "no b", "hint": "look", "details": {"n": 1}}}
`), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	d := &Deck{}
	if v, err := ask(d, pair("path", starlark.String("a"))); v != nil || err != nil {
		t.Errorf("without a cassette: %v, %v", v, err)
	}
	if err := d.Load(file, "x.cassette", false); err != nil {
		t.Fatal(err)
	}
	a := pair("path", starlark.String("/elsewhere/a"))
	for _, want := range []string{`"first"`, `"second"`} { // whatever does not identify it
		if v, err := ask(d, a, pair("limit", starlark.MakeInt(9))); err != nil || v.String() != want {
			t.Errorf("%v, %v, want %s", v, err, want)
		}
	}
	if _, err := ask(d, a); !fault.Is(err, fault.Mismatch) || !strings.Contains(err.Error(), "2 times, and this is one more") {
		t.Errorf("got %v", err)
	}
	if unused := d.Unused(); len(unused) != 1 || !strings.Contains(unused[0], `"b"`) {
		t.Errorf("unused: %v", unused)
	}
	_, err = ask(d, pair("path", starlark.String("b")))
	if e := fault.As(err); e == nil || e.Kind != fault.NotFound || e.Msg != "no b" || e.Hint != "look" || e.Details["n"] != starlark.MakeInt(1) {
		t.Errorf("got %#v", err)
	}
	if _, err := ask(d, pair("path", starlark.String("c"))); !fault.Is(err, fault.Mismatch) || !strings.Contains(fault.As(err).Hint, "+path = \"c\"") {
		t.Errorf("got %v", err)
	}
	if v, err := d.Answer(door.Request{Decl: &effect.Decl{Kind: "sleep"}}); v != nil || err != nil {
		t.Errorf("a sleep is for the clock: %v, %v", v, err)
	}
}

func FuzzCassette(f *testing.F) {
	f.Add([]byte("{\"cassette\": 1}\n{\"kind\": \"fs.read\", \"args\": {\"path\": \"a\"}, \"result\": {\"$struct\": [\"x\", {\"a\": {\"$secret\": \"s\"}}]}}"))
	f.Add([]byte("{\"cassette\": 1}\n{\"kind\": \"fs.read\", \"args\": {\"path\": {\"$text\": [{\"$secret+j\": \"s\"}]}}, \"error\": {\"kind\": \"x\", \"message\": \"y\"}}"))
	f.Add([]byte("{\"cassette\": 1}\n{\"kind\": \"fs.read\", \"args\": {}, \"result\": {\"$codec\": \"ZwAGAg==\"}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parse("x", data)
		if err != nil {
			if !fault.Is(err, fault.Config) {
				t.Errorf("not a fault of the file: %v", err)
			}
			return
		}
		d := &Deck{name: "x"}
		for _, e := range entries {
			d.entries = append(d.entries, &track{entry: e})
			form := newFormat()
			v, err := form.decode(e.Result)
			if err != nil {
				continue
			}
			if text, err := form.encode(v); err == nil {
				if _, err := form.decode(text); err != nil && !fault.Is(err, fault.TooLarge) {
					t.Errorf("%s cannot be read again: %v", text, err)
				}
			}
		}
		_, _ = ask(d, pair("path", starlark.String("a")))
	})
}
