package transfer

import (
	"slices"
	"strings"
	"testing"
)

// TestHostileListing has a machine name files that lie elsewhere.
func TestHostileListing(t *testing.T) {
	const dir, file, link = "E 41ed root root 0 0 0 ", "E 81a4 root root 0 0 5 ", "E a1ff root root 0 0 5 "
	for _, test := range []struct {
		entries []string
		want    string // "": it is good
	}{
		{[]string{dir + ".", dir + "./a", file + "./a/b", file + "./..c", link + "./l"}, ""},
		{[]string{dir + ".", file + "../x"}, "leads out"},
		{[]string{dir + ".", file + "./../x"}, "leads out"},
		{[]string{dir + ".", file + "/etc/passwd"}, "leads out"},
		{[]string{dir + ".", dir + "./a", file + "./a/../../x"}, "leads out"},
		{[]string{dir + ".", dir + "./.."}, "leads out"},
		{[]string{dir + ".", dir + "./a", dir + "./a/.", file + "./a//b"}, "leads out"},
		{[]string{dir + ".", link + "./a", file + "./a/b"}, "in no directory"},
		{[]string{dir + ".", file + "./a/b"}, "in no directory"},
		{[]string{dir + ".", link + "./a", dir + "./a", file + "./a/b"}, "there twice"},
		{[]string{dir + ".", dir + "."}, "leads out"},
		{[]string{file + ".", file + "./a"}, "in no directory"},
	} {
		const nonce = "\036n"
		text := "hello\n"
		for _, e := range test.entries {
			text += nonce + " " + e + "\n"
		}
		_, err := parseListing([]byte(text+nonce+" end\n"), nonce)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.entries, err, test.want)
		}
	}
}

// TestSums reads what the programs of GNU and of busybox print.
func TestSums(t *testing.T) {
	a, b := strings.Repeat("a1", 32), strings.Repeat("b2", 32)
	for _, test := range []struct {
		name, text string
		names      []string
		want       []string
	}{
		{"two files", a + "  ./a\n" + b + "  ./b\n", []string{"./a", "./b"}, []string{a, b}},
		{"one is missing", b + "  ./b\n", []string{"./a", "./b"}, []string{"", b}},
		{"a name with a newline, GNU", "\\" + a + "  ./x\\ny\n" + b + "  ./b\n", []string{"./x\ny", "./b"}, []string{a, b}},
		{"a name with a newline, busybox", a + "  ./x\ny\n" + b + "  ./b\n", []string{"./x\ny", "./b"}, []string{a, b}},
		{"a name that looks like another line", a + "  ./x\n" + b + "  ./b\n", []string{"./x\n" + b + "  ./b"}, []string{a}},
		{"no hex", strings.Repeat("zz", 32) + "  ./a\n", []string{"./a"}, []string{""}},
		{"cut off", a[:40], []string{"./a"}, []string{""}},
		{"another file", a + "  ./ab\n", []string{"./a"}, []string{""}},
	} {
		if got := parseSums(test.text, test.names); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestCompare is what has to be done about each difference.
func TestCompare(t *testing.T) {
	dir := Entry{Path: ".", Type: Dir, Mode: 0o755}
	file := Entry{Path: "a", Type: File, Mode: 0o644, Size: 1, Sum: "x"}
	with := func(e Entry, change func(*Entry)) Entry { change(&e); return e }
	for _, test := range []struct {
		name                                  string
		want, have                            []Entry
		o                                     Options
		send, adjust, remove, replace, create int
	}{
		{"equal", []Entry{dir, file}, []Entry{dir, file}, Options{Delete: true}, 0, 0, 0, 0, 0},
		{"new", []Entry{dir, file}, []Entry{dir}, Options{}, 1, 0, 0, 0, 1},
		{"nothing there", []Entry{dir, file}, nil, Options{}, 2, 0, 0, 0, 2},
		{"another content", []Entry{dir, file}, []Entry{dir, with(file, func(e *Entry) { e.Sum = "y" })}, Options{}, 1, 0, 0, 1, 0},
		{"no sums", []Entry{with(file, func(e *Entry) { e.Sum = "" })}, []Entry{with(file, func(e *Entry) { e.Sum = "" })}, Options{}, 1, 0, 0, 1, 0},
		{"another size", []Entry{dir, file}, []Entry{dir, with(file, func(e *Entry) { e.Size = 2 })}, Options{}, 1, 0, 0, 1, 0},
		{"another mode", []Entry{dir, file}, []Entry{dir, with(file, func(e *Entry) { e.Mode = 0o600 })}, Options{}, 0, 1, 0, 0, 0},
		{"a link instead", []Entry{dir, with(file, func(e *Entry) { e.Type = Link })}, []Entry{dir, file}, Options{}, 1, 0, 0, 1, 0},
		{"a directory instead", []Entry{dir, with(file, func(e *Entry) { e.Type = Dir })}, []Entry{dir, file}, Options{}, 1, 0, 1, 0, 0},
		{"extra", []Entry{dir}, []Entry{dir, file}, Options{}, 0, 0, 0, 0, 0},
		{"extra that goes", []Entry{dir}, []Entry{dir, file}, Options{Delete: true}, 0, 0, 1, 0, 0},
		{"the mode of the root stays", []Entry{with(dir, func(e *Entry) { e.Mode = 0o700 })}, []Entry{dir}, Options{}, 0, 0, 0, 0, 0},
	} {
		p := compare(test.want, test.have, test.o)
		got := [5]int{len(p.Send), len(p.Adjust), len(p.Remove), len(p.Replace), len(p.Create)}
		if want := [5]int{test.send, test.adjust, test.remove, test.replace, test.create}; got != want {
			t.Errorf("%s: send, adjust, remove, replace, create = %v, want %v", test.name, got, want)
		}
	}
}
