package script

import (
	"slices"
	"strings"
)

// ExtensionsDir is the directory of a workspace, or of one of its infrastructures, whose
// code is not the user's own.
const ExtensionsDir = "extensions"

// BelowExtensions returns how many components of a name, relative to the workspace, lead
// to the directory of extensions that it lies in; 0 for a name that does not. Case does
// not count: on some systems it makes no difference, and "Extensions/x.star" would be the
// same code under another name.
func BelowExtensions(parts []string) int {
	switch {
	case len(parts) > 1 && strings.EqualFold(parts[0], ExtensionsDir):
		return 1
	case len(parts) > 3 && strings.EqualFold(parts[0], "infra") && strings.EqualFold(parts[2], ExtensionsDir):
		return 3
	}
	return 0
}

// Foreign reports whether a file, as [FileName] calls it, is not the user's own code: by
// its name alone, or because it is one of those that are known to be.
func Foreign(file string, known []string) bool {
	return BelowExtensions(strings.Split(file, "/")) > 0 || slices.Contains(known, file)
}
