package export

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash/crc32"
	"regexp"

	"golang.org/x/crypto/blake2b"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// A secret that a script has computed from another one is called after it and how:
// "env://DB (base64)". The name does not tell everything: what was encoded may have
// been a text around the secret. So a computation is written only when it gives the
// same value.

// derivation is a way to compute a secret from another one.
type derivation struct {
	note    string // in the name
	fn      string // builtin
	options string // further arguments
	compute func(plain []byte) string
}

var derivations = []derivation{
	{"base64", "base64.encode", "", base64.StdEncoding.EncodeToString},
	{"base64", "base64.encode", ", url = True", base64.URLEncoding.EncodeToString},
	{"base64", "base64.encode", ", padding = False", base64.RawStdEncoding.EncodeToString},
	{"base64", "base64.encode", ", url = True, padding = False", base64.RawURLEncoding.EncodeToString},
	{"hex", "hex.encode", "", hex.EncodeToString},
	{"md5", "hashlib.md5", "", func(b []byte) string { sum := md5.Sum(b); return hex.EncodeToString(sum[:]) }},
	{"sha1", "hashlib.sha1", "", func(b []byte) string { sum := sha1.Sum(b); return hex.EncodeToString(sum[:]) }},
	{"sha256", "hashlib.sha256", "", func(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }},
	{"sha512", "hashlib.sha512", "", func(b []byte) string { sum := sha512.Sum512(b); return hex.EncodeToString(sum[:]) }},
	{"blake2b", "hashlib.blake2b", "", func(b []byte) string { sum := blake2b.Sum512(b); return hex.EncodeToString(sum[:]) }},
	{"crc32", "hashlib.crc32", "", func(b []byte) string {
		sum := crc32.NewIEEE()
		_, _ = sum.Write(b) // never fails
		return hex.EncodeToString(sum.Sum(nil))
	}},
}

// derivedName is what the name of a secret looks like that was computed from
// others, or is a line of one.
var derivedName = regexp.MustCompile(`(?s)^(.+)(?: \(([^()]+)\)| line)$`)

// isDerived reports whether the name of a secret says that it came out of another.
func isDerived(name string) bool { return derivedName.MatchString(name) }

// derived is the origin of a secret as a computation from the one that its name
// says; nil when the journal does not tell which it was.
func (e *exporter) derived(s *value.Secret, ix *index, at string) (*origin, error) {
	m := derivedName.FindStringSubmatch(s.Name)
	if m == nil || m[2] == "" {
		return nil, nil
	}
	plain := e.run.Secrets.Plain(s)
	var how *derivation
	var from string
	e.run.Secrets.Each(func(name, candidate string) {
		for i, d := range derivations {
			if how == nil && name == m[1] && d.note == m[2] && e.funcs[d.fn] != nil && d.compute([]byte(candidate)) == plain {
				how, from = &derivations[i], candidate
			}
		}
	})
	if how == nil {
		return nil, nil
	}
	base, _ := e.run.Secrets.Add(m[1], from) // it is there
	of, err := e.secretOf(base, ix, at)
	if err != nil {
		return nil, err
	}
	o := *of
	o.v, o.before, o.after = s, how.fn+"("+of.before, of.after+how.options+")"
	return &o, nil
}
