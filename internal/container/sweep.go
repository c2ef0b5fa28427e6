package container

import (
	"context"
	"errors"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Swept are the names of what a sweep has removed, or, if it only looks, would
// remove.
type Swept struct {
	Containers []string `star:"containers" json:"containers"`
	Networks   []string `star:"networks" json:"networks"`
	Volumes    []string `star:"volumes" json:"volumes"`
	Images     []string `star:"images" json:"images"`
}

// Total is how many things there were.
func (s Swept) Total() int {
	return len(s.Containers) + len(s.Networks) + len(s.Volumes) + len(s.Images)
}

// Sweep removes all that a filter matches: containers, whether they run or not, then
// networks, volumes and images, which they may use. It goes on past what cannot be
// removed, and returns all of these errors. A filter that says nothing is refused.
func (e *Engine) Sweep(ctx context.Context, f Filter, lookOnly bool) (Swept, error) {
	if len(f.Owner.Labels(f.Labels)) == 0 {
		return Swept{}, fault.New(fault.Invalid, "a sweep without a filter would remove everything")
	}
	var errs []error
	swept := Swept{Containers: []string{}, Networks: []string{}, Volumes: []string{}, Images: []string{}}
	remove := func(into *[]string, name string, remove func() (bool, error)) {
		removed := true
		if !lookOnly {
			var err error
			if removed, err = remove(); err != nil {
				errs = append(errs, err)
				return
			}
		}
		if removed {
			*into = append(*into, name)
		}
	}
	containers, err := e.List(ctx, f)
	errs = append(errs, err)
	for _, c := range containers {
		remove(&swept.Containers, c.Name, func() (bool, error) { return e.Remove(ctx, c.ID, true, true) })
	}
	networks, err := e.Networks(ctx, f)
	errs = append(errs, err)
	for _, n := range networks {
		remove(&swept.Networks, n.Name, func() (bool, error) { return e.RemoveNetwork(ctx, n.ID) })
	}
	volumes, err := e.Volumes(ctx, f)
	errs = append(errs, err)
	for _, v := range volumes {
		remove(&swept.Volumes, v.Name, func() (bool, error) { return e.RemoveVolume(ctx, v.Name) })
	}
	images, err := e.Images(ctx, f)
	errs = append(errs, err)
	for _, i := range images {
		remove(&swept.Images, i.Name(), func() (bool, error) { return e.RemoveImage(ctx, i.ID, true) })
	}
	return swept, errors.Join(errs...)
}
