package fs

import (
	"bytes"
	"context"
	"fmt"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func (c *copyTo) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	from, to, err := c.ends(env)
	if err != nil {
		return effect.Prediction{}, err
	}
	switch {
	case from.unknown != nil:
		env.Run.Planned.Set(to.path.Resource(), from.unknown)
		return effect.Prediction{Result: from.unknown, Change: effect.Update}, nil
	case to.unknown != nil:
		return effect.Prediction{Result: to.unknown, Change: effect.Update}, nil
	case from.kind == directory:
		return c.predictTree(env, from, to)
	}
	content, err := from.raw()
	if err != nil {
		return effect.Prediction{}, err
	}
	w := write{Path: c.Target, Content: content, Mode: int(from.mode), Parents: c.Parents}
	pred, err := w.Predict(ctx, env)
	pred.Result = change{c.Target, pred.Change != effect.None}
	return pred, err
}

func (c *copyTo) predictTree(env *effect.Env, from, to view) (effect.Prediction, error) {
	if !to.exists() {
		n, err := planTree(env, from, to.path)
		return effect.Prediction{
			Result: change{c.Target, true}, Change: effect.Create, Diff: fmt.Sprintf("%d files\n", n),
		}, err
	}
	same, err := sameTree(env, from, to)
	if err == nil && !same {
		err = c.targetExists()
	}
	return effect.Prediction{Result: change{c.Target, false}, Change: effect.None}, err
}

// planTree plans a copy of from at to and returns the number of its files.
func planTree(env *effect.Env, from view, to sandbox.Path) (files int, err error) {
	switch {
	case from.unknown != nil:
		env.Run.Planned.Set(to.Resource(), from.unknown)
		return 1, nil
	case from.kind == link:
		// What is read through the copy cannot be told: its target may be relative.
		env.Run.Planned.Set(to.Resource(), value.NewUnknown("the link %s", to.Name))
		return 1, nil
	case from.kind != directory:
		content, err := from.raw()
		planWrite(env, to, textOrBytes(content), from.mode)
		return 1, err
	}
	planDirectory(env, to, from.mode)
	entries, err := children(env, from)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		n, err := planTree(env, e, to.Child(e.name()))
		if err != nil {
			return files, err
		}
		files += n
	}
	return files, nil
}

// sameTree compares two trees as the plan has them.
func sameTree(env *effect.Env, a, b view) (bool, error) {
	if a.kind != b.kind || a.mode != b.mode || a.kind != directory {
		return sameLeaf(env, a, b)
	}
	as, err := children(env, a)
	if err != nil {
		return false, err
	}
	bs, err := children(env, b)
	if err != nil || len(as) != len(bs) {
		return false, err
	}
	for i := range as {
		same, err := sameTree(env, as[i], bs[i])
		if err != nil || !same || as[i].name() != bs[i].name() {
			return false, err
		}
	}
	return true, nil
}

func sameLeaf(env *effect.Env, a, b view) (bool, error) {
	if a.kind != b.kind || a.mode != b.mode || a.kind != file || a.size != b.size {
		return false, nil
	}
	x, err := a.content(env, 0)
	if err != nil {
		return false, err
	}
	y, err := b.content(env, 0)
	return bytes.Equal(x, y), err
}
