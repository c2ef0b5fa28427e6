package container

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
)

// Labels of everything that is made.
const (
	LabelRun       = "provisioning.run"       // id of the run
	LabelPlace     = "provisioning.place"     // of the effect within the run
	LabelWorkspace = "provisioning.workspace" // directory of the workspace
	LabelSpec      = "provisioning.spec"      // what it was made of, as JSON
)

// Owner is who has something made. Its labels are how the thing is found again.
type Owner struct {
	Run       string
	Place     string
	Workspace string
}

// Labels returns the labels of what is made for the owner, and more beside them.
func (o Owner) Labels(more map[string]string) map[string]string {
	labels := maps.Clone(more)
	if labels == nil {
		labels = map[string]string{}
	}
	for name, v := range map[string]string{LabelRun: o.Run, LabelPlace: o.Place, LabelWorkspace: o.Workspace} {
		if v != "" {
			labels[name] = v
		}
	}
	return labels
}

// Owns reports whether labels are those of the owner: of the same effect of the
// same run.
func (o Owner) Owns(labels map[string]string) bool {
	return o.Run != "" && labels[LabelRun] == o.Run && labels[LabelPlace] == o.Place
}

// Name is a name for what the effect makes, if it has none: the same in every
// attempt.
func (o Owner) Name() string {
	sum := sha256.Sum256([]byte(o.Run + "\x00" + o.Place))
	return "provisioning-" + hex.EncodeToString(sum[:6])
}
