package http

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"os"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// past is what the journal would give to Undo and Happened.
type past struct {
	effect.Past
	remembered any
}

func (p past) Result() starlark.Value { return nil }

func (p past) Remembered(into any) error {
	data, err := json.Marshal(p.remembered)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		return "-"
	}
	return string(data)
}

// clean checks that nothing but the named files is in the workspace.
func clean(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(names) {
		t.Errorf("the workspace holds %v (%v), want %v", entries, err, names)
	}
}

func TestDownload(t *testing.T) {
	f := builtintest.New(t, Module)
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	asked := 0
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		asked++
		w.Write(content)
	})
	script := fmt.Sprintf(`r = http.download("URL", "a/b", sha256 = "%s", mode = 0o755); got = (r.size, r.changed, r.sha256 == "%[1]s")`, digest(string(content)))
	if got := eval(f, s.URL, script); got != "(1048576, True, True)" {
		t.Errorf("got %s", got)
	}
	if got := eval(f, s.URL, script); got != "(1048576, False, True)" || asked != 1 {
		t.Errorf("got %s after %d requests", got, asked)
	}
	info, err := os.Stat(f.Dir + "/a/b")
	if err != nil || info.Mode() != 0o755 || read(t, f.Dir+"/a/b") != string(content) {
		t.Errorf("%v, %v", info, err)
	}
	clean(t, f.Dir+"/a", "b")
}

func TestDownloadFailsSafely(t *testing.T) {
	f := builtintest.New(t, Module)
	f.WriteFile("file", "old")
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		switch r.URL.Path {
		case "/missing":
			nethttp.NotFound(w, r)
		case "/half":
			w.Header().Set("Content-Length", "100")
		}
		io.WriteString(w, "new")
	})
	for script, kind := range map[string]fault.Kind{
		`http.download("URL/", "file", sha256 = "` + digest("other") + `")`: fault.Invalid,
		`http.download("URL/missing", "file")`:                              fault.NotFound,
		`http.download("URL/half", "file")`:                                 fault.Network,
		`http.download("URL/", "file", max_bytes = 2)`:                      fault.TooLarge,
	} {
		e := failure(t, f, s.URL, script)
		if e.Kind != kind || e.InDoubt {
			t.Errorf("%s\ngave %#v", script, e)
		}
		if got := read(t, f.Dir+"/file"); got != "old" {
			t.Errorf("%s\nleft %q", script, got)
		}
		clean(t, f.Dir, "file")
	}
}

func TestDownloadUndo(t *testing.T) {
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { io.WriteString(w, "new") })
	for name, prepare := range map[string]func(path string) error{
		"nothing": func(path string) error { return nil },
		"file":    func(path string) error { return os.WriteFile(path, []byte("old"), 0o600) },
		"link":    func(path string) error { return os.Symlink("target", path) },
	} {
		f := builtintest.New(t, Module)
		f.WriteFile("target", "linked")
		path := f.Dir + "/file"
		if err := prepare(path); err != nil {
			t.Fatal(err)
		}
		before := read(t, path)
		d := &download{Request: Request{URL: s.URL}, Path: "file", Mode: 0o644}
		env := &effect.Env{Run: f.Run, Place: "0#1", Options: effect.NoOptions}
		remembered, err := d.Remember(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		p := past{remembered: remembered}
		if a, err := d.Happened(t.Context(), env, p); err != nil || a.Happened != effect.No {
			t.Errorf("%s: before %v, %v", name, a, err)
		}
		if _, err := d.Perform(t.Context(), env); err != nil || read(t, path) != "new" || read(t, f.Dir+"/target") != "linked" {
			t.Fatalf("%s: %v", name, err)
		}
		if a, err := d.Happened(t.Context(), env, p); err != nil || a.Happened != effect.Yes || a.Result.(Downloaded).SHA256 != digest("new") {
			t.Errorf("%s: after %v, %v", name, a, err)
		}
		for range 2 {
			if err := d.Undo(t.Context(), env, p); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := read(t, path); got != before {
			t.Errorf("%s: %q is back, not %q", name, got, before)
		}
		if info, err := os.Lstat(path); name == "file" && (err != nil || info.Mode() != 0o600) {
			t.Errorf("%v, %v", info, err)
		}
	}
}

func TestDownloadPredicts(t *testing.T) {
	f := builtintest.New(t, Module)
	f.Run.Check = true
	f.WriteFile("old", "old")
	f.WriteFile("same", "same")
	f.WriteFile("plain", "x")
	sum := digest("same")
	script := strings.ReplaceAll(`
http.download("http://x", "new")
http.download("http://x", "old", sha256 = "SUM")
http.download("http://x", "same", sha256 = "SUM")
http.download("http://x", "plain")
got = http.download("http://x", "new").size
`, "SUM", sum)
	f.Eval(script)
	var changes []effect.Change
	for _, p := range f.Predicts {
		changes = append(changes, p.Change)
	}
	if fmt.Sprint(changes) != "[create update unchanged update update]" {
		t.Errorf("changes %v", changes)
	}
	clean(t, f.Dir, "old", "same", "plain")
	if touches := f.Calls[0].Do.(*download).Touches(f.EnvFor(f.Calls[0])); fmt.Sprint(touches) != "[file:"+f.Dir+"/new]" {
		t.Errorf("touches %v", touches)
	}
}
