package textedit

import (
	"strings"
	"testing"
)

const (
	keyA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJDQLkPfIwVLCkXwAhg+9qfzUvGHcIMnXsAoW7iLRwSj"
	keyB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEChlDFxlcYYCPwxPNHWQSGGiwIFeqM7l08V8C8tTG"
)

func TestSetKeys(t *testing.T) {
	for _, c := range []struct {
		name, text, keys string
		only             bool
		want             string
	}{
		{"an empty file", "", keyA + " a", false, keyA + " a\n"},
		{"is there, with another comment", "# x\n" + keyA + " b\n", keyA + " a", false, "# x\n" + keyA + " b\n"},
		{"added", keyB, keyA + " a", false, keyB + "\n" + keyA + " a\n"},
		{"other options", "no-pty " + keyA + " b\n", keyA, false, keyA + " b\n"},
		{"options", keyA + " b\n", `from="a,b c",no-pty ` + keyA, false, `from="a,b c",no-pty ` + keyA + " b\n"},
		{"twice", keyA + "\n" + keyA + "\n", keyA, false, keyA + "\n"},
		{"two", "", keyA + "\n\n" + keyB + "\n" + keyA, false, keyA + "\n" + keyB + "\n"},
		{"only", "# x\nrubbish\n" + keyB + "\n" + keyA + "\n", keyA, true, "# x\nrubbish\n" + keyA + "\n"},
		{"not only", keyB + "\n", keyA, false, keyB + "\n" + keyA + "\n"},
	} {
		keys, err := ParseKeys(c.keys)
		if err != nil {
			t.Fatal(err)
		}
		got := SetKeys(c.text, keys, c.only)
		if got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
		if again := SetKeys(got, keys, c.only); again != got {
			t.Errorf("%s, again:\n%s", c.name, again)
		}
	}
}

func TestDropKeys(t *testing.T) {
	keys, err := ParseKeys(keyA)
	if err != nil {
		t.Fatal(err)
	}
	if got := DropKeys("no-pty "+keyA+" x\n"+keyB+"\n", keys); got != keyB+"\n" {
		t.Error(got)
	}
}

func TestNoKeys(t *testing.T) {
	for text, want := range map[string]string{"": "no key", "# x": "no key", "ssh-rsa x": "is no public key", keyA[:40]: "is no public key"} {
		if _, err := ParseKeys(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzSetKeys: a second time changes nothing, and lines that are no keys stay.
func FuzzSetKeys(f *testing.F) {
	f.Add("# x\n"+keyA+" b\r\n"+keyB, true)
	f.Add("from=\"x\" "+keyA, false)
	keys, err := ParseKeys("no-pty " + keyA + " a")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, only bool) {
		once := SetKeys(text, keys, only)
		if again := SetKeys(once, keys, only); again != once {
			t.Fatalf("%q, again %q", once, again)
		}
		if gone := DropKeys(once, keys); only {
			for _, line := range linesOf(gone) {
				if _, ok := parseKey(line); ok {
					t.Fatalf("%q is left", line)
				}
			}
		}
	})
}
