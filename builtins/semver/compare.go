package semver

import (
	"sort"

	"github.com/Masterminds/semver/v3"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def compare(a, b):
    """Returns which of two versions is the later one.

    Metadata does not count, and a prerelease is before its release.

    Args:
      a (string): a version.
      b (string): another version.

    Returns:
      -1 if a is before b, 0 if they are equal, 1 if a is after b.

    Errors:
      invalid: one of them is not a version.

    Example:
      semver.compare("1.10.0", "1.9.0")  # 1
      semver.compare("1.0.0-rc.1", "1.0.0")  # -1
    """`, &compare{})

// compare is the function semver.compare.
type compare struct {
	A string `star:"a"`
	B string `star:"b"`
}

func (c *compare) Compute(*effect.Env) (any, error) {
	a, err := read(c.A)
	if err != nil {
		return nil, err
	}
	b, err := read(c.B)
	if err != nil {
		return nil, err
	}
	return a.Compare(b), nil
}

var _ = Module.Pure(`
def sort(versions, reverse = False):
    """Returns versions in their order, the earliest first.

    Args:
      versions (list of string): the versions.
      reverse (bool): the latest first.

    Returns:
      A new list of the same texts; equal versions stay as they were.

    Errors:
      invalid: one of them is not a version.

    Example:
      semver.sort(["v1.10", "v1.9", "v1.9.1"])  # ["v1.9", "v1.9.1", "v1.10"]
    """`, &sortAll{})

// sortAll is the function semver.sort.
type sortAll struct {
	Versions []string `star:"versions"`
	Reverse  bool     `star:"reverse"`
}

func (s *sortAll) Compute(*effect.Env) (any, error) {
	versions := make([]*semver.Version, len(s.Versions))
	for i, text := range s.Versions {
		var err error
		if versions[i], err = read(text); err != nil {
			return nil, err
		}
	}
	sort.SliceStable(versions, func(i, j int) bool {
		if s.Reverse {
			i, j = j, i
		}
		return versions[i].LessThan(versions[j])
	})
	texts := make([]string, len(versions))
	for i, v := range versions {
		texts[i] = v.Original()
	}
	return texts, nil
}

var _ = Module.Pure(`
def satisfies(version, constraint):
    """Returns whether a version meets a constraint.

    A constraint is a comparison (=, !=, >, <, >=, <=), a range (~1.2 for
    patches of 1.2, ^1.2 for what is compatible with it, 1.2 - 1.4, 1.x), several
    of them with commas for all, or with || for any. A prerelease meets only
    constraints that name one, such as >=1.0.0-0.

    Args:
      version (string): the version.
      constraint (string): the constraint.

    Returns:
      True or False.

    Errors:
      invalid: the version or the constraint is not one.

    Example:
      semver.satisfies("1.4.2", ">=1.2, <2")  # True
      semver.satisfies("2.0.0", "~1.2 || ^1.9")  # False
    """`, &satisfies{})

// satisfies is the function semver.satisfies.
type satisfies struct {
	Version    string `star:"version"`
	Constraint string `star:"constraint"`
}

func (s *satisfies) Compute(*effect.Env) (any, error) {
	v, err := read(s.Version)
	if err != nil {
		return nil, err
	}
	c, err := semver.NewConstraint(s.Constraint)
	if err != nil {
		return nil, fault.New(fault.Invalid, "cannot parse the constraint %.60q", s.Constraint).
			WithHint("write constraints such as \">=1.2, <2\", \"~1.4\", \"^2\" or \"1.x || 3.x\"")
	}
	return c.Check(v), nil
}
