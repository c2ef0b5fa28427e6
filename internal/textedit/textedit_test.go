package textedit

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func re(s string) *regexp.Regexp {
	if s == "" {
		return nil
	}
	return regexp.MustCompile(s)
}

func TestSetLine(t *testing.T) {
	for _, c := range []struct {
		name, text, line, match, after, before, want string
	}{
		{"an empty file", "", "a", "", "", "", "a\n"},
		{"is there", "x\na\ny\n", "a", "", "", "", "x\na\ny\n"},
		{"at the end", "x\n", "a", "", "", "", "x\na\n"},
		{"after a last line without end", "x", "a", "", "", "", "x\na\n"},
		{"is the last line, without end", "x\na", "a", "", "", "", "x\na"},
		{"replaced", "#Port 22\nx\n", "Port 22", "^#?Port ", "", "", "Port 22\nx\n"},
		{"replaced, the first of several", "Port 1\nx\nPort 2\n", "Port 3", "^Port ", "", "", "Port 3\nx\n"},
		{"the one that is right stays", "Port 1\nPort 3\nPort 2", "Port 3", "^Port ", "", "", "Port 3\n"},
		{"what replaces need not match", "old\nold\n", "new", "^old$", "", "", "new\n"},
		{"after", "a\n[b]\nc\n[b]\nd\n", "x", "", `^\[b\]`, "", "a\n[b]\nc\n[b]\nx\nd\n"},
		{"before", "a\n[b]\n[b]\n", "x", "", "", `^\[b\]`, "a\nx\n[b]\n[b]\n"},
		{"after goes first", "a\nb\n", "x", "", "a", "b", "a\nx\nb\n"},
		{"before, when after is not there", "a\nb\n", "x", "", "z", "b", "a\nx\nb\n"},
		{"neither is there", "a\n", "x", "", "z", "z", "a\nx\n"},
		{"Windows", "a\r\nb\r\n", "x", "", "^a$", "", "a\r\nx\r\nb\r\n"},
		{"both kinds of line ends", "a\nb\r\n", "x", "", "^b$", "", "a\nb\r\nx\n"},
		{"Windows, without the last end", "a\r\nb", "x", "", "", "", "a\r\nb\r\nx\r\n"},
		{"Windows, replaced", "a\r\nb\r\n", "x", "^b$", "", "", "a\r\nx\r\n"},
		{"no text", "\xff\x00\nb\n", "x", "", "", "", "\xff\x00\nb\nx\n"},
	} {
		p := Place{re(c.after), re(c.before)}
		got := SetLine(c.text, c.line, re(c.match), p)
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if again := SetLine(got, c.line, re(c.match), p); again != got {
			t.Errorf("%s, again: %q", c.name, again)
		}
	}
}

func TestDropLines(t *testing.T) {
	for _, c := range []struct{ text, line, match, want string }{
		{"a\nb\na\n", "a", "", "b\n"},
		{"a\nb\n", "", "^a", "b\n"},
		{"a\n\nb\n", "", "^a", "\nb\n"},
		{"a\nb", "b", "", "a\n"},
		{"a\nb", "a", "", "b"},
		{"a\n", "a", "", ""},
		{"", "a", "", ""},
	} {
		if got := DropLines(c.text, c.line, re(c.match)); got != c.want {
			t.Errorf("%q without %q %q: %q, want %q", c.text, c.line, c.match, got, c.want)
		}
	}
}

var markers = Markers{"# BEGIN x", "# END x"}

func TestSetBlock(t *testing.T) {
	for _, c := range []struct{ name, text, content, after, want string }{
		{"an empty file", "", "a\n", "", "# BEGIN x\na\n# END x\n"},
		{"the end", "z", "a", "", "z\n# BEGIN x\na\n# END x\n"},
		{"after", "y\nz\n", "a\nb\n", "^y", "y\n# BEGIN x\na\nb\n# END x\nz\n"},
		{"replaced", "y\n# BEGIN x\nold\nold\n# END x\nz", "a\n", "", "y\n# BEGIN x\na\n# END x\nz"},
		{"replaced, at the end", "# BEGIN x\nold\n# END x", "a\n", "", "# BEGIN x\na\n# END x\n"},
		{"empty", "# BEGIN x\nold\n# END x\n", "", "", "# BEGIN x\n# END x\n"},
		{"with empty lines", "", "a\n\n\nb\n\n", "", "# BEGIN x\na\n\n\nb\n\n# END x\n"},
		{"Windows", "y\r\n", "a\nb\n", "", "y\r\n# BEGIN x\r\na\r\nb\r\n# END x\r\n"},
	} {
		p := Place{After: re(c.after)}
		got, err := SetBlock(c.text, c.content, markers, p)
		if err != nil || got != c.want {
			t.Errorf("%s: %q %v, want %q", c.name, got, err, c.want)
		}
		if again, err := SetBlock(got, c.content, markers, p); err != nil || again != got {
			t.Errorf("%s, again: %q %v", c.name, again, err)
		}
	}
}

func TestDropBlock(t *testing.T) {
	for text, want := range map[string]string{
		"a\n# BEGIN x\nb\n# END x\nc\n": "a\nc\n",
		"a\n# BEGIN x\nb\n# END x":      "a\n",
		"# BEGIN x\n# END x\n":          "",
		"a":                             "a",
	} {
		if got, err := DropBlock(text, markers); err != nil || got != want {
			t.Errorf("%q: %q %v", text, got, err)
		}
	}
}

func TestBrokenBlocks(t *testing.T) {
	for text, want := range map[string]string{
		"# BEGIN x\na\n": "in line 1 has no end",
		"a\n# END x\n":   "in line 2 has no",
		"# BEGIN x\n# END x\n# BEGIN x\n# END x\n": "there twice, in line 1 and 3",
		"# BEGIN x\n# END x\n# END x\n":            "in line 3 has no",
	} {
		for _, err := range []error{errOf(SetBlock(text, "", markers, Place{})), errOf(DropBlock(text, markers))} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}

func errOf(_ string, err error) error { return err }

func linesOf(text string) []string {
	f := parse(text)
	for i := range f.lines {
		f.lines[i] = f.at(i)
	}
	return f.lines
}

// FuzzSetLine: a second time changes nothing, the line is there, nothing but lines
// that match is gone, and dropping it takes away what was inserted.
func FuzzSetLine(f *testing.F) {
	f.Add("a\r\nb", "x", "^a", "b")
	f.Add("\n\n", "", "^$", ".")
	f.Add("a\n", "a\rb", "", "")
	f.Fuzz(func(t *testing.T, text, line, match, place string) {
		if strings.ContainsAny(line, "\n\r") {
			return
		}
		m, err1 := regexp.Compile(match)
		p, err2 := regexp.Compile(place)
		if err1 != nil || err2 != nil {
			return
		}
		for _, m := range []*regexp.Regexp{m, nil} {
			once := SetLine(text, line, m, Place{After: p})
			if again := SetLine(once, line, m, Place{After: p}); again != once {
				t.Fatalf("%q, again %q", once, again)
			}
			if !slices.Contains(linesOf(once), line) {
				t.Fatalf("%q is not in %q", line, once)
			}
			for _, l := range linesOf(text) {
				if (m == nil || !m.MatchString(l)) && !strings.Contains(once, l) {
					t.Fatalf("%q is gone from %q", l, once)
				}
			}
		}
		gone := DropLines(text, line, m)
		if again := DropLines(gone, line, m); again != gone {
			t.Fatalf("dropped: %q, again %q", gone, again)
		}
	})
}

// FuzzSetBlock: a second time changes nothing, and dropping the block brings back
// the text, but for an end of its last line.
func FuzzSetBlock(f *testing.F) {
	f.Add("a\r\nb", "x\ny")
	f.Add("# BEGIN x\n# END x", "")
	f.Add("", "\n")
	f.Fuzz(func(t *testing.T, text, content string) {
		if strings.Contains(content, markers.Begin) || strings.Contains(content, markers.End) {
			return
		}
		once, err := SetBlock(text, content, markers, Place{})
		if err != nil {
			return
		}
		if again, err := SetBlock(once, content, markers, Place{}); err != nil || again != once {
			t.Fatalf("%q, again %q %v", once, again, err)
		}
		gone, err := DropBlock(once, markers)
		if err != nil {
			t.Fatal(err)
		}
		if before, _ := DropBlock(text, markers); strings.TrimRight(gone, "\r\n") != strings.TrimRight(before, "\r\n") {
			t.Fatalf("%q became %q", before, gone)
		}
	})
}
