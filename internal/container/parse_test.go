package container_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

func frame(stream byte, text string) string {
	head := [8]byte{stream}
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return string(head[:]) + text
}

func TestFrames(t *testing.T) {
	for _, c := range []struct {
		about, in, out, errs string
		err                  string
	}{
		{"nothing", "", "", "", ""},
		{"both", frame(1, "a") + frame(2, "b") + frame(1, "c"), "ac", "b", ""},
		{"an empty frame", frame(1, "") + frame(1, "x"), "x", "", ""},
		{"cut in the head", frame(1, "a")[:5], "", "", "unexpected EOF"},
		{"cut in the text", frame(1, "abc")[:9], "a", "", "unexpected EOF"},
		{"4 GiB that do not come", "\x01\x00\x00\x00\xff\xff\xff\xff", "", "", "unexpected EOF"},
		{"an error of the engine", frame(1, "a") + frame(3, "it broke"), "a", "", "it broke"},
		{"an unknown stream", frame(9, "a"), "", "", "unknown stream 9"},
	} {
		var out, errs bytes.Buffer
		err := container.Split(strings.NewReader(c.in), &out, &errs)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || out.String() != c.out || errs.String() != c.errs {
			t.Errorf("%s: %q, %q, %v", c.about, out.String(), errs.String(), err)
		}
	}
}

// FuzzFrames: whatever comes, no more is written than was sent, and well-formed
// frames come back as they were.
func FuzzFrames(f *testing.F) {
	f.Add([]byte(frame(1, "a")+frame(2, "b")), "out", "err")
	f.Add([]byte("\x01\x00\x00\x00\xff\xff\xff\xff"), "", "x")
	f.Fuzz(func(t *testing.T, data []byte, a, b string) {
		var out, errs bytes.Buffer
		_ = container.Split(bytes.NewReader(data), &out, &errs)
		if out.Len()+errs.Len() > len(data) {
			t.Errorf("%d bytes became %d", len(data), out.Len()+errs.Len())
		}
		out.Reset()
		errs.Reset()
		if err := container.Split(strings.NewReader(frame(1, a)+frame(2, b)), &out, &errs); err != nil || out.String() != a || errs.String() != b {
			t.Errorf("%q, %q became %q, %q, %v", a, b, out.String(), errs.String(), err)
		}
	})
}

func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(w, strings.NewReader(strings.Repeat("x", int(h.Size))), h.Size); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpack(t *testing.T) {
	dir := tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755}
	for _, c := range []struct {
		about string
		in    []tar.Header
		want  string
		err   string
	}{
		{"a file", []tar.Header{{Name: "f", Typeflag: tar.TypeReg, Size: 3}}, "[]", ""},
		{"a directory", []tar.Header{dir, {Name: "d/f", Typeflag: tar.TypeReg}, {Name: "d/l", Typeflag: tar.TypeSymlink, Linkname: "f"}}, "[][f][l]", ""},
		{"a device is left out", []tar.Header{dir, {Name: "d/null", Typeflag: tar.TypeChar}}, "[]", ""},
		{"out of it", []tar.Header{dir, {Name: "d/../../etc/passwd", Typeflag: tar.TypeReg}}, "[]", "leads elsewhere"},
		{"beside it", []tar.Header{dir, {Name: "e/f", Typeflag: tar.TypeReg}}, "[]", "leads elsewhere"},
		{"an absolute name", []tar.Header{{Name: "/etc/passwd", Typeflag: tar.TypeReg}}, "", "leads elsewhere"},
		{"the same name twice", []tar.Header{dir, {Name: "d/l", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, {Name: "d/l", Typeflag: tar.TypeReg}}, "[][l]", "leads elsewhere"},
		{"a hard link", []tar.Header{dir, {Name: "d/h", Typeflag: tar.TypeLink, Linkname: "d/f"}}, "[]", "hard link"},
	} {
		got := ""
		err := container.Unpack(bytes.NewReader(archive(t, c.in...)), func(e container.Entry, _ io.Reader) error {
			got += "[" + e.Name + "]"
			return nil
		})
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || got != c.want {
			t.Errorf("%s: %s, %v", c.about, got, err)
		}
	}
}

// FuzzUnpack: no name that comes out leads anywhere else.
func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, tar.Header{Name: "d/", Typeflag: tar.TypeDir}, tar.Header{Name: "d/f", Typeflag: tar.TypeReg, Size: 2}))
	f.Fuzz(func(t *testing.T, data []byte) {
		seen := map[string]bool{}
		_ = container.Unpack(bytes.NewReader(data), func(e container.Entry, _ io.Reader) error {
			if e.Name != "" && !filepath.IsLocal(e.Name) || seen[e.Name] {
				t.Errorf("the name %q", e.Name)
			}
			seen[e.Name] = true
			return nil
		})
	})
}

func TestMessages(t *testing.T) {
	in := `{"status":"Pulling from web","id":"1.4"}
{"status":"Downloading","progressDetail":{"current":1,"total":100},"id":"l1"}
{"status":"Downloading","progressDetail":{"current":2,"total":100},"id":"l1"}
{"status":"Downloading","progressDetail":{"current":50,"total":100},"id":"l1"}
{"stream":"Step 1/2 : FROM x\n"}
{"aux":{"ID":"sha256:abc"}}
`
	var lines []string
	id, err := container.Messages(strings.NewReader(in), func(line string) { lines = append(lines, line) })
	want := "1.4: Pulling from web|l1: Downloading 0%|l1: Downloading 50%|Step 1/2 : FROM x"
	if err != nil || id != "sha256:abc" || strings.Join(lines, "|") != want {
		t.Errorf("%q, %q, %v", id, lines, err)
	}
	if _, err := container.Messages(strings.NewReader(`{"error":"manifest unknown"}`), nil); err == nil || err.Error() != "manifest unknown" {
		t.Errorf("an error among the messages: %v", err)
	}
	for _, bad := range []string{"{", `{"stream":"` + strings.Repeat("x", 2<<20) + `"}`} {
		if _, err := container.Messages(strings.NewReader(bad), nil); err == nil {
			t.Errorf("%.20q passes", bad)
		}
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(`{"status":"x","progressDetail":{"current":5,"total":10},"id":"a"}`)
	f.Add(`{"progressDetail":{"current":-9223372036854775808,"total":1},"status":"x"}`)
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = container.Messages(strings.NewReader(text), func(string) {})
	})
}

// TestFind: where the engine is, by what says so.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	listen := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return "unix://" + path
	}
	docker, podman, user := listen("var/run/docker.sock"), listen("run/podman/podman.sock"), listen("run/user/7/podman/podman.sock")
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha256.Sum256([]byte("remote"))
	write("with/.docker/contexts/meta/"+hex.EncodeToString(sum[:])+"/meta.json", `{"Endpoints":{"docker":{"Host":"tcp://10.0.0.5:2376","SkipTLSVerify":true}}}`)
	write("with/.docker/config.json", `{"currentContext":"remote"}`)
	write("bad/.docker/config.json", `{"currentContext":"gone"}`)
	for _, c := range []struct {
		about, named, home string
		env                map[string]string
		uid                int
		root               string
		want, context, err string
	}{
		{about: "the usual place", want: docker, root: dir},
		{about: "podman by name", named: "podman", want: podman, root: dir},
		{about: "that of the user", named: "podman", uid: 7, want: user, root: dir},
		{about: "an address", named: "tcp://h:1", want: "tcp://h:1", root: dir},
		{about: "DOCKER_HOST", env: map[string]string{"DOCKER_HOST": "tcp://h:2"}, home: "with", want: "tcp://h:2", root: dir},
		{about: "CONTAINER_HOST", named: "podman", env: map[string]string{"CONTAINER_HOST": "unix:///p.sock"}, want: "unix:///p.sock", root: dir},
		{about: "the current context", home: "with", want: "tcp://10.0.0.5:2376", context: "remote", root: dir},
		{about: "the context default", home: "with", env: map[string]string{"DOCKER_CONTEXT": "remote"}, want: "tcp://10.0.0.5:2376", context: "remote", root: dir},
		{about: "a context by name", named: "remote", home: "with", want: "tcp://10.0.0.5:2376", context: "remote", root: dir},
		{about: "a context that is gone", home: "bad", err: `no Docker context "gone"`, root: dir},
		{about: "none", err: "no container engine was found", root: filepath.Join(dir, "empty")},
		{about: "an engine behind SSH", named: "ssh://h", err: "behind SSH", root: dir},
		{about: "nonsense", named: "ftp://h", err: "no address", root: dir},
		{about: "no socket", named: "unix://", err: "names no socket", root: dir},
	} {
		p := container.Places{Env: func(name string) string { return c.env[name] }, Home: filepath.Join(dir, c.home), OS: "linux", UID: c.uid, Root: c.root}
		at, err := p.Find(c.named)
		if c.err != "" {
			if e := fault.As(err); e == nil || !strings.Contains(e.Msg, c.err) || e.Hint == "" {
				t.Errorf("%s: %v", c.about, err)
			}
			continue
		}
		if err != nil || at.Host != c.want || at.Context != c.context {
			t.Errorf("%s: %+v, %v", c.about, at, err)
		}
	}
}

func FuzzContext(f *testing.F) {
	f.Add([]byte(`{"Endpoints":{"docker":{"Host":"unix:///x"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		at, err := container.ParseContext("x", data, t.TempDir())
		if err == nil && at.Host == "" {
			t.Error("a context without an address passes")
		}
		var e *fault.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%v is no error for people", err)
		}
	})
}
