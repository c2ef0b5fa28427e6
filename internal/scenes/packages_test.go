package scenes

import "testing"

// withPackages is an image that has package lists, and packages that scenes install.
func withPackages(t *testing.T, i image) string { return i.ref }
