package fs

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/provisioning-systems/provisioning/internal/textdiff"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

const (
	diffLines = 200     // shown; plans are read by people
	diffBytes = 1 << 20 // larger files are compared by size only
)

// diff compares two contents for a plan. When after holds secrets, the lines
// that go are not shown: they may hold the value that a secret had before.
func diff(env *effect.Env, name string, before, after []byte) string {
	if bytes.Equal(before, after) {
		return ""
	}
	if !isText(before) || !isText(after) {
		return fmt.Sprintf("binary, %d -> %d bytes\n", len(before), len(after))
	}
	shown := env.Run.Secrets.Redact(string(after))
	hideOld := shown != string(after)
	return textdiff.Unified(name, env.Run.Secrets.Redact(string(before)), shown, textdiff.Options{Limit: diffLines, HideOld: hideOld})
}

func isText(data []byte) bool { return utf8.Valid(data) && !bytes.ContainsRune(data, 0) }
