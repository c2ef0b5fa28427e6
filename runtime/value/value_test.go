package value_test

import (
	"errors"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

type point struct {
	X      int    `star:"x"`
	Label  string `star:"label,omit"`
	Hidden bool   // has no tag, so it is not seen
}

func TestOf(t *testing.T) {
	tests := []struct {
		in   any
		want string
	}{
		{nil, "None"},
		{true, "True"},
		{-7, "-7"},
		{uint64(math.MaxUint64), "18446744073709551615"},
		{new(big.Int).Lsh(big.NewInt(1), 70), "1180591620717411303424"},
		{1.5, "1.5"},
		{float32(0.5), "0.5"},
		{"a\n", `"a\n"`},
		{[]byte("a"), `b"a"`},
		{[]string{"a", "b"}, `["a", "b"]`},
		{[]string(nil), "[]"},
		{[2]int{1, 2}, "[1, 2]"},
		{map[string]int{"b": 2, "a": 1}, `{"a": 1, "b": 2}`},
		{map[string]any{"x": []any{nil, 1}}, `{"x": [None, 1]}`},
		{gotime.Minute, "1m0s"},
		{point{X: 1, Label: "l"}, `point(label = "l", x = 1)`},
		{&point{}, `point(label = "", x = 0)`},
		{(*point)(nil), "None"},
		{starlark.Tuple{starlark.None}, "(None,)"},
	}
	for _, test := range tests {
		if got := value.Of(test.in).String(); got != test.want {
			t.Errorf("Of(%#v) = %s, want %s", test.in, got, test.want)
		}
	}
	if got := value.Of(gotime.Unix(0, 0)); got.Type() != "time.time" {
		t.Errorf("a time became a %s", got.Type())
	}
	defer func() {
		if recover() == nil {
			t.Error("a channel became a value")
		}
	}()
	value.Of(make(chan int))
}

func TestGo(t *testing.T) {
	secrets, secret := vault()
	set := starlark.NewSet(1)
	check(t, set.Insert(starlark.MakeInt(1)))
	nested := starlark.NewDict(1)
	check(t, nested.SetKey(starlark.String("k"), starlark.Tuple{starlark.Bytes("b"), starlark.Float(0.5)}))
	tests := []struct {
		in   starlark.Value
		want any
	}{
		{starlark.None, nil},
		{starlark.True, true},
		{starlark.MakeInt(3), int64(3)},
		{starlark.MakeUint64(math.MaxUint64), new(big.Int).SetUint64(math.MaxUint64)},
		{starlark.String("s"), "s"},
		{nested, map[string]any{"k": []any{[]byte("b"), 0.5}}},
		{set, []any{int64(1)}},
		{starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{"a": starlark.None}), map[string]any{"a": nil}},
		{time.Duration(gotime.Second), "1s"},
		{secret, secret.String()},
	}
	for _, test := range tests {
		if got, err := value.Go(test.in); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("Go(%s) = %#v, %v; want %#v", secrets.Redact(test.in.String()), got, err, test.want)
		}
	}
}

func TestGoRefuses(t *testing.T) {
	cyclic := starlark.NewList(nil)
	check(t, cyclic.Append(cyclic))
	numbered := starlark.NewDict(1)
	check(t, numbered.SetKey(starlark.MakeInt(1), starlark.None))
	deep := starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{"f": starlark.NewList([]starlark.Value{starlark.Universe["len"]})})
	for want, v := range map[string]starlark.Value{
		"contains itself":              cyclic,
		"has the key 1, a int":         numbered,
		"value.f[0] is a builtin_func": deep,
	} {
		if _, err := value.Go(v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	var undecided *value.Undecided
	if _, err := value.Go(value.NewUnknown("x")); !errors.As(err, &undecided) {
		t.Errorf("an unknown: %v", err)
	}
}

func TestUnknownPasses(t *testing.T) {
	u := value.NewUnknown("exec.run(…)")
	globals := starlark.StringDict{"u": u}
	for expr, want := range map[string]string{
		`u.stdout`:     "exec.run(…).stdout",
		`u[0]`:         "exec.run(…)[0]",
		`u(1)`:         "exec.run(…)(1)",
		`u + 1`:        "exec.run(…) + 1",
		`"a" + u`:      `"a" + exec.run(…)`,
		`-u`:           "-exec.run(…)",
		`u.a.b["c"]`:   `exec.run(…).a.b["c"]`,
		`(u + u).code`: "exec.run(…) + exec.run(…).code",
	} {
		v, err := starlark.EvalOptions(&syntax.FileOptions{}, new(starlark.Thread), "x", expr, globals)
		if got, ok := v.(*value.Unknown); err != nil || !ok || got.Text != want {
			t.Errorf("%s is %v, %v; want the unknown %s", expr, v, err, want)
		}
	}
	for _, expr := range []string{`{u: 1}`, `u < u`, `u == u.x`} {
		_, err := starlark.EvalOptions(&syntax.FileOptions{Set: true}, new(starlark.Thread), "x", expr, globals)
		var undecided *value.Undecided
		if !errors.As(err, &undecided) || undecided.Unknown == nil {
			t.Errorf("%s: %v", expr, err)
		}
	}
	if long := value.NewUnknown("%s", strings.Repeat("é", 500)); len(long.Text) > 200 || strings.Contains(long.Text, "\uFFFD") {
		t.Errorf("a long text became %q", long.Text)
	}
}

func TestWalkEnds(t *testing.T) {
	cyclic := starlark.NewList(nil)
	dict := starlark.NewDict(1)
	check(t, dict.SetKey(starlark.String("up"), cyclic))
	check(t, cyclic.Append(dict))
	check(t, cyclic.Append(cyclic))
	count := 0
	value.Walk(cyclic, func(starlark.Value) bool { count++; return true })
	if count == 0 || count > 10 {
		t.Errorf("%d values were visited", count)
	}
	if value.FindUnknown(cyclic) != nil {
		t.Error("there is no unknown in it")
	}
	u := value.NewUnknown("deep")
	set := starlark.NewSet(1)
	check(t, set.Insert(starlark.Tuple{starlark.None}))
	check(t, cyclic.Append(starlark.Tuple{set, starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{"f": u})}))
	if value.FindUnknown(cyclic) != u {
		t.Error("the unknown was not found")
	}
	visited := 0
	value.Walk(cyclic, func(starlark.Value) bool { visited++; return false })
	if visited != 1 {
		t.Errorf("%d values were visited after the visitor had enough", visited)
	}
}

// Map reaches every part, also elements of sets and keys that are tuples.
func TestMap(t *testing.T) {
	globals, err := starlark.ExecFileOptions(&syntax.FileOptions{Set: true}, new(starlark.Thread), "x",
		`v = {"k": ["x", ("x", 1)], ("x", "y"): set(["x", "y"]), "s": struct(f = "x")}
want = {"k": ["X", ("X", 1)], ("X", "Y"): set(["X", "Y"]), "S": struct(f = "X")}
`, starlark.StringDict{"struct": starlark.NewBuiltin("struct", starlarkstruct.Make)})
	check(t, err)
	upper := func(v starlark.Value) (starlark.Value, error) {
		if s, ok := v.(starlark.String); ok && s != "k" {
			return starlark.String(strings.ToUpper(string(s))), nil
		}
		return v, nil
	}
	got, err := value.Map(globals["v"], upper)
	check(t, err)
	if same, err := starlark.Equal(got, globals["want"]); err != nil || !same {
		t.Errorf("got %v, want %v (%v)", got, globals["want"], err)
	}
	cyclic := starlark.NewList(nil)
	check(t, cyclic.Append(cyclic))
	if _, err := value.Map(cyclic, upper); err == nil {
		t.Error("a cyclic value was copied")
	}
	refused := errors.New("no")
	if _, err := value.Map(globals["v"], func(starlark.Value) (starlark.Value, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
