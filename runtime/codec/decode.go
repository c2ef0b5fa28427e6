package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	gotime "time"
	"unsafe"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// ErrCorrupt is wrapped by every error about bytes that Encode cannot have made.
var ErrCorrupt = errors.New("the encoding of a value is damaged")

// Decode returns the value that data encodes. Strings keep data alive, so the
// caller must not change it afterwards.
func (c *Codec) Decode(data []byte) (starlark.Value, error) {
	d := decoder{codec: c, rest: data, left: maxWireValues}
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	if len(d.rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrCorrupt, len(d.rest))
	}
	return v, nil
}

type decoder struct {
	codec *Codec
	rest  []byte
	left  int // on the wire: how many more values there may be
}

func (d *decoder) value(depth int) (starlark.Value, error) {
	deepest := maxDepth
	if d.codec.Wire {
		deepest++ // there stands what is in the place of deeper ones
	}
	if depth > deepest {
		return nil, fmt.Errorf("%w: nested too deeply", ErrCorrupt)
	}
	if d.codec.Wire {
		if d.left--; d.left < 0 {
			return nil, fmt.Errorf("%w: more than %d values", ErrCorrupt, maxWireValues)
		}
	}
	tag, err := d.byte()
	if err != nil {
		return nil, err
	}
	switch tag {
	case tagNone:
		return starlark.None, nil
	case tagTrue:
		return starlark.True, nil
	case tagFalse:
		return starlark.False, nil
	case tagInt:
		i, err := d.varint()
		return starlark.MakeInt64(i), err
	case tagBigInt:
		sign, err := d.byte()
		if err != nil {
			return nil, err
		}
		mag, err := d.string()
		if err == nil && d.codec.Wire && len(mag) > maxWireInt {
			err = fmt.Errorf("%w: an integer of %d bytes", ErrCorrupt, len(mag))
		}
		if err != nil {
			return nil, err
		}
		return decodeBig(sign, mag), nil
	case tagFloat:
		b, err := d.take(8)
		if err != nil {
			return nil, err
		}
		return starlark.Float(math.Float64frombits(binary.BigEndian.Uint64(b))), nil
	case tagString:
		s, err := d.string()
		return starlark.String(s), err
	case tagBytes:
		s, err := d.string()
		return starlark.Bytes(s), err
	case tagBigStr:
		s, err := d.blob()
		return starlark.String(s), err
	case tagBigBytes:
		s, err := d.blob()
		return starlark.Bytes(s), err
	case tagList:
		elems, err := d.elems(depth)
		return starlark.NewList(elems), err
	case tagTuple:
		elems, err := d.elems(depth)
		return starlark.Tuple(elems), err
	case tagSet:
		return d.set(depth)
	case tagDict:
		return d.dict(depth)
	case tagStruct:
		return d.structure(depth)
	case tagRange:
		return d.rangeValue()
	case tagTime:
		return d.time()
	case tagDuration:
		i, err := d.varint()
		return time.Duration(i), err
	case tagSecret:
		return d.secret()
	}
	if d.codec.Wire {
		return d.wire(tag, depth)
	}
	return nil, fmt.Errorf("%w: unknown tag %q", ErrCorrupt, tag)
}

func (d *decoder) byte() (byte, error) {
	b, err := d.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func (d *decoder) take(n int) ([]byte, error) {
	if n > len(d.rest) {
		return nil, fmt.Errorf("%w: it ends too early", ErrCorrupt)
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b, nil
}

func (d *decoder) varint() (int64, error) {
	i, n := binary.Varint(d.rest)
	if n <= 0 {
		return 0, fmt.Errorf("%w: bad number", ErrCorrupt)
	}
	d.rest = d.rest[n:]
	return i, nil
}

// length reads a count of things that take at least size bytes each, so that a
// damaged count cannot make the decoder allocate more than its input.
func (d *decoder) length(size int) (int, error) {
	u, n := binary.Uvarint(d.rest)
	if n <= 0 || u > uint64(len(d.rest)-n)/uint64(size) {
		return 0, fmt.Errorf("%w: bad length", ErrCorrupt)
	}
	d.rest = d.rest[n:]
	return int(u), nil
}

// string shares the bytes of the input: results are read far more often than
// they are kept.
func (d *decoder) string() (string, error) {
	n, err := d.length(1)
	if err != nil || n == 0 {
		return "", err
	}
	b, err := d.take(n)
	return unsafe.String(unsafe.SliceData(b), n), err
}

func (d *decoder) blob() (string, error) {
	b, err := d.take(32)
	if err != nil {
		return "", err
	}
	if d.codec.Blobs == nil {
		return "", fmt.Errorf("%w: it refers to a large output that is not here", ErrCorrupt)
	}
	return d.codec.Blobs.Get([32]byte(b))
}

func (d *decoder) elems(depth int) ([]starlark.Value, error) {
	n, err := d.length(1)
	if err != nil {
		return nil, err
	}
	elems := make([]starlark.Value, 0, min(n, maxAhead))
	for range n {
		x, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		elems = append(elems, x)
	}
	return elems, nil
}

// maxAhead bounds what is allocated before it is read: damaged containers within
// one another could each promise as many elements as there are bytes.
const maxAhead = 1024

func (d *decoder) set(depth int) (starlark.Value, error) {
	elems, err := d.elems(depth)
	if err != nil {
		return nil, err
	}
	set := starlark.NewSet(min(len(elems), maxAhead))
	spread := d.spread(len(elems))
	for _, x := range elems {
		if err := spread.add(x); err != nil {
			return nil, err
		}
		if err := set.Insert(x); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	return set, nil
}

func (d *decoder) dict(depth int) (starlark.Value, error) {
	n, err := d.length(2)
	if err != nil {
		return nil, err
	}
	dict := starlark.NewDict(min(n, maxAhead))
	spread := d.spread(n)
	for range n {
		k, err := d.value(depth + 1)
		if err == nil {
			err = spread.add(k)
		}
		if err != nil {
			return nil, err
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if err := dict.SetKey(k, v); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	return dict, nil
}

func (d *decoder) structure(depth int) (starlark.Value, error) {
	constructor, err := d.string()
	if err != nil {
		return nil, err
	}
	n, err := d.length(2)
	if err != nil {
		return nil, err
	}
	fields := make(starlark.StringDict, min(n, maxAhead))
	for range n {
		name, err := d.string()
		if err != nil {
			return nil, err
		}
		if fields[name], err = d.value(depth + 1); err != nil {
			return nil, err
		}
	}
	return starlarkstruct.FromStringDict(starlark.String(constructor), fields), nil
}

func (d *decoder) rangeValue() (starlark.Value, error) {
	var n [3]int64 // start, length, step
	for i := range n {
		var err error
		if n[i], err = d.varint(); err != nil {
			return nil, err
		}
	}
	start, length, step := n[0], n[1], n[2]
	if !isRange(start, length, step) {
		return nil, fmt.Errorf("%w: bad range", ErrCorrupt)
	}
	args := starlark.Tuple{starlark.MakeInt64(start), starlark.MakeInt64(start + length*step), starlark.MakeInt64(step)}
	return starlark.Call(new(starlark.Thread), starlark.Universe["range"], args, nil)
}

func (d *decoder) time() (starlark.Value, error) {
	bin, err := d.string()
	if err != nil {
		return nil, err
	}
	zone, err := d.string()
	if err != nil {
		return nil, err
	}
	var t gotime.Time
	if err := t.UnmarshalBinary([]byte(bin)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return time.Time(inZone(t, zone)), nil
}

// inZone gives t the zone that had the given name, unless the one that is called
// so here has another offset.
func inZone(t gotime.Time, zone string) gotime.Time {
	if zone == "" || zone == "Local" {
		return t
	}
	_, offset := t.Zone()
	if loc, err := gotime.LoadLocation(zone); err == nil {
		// Go decodes the offsets of the 19th century, with seconds, as up to 256 s off.
		if _, here := t.In(loc).Zone(); max(here-offset, offset-here) <= 256 {
			return t.In(loc)
		}
	}
	return t.In(gotime.FixedZone(zone, offset))
}

func (d *decoder) secret() (starlark.Value, error) {
	id, err := d.take(39)
	if err != nil {
		return nil, err
	}
	if d.codec.Secrets != nil {
		if s := d.codec.Secrets.Lookup(string(id)); s != nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%w: it refers to a secret that is not here", ErrCorrupt)
}
