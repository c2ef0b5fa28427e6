package transfer

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// FuzzListing has a machine say anything of a tree: what is taken for one leads nowhere
// else.
func FuzzListing(f *testing.F) {
	const nonce = "\036n"
	f.Add(nonce + " Z\n" + nonce + " E 41ed root root 0 0 4096 .\n" + nonce + " E 81a4 root root 0 0 5 ./a\n" + nonce + " end\n")
	f.Add(nonce + " E 41ed a b 0 0 0 .\n" + nonce + " E a1ff a b 0 0 1 ./l\n" + nonce + " L ./l" + nonce + " T to\n." + nonce + " end\n")
	f.Add(nonce + " P 12 /srv/.provisioning/ab/part-0123\n" + nonce + " end\n")
	f.Add("greeting" + nonce + " E 81a4 UNKNOWN UNKNOWN 7 8 -5 ./a/../../b\n" + nonce + " end\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseListing([]byte(text), nonce)
		if err != nil {
			return
		}
		dirs := map[string]bool{}
		for i, e := range l.entries {
			if e.Path != path.Clean(e.Path) || !filepath.IsLocal(e.Path) || e.Size < 0 || e.Mode > 0o7777 {
				t.Fatalf("%+v", e)
			}
			if i > 0 && !dirs[path.Dir(e.Path)] {
				t.Fatalf("%q is in nothing", e.Path)
			}
			dirs[e.Path] = e.Type == Dir
		}
		for id, p := range l.parts {
			if path.Base(p.path) != partPrefix+id || p.size < 0 {
				t.Fatalf("%q: %+v", id, p)
			}
		}
	})
}

// FuzzSums has a machine say anything of checksums: each that is taken is one, of that
// file.
func FuzzSums(f *testing.F) {
	sum := strings.Repeat("0a", 32)
	f.Add(sum+"  ./a\n"+sum+"  ./b\n", "./a", "./b")
	f.Add("\\"+sum+"  ./a\\nb\n", "./a\nb", "./b")
	f.Add(sum+" *./a\n", "./a", "./a")
	f.Fuzz(func(t *testing.T, text, a, b string) {
		sums := parseSums(text, []string{a, b})
		if len(sums) != 2 {
			t.Fatal(sums)
		}
		for _, s := range sums {
			if s != "" && (len(s) != 64 || !strings.Contains(text, s)) {
				t.Fatalf("%q", s)
			}
		}
	})
}

// memory is a destination that refuses what leads out of it.
type memory struct {
	t     *testing.T
	files map[string]string
}

func (m *memory) List() ([]Entry, error)        { return nil, nil }
func (m *memory) Open(string) (*os.File, error) { return nil, os.ErrNotExist }
func (m *memory) Mkdir(string, uint32) error    { return nil }
func (m *memory) Link(string, string) error     { return nil }
func (m *memory) Chmod(string, uint32) error    { return nil }
func (m *memory) Remove(string) error           { return nil }
func (m *memory) Write(name string, content io.Reader, _ uint32) error {
	if !filepath.IsLocal(name) {
		m.t.Errorf("%q is written", name)
	}
	data, err := io.ReadAll(content)
	m.files[name] = string(data)
	return err
}

// FuzzTar has a machine send any stream: only files that were asked for are written,
// with the size that was said.
func FuzzTar(f *testing.F) {
	stream := func(name string, kind byte, content string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		_ = w.WriteHeader(&tar.Header{Name: name, Typeflag: kind, Size: int64(len(content)), Mode: 0o644}) // what cannot be written is a shorter seed
		_, _ = io.WriteString(w, content)
		_ = w.Close()
		return b.Bytes()
	}
	f.Add(stream("./a", tar.TypeReg, "five!"))
	f.Add(stream("../a", tar.TypeReg, "five!"))
	f.Add(append(stream("./a", tar.TypeReg, "five!"), stream("d/b", tar.TypeLink, "")...))
	f.Fuzz(func(t *testing.T, text []byte) {
		to := &memory{t, map[string]string{}}
		g := &Get{Root: "/srv", m: &Machine{Conn: machine.Local{}}, to: to, isDir: true}
		want := map[string]Entry{"a": {Path: "a", Type: File, Size: 5}, "d/b": {Path: "d/b", Type: File, Size: 0}}
		_, err := g.unpack(&wire{m: g.m}, bytes.NewReader(text), want)
		for name, content := range to.files {
			if name != "a" && name != "d/b" || err == nil && len(content) != map[string]int{"a": 5}[name] {
				t.Fatalf("%q was written with %d bytes", name, len(content))
			}
		}
	})
}
