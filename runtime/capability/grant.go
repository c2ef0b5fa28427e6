package capability

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/pelletier/go-toml/v2"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
)

// Grant is what a workspace allows an extension, in config/provisioning.toml:
//
//	[extensions.git-tools]
//	grant = "manifest"      # all that the manifest asks for …
//	hash = "sha256:…"       # … as long as it asks for just that
//
// or, of what the manifest asks for, only what these allow too:
//
//	[[extensions.git-tools.allow]]
//	effect = "fs.read"
//	args.path = "templates/**"
type Grant struct {
	Grant string       `toml:"grant,omitempty"`
	Hash  string       `toml:"hash,omitempty"`
	Allow []Capability `toml:"allow,omitempty"`
}

const wholeManifest = "manifest"

var grantKeys = append([]string{"grant", "hash", "allow"}, capabilityKeys...)

// ReadGrants reads the grants of the workspace at root, by extension.
func ReadGrants(root string, cat Catalog) (map[string]Grant, error) {
	data, err := os.ReadFile(filepath.Join(root, workspace.Marker))
	if errors.Is(err, os.ErrNotExist) { // a directory that is used without being a workspace
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot read the configuration of the workspace")
	}
	grants, err := ParseGrants(data, cat)
	if err != nil {
		e := *fault.As(err)
		e.Msg = filepath.Join(root, workspace.Marker) + ":" + e.Msg
		return nil, &e
	}
	return grants, nil
}

// ParseGrants reads the section "extensions" of a configuration.
func ParseGrants(data []byte, cat Catalog) (map[string]Grant, error) {
	var whole map[string]any
	if err := toml.Unmarshal(data, &whole); err != nil {
		return nil, fault.New(fault.Config, " it is not valid TOML")
	}
	section, ok := whole["extensions"]
	if !ok {
		return nil, nil
	}
	// By itself, so that the keys of other sections need not be known here.
	text, err := toml.Marshal(map[string]any{"extensions": section})
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, " cannot read the section extensions")
	}
	var read struct {
		Extensions map[string]Grant `toml:"extensions"`
	}
	if err := decodeStrict(text, &read, grantKeys); err != nil {
		e := *fault.As(err)
		if _, msg, found := cutPosition(e.Msg); found { // of the copy
			e.Msg = msg
		}
		return nil, &e
	}
	for name, g := range read.Extensions {
		if err := g.check(name, cat); err != nil {
			return nil, err
		}
	}
	return read.Extensions, nil
}

func (g Grant) check(name string, cat Catalog) error {
	switch {
	case !workspace.ValidName(name):
		return fault.New(fault.Config, " [extensions.%s]: that is no name of an extension", name)
	case g.Grant != "" && g.Grant != wholeManifest:
		return fault.New(fault.Config, " [extensions.%s]: grant is %q: it must be \"manifest\", or left out", name, g.Grant)
	case g.Grant != "" && len(g.Allow) > 0:
		return fault.New(fault.Config, " [extensions.%s]: it has both grant and allow: which of them counts?", name)
	case g.Grant == "" && g.Hash != "":
		return fault.New(fault.Config, " [extensions.%s]: a hash belongs to grant = \"manifest\"", name)
	}
	return compileAll(g.Allow, cat, "extensions."+name+".allow")
}

// cutPosition takes "12:3: " from the beginning of a message.
func cutPosition(msg string) (pos, rest string, ok bool) {
	i := 0
	for colons := 0; i < len(msg) && colons < 2; i++ {
		if msg[i] == ':' {
			colons++
		} else if msg[i] < '0' || msg[i] > '9' {
			return "", msg, false
		}
	}
	return msg[:i], msg[i:], i < len(msg)
}

// State is how the grant of a workspace stands to what an extension asks for.
type State string

const (
	Granted     State = "granted"     // all of it
	Partly      State = "partly"      // what explicit entries allow
	Changed     State = "changed"     // it asks for something else by now
	NotGranted  State = "not granted" // nothing
	AsksNothing State = "asks for nothing"
	NotUnique   State = "not unique" // another extension has its name, and both may do nothing
	Broken      State = "invalid"    // its manifest cannot be read
)

// StateOf says how a grant stands to the manifest.
func (g Grant) StateOf(m *Manifest) State {
	switch {
	case len(m.Capabilities) == 0:
		return AsksNothing
	case len(g.Allow) > 0:
		return Partly
	case g.Grant != wholeManifest:
		return NotGranted
	case g.Hash != Fingerprint(m.Capabilities):
		return Changed
	}
	return Granted
}
