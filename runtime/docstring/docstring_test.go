package docstring_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/docstring"
)

const full = `Copies a file
    to a target.

    The target keeps its owner.

    Args:
      src: file of the workspace,
        relative to its root.
      mode (int): permissions: octal.
      *rest: more files.
      **options: more
        options.

    Returns:
      A struct with sha256.

    Errors:
      not_found: there is no src.

    Example:
      copy("a", "b")
      if True:
          copy("c", "d")

    Note:
      Links are followed.
    `

func TestParse(t *testing.T) {
	want := docstring.Doc{
		Summary: "Copies a file to a target.",
		Body:    "The target keeps its owner.",
		Args: []docstring.Argument{
			{Name: "src", Text: "file of the workspace, relative to its root."},
			{Name: "mode", Type: "int", Text: "permissions: octal."},
			{Name: "rest", Text: "more files."},
			{Name: "options", Text: "more options."},
		},
		Returns:  "A struct with sha256.",
		Errors:   "not_found: there is no src.",
		Examples: "copy(\"a\", \"b\")\nif True:\n    copy(\"c\", \"d\")",
		Notes:    "Links are followed.",
	}
	got := docstring.Parse(full)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	if got.Arg("mode") != "permissions: octal." || got.Arg("none") != "" {
		t.Errorf("Arg: %q, %q", got.Arg("mode"), got.Arg("none"))
	}
}

func TestParseOddities(t *testing.T) {
	tests := []struct {
		name, text string
		want       docstring.Doc
	}{
		{"nothing", "", docstring.Doc{}},
		{"summary only", "Does it.", docstring.Doc{Summary: "Does it."}},
		{"other section names", "X.\n\nArguments:\n  a: b\nRaises:\n  c\nExamples:\n  d\nNotes:\n  e",
			docstring.Doc{Summary: "X.", Args: []docstring.Argument{{Name: "a", Text: "b"}}, Errors: "c", Examples: "d", Notes: "e"}},
		{"unindented text ends a section", "X.\n\nReturns:\n  a\nY.", docstring.Doc{Summary: "X.", Body: "Y.", Returns: "a"}},
		{"section without text", "X.\n\nArgs:\n\nReturns:\n", docstring.Doc{Summary: "X."}},
		{"tabs", "X.\n\n\tArgs:\n\t\ta: b", docstring.Doc{Summary: "X.", Args: []docstring.Argument{{Name: "a", Text: "b"}}}},
		{"no argument at all", "X.\n\nArgs:\n  what is this", docstring.Doc{Summary: "X."}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := docstring.Parse(test.text); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, test.want)
			}
		})
	}
}

func TestDedent(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", ""},
		{"a\n    b\n      c\n", "a\nb\n  c\n"},
		{"    a\n  b", "  a\nb"},
		{"a\n\n  b  \n   ", "a\n\nb\n"},
	}
	for _, test := range tests {
		if got := docstring.Dedent(test.text); got != test.want {
			t.Errorf("Dedent(%q) = %q, want %q", test.text, got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full)
	f.Add("Args:\n\ta (: b\n  :\n**: x")
	f.Fuzz(func(t *testing.T, text string) {
		doc := docstring.Parse(text)
		if strings.Contains(doc.Summary, "\n") {
			t.Errorf("the summary %q is more than a line", doc.Summary)
		}
		for _, a := range doc.Args {
			if a.Name == "" || strings.ContainsAny(a.Name, " *:\n") {
				t.Errorf("an argument is called %q", a.Name)
			}
		}
		if once := docstring.Dedent(text); strings.Count(once, "\n") != strings.Count(text, "\n") {
			t.Errorf("Dedent changed the number of lines of %q", text)
		}
	})
}
