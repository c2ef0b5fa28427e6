package capability

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/pelletier/go-toml/v2"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// ManifestFile is the file that makes a directory an extension.
const ManifestFile = "extension.toml"

// Manifest is what an extension says of itself, and asks for.
type Manifest struct {
	Extension    Identity     `toml:"extension"`
	Capabilities []Capability `toml:"capabilities"`
}

// Identity says which extension it is.
type Identity struct {
	Name        string `toml:"name" json:"name"`
	Type        string `toml:"type" json:"type"`
	Version     string `toml:"version" json:"version"`
	Description string `toml:"description" json:"description,omitempty"`
}

// Types are the types of extensions.
var Types = []string{"provider", "taskserv", "cluster", "workflow", "template"}

const (
	maxManifest     = 1 << 20 // bytes
	maxCapabilities = 1000
)

// ReadManifest reads the manifest of the extension in dir.
func ReadManifest(dir string, cat Catalog) (*Manifest, error) {
	file := filepath.Join(dir, ManifestFile)
	info, err := os.Stat(file)
	if err == nil && info.Size() > maxManifest {
		return nil, fault.New(fault.Config, "%s is larger than %d bytes", file, maxManifest)
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "there is no %s in %s", ManifestFile, dir)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot read the manifest")
	}
	m, err := ParseManifest(data, cat)
	if err != nil {
		e := *fault.As(err)
		e.Msg = file + ":" + e.Msg
		return nil, &e
	}
	if base := filepath.Base(dir); m.Extension.Name != base {
		return nil, fault.New(fault.Config, "%s: the name is %q, but the directory is %q", file, m.Extension.Name, base).
			WithHint("grants go by the name, so both have to be the same")
	}
	return m, nil
}

// ParseManifest reads a manifest. Its errors begin with line and column, where
// they have one.
func ParseManifest(data []byte, cat Catalog) (*Manifest, error) {
	m := &Manifest{}
	if err := decodeStrict(data, m, manifestKeys); err != nil {
		return nil, err
	}
	id := m.Extension
	switch {
	case !workspace.ValidName(id.Name):
		return nil, fault.New(fault.Config, " extension.name is %q: it must be lower case letters, digits, - and _", id.Name)
	case !slices.Contains(Types, id.Type):
		return nil, nearest(fault.New(fault.Config, " extension.type is %q", id.Type), id.Type, Types)
	}
	if _, err := semver.StrictNewVersion(id.Version); err != nil {
		return nil, fault.New(fault.Config, " extension.version is %q: it must be a version such as 1.2.0", id.Version)
	}
	return m, compileAll(m.Capabilities, cat, "capabilities")
}

var (
	capabilityKeys = []string{"effect", "mode", "why", "args"}
	manifestKeys   = append([]string{"extension", "capabilities", "name", "type", "version", "description"}, capabilityKeys...)
)

// decodeStrict decodes TOML in which every key is known.
func decodeStrict(data []byte, into any, keys []string) error {
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(into)
	var unknown *toml.StrictMissingError
	var bad *toml.DecodeError
	switch {
	case errors.As(err, &unknown) && len(unknown.Errors) > 0:
		first := unknown.Errors[0]
		row, col := first.Position()
		key := first.Key()
		e := fault.New(fault.Config, "%d:%d: unknown key %q", row, col, strings.Join(key, "."))
		return nearest(e, key[len(key)-1], keys)
	case errors.As(err, &bad):
		row, col := bad.Position()
		return fault.New(fault.Config, "%d:%d: %s", row, col, strings.TrimPrefix(bad.Error(), "toml: "))
	case err != nil:
		return fault.New(fault.Config, " %s", strings.TrimPrefix(err.Error(), "toml: "))
	}
	return nil
}

// nearest adds the name that was probably meant, and those that there are.
func nearest(e *fault.Error, given string, names []string) *fault.Error {
	if near := spell.Nearest(given, names); near != "" {
		e.Msg += fmt.Sprintf(" (did you mean %q?)", near)
	}
	if len(names) <= 20 {
		return e.WithHint("it is one of %s", strings.Join(names, ", "))
	}
	return e
}

// compileAll reads the patterns of entries. where is how errors call the list.
func compileAll(entries []Capability, cat Catalog, where string) error {
	if len(entries) > maxCapabilities {
		return fault.New(fault.Config, " there are %d %s; at most %d are allowed", len(entries), where, maxCapabilities)
	}
	for i := range entries {
		if err := entries[i].compile(cat); err != nil {
			e := *err
			e.Msg = fmt.Sprintf(" %s[%d] %s: %s", where, i, entries[i].Effect, e.Msg)
			return &e
		}
	}
	return nil
}

// compile reads the patterns for every kind of effect that the entry is about.
func (c *Capability) compile(cat Catalog) *fault.Error {
	kinds := cat.matching(c.Effect)
	if len(kinds) == 0 {
		e := fault.New(fault.Config, "there is no such effect")
		if near := spell.Nearest(c.Effect, cat.Kinds()); near != "" {
			e.Msg += fmt.Sprintf(" (did you mean %q?)", near)
		}
		return e.WithHint("name an effect, such as \"fs.read\", or all of a module, such as \"fs.*\"")
	}
	if c.Mode != "" && c.Mode != effect.Read.String() && c.Mode != effect.Write.String() {
		return fault.New(fault.Config, "mode is %q: it must be \"read\" or \"write\", or left out", c.Mode)
	}
	c.rules = map[string]rule{}
	for _, kind := range kinds {
		if c.Mode == "" || cat[kind].Decl().Mode.String() == c.Mode {
			c.rules[kind] = rule{}
		}
	}
	if len(c.rules) == 0 {
		return fault.New(fault.Config, "it is no %s", c.Mode)
	}
	for _, name := range sortedNames(c.Args) {
		if err := c.compileArg(name, cat); err != nil {
			return err
		}
	}
	return nil
}

// matching returns the kinds that the name of an effect stands for, sorted.
func (c Catalog) matching(name string) []string {
	module, all := strings.CutSuffix(name, ".*")
	var kinds []string
	for _, kind := range c.Kinds() {
		if kind == name || all && module != "" && moduleOf(kind) == module {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

func (c *Capability) compileArg(name string, cat Catalog) *fault.Error {
	var known []string
	used := false
	for kind, rule := range c.rules {
		_, isOption := options[name]
		if !isOption && !slices.Contains(cat[kind].Params(), name) {
			known = append(known, cat[kind].Params()...)
			continue
		}
		class := classOf(kind, name)
		if writes(kind, name, cat) {
			class = written
		}
		match, err := newMatcher(class, c.Args[name])
		if err != nil {
			return fault.New(fault.Config, "args.%s: %v", name, err)
		}
		rule[name], used = match, true
	}
	if used {
		return nil
	}
	known = append(known, sortedNames(options)...)
	slices.Sort(known)
	return nearest(fault.New(fault.Config, "it has no argument %q", name), name, slices.Compact(known))
}

// Fingerprint is the same for entries that allow the same, in whatever order, and
// whatever reasons they give.
func Fingerprint(entries []Capability) string {
	lines := make([]string, 0, len(entries))
	for _, c := range entries {
		c.Why = ""
		line, err := json.Marshal(c)
		if err != nil { // an infinite number: no pattern has one
			line = fmt.Appendf(nil, "%v", c.Args)
		}
		lines = append(lines, string(line))
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(lines), "\n")))
	return "sha256:" + hex.EncodeToString(sum[:])
}
