package regexp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

func TestValues(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`regexp.match("b(c)?(?P<n>d)?", "abd")`, `match(end = 3, groups = [None, "d"], named = {"n": "d"}, start = 1, text = "bd")`},
		{`regexp.match("", "").text`, `""`},
		{`regexp.find_all("x", "abc")`, `[]`},
		{`regexp.replace("", "-", "ab")`, `"-a-b-"`},
		{`regexp.replace("b", "$$", "abc")`, `"a$c"`},
		{`regexp.split(",", "a,b,c", count = 2)`, `["a", "b,c"]`},
		{`regexp.split(",", "")`, `[""]`},
	} {
		if got := builtintest.New(t, Module).Eval("got = " + c.expr); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expr, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ script, want, hint string }{
		{`regexp.match(1, "")`, "must be a string", ""},
		{`regexp.match("a(b", "")`, `missing closing ) at "a(b"`, ""},
		{`regexp.match("(?=a)", "")`, "invalid or unsupported Perl syntax", "RE2 has no lookahead"},
		{`regexp.match(r"(a)\1", "")`, "invalid escape sequence", "backreferences"},
		{`regexp.match(r"\y", "")`, "invalid escape sequence", "raw strings"},
	} {
		_, err := builtintest.New(t, Module).Exec(c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) || !strings.Contains(fault.As(err).Hint, c.hint) {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	for i := range 3 * maxCompiled {
		if _, err := compile(fmt.Sprint("x", i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(compiled.m) > maxCompiled {
		t.Errorf("the cache has %d patterns", len(compiled.m))
	}
}
