package semver

import (
	"github.com/Masterminds/semver/v3"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def bump(version, part = "patch"):
    """Returns the next version.

    Parts after the one that grows become 0; prerelease and metadata go. The
    patch of a prerelease stays: the next of 1.2.3-rc.1 is 1.2.3.

    Args:
      version (string): the version.
      part (string): major, minor or patch.

    Returns:
      The new version, with a leading v if the old one has it.

    Errors:
      invalid: the text is not a version, or there is no such part.

    Example:
      semver.bump("1.2.3")  # "1.2.4"
      semver.bump("v1.2.3", "minor")  # "v1.3.0"
    """`, &bump{})

// bump is the function semver.bump.
type bump struct {
	Version string `star:"version"`
	Part    string `star:"part"`
}

func (b *bump) Compute(*effect.Env) (any, error) {
	v, err := read(b.Version)
	if err != nil {
		return nil, err
	}
	var next semver.Version
	switch b.Part {
	case "major":
		next = v.IncMajor()
	case "minor":
		next = v.IncMinor()
	case "patch":
		next = v.IncPatch()
	default:
		e := fault.New(fault.Invalid, "cannot bump the version: no part %q", b.Part).
			WithHint("the parts are major, minor and patch")
		if near := spell.Nearest(b.Part, []string{"major", "minor", "patch"}); near != "" {
			e.WithHint("did you mean %q?", near)
		}
		return nil, e
	}
	return next.Original(), nil
}
