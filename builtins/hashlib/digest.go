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

func digest(env *effect.Env, algorithm string, data []byte) (any, error) {
	return env.Run.Secrets.Derive(algorithm, []string{string(data)}, func(plain []string) (string, error) {
		h := algorithms[algorithm]()
		h.Write([]byte(plain[0]))
		return hex.EncodeToString(h.Sum(nil)), nil
	})
}
