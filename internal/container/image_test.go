package container_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/container/containertest"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

// registry speaks as much of the distribution protocol as a pull takes: one image,
// team/web:1, for whoever has the password.
func registry(t *testing.T, password string) (host string) {
	t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "hello", Typeflag: tar.TypeReg, Mode: 0o644, Size: 5}); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "there")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	digest := func(data []byte) string {
		sum := sha256.Sum256(data)
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	// The random label makes an image of its own: another test may have pulled one.
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","config":{"Labels":{"test":%q}},"rootfs":{"type":"layers","diff_ids":[%q]}}`, t.TempDir(), digest(layer.Bytes()))
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",
"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":%d,"digest":%q},
"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar","size":%d,"digest":%q}]}`, len(config), digest(config), layer.Len(), digest(layer.Bytes()))
	blobs := map[string][]byte{digest(config): config, digest(layer.Bytes()): layer.Bytes()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, given, _ := r.BasicAuth(); password != "" && (user != "ci" || given != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		base := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		switch {
		case r.URL.Path == "/v2/":
		case strings.Contains(r.URL.Path, "/team/web/manifests/") && (base == "1" || base == digest(manifest)):
			w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
			w.Header().Set("Docker-Content-Digest", digest(manifest))
			_, _ = w.Write(manifest)
		case blobs[base] != nil:
			_, _ = w.Write(blobs[base])
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestPull(t *testing.T) {
	f := containertest.New(t)
	host := registry(t, "hunter2")
	ref := host + "/team/web:1"
	t.Cleanup(func() { _, _ = f.Engine.RemoveImage(ctx, ref, true) })
	for _, c := range []struct {
		ref  string
		as   container.Login
		kind fault.Kind
	}{
		{ref, container.Login{}, fault.Permission},
		{ref, container.Login{User: "ci", Password: "wrong"}, fault.Permission},
		{host + "/team/web:2", container.Login{User: "ci", Password: "hunter2"}, fault.NotFound},
		{"127.0.0.1:1/team/web:1", container.Login{}, fault.Network},
	} {
		_, err := f.Engine.Pull(ctx, c.ref, c.as, nil)
		e := fault.As(err)
		if e == nil || e.Kind != c.kind || e.Hint == "" || strings.Contains(e.Msg, "hunter2") {
			t.Errorf("%s as %q: %+v", c.ref, c.as.User, e)
		}
	}
	var mu sync.Mutex
	var said []string
	i, err := f.Engine.Pull(ctx, ref, container.Login{User: "ci", Password: "hunter2"}, func(line string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, line)
	})
	if err != nil || len(i.Tags) != 1 || i.Tags[0] != ref || len(i.Digests) != 1 {
		t.Fatalf("%+v, %v", i, err)
	}
	if !strings.Contains(strings.Join(said, "\n"), "Pull complete") {
		t.Errorf("progress: %q", said)
	}
}

// TestSweep: all that a run has made is found by its labels, and nothing else.
func TestSweep(t *testing.T) {
	f := containertest.New(t)
	e := f.Engine
	other := f.Owner
	other.Run += "-other"
	box := f.Run(nil)
	kept := container.VolumeSpec{Name: f.Name("vol")}
	for o, name := range map[container.Owner]string{f.Owner: f.Name("vol"), other: kept.Name} {
		if _, _, err := e.CreateVolume(ctx, container.VolumeSpec{Name: name}, o); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _, _ = e.RemoveVolume(ctx, kept.Name) })
	n := container.NetworkSpec{Name: f.Name("net")}
	if _, _, err := e.CreateNetwork(ctx, n, f.Owner); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Connect(ctx, box, container.Attachment{Network: n.Name}); err != nil {
		t.Fatal(err)
	}
	mine := container.Filter{Owner: container.Owner{Run: f.Owner.Run}}
	for _, lookOnly := range []bool{true, true, false} {
		s, err := e.Sweep(ctx, mine, lookOnly)
		if err != nil || len(s.Containers) != 1 || s.Containers[0] != box || len(s.Networks) != 1 || len(s.Volumes) != 1 {
			t.Errorf("%+v, %v", s, err)
		}
	}
	if s, err := e.Sweep(ctx, mine, false); err != nil || s.Total() != 0 {
		t.Errorf("again: %+v, %v", s, err)
	}
	if _, found, err := e.LookVolume(ctx, kept.Name); err != nil || !found {
		t.Errorf("what another run has made is gone: %v", err)
	}
	if _, err := e.Sweep(ctx, container.Filter{}, false); !fault.Is(err, fault.Invalid) {
		t.Errorf("a sweep of everything: %v", err)
	}
}

// TestRace: of many who make the same container at once, all get the same one.
func TestRace(t *testing.T) {
	f := containertest.New(t)
	s := container.Spec{Name: f.Name("race"), Image: f.Busybox(), Command: []string{"sleep", "1000000"}}
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		wg.Go(func() {
			c, _, err := f.Engine.Create(ctx, s, f.Owner)
			if err != nil {
				t.Error(err)
			}
			ids[i] = c.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("%v are not one", ids)
		}
	}
}

// TestWait: the end of a container, its exit code and the last it has said.
func TestWait(t *testing.T) {
	f := containertest.New(t)
	name := f.Run(func(s *container.Spec) { s.Command = []string{"sh", "-c", "echo last words; exit 7"} })
	if code, err := f.Engine.WaitExit(ctx, name); err != nil || code != 7 {
		t.Errorf("%d, %v", code, err)
	}
	_, err := f.Engine.WaitHealthy(ctx, name)
	if err == nil || !strings.Contains(err.Error(), "has ended, with exit code 7:\nlast words") {
		t.Errorf("%v", err)
	}
	var out, errs bytes.Buffer
	if err := f.Engine.Logs(ctx, name, container.LogOptions{Follow: true}, &out, &errs); err != nil || out.String() != "last words\n" {
		t.Errorf("%q, %q, %v", out.String(), errs.String(), err)
	}
}
