package container_test

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/container/containertest"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

// TestCommit: an image has what was written in a container, and none of its labels: whoever
// looks for things by them would find it, and all containers of it.
func TestCommit(t *testing.T) {
	f := containertest.New(t)
	box := f.Run(func(s *container.Spec) { s.Labels = map[string]string{"purpose": "box"} })
	ref := strings.ToLower(f.Name("committed")) + ":1"
	t.Cleanup(func() { _, _ = f.Engine.RemoveImage(ctx, ref, true) })
	i, err := f.Engine.Commit(ctx, box, container.CommitSpec{Tag: ref, Changes: []string{`CMD ["true"]`}, Labels: map[string]string{"mine": "1"}}, container.Owner{Workspace: "/w"})
	if err != nil {
		t.Fatal(err)
	}
	if len(i.Command) != 1 || i.Command[0] != "true" || i.Name() != ref {
		t.Errorf("the image is %+v", i)
	}
	for key, want := range map[string]string{"purpose": "", "mine": "1", container.LabelRun: "", container.LabelSpec: "", container.LabelWorkspace: "/w"} {
		if got := i.Labels[key]; got != want {
			t.Errorf("the label %s is %q, not %q", key, got, want)
		}
	}
	again := f.Run(func(s *container.Spec) {
		s.Image, s.Command, s.Labels = ref, []string{"sleep", "1000"}, map[string]string{"purpose": "second"}
	})
	next := strings.ToLower(f.Name("next")) + ":1"
	t.Cleanup(func() { _, _ = f.Engine.RemoveImage(ctx, next, true) })
	if i, err = f.Engine.Commit(ctx, again, container.CommitSpec{Tag: next}, container.Owner{Workspace: "/w"}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"purpose": "", "mine": "1", container.LabelRun: "", container.LabelWorkspace: "/w"} {
		if got := i.Labels[key]; got != want {
			t.Errorf("of an image that was committed itself, the label %s is %q, not %q", key, got, want)
		}
	}
	for _, c := range []struct {
		box  string
		spec container.CommitSpec
		kind fault.Kind
	}{
		{box, container.CommitSpec{Tag: ref, Labels: map[string]string{"two": "lines\nof text"}}, fault.Invalid},
		{box, container.CommitSpec{Tag: ref, Changes: []string{"DANCE"}}, fault.Invalid},
		{f.Name("none"), container.CommitSpec{Tag: ref}, fault.NotFound},
	} {
		if _, err := f.Engine.Commit(ctx, c.box, c.spec, f.Owner); !fault.Is(err, c.kind) {
			t.Errorf("%+v: %v", c.spec, err)
		}
	}
}
