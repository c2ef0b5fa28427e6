package schema

import "go.starlark.net/starlark"

func contradicts(own, base Shape) error {
	return invalid("the base expects %s, so it cannot be %s", base.expects(), own.expects())
}

// narrowShape is what both shapes allow. own may say less than base, but not allow
// what base forbids.
func narrowShape(base, own Shape) (Shape, error) {
	var merged Shape
	var err error
	switch b := base.(type) {
	case *Any:
		return own, nil
	case *Union:
		if _, ok := own.(*Union); !ok {
			merged, err = b.narrowedArm(own)
			break
		}
		merged, err = own.narrowed(base)
	default:
		merged, err = own.narrowed(base)
	}
	if err != nil {
		return nil, err
	}
	return merged, merged.prepare()
}

// narrowedArm finds the type of a union that own narrows.
func (u *Union) narrowedArm(own Shape) (Shape, error) {
	for _, arm := range u.Arms {
		if merged, err := narrowShape(arm.shape, own); err == nil {
			return merged, nil
		}
	}
	return nil, contradicts(own, u)
}

// narrow puts a schema in the place of another one. One of them may be nil.
func narrow(base, own *Schema) (*Schema, error) {
	switch {
	case base == nil:
		return own, nil
	case own == nil:
		return base, nil
	case own.Optional && !base.Optional:
		return nil, invalid("the base needs it, so it cannot be optional")
	}
	shape, err := narrowShape(base.shape, own.shape)
	if err != nil {
		return nil, err
	}
	o := inherit(base.Options, own.Options)
	if own.Default == nil && base.Default != nil {
		c := &checking{trial: true, secrets: o.Secrets}
		if shape.complete(c, nil, base.Default); len(c.problems) > 0 {
			return nil, hinted(invalid("the default of the base does not fit: %s", c.problems[0].Message), "give it a default of its own")
		}
	}
	return New(shape, o)
}

// plainAny is a value of no known shape as dicts and lists.
func plainAny(v starlark.Value) starlark.Value { return plainDeep(v, 0) }
