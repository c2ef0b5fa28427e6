package codec

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Opaque stands, in another process, for a value that has no encoding. It keeps
// what messages say of the value, and cannot be stored for the reason that the
// value could not.
type Opaque struct {
	Kind string // the type
	Text string
	Why  string // it cannot be stored
}

// OpaqueFunc is an Opaque that stands for a function.
type OpaqueFunc struct{ Opaque }

var (
	_ starlark.Value    = (*Opaque)(nil)
	_ starlark.Callable = (*OpaqueFunc)(nil)
)

func (o *Opaque) String() string        { return o.Text }
func (o *Opaque) Type() string          { return o.Kind }
func (o *Opaque) Freeze()               {}
func (o *Opaque) Truth() starlark.Bool  { return true }
func (o *Opaque) Hash() (uint32, error) { return starlark.String(o.Text).Hash() }

// Name is that of the function.
func (o *OpaqueFunc) Name() string { return o.Text }

// CallInternal fails: the function is in the other process.
func (o *OpaqueFunc) CallInternal(*starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return nil, fmt.Errorf("the function %s is not here", o.Text)
}

// Bounds of what one process takes from another one. A few bytes can stand for
// much: an element of a list takes sixteen times its encoding, an integer as
// many digits as take minutes to print, and the keys of a dict can be chosen so
// that each is compared with all others.
const (
	maxWire       = 128 << 20 // bytes of an encoding
	maxWireValues = 4 << 20   // values in an encoding
	maxWireInt    = 64 << 10  // bytes of an integer
	maxCollisions = 128       // keys of a dict with the same place in its table
	maxOpaque     = 1 << 10   // bytes of a text
)

var errTooLarge = errors.New("a value is larger")

func (c *Codec) maxSize() int {
	if c.Wire {
		return maxWire
	}
	return maxSize
}

func (c *Codec) appendWire(buf []byte, v starlark.Value, depth int) ([]byte, error) {
	start := len(buf)
	switch v := v.(type) {
	case *value.Unknown:
		return c.appendUnknown(buf, v, depth)
	case starlark.Int:
		if n := v.BigInt().BitLen(); n > maxWireInt*8 {
			return appendOpaque(buf, v, fmt.Sprintf("an integer of %d bits cannot leave the interpreter", n)), nil
		}
	}
	grown, err := c.appendPlain(buf, v, depth)
	if err == nil || depth > 0 && errors.Is(err, errTooLarge) { // what shares its parts would fill it again and again
		return grown, err
	}
	return appendOpaque(buf[:start], v, err.Error()), nil
}

// appendUnknown appends what is known of an unknown: text and key, then the guess
// and what it negates, None for nothing.
func (c *Codec) appendUnknown(buf []byte, u *value.Unknown, depth int) ([]byte, error) {
	text, key, guess, of := u.Parts()
	buf = appendString(appendString(append(buf, tagUnknown), text), key)
	parts := starlark.Tuple{starlark.None, starlark.None}
	if guess != nil {
		parts[0] = starlark.Tuple{guess}
	}
	if of != nil {
		parts[1] = of
	}
	return c.append(buf, parts, depth+1)
}

func (d *decoder) unknown(depth int) (starlark.Value, error) {
	text, err := d.string()
	if err != nil {
		return nil, err
	}
	key, err := d.string()
	if err != nil {
		return nil, err
	}
	v, err := d.value(depth + 1)
	if err != nil {
		return nil, err
	}
	parts, ok := v.(starlark.Tuple)
	if !ok || len(parts) != 2 {
		return nil, fmt.Errorf("%w: an unknown is incomplete", ErrCorrupt)
	}
	var guess starlark.Value
	if g, ok := parts[0].(starlark.Tuple); ok && len(g) == 1 {
		guess = g[0]
	}
	of, _ := parts[1].(*value.Unknown)
	return value.UnknownFrom(text, key, guess, of), nil
}

func appendOpaque(buf []byte, v starlark.Value, why string) []byte {
	text, callable := "…", byte(0)
	switch v := v.(type) {
	case starlark.Callable:
		text, callable = v.Name(), 1
	case starlark.Iterable, starlark.Int, starlark.HasAttrs: // it may take forever
	default:
		text = v.String()
	}
	buf = append(buf, tagOpaque, callable)
	for _, s := range []string{v.Type(), text, why} {
		buf = appendString(buf, s[:min(len(s), maxOpaque)])
	}
	return buf
}

// StandsIn reports whether an encoding is that of an Opaque.
func StandsIn(data []byte) bool { return len(data) > 0 && data[0] == tagOpaque }

// wire decodes what only the wire has.
func (d *decoder) wire(tag byte, depth int) (starlark.Value, error) {
	switch tag {
	case tagUnknown:
		return d.unknown(depth)
	case tagOpaque:
		callable, err := d.byte()
		var texts [3]string
		for i := range texts {
			if err == nil {
				texts[i], err = d.string()
			}
		}
		if err != nil {
			return nil, err
		}
		o := Opaque{texts[0], texts[1], texts[2]}
		if callable != 0 {
			return &OpaqueFunc{o}, nil
		}
		return &o, nil
	}
	return nil, fmt.Errorf("%w: unknown tag %q", ErrCorrupt, tag)
}

// spread counts how the keys of a dict share the places of its table.
type spread struct {
	counts []uint8
}

// smallDict is the size up to which comparing all keys with one another is cheap.
const smallDict = 256

func (d *decoder) spread(n int) *spread {
	if !d.codec.Wire || n <= smallDict {
		return nil
	}
	places := 1
	for places*8 < min(n, d.left) {
		places *= 2
	}
	return &spread{make([]uint8, places)}
}

func (s *spread) add(k starlark.Value) error {
	if s == nil {
		return nil
	}
	hash, err := k.Hash()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	at := &s.counts[hash&uint32(len(s.counts)-1)]
	if *at++; *at > maxCollisions {
		return fmt.Errorf("%w: the keys of a dict have the same hash", ErrCorrupt)
	}
	return nil
}
