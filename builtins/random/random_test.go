package random

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

func TestValues(t *testing.T) {
	for script, want := range map[string]string{
		`all([1 <= random.int(1, 3) and random.int(1, 3) <= 3 for _ in range(100)])`: "True",
		`sorted(list(set([random.int(1, 3) for _ in range(200)])))`:                  "[1, 2, 3]",
		`random.int(7, 7)`: "7",
		`random.int(-9223372036854775808, 9223372036854775807) != random.int(-9223372036854775808, 9223372036854775807)`: "True",
		`all([0 <= random.float() and random.float() < 1 for _ in range(100)])`:                                          "True",
		`random.choice(["a"])`:                           `"a"`,
		`random.choice((1, 2, 3)) in [1, 2, 3]`:          "True",
		`sorted(random.shuffle(range(9)))`:               "[0, 1, 2, 3, 4, 5, 6, 7, 8]",
		`random.shuffle([])`:                             "[]",
		`random.shuffle(range(100)) != list(range(100))`: "True",
		`len(random.bytes(16)), type(random.bytes(0))`:   `(16, "bytes")`,
		`len(random.text(20)), random.text(3, "x")`:      `(20, "xxx")`,
		`random.text(2, alphabet = "ä")`:                 `"ää"`,
		`random.text(30) != random.text(30)`:             "True",
	} {
		f := builtintest.New(t, Module)
		f.Run.Check = true // reads are performed in check mode too
		if got := f.Eval("got = " + script); got != want {
			t.Errorf("%s: %s, want %s", script, got, want)
		}
		if len(f.Calls) == 0 {
			t.Errorf("%s: no effect", script)
		}
	}
}

func TestErrors(t *testing.T) {
	for script, want := range map[string]string{
		`random.int(2, 1)`:              "high must not be below low",
		`random.int(1 << 70, 1)`:        "too large a number",
		`random.int(1)`:                 `argument missing: "high"`,
		`random.choice([])`:             "empty list",
		`random.choice("abc")`:          "must be a list",
		`random.shuffle(range(100001))`: "more than 100000 items",
		`random.bytes(-1)`:              "within 0 and 1048576",
		`random.bytes(1 << 21)`:         "within 0 and 1048576",
		`random.text(1, "")`:            "the alphabet is empty",
		`random.text(1 << 30)`:          "within 0 and 100000",
		`random.text(1, alphabt = "a")`: `did you mean "alphabet"?`,
	} {
		_, err := builtintest.New(t, Module).Exec(script)
		if err == nil || !strings.Contains(err.Error(), want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", script, err)
		}
	}
}
