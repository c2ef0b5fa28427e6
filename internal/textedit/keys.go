package textedit

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Key is a line of an authorized_keys file.
type Key struct {
	Options []string // "no-pty", `from="10.0.0.0/8"`
	Comment string
	key     ssh.PublicKey
}

// ParseKeys reads the keys of a text, a line each.
func ParseKeys(text string) ([]Key, error) {
	var keys []Key
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		k, ok := parseKey(line)
		if !ok {
			return nil, fault.New(fault.Invalid, "%.40q is no public key", line).
				WithHint("a key is a line such as ssh-ed25519 AAAA… name, as ssh-keygen writes it into the file that ends with .pub")
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, fault.New(fault.Invalid, "there is no key in the text")
	}
	return keys, nil
}

func parseKey(line string) (Key, bool) {
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return Key{}, false
	}
	key, comment, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil || len(rest) > 0 {
		return Key{}, false
	}
	return Key{options, comment, key}, true
}

func (k Key) String() string {
	text := strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(k.key)), "\n")
	if len(k.Options) > 0 {
		text = strings.Join(k.Options, ",") + " " + text
	}
	if k.Comment != "" {
		text += " " + k.Comment
	}
	return text
}

// same reports whether it is the same key, whatever its options are.
func (k Key) same(other Key) bool { return bytes.Equal(k.key.Marshal(), other.key.Marshal()) }

// SetKeys makes keys be in an authorized_keys file, each once, with its options.
// Comments of keys that are there already stay as they are. With only, all other
// keys go.
func SetKeys(text string, keys []Key, only bool) string {
	f := parse(text)
	there := make([]bool, len(keys))
	gone := map[int]bool{}
	for i := range f.lines {
		k, ok := parseKey(f.at(i))
		if !ok {
			continue
		}
		n := slices.IndexFunc(keys, k.same)
		if n < 0 || there[n] {
			gone[i] = n >= 0 || only
			continue
		}
		there[n] = true
		if !slices.Equal(k.Options, keys[n].Options) {
			k.Options = keys[n].Options
			f.lines[i] = k.String() + returnOf(f.lines[i])
		}
	}
	f.drop(func(i int) bool { return gone[i] })
	for n, k := range keys {
		if !there[n] && slices.IndexFunc(keys, k.same) == n {
			f.insert(len(f.lines), []string{k.String()})
		}
	}
	return f.String()
}

// DropKeys removes keys, whatever their options are.
func DropKeys(text string, keys []Key) string {
	f := parse(text)
	f.drop(func(i int) bool {
		k, ok := parseKey(f.at(i))
		return ok && slices.ContainsFunc(keys, k.same)
	})
	return f.String()
}
