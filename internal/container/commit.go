package container

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// CommitSpec is what an image is made of that is made of a container.
type CommitSpec struct {
	Tag     string   // name of the image
	Changes []string // lines of a Dockerfile: CMD ["/sbin/init"], USER, ENV
	Labels  map[string]string
}

// Commit makes an image of what was written in a container, which stands still meanwhile if
// it runs. Labels of the container that are not those of its image would be those of the image, and so of all
// containers of that, which whoever owns the first one would remove with it: they are
// emptied, as engines know no way to leave them away.
func (e *Engine) Commit(ctx context.Context, name string, s CommitSpec, o Owner) (Image, error) {
	c, err := e.Inspect(ctx, name)
	if err != nil {
		return Image{}, err
	}
	base, _, err := e.LookImage(ctx, c.Image) // it may have lost its name, and then its labels are not known
	if err != nil {
		return Image{}, err
	}
	labels := map[string]string{}
	for key := range c.Labels {
		if was, inherited := base.Labels[key]; !inherited || was != c.Labels[key] {
			labels[key] = ""
		}
	}
	maps.Copy(labels, o.Labels(s.Labels))
	changes := slices.Clone(s.Changes)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		line, err := labelLine(key, labels[key])
		if err != nil {
			return Image{}, err
		}
		changes = append(changes, line)
	}
	made, err := e.api.ContainerCommit(ctx, c.ID, container.CommitOptions{Reference: s.Tag, Changes: changes, Pause: true})
	if err != nil {
		return Image{}, e.fault(ctx, err, "cannot make the image %q of the container %q", s.Tag, name)
	}
	return e.InspectImage(ctx, made.ID)
}

// quoted has what ends a word of a Dockerfile between quotes, or is replaced there, escaped.
var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`)

// labelLine is the line of a Dockerfile that sets a label.
func labelLine(key, text string) (string, error) {
	if key == "" || strings.ContainsAny(key+text, "\r\n") {
		return "", fault.New(fault.Invalid, "the label %q of an image is one line, and has a name", key)
	}
	return `LABEL "` + quoted.Replace(key) + `"="` + quoted.Replace(text) + `"`, nil
}
