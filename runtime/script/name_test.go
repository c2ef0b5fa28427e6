package script

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestModuleName(t *testing.T) {
	tests := []struct{ spec, from, want string }{
		{"./b.star", "//a.star", "//b.star"},
		{"./b.star", "//dir/a.star", "//dir/b.star"},
		{"../b.star", "//dir/a.star", "//b.star"},
		{"//x/./y.star", "//a.star", "//x/y.star"},
		{"./b.star", "@std//deep/a.star", "@std//deep/b.star"},
		{"//b.star", "@std//a.star", "//b.star"},
		{"@std//b.star", "//a.star", "@std//b.star"},
		{"./b.star", "/home/me/a.star", "/home/me/b.star"},
		{"//..x/..", "//a.star", "//."},
		{"../b.star", "//a.star", ""},
		{"../b.star", "@std//a.star", ""},
		{"//../b.star", "//a.star", ""},
		{"b.star", "//a.star", ""},
	}
	for _, test := range tests {
		got, err := ModuleName(test.spec, test.from)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("load(%q) in %s names %q, %v; want %q", test.spec, test.from, got, err, test.want)
		}
	}
}

// A name that a module of the workspace or of the standard library loads never
// leaves either of them.
func FuzzModuleName(f *testing.F) {
	for _, spec := range []string{"./b.star", "../b.star", "//b.star", "@std//b.star", "//../../etc/passwd", "./\x00", "@std///x", `//a\..\b`} {
		f.Add(spec, "dir/a.star", true)
		f.Add(spec, "a.star", false)
	}
	f.Fuzz(func(t *testing.T, spec, dir string, std bool) {
		root := "//"
		if std {
			root = "@std//"
		}
		from, err := clean(root, dir, "")
		if err != nil {
			return // no module has such a name
		}
		name, err := ModuleName(spec, from)
		if err != nil {
			return
		}
		rest, ok := strings.CutPrefix(name, "@std//")
		if !ok {
			if rest, ok = strings.CutPrefix(name, "//"); !ok {
				t.Fatalf("load(%q) in %q names %q", spec, from, name)
			}
		}
		if !filepath.IsLocal(rest) || strings.ContainsAny(rest, "\x00\\") || strings.Contains("/"+rest+"/", "/../") {
			t.Fatalf("load(%q) in %q leads out: %q", spec, from, name)
		}
		if again, err := ModuleName(name, "//"); err != nil || again != name {
			t.Fatalf("%q is not in its normal form: %q, %v", name, again, err)
		}
	})
}
