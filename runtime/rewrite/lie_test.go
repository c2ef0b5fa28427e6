package rewrite_test

import (
	"errors"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// candidates are values that an unknown may turn out to have.
const candidates = `[
	None, True, False, 0, 1, 2, -1, 1.5, "", "a", "b", "ab", "%s", "{}", "12", b"", b"a", [], ["a"], [1], ["b", "a"],
	[1, 2], [None, [1, 2]], (), ("a",), ("a", 80), (1, 2), ((1, 2), 3), {}, {"a": 1}, {"b": "a"}, {1: 2}, set(), set(["a"]),
	range(2), struct(a = 1), struct(stdout = "x"), len, "abc".upper,
]`

// Of each operation the result is told: ? is an unknown, ! an undecided error,
// anything else the answer. A result with an unknown within is not told, "".
var operations = []struct{ src, want string }{
	{`u == "a"`, "?"}, {`"a" == u`, "?"}, {`u != "a"`, "?"}, {`u < 1`, "?"}, {`1 < u`, "?"}, {`u <= u`, "?"}, {`u >= "a"`, "?"},
	{`u == u`, "True"}, {`u != u`, "False"}, {`u == None`, "?"}, {`u == []`, "?"},
	{`[u] == ["a"]`, "?"}, {`["a"] == [u]`, "?"}, {`[u] == []`, "False"}, {`[u, 1] == ["a", 2]`, "False"}, {`[u] == [u]`, "True"},
	{`(1, u) == (1, "a")`, "?"}, {`(1, u) != (2, "a")`, "True"}, {`[u] == (u,)`, "False"}, {`[u] == "a"`, "False"},
	{`{"k": u} == {"k": "a"}`, "?"}, {`{"k": u} == {"j": "a"}`, "False"}, {`{"k": [u]} != {"k": [u]}`, "False"},
	{`[[1, (u,)]] == [[1, ("a",)]]`, "?"}, {`struct(a = u) == struct(a = 1)`, "?"}, {`struct(a = u) == struct(b = 1)`, "False"},
	{`struct(a = u, b = 1) != struct(a = 1, b = 2)`, "True"},
	{`[1, u] < [2, "a"]`, "True"}, {`[u] < [1]`, "?"}, {`[1, u] < [1]`, "False"}, {`(1, u) >= (0,)`, "True"}, {`[1, u] < [1, 2]`, "?"},
	{`u in ["a", "b"]`, "?"}, {`"a" in u`, "?"}, {`"a" in ["a", u]`, "True"}, {`"a" in [u, "a"]`, "True"}, {`"a" in ["b", u]`, "?"},
	{`"a" not in ["a", u]`, "False"}, {`"a" not in (u,)`, "?"}, {`u in []`, "False"}, {`u in [u]`, "True"}, {`u not in "abc"`, "?"},
	{`u in {"a": 1}`, "?"}, {`u in {}`, "False"}, {`(1, u) in {(1, 2): 3}`, "?"}, {`"k" in {"k": u}`, "True"}, {`u in range(2)`, "?"},
	{`u in set(["a"])`, "?"}, {`[u] in [[], [1, 2]]`, "False"},
	{`"%s" % u`, "?"}, {`"%d" % u`, "?"}, {`"%s:%d" % ("a", u)`, "?"}, {`"%r" % [u]`, "?"}, {`"%(a)s" % {"a": u}`, "?"},
	{`"%(b)s" % {"a": u, "b": 1}`, `"1"`}, {`"%s" % {"a": u}`, "?"}, {`u % 2`, "?"}, {`5 % u`, "?"}, {`u % ("a",)`, "?"}, {`"x" % u`, "?"},
	{`"%%%c" % (u,)`, "?"}, {`1 << u`, "?"}, {`1 >> u`, "?"}, {`u << 1`, "?"}, {`u + "a"`, "?"}, {`"a" + u`, "?"}, {`"a" * u`, "?"},
	{`[1] + u`, "?"}, {`-u`, "?"}, {`1 / u`, "?"}, {`{} | u`, "?"}, {`set() - u`, "?"},
	{`"{}".format(u)`, "?"}, {`"{a}".format(a = u)`, "?"}, {`"{}".format([u])`, "?"}, {`"{b}".format(a = u, b = 1)`, `"1"`}, {`u.format(1)`, "?"},
	{`getattr("{}", "format")(u)`, "?"}, {`[f(u) for f in ["{}".format]][0]`, "?"},
	{`",".join([u])`, "?"}, {`",".join(["a", u])`, "?"}, {`",".join(u)`, "?"}, {`u.join(["a"])`, "?"}, {`"abc".replace(u, "x")`, "?"},
	{`"abc".startswith(u)`, "?"}, {`"abc".startswith(("a", u))`, "?"}, {`"abc".find(u)`, "?"}, {`"abc".split(u)`, "?"}, {`"abc".strip(u)`, "?"},
	{`"abc".count(u)`, "?"}, {`"a b".split(" ", u)`, "?"},
	{`str(u)`, "?"}, {`str([u])`, "?"}, {`repr(u)`, "?"}, {`repr({"a": u})`, "?"}, {`type(u)`, "?"}, {`type([u])`, `"list"`},
	{`len(u)`, "?"}, {`len([u, u])`, "2"}, {`len({"a": u})`, "1"}, {`bool(u)`, "?"}, {`bool([u])`, "True"}, {`int(u)`, "?"}, {`int("12", u)`, "?"},
	{`float(u)`, "?"}, {`abs(u)`, "?"}, {`chr(u)`, "?"}, {`ord(u)`, "?"}, {`hash(u)`, "?"}, {`bytes(u)`, "?"}, {`bytes([u])`, "?"}, {`dir(u)`, "?"},
	{`sorted(u)`, "?"}, {`sorted([u, "a"])`, "?"}, {`sorted([2, 1], key = lambda x: u)`, "?"}, {`sorted([2, 1], reverse = u)`, "?"},
	{`min([u, 1])`, "?"}, {`max(1, u)`, "?"}, {`max(u)`, "?"}, {`min([1, 2], key = lambda x: u)`, "?"}, {`max([2, 1], key = lambda x: x)`, "2"},
	{`any([u, 1])`, "True"}, {`any([0, u])`, "?"}, {`all([u, 0])`, "False"}, {`all([1, u])`, "?"}, {`any(u)`, "?"},
	{`list(u)`, "?"}, {`tuple(u)`, "?"}, {`set(u)`, "?"}, {`set([u])`, "?"}, {`dict(u)`, "?"}, {`dict([(u, 1)])`, "?"}, {`enumerate(u)`, "?"},
	{`zip(u, [1])`, "?"}, {`zip([1], u)`, "?"}, {`reversed(u)`, "?"}, {`range(u)`, "?"}, {`range(0, u)`, "?"},
	{`dict(a = u)["a"]`, "?"}, {`list([u])`, ""}, {`enumerate([u])`, ""}, {`zip([u], [1])`, ""}, {`dict(a = u)`, ""}, {`reversed([1, u])`, ""},
	{`hasattr(u, "a")`, "?"}, {`hasattr("", u)`, "?"}, {`hasattr(struct(a = u), "a")`, "True"}, {`hasattr(struct(a = u), "b")`, "False"},
	{`getattr(u, "a")`, "?"}, {`getattr(struct(a = u), "a")`, "?"}, {`getattr(struct(a = 1), "a", u)`, "1"}, {`getattr(u, "a", 1)`, "?"},
	{`u and 1`, "!"}, {`u or 1`, "!"}, {`1 and u`, "?"}, {`0 and u`, "0"}, {`1 or u`, "1"}, {`not u`, "?"}, {`not [u]`, "False"},
	{`1 if u else 2`, "!"}, {`1 if u == "a" else 2`, "!"}, {`1 if not u else 2`, "!"}, {`1 if u in [1] or True else 2`, "!"}, {`1 if [u] else 2`, "1"},
	{`[x for x in [1] if u]`, "!"}, {`[x for x in u]`, "!"}, {`[a for a, b in u]`, "!"}, {`{k: 1 for k in [u]}`, "!"}, {`{1: u for k in [1]}`, ""},
	{`{u: 1}`, "!"}, {`{"a": u}`, ""}, {`{(1, u): 1}`, "!"}, {`[1, 2][u]`, "?"}, {`{"a": 1}[u]`, "?"}, {`"abc"[u]`, "?"}, {`{(1, 2): 1}[(1, u)]`, "?"},
	{`u[0]`, "?"}, {`u["a"]`, "?"}, {`u[u]`, "?"}, {`[u, 1][1]`, "1"}, {`"abc"[u:]`, "?"}, {`[1, 2][:u]`, "?"}, {`[1, 2][::u]`, "?"}, {`u[1:]`, "?"}, {`[u, 1][1:]`, "[1]"},
	{`len(*u)`, "!"}, {`dict(**u)`, "!"}, {`u.a`, "?"}, {`u.a(1)`, "?"}, {`u()`, "?"}, {`struct(a = u).a`, "?"},
	{`["a", u].index("a")`, "0"}, {`[u, "a"].index("a")`, "?"}, {`["a"].index(u)`, "?"}, {`{"a": 1}.get(u)`, "?"}, {`{"a": 1}.get("b", u)`, "?"},
	{`{"a": 1}.get("a", u)`, "1"}, {`{"a": 1}.pop(u)`, "!"}, {`{}.setdefault(u, 1)`, "!"}, {`set().union([u])`, "?"}, {`set([1]).issuperset([u])`, "?"},
	{`[u].remove("a")`, "!"}, {`["a", u].remove("a")`, "None"}, {`[].extend(u)`, "!"}, {`[1].insert(u, 2)`, "!"}, {`[1].pop(u)`, "!"},
	{`{}.update(u)`, "!"}, {`{}.update([(u, 1)])`, "!"}, {`{}.update(a = u)`, "None"}, {`set().add(u)`, "!"}, {`set().add((1, u))`, "!"}, {`set().update([u])`, "!"},
	{"r = []; r.append(u)", ""}, {"r = [0]; r.extend([u])", ""}, {"r = {}; r['a'] = u", ""}, {"r = []; r.insert(0, u)", ""}, {"r = ['a', u]; r.remove('a')", ""},
	{"r = {}; r[u] = 1", "!"}, {"r = [1]; r[u] = 1", "!"}, {"r = u; r[0] = 1", "!"}, {"r = u; r.a = 1", "!"}, {"r = {}; r[(1, u)] = 1", "!"},
	{"r = 'a'; r += u", "?"}, {"r = u; r += 'a'", "?"}, {"r = [1]; r += u", "!"}, {"r = [1]; r += [u]", ""}, {"r = {}; r |= u", "!"}, {"r = {}; r |= {1: u}", ""},
	{"r = '%s'; r %= u", "?"}, {"r = '%s'; r %= [u]", "?"}, {"r = u; r %= 2", "?"}, {"r = u; n = 2; r %= n", "?"}, {"r = 1; r <<= u", "?"}, {"r = u; n = 1; r >>= n", "?"},
	{"r = [7, 2]; r[0] %= u", ""}, {"r = [1]; r[u] += 1", "!"}, {"r = 5; r -= u", "?"},
	{"a, b = u; r = a", "?"}, {"(a, (b, c)), d = u; r = c", "?"}, {"a, (b, c) = [1, u]; r = b", "?"}, {"a, (b, c) = [1, u]; r = [a, b]", ""}, {"[a, b] = u; r = [a, b]", ""},
	{"r = [a for a, b in [u]]", ""}, {"r = 0\nfor a, b in [(1, 2), u]: r = a", "?"}, {"r = 0\nfor x in u: r = 1", "!"}, {"r = 0\nfor x in [u]: r = x", "?"},
	{"r = 0\nif u: r = 1", "!"}, {"r = 0\nif False: r = 1\nelif u == 'a': r = 2", "!"}, {"r = 0\nwhile u: r = 1; break", "!"}, {"r = 0\nif not (u or 1): r = 1", "!"},
	{"def f(a, b = u == 1): return b\nr = f(1)", "?"}, {"r = (lambda x: x == 'a')(u)", "?"}, {"def f(*a, **k): return a[0] in [k['x']]\nr = f(u, x = u)", "True"},
}

// TestNoLie runs each operation with an unknown, and with everything that the
// unknown may turn out to be: an answer must be the answer for all. Where the
// result is or holds an unknown, some values may be an error.
func TestNoLie(t *testing.T) {
	values, err := starlark.EvalOptions(options, new(starlark.Thread), "", candidates, starlark.StringDict{
		"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range operations {
		src := op.src
		if !strings.Contains(src, "r = ") {
			src = "r = " + src
		}
		got, gotErr := resultOf(rewritten, src, value.NewUnknown("exec.run(…).stdout"))
		if kind := kindOf(got, gotErr); op.want != "" && kind != op.want {
			t.Errorf("%s: %s, want %s (%v, %v)", op.src, kind, op.want, got, gotErr)
		}
		var undecided *value.Undecided
		if errors.As(gotErr, &undecided) {
			continue
		}
		for v := range starlark.Elements(values.(*starlark.List)) {
			want, wantErr := resultOf(plain, src, v)
			if !fits(got, gotErr, want, wantErr) {
				t.Errorf("%s: says %v, %v but for u = %v it is %v, %v", op.src, got, gotErr, v, want, wantErr)
			}
		}
	}
	t.Logf("%d operations", len(operations))
}

func resultOf(m mode, src string, u starlark.Value) (starlark.Value, error) {
	globals, err := m.run(new(starlark.Thread), options, "t.star", src, starlark.StringDict{"u": u})
	return globals["r"], err
}

func kindOf(v starlark.Value, err error) string {
	var undecided *value.Undecided
	switch {
	case errors.As(err, &undecided):
		return "!"
	case err != nil:
		return err.Error()
	}
	if _, ok := v.(*value.Unknown); ok {
		return "?"
	}
	return v.String()
}

// fits reports whether the answer is right if the true result is want.
func fits(got starlark.Value, gotErr error, want starlark.Value, wantErr error) bool {
	if gotErr != nil {
		return wantErr != nil && gotErr.Error() == wantErr.Error()
	}
	if value.FindUnknown(got) != nil && wantErr != nil {
		return true
	}
	return wantErr == nil && matches(got, want)
}

// matches compares what is known of got with want.
func matches(got, want starlark.Value) bool {
	if value.FindUnknown(got) == nil {
		eq, err := starlark.Equal(got, want)
		return err == nil && eq && got.Type() == want.Type()
	}
	switch got := got.(type) {
	case *value.Unknown:
		return true
	case starlark.Indexable:
		want, ok := want.(starlark.Indexable)
		if !ok || got.Len() != want.Len() {
			return false
		}
		for i := range got.Len() {
			if !matches(got.Index(i), want.Index(i)) {
				return false
			}
		}
		return true
	case *starlark.Dict:
		want, ok := want.(*starlark.Dict)
		if !ok || got.Len() != want.Len() {
			return false
		}
		for _, kv := range got.Items() {
			if v, found, _ := want.Get(kv[0]); !found || !matches(kv[1], v) {
				return false
			}
		}
		return true
	}
	return false
}

// TestText: an unknown shows what is known of it.
func TestText(t *testing.T) {
	for src, want := range map[string]string{
		`"http://%s:%d" % (u, 80)`:      `"http://«x.stdout»:80"`,
		`"http://{}:{}".format(u, 80)`:  `"http://«x.stdout»:80"`,
		`"/".join(["http:", "", u])`:    `"http://«x.stdout»"`,
		`"%d%%" % u`:                    `"«x.stdout»%"`,
		`"http://" + u + ":80"`:         `"http://" + x.stdout + ":80"`,
		`u == "a"`:                      `x.stdout == "a"`,
		`u not in ["a"]`:                `x.stdout not in ["a"]`,
		`[1, 2][u:]`:                    `[1, 2][x.stdout:]`,
		`"abc".replace(u, "x")`:         `"abc".replace(x.stdout, "x")`,
		`len(u)`:                        `len(x.stdout)`,
		`not u`:                         `not x.stdout`,
		`[a for a, b in [u]][0] == "a"`: `x.stdout[0] == "a"`,
	} {
		got, err := resultOf(rewritten, "r = "+src, &value.Unknown{Text: "x.stdout"})
		u, ok := got.(*value.Unknown)
		if !ok || u.Text != want {
			t.Errorf("%s: %v, %v, want %s", src, got, err, want)
		}
	}
}
