package container

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/volume"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// VolumeSpec is what a volume is made of.
type VolumeSpec struct {
	Name    string            `json:"name"`
	Driver  string            `json:"driver,omitempty"`  // "": local
	Options map[string]string `json:"options,omitempty"` // of the driver
	Labels  map[string]string `json:"labels,omitempty"`
}

// Volume is a volume as its engine describes it.
type Volume struct {
	Name       string            `star:"name" json:"name"`
	Driver     string            `star:"driver" json:"driver"`
	Mountpoint string            `star:"mountpoint" json:"mountpoint"` // on the machine of the engine
	Labels     map[string]string `star:"labels" json:"labels"`
	Created    time.Time         `star:"created" json:"created"`
}

// Validate refuses what can never work.
func (s VolumeSpec) Validate() error { return ValidName("volume", s.Name) }

// Print is what the label says that a volume was made of.
func (s VolumeSpec) Print() string { return print(s) }

// Matches is as that of Spec.
func (s VolumeSpec) Matches(there Volume) error {
	return same("volume", s.Name, there.Labels, s.Print())
}

// CreateVolume makes a volume. As with Create, one of that name that is made of the
// same is returned.
func (e *Engine) CreateVolume(ctx context.Context, s VolumeSpec, o Owner) (v Volume, made bool, err error) {
	if err := s.Validate(); err != nil {
		return Volume{}, false, err
	}
	there, found, err := e.LookVolume(ctx, s.Name)
	if err != nil {
		return Volume{}, false, err
	}
	if found {
		return there, o.Owns(there.Labels), s.Matches(there)
	}
	labels := o.Labels(s.Labels)
	labels[LabelSpec] = s.Print()
	// Where there is one by now, the engine answers with that, whatever its labels.
	i, err := e.api.VolumeCreate(ctx, volume.CreateOptions{Name: s.Name, Driver: s.Driver, DriverOpts: s.Options, Labels: labels})
	if err != nil {
		return Volume{}, false, e.fault(ctx, err, "cannot create the volume %q", s.Name)
	}
	v = volumeOf(i)
	return v, o.Owns(v.Labels), s.Matches(v)
}

// InspectVolume describes a volume; one that is not there is an error of the kind
// not_found.
func (e *Engine) InspectVolume(ctx context.Context, name string) (Volume, error) {
	v, found, err := e.LookVolume(ctx, name)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "there is no volume %q", name).WithHint("container.volume_list() shows those that there are")
	}
	return v, err
}

// LookVolume is as InspectVolume, and says whether there is one.
func (e *Engine) LookVolume(ctx context.Context, name string) (v Volume, found bool, err error) {
	i, err := e.api.VolumeInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return Volume{}, false, nil
	}
	if err != nil {
		return Volume{}, false, looked(e.fault(ctx, err, "cannot look at the volume %q", name))
	}
	return volumeOf(i), true, nil
}

func volumeOf(i volume.Volume) Volume {
	return Volume{Name: i.Name, Driver: i.Driver, Mountpoint: i.Mountpoint, Labels: i.Labels, Created: parseTime(i.CreatedAt)}
}

// Volumes describes volumes, sorted by name.
func (e *Engine) Volumes(ctx context.Context, f Filter) ([]Volume, error) {
	found, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: f.args()})
	if err != nil {
		return nil, looked(e.fault(ctx, err, "cannot list the volumes"))
	}
	all := make([]Volume, 0, len(found.Volumes))
	for _, v := range found.Volumes {
		if v != nil {
			all = append(all, volumeOf(*v))
		}
	}
	slices.SortFunc(all, func(a, b Volume) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// RemoveVolume removes a volume and all that is in it; removed is false when there
// is none.
func (e *Engine) RemoveVolume(ctx context.Context, name string) (removed bool, err error) {
	err = e.api.VolumeRemove(ctx, name, false)
	if err == nil || errdefs.IsNotFound(err) {
		return err == nil, nil
	}
	f := e.fault(ctx, err, "cannot remove the volume %q", name)
	if strings.Contains(err.Error(), "in use") {
		return false, f.WithHint("a container uses it: remove that first")
	}
	return false, f
}
