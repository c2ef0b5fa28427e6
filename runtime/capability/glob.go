package capability

import (
	"errors"
	"strings"
)

// glob is a pattern for a text: "*" stands for any characters, "\" takes the
// meaning from what follows.
type glob []string // the texts between the stars

func newGlob(pattern string) (glob, error) {
	g := glob{""}
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch c {
		case '*':
			if last := len(g) - 1; last == 0 || g[last] != "" { // "**" is "*"
				g = append(g, "")
			}
			continue
		case '\\':
			if i++; i == len(pattern) {
				return nil, errors.New(`it ends with a single \`)
			}
			c = pattern[i]
		}
		g[len(g)-1] += string([]byte{c})
	}
	return g, nil
}

// exact reports whether only one text matches.
func (g glob) exact() bool { return len(g) == 1 }

func (g glob) match(s string) bool {
	first, last := g[0], g[len(g)-1]
	if g.exact() {
		return s == first
	}
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range g[1 : len(g)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}

// escape returns the pattern that only s matches.
func escape(s string) string { return strings.NewReplacer(`\`, `\\`, "*", `\*`).Replace(s) }

// components is a pattern for names with components, such as paths: in one, "*"
// stands for any characters but "/", and "**" as a whole, at most once, for any
// number of components.
type components struct {
	before, after []glob
	deep          bool // there is a "**" between them
}

func newComponents(pattern string) (components, error) {
	var c components
	if pattern == "" {
		return c, nil // the workspace itself
	}
	for _, part := range strings.Split(pattern, "/") {
		switch part {
		case "":
			return c, errors.New(`it has an empty component (for all of a directory, write "dir/**")`)
		case ".", "..":
			return c, errors.New(`it has the component "` + part + `"`)
		case "**":
			if c.deep {
				return c, errors.New(`it has "**" twice`)
			}
			c.deep = true
			continue
		}
		g, err := newGlob(part)
		if err != nil {
			return c, err
		}
		if c.deep {
			c.after = append(c.after, g)
		} else {
			c.before = append(c.before, g)
		}
	}
	return c, nil
}

// match reports whether a cleaned name matches; "" has no components.
func (c components) match(name string) bool {
	var parts []string
	if name != "" {
		parts = strings.Split(name, "/")
	}
	n := len(c.before) + len(c.after)
	if len(parts) < n || len(parts) > n && !c.deep {
		return false
	}
	rest := parts[len(parts)-len(c.after):]
	return matchAll(c.before, parts) && matchAll(c.after, rest)
}

func matchAll(globs []glob, parts []string) bool {
	for i, g := range globs {
		if parts[i] == "" || parts[i] == ".." || !g.match(parts[i]) {
			return false
		}
	}
	return true
}
