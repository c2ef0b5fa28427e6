package seal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

func TestKeyIsMadeOnFirstUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "conf", "age.key")
	key := seal.KeyAt(file)
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Fatal("the key is there before it is used:", err)
	}
	sealed := sealed(t, key, "hello")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of the key is %v, %v", info.Mode(), err)
	}
	if dir, err := os.Stat(filepath.Dir(file)); err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("the mode of its directory is %v, %v", dir.Mode(), err)
	}
	if plain, err := seal.KeyAt(file).Unseal(sealed); err != nil || plain != "hello" {
		t.Errorf("unsealed %q, %v", plain, err)
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("temporary files were left: %v, %v", left, err)
	}
}

func sealed(t *testing.T, key *seal.Key, plain string) string {
	t.Helper()
	sealed, err := key.Seal(plain)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(sealed, plain) || !strings.HasPrefix(sealed, "-----BEGIN AGE ENCRYPTED FILE-----") {
		t.Fatalf("%q is not sealed", sealed)
	}
	return sealed
}

func TestRacingCreatorsGetOneKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "age.key")
	const creators = 16
	texts := make([]string, creators)
	var wait sync.WaitGroup
	for i := range creators {
		wait.Go(func() { texts[i], _ = seal.KeyAt(file).Seal("x") })
	}
	wait.Wait()
	for i, text := range texts {
		if plain, err := seal.KeyAt(file).Unseal(text); err != nil || plain != "x" {
			t.Errorf("creator %d sealed with a key of its own: %v", i, err)
		}
	}
}

func TestKeyIsRefused(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	sealed(t, seal.KeyAt(good), "hello")
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, content string
		mode          os.FileMode
		want          string
	}{
		{"readable by the group", string(content), 0o640, "can be read by others"},
		{"readable by all", string(content), 0o604, "can be read by others"},
		{"empty", "", 0o600, "there is no age key"},
		{"something else", "# a comment\nAGE-SECRET-KEY-1NONSENSE\n", 0o600, "there is no age key"},
		{"cut", string(content[:len(content)-5]), 0o600, "there is no age key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, test.mode); err != nil {
				t.Fatal(err)
			}
			_, err := seal.KeyAt(file).Seal("x")
			if !fault.Is(err, fault.Config) || !strings.Contains(err.Error(), test.want) || fault.As(err).Hint == "" {
				t.Errorf("got %v, want %q and a hint", err, test.want)
			}
			if after, err := os.ReadFile(file); err != nil || string(after) != test.content {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
	if _, err := seal.KeyAt(filepath.Join(good, "below")).Seal("x"); !fault.Is(err, fault.Config) {
		t.Errorf("a key below a file: %v", err)
	}
}

func TestUnsealRefuses(t *testing.T) {
	dir := t.TempDir()
	key := seal.KeyAt(filepath.Join(dir, "one"))
	text := sealed(t, key, "hello")
	if _, err := seal.KeyAt(filepath.Join(dir, "two")).Unseal(text); !fault.Is(err, fault.Permission) || !strings.Contains(fault.As(err).Hint, "another key") {
		t.Errorf("with another key: %v", err)
	}
	for name, damaged := range map[string]string{
		"nothing": "", "no armour": "swordfish", "cut": text[:len(text)-60], "changed": flip(text),
		"text in it": strings.Replace(text, "-----END", "swordfish\n-----END", 1), "text at its end": text + "swordfish",
	} {
		plain, err := key.Unseal(damaged)
		if fault.As(err) == nil || strings.Contains(err.Error(), "swordfish") {
			t.Errorf("%s: got %q, %v", name, plain, err)
		}
	}
}

// flip changes a letter in the middle.
func flip(text string) string {
	b := []byte(text)
	b[len(b)/2] ^= 1
	return string(b)
}

func TestBox(t *testing.T) {
	box := seal.NewBox()
	for _, plain := range []string{"", "secret", strings.Repeat("x", 1<<16)} {
		sealed := box.Seal([]byte(plain))
		if len(plain) > 0 && bytes.Contains(sealed, []byte(plain)) {
			t.Errorf("%q is not sealed", plain)
		}
		if again := box.Seal([]byte(plain)); bytes.Equal(again, sealed) {
			t.Error("sealing twice gives the same, so equal secrets can be told")
		}
		if back, err := seal.BoxOf(box.Key).Open(sealed); err != nil || string(back) != plain {
			t.Errorf("opened %q, %v", back, err)
		}
		for i := range min(len(sealed), 64) {
			damaged := bytes.Clone(sealed)
			damaged[i] ^= 0x80
			if _, err := box.Open(damaged); fault.As(err) == nil {
				t.Fatalf("byte %d was changed, and nobody noticed: %v", i, err)
			}
		}
		if _, err := box.Open(sealed[:len(sealed)-1]); err == nil {
			t.Error("a cut box was opened")
		}
		if _, err := seal.NewBox().Open(sealed); err == nil {
			t.Error("another key opened the box")
		}
	}
	if _, err := box.Open(nil); err == nil {
		t.Error("nothing was opened")
	}
}
