// Package uuid is the module uuid: identifiers as RFC 9562 writes them. The
// random ones are effects, so that a resumed run gets those that it got before.
package uuid

import (
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Module is the module uuid.
var Module = module.New("uuid", `Universally unique identifiers.

v4 is random, v7 begins with the time and so sorts by it, v5 is computed from a
name. All are strings in lower case.`)

type id [16]byte

func (u *id) mark(version byte) string {
	u[6] = u[6]&0x0f | version<<4
	u[8] = u[8]&0x3f | 0x80
	return u.String()
}

func (u *id) String() string {
	h := hex.EncodeToString(u[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

var (
	bare   = regexp.MustCompile(`^[0-9a-f]{32}$`)
	dashed = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
)

// read accepts what RFC 9562 and common tools write: also upper case, without
// dashes, in braces, and with urn:uuid: before it.
func read(text string) (id, error) {
	var u id
	s := strings.TrimPrefix(strings.ToLower(text), "urn:uuid:")
	if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
		s = s[1 : len(s)-1]
	}
	if dashed.MatchString(s) {
		s = strings.ReplaceAll(s, "-", "")
	}
	if !bare.MatchString(s) {
		return u, fault.New(fault.Invalid, "%q is not a UUID", text).
			WithHint("a UUID is written like 6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	}
	_, err := hex.Decode(u[:], []byte(s))
	return u, err
}
