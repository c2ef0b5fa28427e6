package regexp

import (
	"regexp"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def match(pattern, text):
    """Returns the first place in a text that the pattern matches.

    The pattern may match anywhere; begin it with ^ and end it with $ to match
    the whole text.

    Args:
      pattern (string): the regular expression.
      text (string): where to look.

    Returns:
      None, or a struct of text, start, end, groups (a list of what the groups
      matched, None for those that took no part) and named (a dict of the named
      ones).

    Errors:
      invalid: the pattern is not a regular expression.

    Example:
      regexp.match("v([0-9]+)", "api-v12").groups  # ["12"]
      regexp.match("(?P<key>[a-z]+)=", "a=1").named  # {"key": "a"}
      regexp.match("x", "abc")  # None
    """`, &matchFirst{})

// matchFirst is the function regexp.match.
type matchFirst struct {
	Pattern string `star:"pattern"`
	Text    string `star:"text"`
}

// match is what scripts get of a match.
type match struct {
	Text   string         `star:"text"`
	Start  int            `star:"start"`
	End    int            `star:"end"`
	Groups []any          `star:"groups"`
	Named  *starlark.Dict `star:"named"`
}

func (m *matchFirst) Compute(*effect.Env) (any, error) {
	re, err := compile(m.Pattern)
	if err != nil {
		return nil, err
	}
	at := re.FindStringSubmatchIndex(m.Text)
	if at == nil {
		return nil, nil
	}
	return matchAt(re, m.Text, at), nil
}

func matchAt(re *regexp.Regexp, text string, at []int) match {
	m := match{Text: text[at[0]:at[1]], Start: at[0], End: at[1], Groups: []any{}, Named: new(starlark.Dict)}
	for i, name := range re.SubexpNames()[1:] {
		var group any
		var v starlark.Value = starlark.None
		if start := at[2*i+2]; start >= 0 {
			s := text[start:at[2*i+3]]
			group, v = s, starlark.String(s)
		}
		m.Groups = append(m.Groups, group)
		if name != "" {
			_ = m.Named.SetKey(starlark.String(name), v) // a string key of a fresh dict cannot fail
		}
	}
	return m
}

var _ = Module.Pure(`
def find_all(pattern, text, count = 0):
    """Returns all places in a text that the pattern matches.

    Args:
      pattern (string): the regular expression.
      text (string): where to look.
      count (int): how many at most; 0 for all.

    Returns:
      A list of structs as of regexp.match; they do not overlap.

    Errors:
      invalid: the pattern is not a regular expression.

    Example:
      [m.text for m in regexp.find_all("[0-9]+", "1, 22, 333", count = 2)]  # ["1", "22"]
    """`, &findAll{})

// findAll is the function regexp.find_all.
type findAll struct {
	Pattern string `star:"pattern"`
	Text    string `star:"text"`
	Count   int    `star:"count"`
}

func (f *findAll) Compute(*effect.Env) (any, error) {
	re, err := compile(f.Pattern)
	if err != nil {
		return nil, err
	}
	matches := []match{}
	for _, at := range re.FindAllStringSubmatchIndex(f.Text, limit(f.Count)) {
		matches = append(matches, matchAt(re, f.Text, at))
	}
	return matches, nil
}

// limit is the count of a script in the terms of Go, where -1 means all.
func limit(count int) int {
	if count <= 0 {
		return -1
	}
	return count
}
