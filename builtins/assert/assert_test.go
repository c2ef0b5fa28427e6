package assert

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

func TestAssertions(t *testing.T) {
	for _, c := range []struct{ call, want string }{
		{`eq(1, 1)`, ""},
		{`eq(1, 1.0)`, ""},
		{`eq({"a": [1, (2,)]}, {"a": [1, (2,)]})`, ""},
		{`eq(1, 2)`, "got 1, want 2"},
		{`eq(1, 2, "count")`, "count: got 1, want 2"},
		{`eq(1, "1")`, `got 1 (int), want "1" (string)`},
		{`eq("a\nb", "a\nc")`, "the values differ (- wanted, + got)\n@@ -1,2 +1,2 @@\n a\n-c\n+b"},
		{`eq("a\n", "a")`, `got "a\n", want "a"`},
		{`eq("a\nb\n", "a\nb")`, "the values differ (- wanted, + got)\nthe newline at the end"},
		{`eq(["x" * 40, "y" * 40], ["x" * 40, "z" * 40])`, `-    "` + strings.Repeat("z", 40) + `"` + "\n" + `+    "` + strings.Repeat("y", 40) + `"`},
		{`eq(struct(name = "x" * 70), struct(name = "y" * 70))`, "struct\n-    \"name\": \"yyy"},
		{`ne(1, 2)`, ""},
		{`ne("a", "a")`, `got "a", which is what it must not be`},
		{`true([0])`, ""},
		{`true(0, "running")`, "running: got 0, want something true"},
		{`false(None)`, ""},
		{`false("no")`, `got "no", want something false`},
		{`lt(1, 2)`, ""},
		{`lt(2, 2)`, "got 2, want less than 2"},
		{`le(2, 2)`, ""},
		{`le(3, 2)`, "got 3, want at most 2"},
		{`gt("b", "a")`, ""},
		{`gt(2, 2)`, "got 2, want more than 2"},
		{`ge(2, 2)`, ""},
		{`ge(1, 2, "hosts")`, "hosts: got 1, want at least 2"},
		{`contains({"a": 1}, "a")`, ""},
		{`contains("listen 80", "80")`, ""},
		{`contains([1], 2)`, "2 is not in [1]"},
		{`not_contains([1], 2)`, ""},
		{`not_contains("listen 80", "80")`, `"80" is in "listen 80"`},
		{`matches("web-17", "^web-[0-9]+$")`, ""},
		{`matches("db-1", "web")`, `"db-1" does not match "web"`},
		{`is_type([], "list")`, ""},
		{`is_type([], "tuple")`, "got [], a list, want a tuple"},
	} {
		_, err := builtintest.New(t, Module).Exec("assert." + c.call)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.call, err)
			}
			continue
		}
		if !fault.Is(err, fault.Assertion) || !strings.Contains(fault.As(err).Msg, c.want) {
			t.Errorf("%s: got %v, want %q", c.call, err, c.want)
		}
	}
}

func TestMistakes(t *testing.T) {
	for call, want := range map[string]string{
		`lt(1, "a")`:                "cannot compare 1 with \"a\"",
		`contains(1, 2)`:            "cannot look for a int in a int",
		`matches("a", "(")`:         "missing closing )",
		`eq(1)`:                     `argument missing: "want"`,
		`fails(len, message = "(")`: "missing closing )",
	} {
		_, err := builtintest.New(t, Module).Exec("assert." + call)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", call, err, want)
		}
	}
}

// TestLongValues: a failure stays readable.
func TestLongValues(t *testing.T) {
	_, err := builtintest.New(t, Module).Exec(`assert.eq("x" * 100000, "y" * 100000)`)
	if err == nil || len(err.Error()) > 3*longText {
		t.Errorf("%d characters", len(err.Error()))
	}
	_, err = builtintest.New(t, Module).Exec(`assert.eq("a\n" * 100000, "b\n" * 100000)`)
	if err == nil || strings.Count(err.Error(), "\n") > diffLines+5 {
		t.Errorf("%d lines", strings.Count(err.Error(), "\n"))
	}
}
