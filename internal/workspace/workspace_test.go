package workspace_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
)

// makeTree makes two workspaces and a directory that is in none.
func makeTree(t *testing.T) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"one/config", "one/deep/er", "two/config", "two/scripts", "none/config/provisioning.toml"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, ws := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(root, ws, workspace.Marker), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(root, "two"), filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestSelect(t *testing.T) {
	root := makeTree(t)
	tests := []struct{ name, cwd, named, file, want string }{
		{"named", "one", "../two", "", "two"},
		{"named by a link", "one", "../link", "", "two"},
		{"working directory", "one", "", "", "one"},
		{"below it", "one/deep/er", "", "", "one"},
		{"the working directory before the script", "one", "", "../two/scripts/x.star", "one"},
		{"the script", "none", "", "../two/scripts/x.star", "two"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(filepath.Join(root, test.cwd))
			w, err := workspace.Select(test.named, test.file)
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(root, test.want); w.Root != want || w.State != filepath.Join(want, workspace.StateDir) {
				t.Errorf("got %+v, want %s", w, want)
			}
		})
	}
}

func TestSelectRefuses(t *testing.T) {
	root := makeTree(t)
	t.Chdir(filepath.Join(root, "none")) // its marker is a directory
	tests := []struct{ name, named, file, want string }{
		{"nothing found", "", "", "neither the working directory nor the script"},
		{"nor for the script", "", "x.star", "neither the working directory nor the script"},
		{"named directory", ".", "", "is not a workspace"},
		{"named nothing", "missing", "", "is not a workspace"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := workspace.Select(test.named, test.file)
			if !fault.Is(err, fault.Config) || !strings.Contains(err.Error(), test.want) || fault.As(err).Hint == "" {
				t.Errorf("got %v, want %q and a hint", err, test.want)
			}
		})
	}
}

func TestKeyFile(t *testing.T) {
	t.Setenv("PROVISIONING_HOME", "/elsewhere")
	if file, err := workspace.KeyFile(); err != nil || file != "/elsewhere/age.key" {
		t.Errorf("got %q, %v", file, err)
	}
	t.Setenv("PROVISIONING_HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "/conf")
	if file, err := workspace.KeyFile(); err != nil || file != "/conf/provisioning/age.key" {
		t.Errorf("got %q, %v", file, err)
	}
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("HOME", "")
	if _, err := workspace.KeyFile(); !fault.Is(err, fault.Config) {
		t.Errorf("without a home: %v", err)
	}
}

func TestScratchKeepsItsStateOutside(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	t.Setenv("XDG_STATE_HOME", "/state")
	w, err := workspace.Scratch()
	if err != nil || w.Root != dir || w.State != "/state/provisioning/scratch" {
		t.Errorf("got %+v, %v", w, err)
	}
}
