package inspect

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/capability"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

const readme = "README.md"

// lookAtManifest looks at the files that a taskserv has to have, at its names, and at
// what it asks for.
func (i *inspection) lookAtManifest() {
	text, ok := i.texts[capability.ManifestFile]
	if !ok {
		i.wrong(structure, i.problem(recipe.Script, 1, 0, "there is no "+capability.ManifestFile+" beside "+recipe.Script, "provisioning generate taskserv NAME writes one"))
		return
	}
	if _, ok := i.texts[readme]; !ok {
		i.wrong(structure, i.problem(capability.ManifestFile, 1, 0, "there is no "+readme, "say in it what the taskserv does, what can be configured, and what a backup has in it"))
	}
	m, err := capability.ParseManifest(text, i.tools.Effects)
	if err != nil {
		i.wrong(structure, i.badManifest(err))
		return
	}
	id := m.Extension
	if id.Type != "taskserv" {
		i.wrong(structure, i.manifest("extension.type", fmt.Sprintf("extension.type is %q: that of a taskserv is \"taskserv\"", id.Type), ""))
	}
	if base := path.Base(i.dir); id.Name != base {
		i.wrong(structure, i.manifest("extension.name", fmt.Sprintf("extension.name is %q, but the directory is %q", id.Name, base), "give them the same name"))
	}
	if r := i.recipe; r != nil {
		if base := path.Base(i.dir); r.Name != base {
			i.wrong(structure, i.declared("name", fmt.Sprintf("the recipe is called %q, its directory %q", r.Name, base), "give them the same name"))
		}
		if id.Version != r.Version {
			i.wrong(structure, i.manifest("extension.version", fmt.Sprintf("extension.version is %s, but the recipe declares %s", id.Version, r.Version), "give both the version of the recipe"))
		}
	}
	i.audit(m)
}

// manifest makes a problem about a key of the manifest.
func (i *inspection) manifest(key, message, hint string) Problem {
	at, col := 1, 0
	if doc, err := document.Read(capability.ManifestFile, string(i.texts[capability.ManifestFile]), nil); err == nil {
		for ; key != ""; key = parent(key) { // one that is missing is a mistake of its table
			if pos, ok := doc.At[key]; ok {
				at, col = pos.Line, pos.Col
				break
			}
		}
	}
	return i.problem(capability.ManifestFile, at, col, message, hint)
}

func parent(key string) string {
	if n := strings.LastIndexAny(key, ".["); n > 0 {
		return key[:n]
	}
	return ""
}

var (
	placed   = regexp.MustCompile(`^(\d+):(\d+): (.*)`)
	namesKey = regexp.MustCompile(`^ ?(extension\.\w+|capabilities\[\d+\])`)
)

func (i *inspection) badManifest(err error) Problem {
	e := fault.As(err)
	if m := placed.FindStringSubmatch(e.Msg); m != nil {
		at, _ := strconv.Atoi(m[1])
		col, _ := strconv.Atoi(m[2])
		return i.problem(capability.ManifestFile, at, col, m[3], e.Hint)
	}
	key := strings.TrimSpace(namesKey.FindString(e.Msg))
	return i.manifest(key, strings.TrimSpace(e.Msg), e.Hint)
}

// audit compares what an extension asks for with what its code does. What is built in
// asks for nothing.
func (i *inspection) audit(m *capability.Manifest) {
	if i.Disk == "" || m.Extension.Name != path.Base(i.dir) {
		return
	}
	report, err := capability.Audit(i.Disk, i.tools.Effects, i.tools.Lint(true, i.Place.Module), i.tools.Library)
	if err != nil { // why has been said of the scripts
		return
	}
	for n, asked := range report.Asks {
		if !asked.Used {
			i.warn(structure, i.manifest(fmt.Sprintf("capabilities[%d].effect", n), fmt.Sprintf("it asks for %s, which no script needs", asked.Effect), "take it out: less to grant is less to trust"))
		}
	}
	for _, use := range report.Uses {
		if use.Asked == capability.AskedNo && use.Via == "" {
			i.wrong(structure, i.problem(use.File, use.Line, use.Col, fmt.Sprintf("%s is not among what %s asks for", use.Effect, capability.ManifestFile),
				fmt.Sprintf("add [[capabilities]] with effect = %q and patterns for its arguments; see: provisioning extension audit %s", use.Effect, i.dir)))
		}
	}
}
