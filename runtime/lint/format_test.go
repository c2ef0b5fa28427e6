package lint_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/lint"
)

const ugly = `load("b.star",'z','a')
load("a.star", "x")   # why
def main( host,port=22 ):
  """Doc.

    Args:
       host: odd   indentation
  """
  x={'b':1,
  "a":(2)}
  # a comment
  if not(host in x) and port>1 :
      return [ i*2 for i in range(10)if i%2 ]
  elif host: return lambda y:y+1
  else:
      s = x["a"][1:]+x["b"][:1]
  return 'it\'s' + r"\d" + b"\x00".elems()
`

const pretty = `load("b.star", "z", "a")
load("a.star", "x")  # why

def main(host, port = 22):
    """Doc.

      Args:
         host: odd   indentation
    """
    x = {
        "b": 1,
        "a": (2),
    }
`

func TestFormat(t *testing.T) {
	got := format(t, ugly)
	// The docstring must stay as it is: its text is part of the program.
	want := strings.Replace(pretty, "      Args:\n         host: odd   indentation\n    \"\"\"",
		"    Args:\n       host: odd   indentation\n  \"\"\"", 1)
	if !strings.HasPrefix(got, want) {
		t.Errorf("got:\n%s\nwant it to begin with:\n%s", got, want)
	}
}

// format formats src, and its result once more. That the tree stays the same
// is checked by Format itself; TestSame sees that it can tell.
func format(t *testing.T, src string) string {
	t.Helper()
	once, err := lint.Format("a.star", []byte(src))
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	twice, err := lint.Format("a.star", once)
	if err != nil {
		t.Fatalf("the second time: %v\n%s", err, once)
	}
	if !bytes.Equal(once, twice) {
		t.Errorf("not idempotent:\n%s\n----\n%s", once, twice)
	}
	return string(once)
}

func TestFormatTestdata(t *testing.T) {
	names, err := filepath.Glob("testdata/*.star")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for chunk := range strings.SplitSeq(string(src), "---\n") {
			if !strings.Contains(chunk, "### syntax: got") && !strings.Contains(chunk, "while True") {
				format(t, chunk)
			}
		}
	}
}

func TestFormatCorners(t *testing.T) {
	for _, src := range []string{"", "\n\n", "# only a comment\n", "x = 1", "x = 1\r\ny = 2\r\n", "f(a,)\n", "x = (1,)\n", "x = ()\n",
		"x = '''a\n  b'''\n", "x = \"\\x41\\u00e9\"\n", "x = 0x1F + 0o17 + 1e3 + 1.\n", "x = -1 if a else not b\n", "x = a if (b if c else d) else e\n",
		"x = (a + b) * c\n", "x = a - (b - c)\n", "x = (lambda: 1)()\n", "x = {}\n", "x = [b'a', rb'\\d', b'''a\nb''']  # é b'c'\ny = 'é' + b'z'\n", "_bytes_0_ = b''\n", "for (x,) in y:\n  pass\n", "def f(*, a, **k): pass\n"} {
		format(t, src)
	}
}

// TestFormatChoices: they get parentheses in a tuple without.
func TestFormatChoices(t *testing.T) {
	for src, want := range map[string]string{
		"a, b = x, y if c else z\n":                       "a, b = x, (y if c else z)\n",
		"a = 'é', 1 if b'é' else 'ü', 2 if c else 3\n":    "a = \"é\", (1 if b'é' else \"ü\"), (2 if c else 3)\n",
		"a = x if y else z, [i if i else j for i in k]\n": "a = (x if y else z), [i if i else j for i in k]\n",
		"a = (x, y if c else z)\n":                        "a = (x, y if c else z)\n",
		"a = 1, (x if y else 2) if z else 3\n":            "a = 1, ((x if y else 2) if z else 3)\n",
		"a = [0][1 if b else 0], c\n":                     "a = [0][1 if b else 0], c\n",
	} {
		if got := format(t, src); got != want {
			t.Errorf("%q: got %q, want %q", src, got, want)
		}
	}
}

func TestFormatError(t *testing.T) {
	_, err := lint.Format("bad.star", []byte("x = 1\ny = (\n"))
	e := fault.As(err)
	if e == nil || e.Kind != fault.Script || len(e.Stack) != 1 || e.Stack[0].File != "bad.star" {
		t.Fatalf("got %#v", err)
	}
	if _, err := lint.Format("typed.star", []byte("def f(x: int): pass\n")); fault.KindOf(err) != fault.Script {
		t.Errorf("types of parameters: %v", err)
	}
}

func FuzzFormat(f *testing.F) {
	f.Add(ugly)
	f.Fuzz(func(t *testing.T, src string) {
		once, err := lint.Format("f.star", []byte(src))
		if err != nil {
			if fault.KindOf(err) != fault.Script {
				t.Skip() // refused: the file stays as it was
			}
			return
		}
		if _, err := lint.Format("f.star", once); fault.KindOf(err) == fault.Script && err != nil {
			t.Errorf("what it wrote does not parse: %v\n%s", err, once)
		}
	})
}
