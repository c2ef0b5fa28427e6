package semver

import (
	"github.com/Masterminds/semver/v3"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def parse(version):
    """Returns the parts of a version.

    A leading v is allowed, and minor and patch may be missing: "v1.2" is 1.2.0.

    Args:
      version (string): a semantic version, such as "1.2.3-rc.1+build5".

    Returns:
      A struct of major, minor, patch, prerelease and metadata (both "" when
      there is none), and text, the version written in full.

    Errors:
      invalid: the text is not a version.

    Example:
      semver.parse("v1.2.3-rc.1").prerelease  # "rc.1"
      semver.parse("1.2").text  # "1.2.0"
    """`, &parse{})

// parse is the function semver.parse.
type parse struct {
	Version string `star:"version"`
}

// version is what scripts get of a version.
type version struct {
	Major      uint64 `star:"major"`
	Minor      uint64 `star:"minor"`
	Patch      uint64 `star:"patch"`
	Prerelease string `star:"prerelease"`
	Metadata   string `star:"metadata"`
	Text       string `star:"text"`
}

func (p *parse) Compute(*effect.Env) (any, error) {
	v, err := read(p.Version)
	if err != nil {
		return nil, err
	}
	return version{v.Major(), v.Minor(), v.Patch(), v.Prerelease(), v.Metadata(), v.String()}, nil
}

func read(text string) (*semver.Version, error) {
	v, err := semver.NewVersion(text)
	if err != nil {
		if len(text) > 60 {
			text = text[:60] + "…"
		}
		return nil, fault.New(fault.Invalid, "cannot parse the version %q: %s", text, err).
			WithHint("a version is MAJOR.MINOR.PATCH, and may end with -PRERELEASE and +METADATA")
	}
	return v, nil
}
