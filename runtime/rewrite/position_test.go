package rewrite_test

import (
	"errors"
	"fmt"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/rewrite"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// failing are scripts that fail in an operation that is rewritten, or beside
// one.
var failing = []string{
	`1 < "a"`, `x = [1] <  {}`, `1 in 2`, `1 not in 2`, `1 in "abc"`, `"%d" % "a"`, `"%s %s" % (1,)`, `1 % 0`, `1 << -1`, `1 << "a"`,
	`[1][2]`, `[][0 - 1]`, `{}[[]]`, `{1: 2}["a" + "b"]`, `1[len("")]`, `"abc"["a" + "b"]`,
	`1[:]`, `[1][::0]`, `[1][len("") : "a"]`, `x = 1; x[1:2]`, `[1][:"a":len("ab")]`, `x = [1]; y = (x)[1:][None : "b"]`, `"a".upper[1:]`, `(1 if 2 == 2 else 3)[1:]`,
	`"a".nothing(1)`, `"a".join(1)`, `"a".join([1, 2])`, `"{}".format()`, `"abc".index("z")`, `[].remove(1)`, `[1].index(2)`, `{}.pop(1)`, `{}.update([1])`,
	`set([[]])`, `sorted([1, "a"])`, `sorted([1, 2], key = lambda x: [][x])`, `max([])`, `max([1, "a"])`, `min(1)`, `max([1, 2], key = lambda x: x // 0)`,
	`min([1, "a"], key = lambda x: x)`, `max([], key = len)`, `sorted(1)`, `len(1)`, `any(1)`, `int("z")`, `str()`, `getattr(1, "a")`, `range(1, 2, 0)`,
	`a, b = 1`, `a, b = [1]`, `a, (b, c) = 1, 2`, `a, (b, c) = [1, (2,)]`, "for a, b in [1]: pass", "for a, (b, c) in [(1, 2)]: pass", "for x in 1: pass", `[a for a, b in [1]]`, `[a for a in 1]`,
	`x = "%d"; x %= "a"`, `x = 1; x %= 0`, `x = 1; x %= [1]`, `x = 1; x += "a"`, `x = 1; x <<= "a"`, `x = {}; x |= [len("")]`, `x = [1]; x[len("abc")] %= 2`, `x = [1]; x[0] %= len("")`,
	`x = [1]; x[len("abc")] = 1`, `x = 1; x[len("")] = 1`, `x = 1; x.f = 2`, `struct(a = 1).a = 2`, `len(*1)`, `len(**1)`, `[1] == [1] < 1`,
	"def f(x):\n  if x and x[0] == x[1]:\n    return 1\nf([1])",
	"def f(x):\n  return [y\n    for y in x\n    if y % 2 == 0 and\n       y < None]\ndef g():\n  f([2])\ng()",
	"def f():\n  return sorted(\n    [3, 2],\n    key = lambda x: x.foo)\nf()", "x = -\"a\"", "x = (1\n  <\n  None)",
	`f(a = 1, (0)["" % ""])`, `f(a = 1, len and 3)`, `f(a = 1, len or 3)`, `f(a = 1, 1 if len else 3)`, `f(a = 1, not 3)`, `f(a = 1, "".join)`, `f(a = 1, [1][0 + 0:])`, `f(*[], *[])`, "x = y == z = 1",
	"l = [1, 2]\nfor x in l:\n  l.remove(1)", "l = [[1, 2]]\nfor a, b in l:\n  l.append(1)", "def f(): f()\nf()", "x = y\ny = 1",
}

// TestPositions: an error has the message, the position and the backtrace of
// the plain interpreter.
func TestPositions(t *testing.T) {
	for _, src := range failing {
		want := outcome(plain.run(new(starlark.Thread), options, "t.star", src, nil))
		got := outcome(rewritten.run(new(starlark.Thread), options, "t.star", src, nil))
		if got != want {
			t.Errorf("%s\nrewritten: %s\nplain: %s", src, got, want)
		}
	}
}

// TestUndecidedPositions: an undecided error is at the statement or the operand
// that has to know.
func TestUndecidedPositions(t *testing.T) {
	for src, want := range map[string]string{
		"x = 1\nif u: pass":                 "2:1 if",
		"if False: pass\nelif u == 1: pass": "2:1 if",
		"x = 1 if u else 2":                 "1:10 if",
		"x = [y for y in [1]\n  if u]":      "2:6 if",
		"x = u and 1":                       "1:5 and",
		"x = u.a in [1] or 1":               "1:9 or",
		"for x in u: pass":                  "1:1 for",
		"for x, y in u: pass":               "1:1 for",
		"while u: pass":                     "1:1 while",
		"x = len(*u)":                       "1:9 *args",
		"x = {}\nx[u] = 1":                  "2:2 an assignment to an element",
		"x = [1]\nx += u":                   "2:3 += to a list",
		"x = {u: 1}":                        "1:7 a key of a dict or set",
		"def f():\n  if not u: pass\ndef g(): f()\ng()": "2:3 if",
	} {
		_, err := rewritten.run(new(starlark.Thread), options, "t.star", src, starlark.StringDict{"u": value.NewUnknown("x")})
		var evalErr *starlark.EvalError
		var undecided *value.Undecided
		if !errors.As(err, &evalErr) || !errors.As(err, &undecided) {
			t.Errorf("%s: %v", src, err)
			continue
		}
		pos := evalErr.CallStack.At(0).Pos
		if got := pos.String()[len("t.star:"):] + " " + undecided.Op; got != want {
			t.Errorf("%s: %s, want %s", src, got, want)
		}
	}
}

type always bool

func (a always) Decide(*value.Undecided) (int, error) {
	if a {
		return 1, nil
	}
	return 0, nil
}

func (always) Pass(*value.Undecided, int, int) {}

// counted goes round twice, and notes how.
type counted struct{ passes []int }

func (c *counted) Decide(*value.Undecided) (int, error) { return 2, nil }
func (c *counted) Pass(_ *value.Undecided, n, _ int)    { c.passes = append(c.passes, n) }

// TestLoopDecider: a loop over an unknown goes round as often as the decider
// says, over unknown elements, and tells when.
func TestLoopDecider(t *testing.T) {
	const src = `
r = [x for x in u] + [(a, b) for a, b in u]
for x in u:
  r.append(x)
  break
`
	thread, c := new(starlark.Thread), new(counted)
	rewrite.SetDecider(thread, c)
	globals, err := rewritten.run(thread, options, "t.star", src, starlark.StringDict{"u": value.NewUnknown("x")})
	const want = "[«unknown x[0]», «unknown x[1]», («unknown x[0][0]», «unknown x[0][1]»), («unknown x[1][0]», «unknown x[1][1]»), «unknown x[0]»]"
	if err != nil || globals["r"].String() != want || fmt.Sprint(c.passes) != "[1 2 0 1 2 0 1 0]" {
		t.Errorf("%v, %v, passes %v, want %s", globals["r"], err, c.passes, want)
	}
}

// TestDecider: a decider chooses the arm, and the value of and and or stays
// unknown.
func TestDecider(t *testing.T) {
	const src = `
r = [1 if u else 2, u and 1, u or 1]
if not u: r.append(3)
elif u: r.append(4)
while u:
  r.append(5)
  break
`
	for truth, want := range map[bool]string{
		true:  "[1, 1, «unknown x», 4, 5]",
		false: "[2, «unknown x», 1, 3]",
	} {
		thread := new(starlark.Thread)
		rewrite.SetDecider(thread, always(truth))
		globals, err := rewritten.run(thread, options, "t.star", src, starlark.StringDict{"u": value.NewUnknown("x")})
		if err != nil || globals["r"].String() != want {
			t.Errorf("%v: %v, %v, want %s", truth, globals["r"], err, want)
		}
	}
}
