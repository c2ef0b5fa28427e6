// Package codec turns Starlark values into bytes and back without loss:
// decode(encode(v)) equals v and has the same type, for None, bools, integers
// of any size, floats (NaN and -0 too), strings, bytes, ranges, lists, tuples,
// dicts with keys of any kind and in their order, sets, structs, times,
// durations and secrets.
//
// A value is one tag byte and its content; lengths and integers are varints.
// The encoding of a value is the same every time, so it can be hashed. The
// format is a part of the journal's format version: change it only together.
package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"sort"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

const (
	tagNone     = 'n'
	tagTrue     = 't'
	tagFalse    = 'f'
	tagInt      = 'i' // zigzag varint
	tagBigInt   = 'I' // sign byte, length, magnitude
	tagFloat    = 'd' // 8 bytes, IEEE 754, big endian
	tagString   = 's' // length, bytes
	tagBytes    = 'b' // length, bytes
	tagBigStr   = 'S' // SHA-256 of the content, which is kept by Blobs
	tagBigBytes = 'B' // SHA-256 of the content, which is kept by Blobs
	tagList     = 'l' // length, elements
	tagTuple    = 'u' // length, elements
	tagDict     = 'm' // length, keys and values in turn
	tagSet      = 'e' // length, elements
	tagStruct   = 'r' // constructor, length, names and values in turn, by name
	tagRange    = 'g' // start, length, step
	tagTime     = 'T' // length, time.Time.MarshalBinary; name of the zone
	tagDuration = 'D' // zigzag varint, nanoseconds
	tagSecret   = 'x' // id
	tagUnknown  = 'k' // text; on the wire only
	tagOpaque   = 'o' // see Opaque; on the wire only
)

// Blobs keeps contents that are too large for the journal, by their SHA-256.
type Blobs interface {
	Put(data string) (hash [32]byte, err error)
	Get(hash [32]byte) (data string, err error)
}

// Codec encodes and decodes. The zero value has no secrets and keeps strings of
// any size in the encoding.
type Codec struct {
	Secrets *value.Secrets // decodes secrets, and seals those found by value in strings
	Blobs   Blobs          // nil: nothing is moved out
	Limit   int            // strings and bytes longer than this go to Blobs
	// Wire makes the form in which values go to another process and back, which
	// nothing keeps: every value has one, see Opaque, and the decoder trusts
	// nobody. Strings are left as they are.
	Wire bool
}

const (
	maxDepth = 500       // nesting; deeper values are refused, which also ends cycles
	maxSize  = 512 << 20 // of an encoding; the database takes no larger ones, and sharing can make small values huge
)

// Encode returns the encoding of v. Functions and unknowns have none.
func (c *Codec) Encode(v starlark.Value) ([]byte, error) { return c.Append(nil, v) }

// Append appends the encoding of v to buf.
func (c *Codec) Append(buf []byte, v starlark.Value) ([]byte, error) { return c.append(buf, v, 0) }

func (c *Codec) append(buf []byte, v starlark.Value, depth int) ([]byte, error) {
	if c.Wire {
		return c.appendWire(buf, v, depth)
	}
	return c.appendPlain(buf, v, depth)
}

func (c *Codec) appendPlain(buf []byte, v starlark.Value, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("a value is nested deeper than %d levels, or contains itself", maxDepth)
	}
	if size := c.maxSize(); len(buf) > size {
		return nil, fmt.Errorf("%w than %d MiB", errTooLarge, size>>20)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return append(buf, tagNone), nil
	case starlark.Bool:
		if v {
			return append(buf, tagTrue), nil
		}
		return append(buf, tagFalse), nil
	case starlark.Int:
		return appendInt(buf, v), nil
	case starlark.Float:
		return binary.BigEndian.AppendUint64(append(buf, tagFloat), math.Float64bits(float64(v))), nil
	case starlark.String:
		return c.appendText(buf, tagString, tagBigStr, string(v))
	case starlark.Bytes:
		return c.appendText(buf, tagBytes, tagBigBytes, string(v))
	case *value.Secret:
		return append(append(buf, tagSecret), v.ID()...), nil
	case time.Time:
		return appendTime(buf, gotime.Time(v))
	case time.Duration:
		return binary.AppendVarint(append(buf, tagDuration), int64(v)), nil
	case *starlark.List:
		return c.appendElems(append(buf, tagList), v, depth)
	case starlark.Tuple:
		return c.appendElems(append(buf, tagTuple), v, depth)
	case *starlark.Set:
		return c.appendSet(buf, v, depth)
	case *starlark.Dict:
		return c.appendDict(buf, v, depth)
	case *starlarkstruct.Struct:
		return c.appendStruct(buf, v, depth)
	case starlark.Sequence:
		if v.Type() == "range" {
			return appendRange(buf, v.(starlark.Indexable))
		}
	case *Opaque:
		return nil, errors.New(v.Why)
	case *OpaqueFunc:
		return nil, errors.New(v.Why)
	}
	return nil, fmt.Errorf("a %s cannot be stored", v.Type())
}

func appendInt(buf []byte, v starlark.Int) []byte {
	if i, ok := v.Int64(); ok {
		return binary.AppendVarint(append(buf, tagInt), i)
	}
	big := v.BigInt()
	sign := byte(0)
	if big.Sign() < 0 {
		sign = 1
	}
	mag := big.Bytes()
	buf = binary.AppendUvarint(append(buf, tagBigInt, sign), uint64(len(mag)))
	return append(buf, mag...)
}

func (c *Codec) appendText(buf []byte, tag, bigTag byte, s string) ([]byte, error) {
	if c.Secrets != nil && !c.Wire {
		s = c.Secrets.Mark(s)
	}
	if c.Blobs != nil && len(s) > c.Limit {
		hash, err := c.Blobs.Put(s)
		if err != nil {
			return nil, err
		}
		return append(append(buf, bigTag), hash[:]...), nil
	}
	return appendString(append(buf, tag), s), nil
}

func appendString(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

func appendTime(buf []byte, t gotime.Time) ([]byte, error) {
	bin, err := t.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("a time cannot be stored: %w", err)
	}
	return appendString(appendString(append(buf, tagTime), string(bin)), t.Location().String()), nil
}

func (c *Codec) appendElems(buf []byte, seq starlark.Indexable, depth int) ([]byte, error) {
	buf = binary.AppendUvarint(buf, uint64(seq.Len()))
	var err error
	for i := range seq.Len() {
		if buf, err = c.append(buf, seq.Index(i), depth+1); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func (c *Codec) appendSet(buf []byte, set *starlark.Set, depth int) ([]byte, error) {
	buf = binary.AppendUvarint(append(buf, tagSet), uint64(set.Len()))
	iter := set.Iterate()
	defer iter.Done()
	var x starlark.Value
	var err error
	for iter.Next(&x) {
		if buf, err = c.append(buf, x, depth+1); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func (c *Codec) appendDict(buf []byte, d *starlark.Dict, depth int) ([]byte, error) {
	buf = binary.AppendUvarint(append(buf, tagDict), uint64(d.Len()))
	var err error
	for _, kv := range d.Items() {
		if buf, err = c.append(buf, kv[0], depth+1); err != nil {
			return nil, err
		}
		if buf, err = c.append(buf, kv[1], depth+1); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func (c *Codec) appendStruct(buf []byte, s *starlarkstruct.Struct, depth int) ([]byte, error) {
	name, ok := s.Constructor().(starlark.String)
	if !ok {
		return nil, fmt.Errorf("a struct made by %s cannot be stored", s.Constructor())
	}
	names := s.AttrNames()
	sort.Strings(names)
	buf = appendString(append(buf, tagStruct), string(name))
	buf = binary.AppendUvarint(buf, uint64(len(names)))
	for _, name := range names {
		field, err := s.Attr(name)
		if err != nil {
			return nil, err
		}
		if buf, err = c.append(appendString(buf, name), field, depth+1); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func appendRange(buf []byte, r starlark.Indexable) ([]byte, error) {
	at := func(i int) int64 {
		n, _ := r.Index(i).(starlark.Int).Int64()
		return n
	}
	start, step := int64(0), int64(1)
	if r.Len() > 0 {
		start = at(0)
	}
	if r.Len() > 1 {
		step = at(1) - start
	}
	length := int64(r.Len())
	if !isRange(start, length, step) {
		return nil, fmt.Errorf("a range with numbers as large as %d and %d cannot be stored", start, step)
	}
	buf = binary.AppendVarint(append(buf, tagRange), start)
	buf = binary.AppendVarint(buf, length)
	return binary.AppendVarint(buf, step), nil
}

// isRange reports whether there is such a range, far from where integers overflow.
func isRange(start, length, step int64) bool {
	end := math.Abs(float64(start)) + float64(length)*math.Abs(float64(step))
	return length >= 0 && step != 0 && end < 1<<62
}

// decodeBig is here, beside its encoder, because the sign is a byte of its own.
func decodeBig(sign byte, mag string) starlark.Int {
	i := new(big.Int).SetBytes([]byte(mag))
	if sign != 0 {
		i.Neg(i)
	}
	return starlark.MakeBigInt(i)
}
