package ssh

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the format of known_hosts has it, to hide names
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// KnownKey is a line of a known_hosts file about a host.
type KnownKey struct {
	Key     ssh.PublicKey
	File    string
	Line    int
	Marker  string // "", "cert-authority" or "revoked"
	Comment string
}

func (k *KnownKey) where() string { return fmt.Sprintf("%s:%d", k.File, k.Line) }

// Fingerprint is SHA256:….
func (k *KnownKey) Fingerprint() string { return ssh.FingerprintSHA256(k.Key) }

// Text is type and key.
func (k *KnownKey) Text() string { return keyText(k.Key) }

// Known returns what the known_hosts files of a host say of it.
func (h *Host) Known() ([]KnownKey, error) {
	g, err := newGuard(h, nil, nil)
	if err != nil {
		return nil, err
	}
	return g.known, nil
}

// show is a key as people compare it.
func show(key ssh.PublicKey) string { return key.Type() + " " + ssh.FingerprintSHA256(key) }

// hostName is how known_hosts calls a host: with the port, unless it is 22.
func hostName(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if port == "22" {
		return host
	}
	return "[" + host + "]:" + port
}

// Known returns what known_hosts files say of host:port. Files that are not there
// say nothing. Lines that cannot be read are passed over, as OpenSSH does.
func Known(files []string, addr string) ([]KnownKey, error) {
	var known []KnownKey
	for _, name := range files {
		file, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			e := unsent(fault.Config, "cannot read the known hosts: %v", err)
			e.Cause = err
			return nil, e
		}
		found, err := readKnown(file, name, addr)
		file.Close()
		if err != nil {
			return nil, err
		}
		known = append(known, found...)
	}
	return known, nil
}

// maxKnownLine is longer than any key.
const maxKnownLine = 256 << 10

func readKnown(r io.Reader, name, addr string) ([]KnownKey, error) {
	var known []KnownKey
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 4096), maxKnownLine)
	for n := 1; s.Scan(); n++ {
		if k, ok := parseKnown(s.Bytes(), addr); ok {
			k.File, k.Line = name, n
			known = append(known, k)
		}
	}
	if err := s.Err(); err != nil {
		e := unsent(fault.Config, "cannot read the known hosts in %s: %v", name, err)
		e.Cause = err
		return nil, e
	}
	return known, nil
}

// parseKnown reads a line, if it is about the host: [@marker] names type key [comment].
func parseKnown(line []byte, addr string) (k KnownKey, ok bool) {
	text := bytes.TrimSpace(line)
	if len(text) == 0 || text[0] == '#' {
		return k, false
	}
	names, rest := field(text)
	if names[0] == '@' {
		k.Marker = string(names[1:])
		if k.Marker != "cert-authority" && k.Marker != "revoked" {
			return k, false
		}
		names, rest = field(rest)
	}
	if !isAbout(string(names), addr, k.Marker != "") {
		return k, false
	}
	_, rest = field(rest) // the type is in the key, too
	encoded, comment := field(rest)
	blob, err := base64.StdEncoding.DecodeString(string(encoded))
	if err != nil {
		return k, false
	}
	k.Key, err = ssh.ParsePublicKey(blob)
	k.Comment = string(comment)
	return k, err == nil
}

func field(text []byte) (first, rest []byte) {
	i := bytes.IndexAny(text, " \t")
	if i < 0 {
		return text, nil
	}
	return text[:i], bytes.TrimLeft(text[i:], " \t")
}

// isAbout reports whether the names of a line fit a host. Those of authorities, and
// of what is revoked, need not name its port.
func isAbout(names, addr string, anyPort bool) bool {
	name := hostName(addr)
	if strings.HasPrefix(names, "|1|") {
		return hashed(names, name)
	}
	if matchNames(names, name) {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	return anyPort && err == nil && matchNames(names, host)
}

// hashed compares a name with |1|SALT|HASH.
func hashed(entry, name string) bool {
	parts := strings.Split(entry, "|")
	if len(parts) != 4 {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	sum, err := base64.StdEncoding.DecodeString(parts[3])
	if err != nil {
		return false
	}
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(strings.ToLower(name)))
	return hmac.Equal(mac.Sum(nil), sum)
}

// matchNames reports whether a name fits a list of patterns, none of them negated.
func matchNames(list, name string) bool {
	return matchList(strings.Split(list, ","), name)
}

// matchList is for patterns of known_hosts and of the configuration: * and ?, and
// with ! in front what may not fit.
func matchList(patterns []string, name string) bool {
	found := false
	for _, p := range patterns {
		negated := strings.HasPrefix(p, "!")
		if !wildcard(strings.ToLower(strings.TrimPrefix(p, "!")), strings.ToLower(name)) {
			continue
		}
		if negated {
			return false
		}
		found = true
	}
	return found
}

// wildcard matches * and ?. It takes len(pattern)·len(text) steps at most.
func wildcard(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// record adds the key of a host to a known_hosts file, unless somebody else has done
// so meanwhile: then it returns what the file says.
func record(file, addr string, key ssh.PublicKey) ([]KnownKey, error) {
	failed := func(err error) error {
		e := unsent(fault.Config, "cannot record the host key of %s in %s: %v", addr, file, err)
		e.Cause = err
		return e
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, failed(err)
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, failed(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil { // until it is closed
		return nil, failed(err)
	}
	content, err := io.ReadAll(f)
	if err != nil {
		return nil, failed(err)
	}
	known, err := readKnown(bytes.NewReader(content), file, addr)
	if err != nil {
		return nil, err
	}
	// An authority for the host, or another key of it that is revoked, says nothing of
	// this one.
	if slices.ContainsFunc(known, func(k KnownKey) bool { return k.Marker == "" || k.Marker == "revoked" && sameKey(k.Key, key) }) {
		return known, nil
	}
	line := hostName(addr) + " " + string(ssh.MarshalAuthorizedKey(key))
	if len(content) > 0 && content[len(content)-1] != '\n' {
		line = "\n" + line // a write that was cut off, or an editor
	}
	// One write, so that a reader sees all of the line or nothing.
	if _, err := f.WriteString(line); err != nil {
		return nil, failed(err)
	}
	// Whoever could make a power failure forget the key would be met as a stranger
	// again. The lock is given back first: hosts that are met at the same time are
	// flushed to the disk together.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_UN); err != nil {
		return nil, failed(err)
	}
	if err := f.Sync(); err != nil {
		return nil, failed(err)
	}
	if len(content) == 0 {
		err = syncDir(filepath.Dir(file))
	}
	if err != nil {
		return nil, failed(err)
	}
	return nil, nil
}

// syncDir makes the name of a new file last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
