package server

import (
	"path"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// matches reports whether a name fits a pattern; "" is any.
func matches(pattern, name string) (bool, error) {
	if pattern == "" {
		return true, nil
	}
	fits, err := path.Match(pattern, name)
	if err != nil {
		return false, fault.New(fault.Invalid, "%q is no pattern of names", pattern).WithHint("as in web-* or db-[12]")
	}
	return fits, nil
}
