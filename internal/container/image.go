package container

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Image is an image as its engine describes it.
type Image struct {
	ID      string            `star:"id" json:"id"`
	Tags    []string          `star:"tags" json:"tags"`
	Digests []string          `star:"digests" json:"digests"` // by which registries know it
	Size    int64             `star:"size" json:"size"`
	Created time.Time         `star:"created" json:"created"`
	Labels  map[string]string `star:"labels" json:"labels"`
	Command []string          `star:"command" json:"command"`
	Arch    string            `star:"arch" json:"arch"`
}

// Name is the first tag of the image, else its id.
func (i Image) Name() string {
	if len(i.Tags) > 0 {
		return i.Tags[0]
	}
	return i.ID
}

// ValidImage refuses what can be no name of an image. The engine looks closer.
func ValidImage(ref string) error {
	if len(ref) <= 255 && plain(ref, "_.:/@-") {
		return nil
	}
	return fault.New(fault.Invalid, "%q is no name of an image", ref).WithHint("as in registry.example.com/team/web:1.4")
}

// InspectImage describes an image; one that is not there is an error of the kind
// not_found.
func (e *Engine) InspectImage(ctx context.Context, ref string) (Image, error) {
	i, found, err := e.LookImage(ctx, ref)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "the engine has no image %q", ref).WithHint("container.image_pull(%q) fetches one", ref)
	}
	return i, err
}

// LookImage is as InspectImage, and says whether there is one.
func (e *Engine) LookImage(ctx context.Context, ref string) (i Image, found bool, err error) {
	r, err := e.api.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return Image{}, false, nil
	}
	if err != nil {
		return Image{}, false, looked(e.fault(ctx, err, "cannot look at the image %q", ref))
	}
	i = Image{
		ID: r.ID, Tags: named(r.RepoTags), Digests: named(r.RepoDigests), Size: r.Size, Created: parseTime(r.Created),
		Arch: r.Architecture, Command: []string{}, Labels: map[string]string{},
	}
	if r.Config != nil {
		i.Command = append(append(i.Command, r.Config.Entrypoint...), r.Config.Cmd...)
		if r.Config.Labels != nil {
			i.Labels = r.Config.Labels
		}
	}
	return i, true, nil
}

// named leaves out the names that engines invent for images without one.
func named(names []string) []string {
	kept := []string{}
	for _, name := range names {
		if !strings.HasPrefix(name, "<none>") {
			kept = append(kept, name)
		}
	}
	return kept
}

// Images describes images, sorted by name.
func (e *Engine) Images(ctx context.Context, f Filter) ([]Image, error) {
	found, err := e.api.ImageList(ctx, image.ListOptions{Filters: f.args()})
	if err != nil {
		return nil, looked(e.fault(ctx, err, "cannot list the images"))
	}
	all := make([]Image, 0, len(found))
	for _, s := range found {
		i := Image{
			ID: s.ID, Tags: named(s.RepoTags), Digests: named(s.RepoDigests), Size: s.Size, Created: time.Unix(s.Created, 0).UTC(),
			Labels: s.Labels, Command: []string{},
		}
		if i.Labels == nil {
			i.Labels = map[string]string{}
		}
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b Image) int { return cmp.Or(strings.Compare(a.Name(), b.Name()), strings.Compare(a.ID, b.ID)) })
	return all, nil
}

// TagImage gives an image another name.
func (e *Engine) TagImage(ctx context.Context, from, to string) error {
	if err := e.api.ImageTag(ctx, from, to); err != nil {
		return e.fault(ctx, err, "cannot tag the image %q as %q", from, to)
	}
	return nil
}

// RemoveImage removes a tag of an image, and the image with the last one. force
// removes it although it has several tags. removed is false when there is none.
func (e *Engine) RemoveImage(ctx context.Context, ref string, force bool) (removed bool, err error) {
	_, err = e.api.ImageRemove(ctx, ref, image.RemoveOptions{Force: force, PruneChildren: true})
	if err == nil || errdefs.IsNotFound(err) {
		return err == nil, nil
	}
	f := e.fault(ctx, err, "cannot remove the image %q", ref)
	if errdefs.IsConflict(err) {
		return false, f.WithHint("a container uses it, or it has several tags (force = True)")
	}
	return false, f
}

// Login is who a registry is asked as.
type Login struct {
	User     string
	Password string
	Server   string // "": that of the image
}

// header is how the engine is told.
func (l Login) header() string {
	if l == (Login{}) {
		return ""
	}
	data, _ := json.Marshal(map[string]string{"username": l.User, "password": l.Password, "serveraddress": l.Server}) // strings always have a JSON
	return base64.URLEncoding.EncodeToString(data)
}

// Pull fetches an image from its registry. progress, which may be nil, is called
// with a line whenever there is something new to say.
func (e *Engine) Pull(ctx context.Context, ref string, as Login, progress func(line string)) (Image, error) {
	if !strings.Contains(ref[strings.LastIndex(ref, "/")+1:], ":") && !strings.Contains(ref, "@") {
		ref += ":latest" // else the engine pulls all tags
	}
	r, err := e.api.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: as.header()})
	if err == nil {
		_, err = messages(r, progress)
		_ = r.Close()
	}
	if err != nil {
		return Image{}, e.pullFault(ctx, err, ref, as)
	}
	return e.InspectImage(ctx, ref)
}

func (e *Engine) pullFault(ctx context.Context, err error, ref string, as Login) error {
	f := e.fault(ctx, err, "cannot pull the image %q", ref)
	text := err.Error()
	switch {
	case strings.Contains(text, "unauthorized"), strings.Contains(text, "no basic auth"), strings.Contains(text, "access to the resource is denied"), strings.Contains(text, "authentication required"):
		f.Kind = fault.Permission
		if as == (Login{}) {
			return f.WithHint("the registry asks who you are, or has no such image: give user and password")
		}
		return f.WithHint("the registry does not let %q in, or has no such image", as.User)
	case strings.Contains(text, "not found"), strings.Contains(text, "manifest unknown"):
		f.Kind = fault.NotFound
		return f.WithHint("the registry has no such image, or no such tag")
	case strings.Contains(text, "no such host"), strings.Contains(text, "connection refused"), strings.Contains(text, "i/o timeout"):
		f.Kind = fault.Network
		return f.WithHint("the engine, not this program, fetches images: it has to reach the registry")
	case strings.Contains(text, "HTTP response to HTTPS client"):
		return f.WithHint("the registry speaks no TLS: list it under insecure-registries in the engine's daemon.json")
	}
	return f
}

// Import makes an image of a root file system, as a tar. changes are lines of a
// Dockerfile: CMD ["/bin/sh"], LABEL, ENV.
func (e *Engine) Import(ctx context.Context, rootfs io.Reader, ref string, changes []string) (Image, error) {
	r, err := e.api.ImageImport(ctx, image.ImportSource{Source: rootfs, SourceName: "-"}, ref, image.ImportOptions{Changes: changes})
	if err == nil {
		_, err = messages(r, nil)
		_ = r.Close()
	}
	if err != nil {
		return Image{}, e.fault(ctx, err, "cannot import the image %q", ref)
	}
	return e.InspectImage(ctx, ref)
}

// message is one of those that engines send while they work.
type message struct {
	Stream   string `json:"stream"`
	Status   string `json:"status"`
	ID       string `json:"id"`
	Error    string `json:"error"`
	Progress struct {
		Current int64 `json:"current"`
		Total   int64 `json:"total"`
	} `json:"progressDetail"`
	Aux struct {
		ID string `json:"ID"`
	} `json:"aux"`
}

// maxMessage bounds a line that an engine sends.
const maxMessage = 1 << 20

// messages reads what an engine says while it works, to the end. It returns the id
// of what was made, if that was said, and the error that was.
func messages(from io.Reader, progress func(line string)) (id string, err error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxMessage)
	steps := map[string]int64{} // tenths of each layer that were reported
	for lines.Scan() {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return id, fmt.Errorf("the engine said something that is no message: %.80q", lines.Text())
		}
		if m.Error != "" {
			return id, &engineFault{m.Error}
		}
		if m.Aux.ID != "" {
			id = m.Aux.ID
		}
		if text := m.line(steps); text != "" && progress != nil {
			progress(text)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return id, fmt.Errorf("the engine sent a message of more than %d bytes", maxMessage)
	}
	return id, lines.Err()
}

// line is a message for people; "" when it says nothing new. Of a layer that is
// fetched, every tenth counts.
func (m message) line(steps map[string]int64) string {
	if m.Stream != "" {
		return strings.TrimRight(m.Stream, "\n")
	}
	if m.Status == "" {
		return ""
	}
	text := m.Status
	if m.ID != "" {
		text = m.ID + ": " + text
	}
	if m.Progress.Total <= 0 {
		return text
	}
	tenth := 10 * m.Progress.Current / m.Progress.Total
	key := m.ID + m.Status
	if last, ok := steps[key]; ok && tenth <= last {
		return ""
	}
	steps[key] = tenth
	return fmt.Sprintf("%s %d%%", text, 10*tenth)
}
