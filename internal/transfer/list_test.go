package transfer

import (
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
