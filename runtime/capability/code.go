package capability

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// An extension that writes a script, a hook of git or a manifest has code executed
// that is not restricted. A wildcard does not reach such files: a pattern has to
// name them.
const (
	scriptSuffix = ".star"
	gitDir       = ".git"
)

// onlyRead are the files that effects which write only read, by kind and by module.
var onlyRead = map[string][]string{
	"fs.copy": {"source"},
	"http":    {"ca_file", "client_cert"},

	"container.copy_to":      {"source"},
	"container.image_build":  {"dir"},
	"container.image_import": {"archive"},
	"op.archive":             {"source"},
	"op.file":                {"source"},
	"op.template":            {"source", "roots"},
	"runtime.compose":        {"file"},
	"target.put":             {"source"},
	"target.script":          {"path"},
}

// writes reports whether an effect of the kind changes the file that the argument
// names.
func writes(kind, arg string, cat Catalog) bool {
	return cat[kind].Decl().Mode == effect.Write && classOf(kind, arg) == file && options[arg] != file &&
		!slices.Contains(onlyRead[kind], arg) && !slices.Contains(onlyRead[moduleOf(kind)], arg)
}

// isCode reports whether somebody executes what is in the file of that name. The
// case of letters does not count, see script.BelowExtensions.
func isCode(form string) bool {
	parts := strings.Split(strings.ToLower(form), "/")
	last := parts[len(parts)-1]
	return strings.HasSuffix(last, scriptSuffix) || last == ManifestFile || slices.Contains(parts, gitDir)
}

// namesCode reports whether the pattern says by itself all that makes the file code.
func (c components) namesCode(form string) bool {
	parts := strings.Split(strings.ToLower(form), "/")
	last := parts[len(parts)-1]
	var end glob // of the last component; none is named by "**"
	if n := len(c.after); n > 0 {
		end = c.after[n-1]
	} else if n := len(c.before); n > 0 && !c.deep {
		end = c.before[n-1]
	}
	literal := ""
	if len(end) > 0 {
		literal = strings.ToLower(end[len(end)-1])
	}
	switch {
	case strings.HasSuffix(last, scriptSuffix) && !strings.HasSuffix(literal, scriptSuffix),
		last == ManifestFile && (!end.exact() || literal != ManifestFile):
		return false
	}
	return !slices.Contains(parts, gitDir) || c.namesGit()
}

func (c components) namesGit() bool {
	isGit := func(g glob) bool { return g.exact() && strings.EqualFold(g[0], gitDir) }
	return slices.ContainsFunc(c.before, isGit) || slices.ContainsFunc(c.after, isGit)
}

// mayWriteCode reports whether a pattern for files that are written names code.
func mayWriteCode(pattern string) bool {
	p := strings.ToLower(pattern)
	c, err := newComponents(strings.TrimLeft(p, "/"))
	return err == nil && (strings.HasSuffix(p, scriptSuffix) || p == ManifestFile || strings.HasSuffix(p, "/"+ManifestFile) || c.namesGit())
}

// maxCopied bounds how many files of a directory are looked at.
const maxCopied = 100_000

// alsoWritten returns a call for each file of code that comes to lie under another
// name with the directory that c copies or moves.
func alsoWritten(c Call, files *sandbox.Files) ([]Call, error) {
	if c.Kind != "fs.copy" && c.Kind != "fs.move" {
		return nil, nil
	}
	source, _ := starlark.AsString(c.Args["source"])
	target, _ := starlark.AsString(c.Args["target"])
	if source == "" || target == "" {
		return nil, nil
	}
	from, err := files.Resolve(source)
	if err != nil {
		return nil, nil // the effect says what is wrong with it
	}
	var calls []Call
	top, seen := from.Real(), 0
	err = filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(top, name)
		if seen++; err != nil || relErr != nil || rel == "." {
			return nil // what cannot be read cannot be copied
		}
		if seen > maxCopied {
			return fs.ErrInvalid
		}
		if rel = filepath.ToSlash(rel); isCode(rel) {
			also := Call{Kind: c.Kind, Args: map[string]starlark.Value{}}
			for arg, v := range c.Args {
				also.Args[arg] = v
			}
			also.Args["target"] = starlark.String(strings.TrimSuffix(target, "/") + "/" + rel)
			calls = append(calls, also)
		}
		return nil
	})
	return calls, err
}

// codeIn returns the first file of code that the call writes.
func codeIn(c Call, cat Catalog, paths Paths) string {
	for _, name := range sortedNames(c.Args) {
		s, ok := starlark.AsString(c.Args[name])
		if !ok || s == "" || !writes(c.Kind, name, cat) {
			continue
		}
		forms, err := paths.Forms(s)
		if err != nil {
			continue
		}
		if i := slices.IndexFunc(forms, isCode); i >= 0 {
			return forms[i]
		}
	}
	return ""
}
