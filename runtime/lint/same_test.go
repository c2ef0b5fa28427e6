package lint

import (
	"reflect"
	"testing"
)

// TestSame sees that the guard of Format tells programs apart.
func TestSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"x = 'a'", "x  =  \"a\"  # why", true},
		{"x = (1)", "x = 1", true},
		{"x = 1", "x = 2", false},
		{"x = 99999999999999999999", "x = 99999999999999999999", true},
		{"x = 99999999999999999999", "x = 99999999999999999998", false},
		{"x = a[1:]", "x = a[:1]", false},
		{"x = a - b - c", "x = a - (b - c)", false},
		{"x = '''a\n b'''", "x = '''a\n  b'''", false},
		{"f(a, b)", "f(b, a)", false},
		{"f(a)", "g(a)", false},
		{"x = b'a'", "x = 'a'", false},
		{"x = 1\ny = 2", "y = 2\nx = 1", false},
	} {
		a, err := parseAny("a", []byte(c.a))
		if err != nil {
			t.Fatal(err)
		}
		b, err := parseAny("b", []byte(c.b))
		if err != nil {
			t.Fatal(err)
		}
		if got := same(reflect.ValueOf(a.Stmts), reflect.ValueOf(b.Stmts)); got != c.want {
			t.Errorf("same(%q, %q) = %v", c.a, c.b, got)
		}
	}
}
