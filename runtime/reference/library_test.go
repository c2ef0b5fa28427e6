package reference_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/provisioning-systems/provisioning/runtime/reference"
)

func TestLibraries(t *testing.T) {
	src := `"""Words."""

def join(a,
         sep = ":é",  b = {"x": 1}):
    """Joins.

    Args:
      a: what | to join.
    Returns:
      A string.
    """
    return a

def _private():
    pass

_hidden = 1
LIMIT = 5
Word = schema.str(
    doc = "A word | of a text.",
    min = 1,
)
`
	libs, err := reference.Libraries(fstest.MapFS{"words.star": {Data: []byte(src)}})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, libs[0].File(), libs[0].Markdown())
	if help := libs[0].Funcs[0].Help(libs[0]); !strings.Contains(help, `join(a, sep = ":é", b = {"x": 1})`) {
		t.Error(help)
	}
}
