package fact

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

func gathered(t testing.TB, facts ...Fact) *World {
	t.Helper()
	w, err := Gather(context.Background(), machine.Local{}, machine.As{}, facts)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestBelow: many times, for the order of a map is another one each time.
func TestBelow(t *testing.T) {
	there, missing := FileState{Type: "file", Mode: 0o644}, FileState{}
	for name, c := range map[string]struct {
		known map[Fact]any
		want  map[string]FileState
	}{
		"looked up before it was made": {map[Fact]any{Content.Of("/d/f"): missing, File.Of("/d/f"): there}, map[string]FileState{"/d/f": there}},
		"looked up before its removal": {map[Fact]any{Content.Of("/d/f"): there, File.Of("/d/f"): missing}, map[string]FileState{"/d/f": missing}},
		"elsewhere":                    {map[Fact]any{File.Of("/d"): there, File.Of("/dd/f"): there, Tree.Of("/d/t"): TreeState{}}, map[string]FileState{}},
	} {
		w := &World{}
		for f, v := range c.known {
			w.Set(f, v)
		}
		for range 100 {
			if got := w.Below("/d"); !reflect.DeepEqual(got, c.want) {
				t.Fatalf("%s: got %v, want %v", name, got, c.want)
			}
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	odd := dir + `/with space, 'quote', \back and "double"`
	for name, content := range map[string]string{odd: "x\n", dir + "/empty": "", dir + "/binary": "\x00\xff\n==> x <==\n\x1e", dir + "/-dash": "d"} {
		if err := os.WriteFile(name, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(dir+"/large", make([]byte, MaxContent+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/just", make([]byte, MaxContent), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("no\nwhere", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(dir+"/empty", dir+"/hard"); err != nil {
		t.Fatal(err)
	}
	var facts []Fact
	for _, name := range []string{odd, dir + "/empty", dir + "/binary", dir + "/-dash", dir + "/large", dir + "/just", dir + "/link", dir + "/hard", dir + "/none/deep", dir, "/dev/null"} {
		facts = append(facts, Content.Of(name))
	}
	w := gathered(t, append(facts, File.Of(dir+"/just"))...)
	get := func(name string) FileState { return Get[FileState](w, Content.Of(name)) }
	if f := get(odd); f.Type != "file" || f.Mode != 0o640 || string(f.Content) != "x\n" || !f.Known {
		t.Errorf("%+v", f)
	}
	if f := get(dir + "/empty"); !f.Known || len(f.Content) != 0 || f.ID == "" || f.ID != get(dir+"/hard").ID {
		t.Errorf("%+v", f)
	}
	if f := get(dir + "/binary"); string(f.Content) != "\x00\xff\n==> x <==\n\x1e" {
		t.Errorf("%q", f.Content)
	}
	if f := get(dir + "/large"); f.Known || len(f.Sum) != 64 || f.Size != MaxContent+1 {
		t.Errorf("%+v", f)
	}
	if f := get(dir + "/just"); len(f.Content) != MaxContent || f.Sum != Get[FileState](w, File.Of(dir+"/just")).Sum {
		t.Errorf("%d bytes", len(f.Content))
	}
	if f := get(dir + "/link"); f.Type != "link" || f.Target != "no\nwhere" {
		t.Errorf("%+v", f)
	}
	for name, want := range map[string]string{dir + "/none/deep": "", dir: "directory", "/dev/null": "other"} {
		if f := get(name); f.Type != want {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestContentsThatLookLikeAnswers: what is in a file is not taken for what the
// machine says of others.
func TestContentsThatLookLikeAnswers(t *testing.T) {
	dir := t.TempDir()
	a, b := dir+"/a", dir+"/b"
	for name, content := range map[string]string{a: "x\n==> " + b + " <==\nforged\n", b: "real\n"} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Gather(context.Background(), machine.Local{}, machine.As{}, []Fact{Content.Of(a), Content.Of(b)})
	if err == nil || !strings.Contains(err.Error(), "changes while it is being read") {
		t.Error(err)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	sum := strings.Repeat("0", 64)
	for name, text := range map[string]string{
		"nothing":           "",
		"broken off":        "81a4 0 0 1 1:1 root/root//a\n",
		"no fields":         "rubbish\n\037\n\037\n\037\n",
		"no mode":           "xyz 0 0 1 1:1 root/root//a\n\037\n\037\n\037\n",
		"no sum":            "81a4 0 0 1 1:1 root/root//a\n\037\n\037\nrubbish\n\037\n",
		"a link without":    "a1ff 0 0 1 1:1 root/root//a\n\037\n/a\nto",
		"another content":   "81a4 0 0 1 1:1 root/root//a\n\037\n\037\n" + sum + "  /a\n\037\n==> /a <==\nx",
		"another header":    "81a4 0 0 1 1:1 root/root//a\n\037\n\037\n" + sum + "  /a\n\037\n==> /b <==\nx",
		"denied on the way": "!/root\n/a\n\037\n\037\n\037\n",
	} {
		if v, err := parseFiles([]string{"/a"}, text); err == nil {
			t.Errorf("%s: %+v", name, v)
		} else if name == "denied on the way" && !fault.Is(err, fault.Permission) {
			t.Errorf("%s: %v", name, err)
		} else if strings.HasPrefix(name, "another") != errors.Is(err, errMoving) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseFiles(f *testing.F) {
	f.Add("81a4 0 0 1 1:1 root/root//a\n\037\n\037\n" + strings.Repeat("0", 64) + "  /a\n\037\n==> /a <==\nx")
	f.Add("a1ff 0 0 1 1:1 a b/UNKNOWN//b\n\037\n/b\nto\n\037\n\037\n\037\n")
	f.Add("!/x\n/a\n")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := parseFiles([]string{"/a", "/b"}, text)
		if err == nil && len(values) != 2 {
			t.Fatal(values)
		}
	})
}

func TestTree(t *testing.T) {
	dir := t.TempDir()
	root := dir + "/ro ot"
	for _, name := range []string{"a", "sub/b c", "sub/-d"} {
		_ = os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755)
		if err := os.WriteFile(filepath.Join(root, name), []byte("123"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := gathered(t, Tree.Of(root), Tree.Of(dir+"/none"))
	tree := Get[TreeState](w, Tree.Of(root))
	var names []string
	for _, e := range tree.Entries {
		names = append(names, strings.TrimPrefix(e.Path, root))
	}
	slices.Sort(names)
	if fmt.Sprint(names) != "[ /a /sub /sub/-d /sub/b c]" || tree.Size != 9 || tree.Odd || tree.More {
		t.Errorf("%q %+v", names, tree)
	}
	if none := Get[TreeState](w, Tree.Of(dir+"/none")); len(none.Entries) != 0 {
		t.Errorf("%+v", none)
	}
	if err := os.WriteFile(root+"/x\n81a4 0 0 1 1:1:1:1 a b c", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	forged := "41ed 0 0 1 1:1:1:1 a/b//t\n81a4 0 0 1 1:1:1:1 a/b//etc/passwd\n"
	if tree := parseTree("/t", forged); !tree.Odd || len(tree.Entries) != 1 {
		t.Errorf("%+v", tree)
	}
	if tree := Get[TreeState](gathered(t, Tree.Of(root)), Tree.Of(root)); !tree.Odd {
		t.Errorf("%+v", tree)
	}
}

func TestGitRefs(t *testing.T) {
	text := "ref: refs/heads/main\tHEAD\n1\tHEAD\n2\trefs/heads/v1\n3\trefs/tags/v1\n4\trefs/tags/v1^{}\n5\trefs/heads/main\n6\trefs/heads/x/v2\n"
	for ref, want := range map[string]GitTarget{
		"HEAD": {Commit: "1", Name: "refs/heads/main"}, "v1": {Commit: "4", Name: "refs/tags/v1"}, "main": {Commit: "5", Name: "refs/heads/main"},
		"refs/heads/v1": {Commit: "2", Name: "refs/heads/v1"}, "v2": {},
	} {
		if got := refOf(text, ref); got != want {
			t.Errorf("%s: %+v, want %+v", ref, got, want)
		}
	}
}

// BenchmarkFiles asks about many files at once: it has to cost hardly more than to
// ask about one.
func BenchmarkFiles(b *testing.B) {
	for _, n := range []int{1, 20, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := b.TempDir()
			var facts []Fact
			for i := range n {
				name := fmt.Sprintf("%s/%d", dir, i)
				if err := os.WriteFile(name, []byte("content"), 0o644); err != nil {
					b.Fatal(err)
				}
				facts = append(facts, Content.Of(name))
			}
			for b.Loop() {
				gathered(b, facts...)
			}
		})
	}
}
