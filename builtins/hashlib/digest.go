package hashlib

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"hash/crc32"

	"golang.org/x/crypto/blake2b"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var algorithms = map[string]func() hash.Hash{
	"md5":     md5.New,
	"sha1":    sha1.New,
	"sha256":  sha256.New,
	"sha512":  sha512.New,
	"blake2b": newBlake2b,
	"crc32":   func() hash.Hash { return crc32.NewIEEE() },
}

func newBlake2b() hash.Hash {
	h, _ := blake2b.New512(nil) // fails for long keys only
	return h
}

// digest returns the digest of data. That of a secret alone is a secret too, as
// it gives a short one away; that of a document with a secret somewhere in it is
// what everybody computes of the file, and is plain.
func digest(env *effect.Env, algorithm string, data []byte) (any, error) {
	sum := func(plain string) string {
		h := algorithms[algorithm]()
		h.Write([]byte(plain))
		return hex.EncodeToString(h.Sum(nil))
	}
	if !env.Run.Secrets.IsSecret(string(data)) {
		plain, err := env.Run.Secrets.Expand(string(data))
		return sum(plain), err
	}
	return env.Run.Secrets.Derive(algorithm, []string{string(data)}, func(plain []string) (string, error) {
		return sum(plain[0]), nil
	})
}
