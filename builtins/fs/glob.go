package fs

import (
	"context"
	"path"
	"sort"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Read(`
def glob(pattern):
    """Finds files and directories by a pattern.

    In a pattern, * stands for any characters but /, ? for one of them, [a-z]
    for one of a range, and ** as a whole component for any number of
    directories. A name that begins with a dot is found only by a component that
    begins with a dot. Links to directories are not entered.

    Args:
      pattern: relative to the workspace, such as "conf/**/*.toml".

    Returns:
      A sorted list of paths, in the form of the pattern.

    Errors:
      invalid when the pattern is malformed, permission when it is out of reach.

    Example:
      fs.write("conf/a/x.toml", "")
      fs.glob("conf/**/*.toml")
    """`, &glob{})

// glob is the effect fs.glob.
type glob struct {
	Pattern string `star:"pattern"`
}

var (
	_ effect.Validator = (*glob)(nil)
	_ effect.Describer = (*glob)(nil)
)

func (g *glob) Validate() error {
	_, parts := g.split()
	for _, part := range parts {
		if _, err := path.Match(part, ""); err != nil {
			return fault.New(fault.Invalid, "the pattern %q is malformed: %q", g.Pattern, part)
		}
		if part == ".." {
			return fault.New(fault.Invalid, "the pattern %q has .. after a wildcard", g.Pattern)
		}
	}
	return validPath("pattern", g.Pattern)
}

func (g *glob) Describe() string { return g.Pattern }

// split cuts the pattern into the directory before the first wildcard and the
// components from there.
func (g *glob) split() (base string, parts []string) {
	all := strings.Split(g.Pattern, "/")
	first := 0
	for first < len(all)-1 && !strings.ContainsAny(all[first], `*?[\`) {
		first++
	}
	base = strings.Join(all[:first], "/")
	if first > 0 && strings.Trim(base, "/") == "" { // "/x" and "//x"
		base += "/"
	}
	for _, part := range all[first:] {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	if base == "" {
		base = "."
	}
	return base, parts
}

func (g *glob) Looks(env *effect.Env) []string {
	base, _ := g.split()
	return touched(env, base)
}

func (g *glob) Perform(ctx context.Context, env *effect.Env) (any, error) {
	base, parts := g.split()
	p, err := env.Run.Files.Resolve(base)
	if err != nil {
		return nil, err
	}
	dir, err := look(env, p, true)
	if err != nil {
		return nil, err
	}
	s := search{ctx: ctx, env: env, found: map[string]bool{}}
	if err := s.match(dir, parts); err != nil {
		return nil, err
	}
	if s.unknown != nil {
		return s.unknown, nil
	}
	names := make([]string, 0, len(s.found))
	for name := range s.found {
		names = append(names, name)
	}
	sort.Strings(names)
	return names, nil
}

type search struct {
	ctx     context.Context
	env     *effect.Env
	found   map[string]bool // a set: "**/**" arrives twice
	unknown *value.Unknown  // met on the way; then the answer is not known
}

// match finds what parts name from v on.
func (s *search) match(v view, parts []string) error {
	switch {
	case v.unknown != nil:
		s.unknown = v.unknown
		return nil
	case !v.exists():
		return nil
	case len(parts) == 0:
		s.found[v.path.Name] = true
		return nil
	case v.kind != directory:
		return nil
	}
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if parts[0] == "**" && len(parts) > 1 {
		if err := s.match(v, parts[1:]); err != nil { // no directory at all
			return err
		}
	}
	entries, err := children(s.env, v)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := s.enter(e, parts); err != nil {
			return err
		}
	}
	return nil
}

func (s *search) enter(e view, parts []string) error {
	hidden := strings.HasPrefix(e.name(), ".")
	if parts[0] == "**" {
		if hidden {
			return nil
		}
		if len(parts) == 1 {
			s.found[e.path.Name] = true
		}
		if e.kind != directory && e.unknown == nil {
			return nil
		}
		return s.match(e, parts)
	}
	if ok, _ := path.Match(parts[0], e.name()); !ok || hidden && !strings.HasPrefix(parts[0], ".") {
		return nil // the pattern itself was validated
	}
	return s.match(e, parts[1:])
}
