package op

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/textdiff"
)

// attributesDiff says how mode and owner change, or what they are of a new file.
func attributesDiff(file string, now, then fact.FileState) string {
	if !now.Exists() {
		return fmt.Sprintf("%s: new %s%s\n", file, described(then), attributesOf(then))
	}
	var b strings.Builder
	if now.Mode != then.Mode && then.Type != "link" {
		fmt.Fprintf(&b, "%s: mode %04o -> %04o\n", file, now.Mode, then.Mode)
	}
	if now.Owner != then.Owner {
		fmt.Fprintf(&b, "%s: owner %s -> %s\n", file, now.Owner, then.Owner)
	}
	if now.Group != then.Group {
		fmt.Fprintf(&b, "%s: group %s -> %s\n", file, now.Group, then.Group)
	}
	return b.String()
}

func attributesOf(s fact.FileState) string {
	text := ""
	if s.Type != "link" {
		text = fmt.Sprintf(", mode %04o", s.Mode)
	}
	if s.Owner != "" {
		text += ", owner " + s.Owner
	}
	if s.Group != "" {
		text += ", group " + s.Group
	}
	return text
}

func described(s fact.FileState) string {
	if s.Type == "other" {
		return "device, socket or pipe"
	}
	return s.Type
}

func removalDiff(file string, now fact.FileState) string {
	if now.Type == "link" {
		return fmt.Sprintf("%s: link to %s removed\n", file, now.Target)
	}
	return fmt.Sprintf("%s: %s removed\n", file, described(now)) + contentDiff(file, now, fact.FileState{})
}

func contentDiff(path string, now, then fact.FileState) string {
	return contentDiffOf(path, now, then, false)
}

// contentDiffOf does not show the lines that go when the new content has secrets in
// it: they may have the secret of the time before.
func contentDiffOf(path string, now, then fact.FileState, secret bool) string {
	switch {
	case now.Type == "file" && now.Sum == then.Sum && now.Sum != "":
		return ""
	case now.Type == "link":
		return fmt.Sprintf("%s: instead of a link to %s\n", path, now.Target) + contentDiffOf(path, fact.FileState{}, then, secret)
	case now.Planned && !then.Exists():
		return ""
	case now.Planned:
		return fmt.Sprintf("%s: %d bytes instead of what is planned before\n", path, then.Size)
	case now.Exists() && !now.Known, then.Exists() && !then.Known:
		return fmt.Sprintf("%s: %d -> %d bytes\n", path, now.Size, then.Size)
	case !isText(now.Content) || !isText(then.Content):
		return fmt.Sprintf("%s: binary, %d -> %d bytes\n", path, len(now.Content), len(then.Content))
	}
	return textdiff.Unified(path, string(now.Content), string(then.Content), textdiff.Options{Limit: diffLines, HideOld: secret})
}

// diffLines is how many lines of a difference are shown; people read plans.
const diffLines = 200

func textDiff(name string, before, after []byte, same func(a, b []byte) bool) string {
	if same(before, after) {
		return ""
	}
	if !isText(before) || !isText(after) {
		return fmt.Sprintf("%s: binary, %d -> %d bytes\n", name, len(before), len(after))
	}
	return textdiff.Unified(name, string(before), string(after), textdiff.Options{Limit: diffLines})
}

func isText(data []byte) bool { return utf8.Valid(data) && !bytes.ContainsRune(data, 0) }
