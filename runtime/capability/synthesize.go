package capability

import (
	"net/url"
	"path"
	"sort"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// manySiblings is from how many files of one directory on, in entries that are
// otherwise the same, the directory is asked for instead.
const manySiblings = 4

// Synthesize returns the smallest list of entries that allows the calls: without
// any one of them, some call would be refused. Only where the same was done with
// many files of a directory does it allow more than what was done. Its order does
// not depend on that of the calls. The values of secrets do not appear in it, but
// decide what matches. never are the calls that no entry can allow.
func Synthesize(calls []Call, cat Catalog, paths Paths, secrets *value.Secrets) (entries []Capability, never []Never, err error) {
	unique := map[string]Capability{}
	samples := map[string]Call{} // by the entry that was made for it
	for i, call := range calls {
		if effect.Bookkeeping(call.Kind) || cat[call.Kind] == nil {
			continue
		}
		plain, err := inTheClear(call, secrets)
		if err != nil {
			return nil, nil, err
		}
		c := exactly(call, cat, paths)
		if c.compile(cat) != nil || c.allows(plain, cat, paths) != Yes {
			never = append(never, neverFor(i, c, call, plain, cat, paths))
			continue
		}
		unique[c.String()], samples[c.String()] = c, plain
	}
	var seen []Call
	for _, key := range sortedNames(unique) {
		entries, seen = append(entries, unique[key]), append(seen, samples[key])
	}
	general := generalise(entries)
	for i := range general {
		if err := general[i].compile(cat); err != nil {
			return nil, nil, err
		}
	}
	entries = needed(append(general, entries...), seen, cat, paths)
	sort.Slice(entries, func(i, j int) bool { return entries[i].String() < entries[j].String() })
	return entries, never, nil
}

// Never is a call that no entry can allow.
type Never struct {
	Index  int    // among the calls
	Arg    string // the argument that is why; "" when it is not one alone
	Reason string
}

// neverFor finds the argument of a call that the entry made for it does not match.
func neverFor(index int, c Capability, call, plain Call, cat Catalog, paths Paths) Never {
	if err := c.compile(cat); err != nil {
		for _, name := range sortedNames(c.Args) {
			alone := Capability{Effect: c.Effect, Args: map[string]any{name: c.Args[name]}}
			if err := alone.compile(cat); err != nil {
				return Never{index, name, whyNever(classOf(c.Effect, name), call.Args[name], plain.Args[name], err.Msg)}
			}
		}
		return Never{index, "", err.Msg}
	}
	args := effective(plain, cat)
	cwd, _ := starlark.AsString(plain.Args["_cwd"])
	for _, name := range sortedNames(args) {
		match, named := c.rules[c.Effect][name]
		where := paths
		if classOf(c.Effect, name) == command {
			where = fromDirectory{paths, cwd}
		}
		if named && match(args[name], where) != Yes {
			return Never{index, name, whyNever(classOf(c.Effect, name), call.Args[name], args[name], "no pattern matches it")}
		}
	}
	return Never{index, "", "no pattern matches its arguments"}
}

// whyNever says what keeps patterns from an argument. It never shows a value: there
// may be a secret in it.
func whyNever(c class, given, plain starlark.Value, otherwise string) string {
	text, isText := starlark.AsString(plain)
	switch {
	case c == command && isText && hasSecret(given):
		return "the text for the shell has a secret in it: pass that by _env or stdin"
	case c == command && isText:
		return "the text for the shell matches no pattern: give the command as a list of words"
	case c == command && hasSecret(given):
		return "a secret decides which program is executed, or is an option of it"
	case c == address && isText:
		u, err := url.Parse(text)
		switch {
		case err != nil:
			return "it is no URL that can be read"
		case u.User != nil:
			return "the URL has a user in it: pass user and password"
		case !plainHost(strings.ToLower(u.Hostname())):
			return "the host of the URL is not ASCII"
		case hasSecret(given):
			return "the URL has a secret in it: pass that as a header or a parameter"
		}
		return "servers read the path of the URL in different ways (.., //, or an encoded slash)"
	case hasSecret(given):
		return "it has a secret in it"
	}
	return otherwise
}

// hasSecret reports whether a value holds a secret, or the mark of one.
func hasSecret(v starlark.Value) bool {
	if v == nil {
		return false
	}
	found := false
	_, _ = value.Map(v, func(v starlark.Value) (starlark.Value, error) { // it is only looked at
		switch x := v.(type) {
		case *value.Secret:
			found = true
		case starlark.String:
			found = found || value.HasMarker(string(x))
		}
		return v, nil
	})
	return found
}

// inTheClear returns the call with its secrets expanded, as the door shows it to
// a guard.
func inTheClear(call Call, secrets *value.Secrets) (Call, error) {
	plain := Call{Kind: call.Kind, Args: map[string]starlark.Value{}}
	for name, v := range call.Args {
		expanded, err := value.Map(v, func(v starlark.Value) (starlark.Value, error) {
			switch v := v.(type) {
			case *value.Secret:
				return starlark.String(secrets.Plain(v)), nil
			case starlark.String:
				text, err := secrets.Expand(string(v))
				return starlark.String(text), err
			}
			return v, nil
		})
		if err != nil {
			return plain, err
		}
		plain.Args[name] = expanded
	}
	return plain, nil
}

// needed leaves out entries that the calls can do without, the last ones first.
func needed(entries []Capability, calls []Call, cat Catalog, paths Paths) []Capability {
	by := make([]int, len(calls)) // how many entries allow the call
	allow := make([][]int, len(entries))
	for i := range entries {
		for j, call := range calls {
			if entries[i].allows(call, cat, paths) == Yes {
				allow[i] = append(allow[i], j)
				by[j]++
			}
		}
	}
	var kept []Capability
	for i := len(entries) - 1; i >= 0; i-- {
		spare := true
		for _, j := range allow[i] {
			spare = spare && by[j] > 1
		}
		if !spare {
			kept = append(kept, entries[i])
			continue
		}
		for _, j := range allow[i] {
			by[j]--
		}
	}
	return kept
}

// exactly returns the entry that allows the call and, as far as patterns can say
// it, nothing else.
func exactly(call Call, cat Catalog, paths Paths) Capability {
	c := Capability{Effect: call.Kind, Args: map[string]any{}}
	for name, v := range effective(call, cat) {
		if dispensable(call.Kind, name, v, cat) {
			continue
		}
		c.Args[name] = patternFor(classOf(call.Kind, name), v, paths)
	}
	return c
}

func patternFor(c class, v starlark.Value, paths Paths) any {
	switch dict, isDict := v.(*starlark.Dict); {
	case c == headers && isDict:
		return variables(boundHeaders(dict))
	case c == environ:
		return variables(v)
	case c == machines:
		return machinesPattern(v)
	}
	switch v := v.(type) {
	case starlark.Bool:
		return bool(v)
	case starlark.Int:
		if n, ok := v.Int64(); ok && c == text {
			return n
		}
	case starlark.Float:
		return float64(v)
	case *value.Secret:
		return "*"
	case starlark.String:
		return textPattern(c, string(v), paths)
	}
	words, ok := wordsOf(v)
	if !ok {
		return "*"
	}
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = wordPattern(c, w, i == 0, paths)
	}
	return list
}

func textPattern(c class, s string, paths Paths) string {
	switch {
	case value.HasMarker(s):
		return markedPattern(s)
	case c == file, c == wildcard:
		formsOf := paths.Forms
		if c == wildcard {
			formsOf = paths.WildForms
		}
		if forms, err := formsOf(s); err == nil {
			return namePattern(forms[0])
		}
	case c == address:
		rest, _, _ := strings.Cut(s, "#")
		rest, _, _ = strings.Cut(rest, "?")
		return rest
	case c == secret && strings.HasPrefix(s, "file://"):
		if forms, err := paths.Forms(strings.TrimPrefix(s, "file://")); err == nil {
			return "file://" + namePattern(forms[0])
		}
	}
	return escape(s)
}

// namePattern is the pattern that only this file matches.
func namePattern(form string) string {
	if form == "" {
		return "."
	}
	return escape(form)
}

// markedPattern is for a text that has secrets in it.
func markedPattern(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, value.MarkOpen)
		if i < 0 {
			return b.String() + escape(s)
		}
		b.WriteString(escape(s[:i]) + "*")
		j := strings.Index(s[i:], value.MarkClose)
		if j < 0 {
			return b.String()
		}
		s = s[i+j+len(value.MarkClose):]
	}
}

func wordPattern(c class, v starlark.Value, first bool, paths Paths) any {
	s, ok := starlark.AsString(v)
	if !ok {
		if _, isSecret := v.(*value.Secret); isSecret {
			return "*"
		}
		s = v.String()
	}
	if c != command {
		return textPattern(c, s, paths)
	}
	if value.HasMarker(s) {
		return markedPattern(s)
	}
	p := escape(s)
	if !first && (strings.HasPrefix(p, "path:") || strings.HasPrefix(p, "url:")) {
		p = `\` + p
	}
	return p
}

func variables(v starlark.Value) any {
	dict, ok := v.(*starlark.Dict)
	if !ok {
		return []any{}
	}
	var list []any
	for _, kv := range dict.Items() {
		name, _ := starlark.AsString(kv[0])
		val, isText := starlark.AsString(kv[1])
		if !isText {
			val = kv[1].String()
		}
		if _, isSecret := kv[1].(*value.Secret); isSecret || value.HasMarker(val) {
			list = append(list, name)
			continue
		}
		list = append(list, name+"="+escape(val))
	}
	sort.Slice(list, func(i, j int) bool { return list[i].(string) < list[j].(string) })
	return list
}

// generalise returns entries for directories in which the same was done with many
// files.
func generalise(entries []Capability) []Capability {
	groups := map[string][]string{} // by the entry without one of its files
	entry := map[string]Capability{}
	arg := map[string]string{}
	for _, c := range entries {
		for name, p := range c.Args {
			s, ok := p.(string)
			if !ok || classOf(c.Effect, name) != file || !strings.Contains(s, "/") {
				continue
			}
			rest := c.without(name)
			key := rest.String() + "\x00" + name
			groups[key] = append(groups[key], s)
			entry[key], arg[key] = rest, name
		}
	}
	var general []Capability
	for _, key := range sortedNames(groups) {
		for _, pattern := range directories(groups[key]) {
			c := entry[key].without("")
			c.Args[arg[key]] = pattern
			general = append(general, c)
		}
	}
	return general
}

func (c Capability) without(arg string) Capability {
	rest := Capability{Effect: c.Effect, Args: map[string]any{}}
	for name, p := range c.Args {
		if name != arg {
			rest.Args[name] = p
		}
	}
	return rest
}

// directories returns the patterns for the directories, as deep as can be, that
// hold many of the files. The workspace as a whole is never one of them.
func directories(files []string) []string {
	direct := map[string]int{}
	for _, f := range files {
		if dir := path.Dir(f); dir != "/" {
			direct[dir]++
		}
	}
	var patterns []string
	alone := map[string]int{} // directories with few files, by the one above them
	for _, dir := range sortedNames(direct) {
		if direct[dir] >= manySiblings {
			patterns = append(patterns, dir+"/*")
		} else if above := path.Dir(dir); above != "." && above != "/" {
			alone[above] += direct[dir]
		}
	}
	for _, dir := range sortedNames(alone) {
		if alone[dir] >= manySiblings {
			patterns = append(patterns, dir+"/**")
		}
	}
	return patterns
}
