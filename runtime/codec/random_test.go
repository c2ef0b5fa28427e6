package codec_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// generator makes values of all kinds that the codec knows.
type generator struct {
	*rand.Rand
	secrets *value.Secrets
}

func (g *generator) value(depth int) starlark.Value {
	if depth > 0 && g.IntN(2) == 0 {
		return g.container(depth)
	}
	return g.leaf()
}

func (g *generator) container(depth int) starlark.Value {
	switch g.IntN(5) {
	case 0:
		return starlark.NewList(g.values(depth))
	case 1:
		return starlark.Tuple(g.values(depth))
	case 2:
		d := new(starlark.Dict)
		for range g.IntN(6) {
			must(d.SetKey(g.key(), g.value(depth-1)))
		}
		return d
	case 3:
		s := new(starlark.Set)
		for range g.IntN(6) {
			must(s.Insert(g.key()))
		}
		return s
	}
	fields := starlark.StringDict{}
	for range g.IntN(5) {
		fields[g.text()] = g.value(depth - 1)
	}
	return starlarkstruct.FromStringDict(starlark.String([]string{"struct", "result", "", "a b"}[g.IntN(4)]), fields)
}

func (g *generator) values(depth int) []starlark.Value {
	elems := make([]starlark.Value, g.IntN(6))
	for i := range elems {
		elems[i] = g.value(depth - 1)
	}
	return elems
}

// key makes a value that a dict takes as a key, also such as are no strings.
func (g *generator) key() starlark.Value {
	switch g.IntN(5) {
	case 0:
		return starlark.Tuple{g.scalar(), starlark.Tuple{g.scalar()}}
	case 1:
		return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{"k": g.scalar()})
	}
	return g.scalar()
}

func (g *generator) leaf() starlark.Value {
	if g.IntN(6) == 0 {
		start, step := g.IntN(1000)-500, g.IntN(20)-10
		if step == 0 {
			step = 1 << 40
		}
		return makeRange(start, start+g.IntN(200)-100, step)
	}
	return g.scalar()
}

// scalar makes a value that can be hashed.
func (g *generator) scalar() starlark.Value {
	switch g.IntN(9) {
	case 0:
		return starlark.None
	case 1:
		return starlark.Bool(g.IntN(2) == 0)
	case 2:
		return g.integer()
	case 3:
		return g.float()
	case 4:
		return starlark.String(g.text())
	case 5:
		return starlark.Bytes(g.text())
	case 6:
		return g.time()
	case 7:
		return time.Duration(g.Int64() >> g.IntN(64) * int64(1-2*g.IntN(2)))
	}
	secret, _ := g.secrets.Add("s", fmt.Sprintf("hidden %d", g.IntN(20)))
	return secret
}

func (g *generator) integer() starlark.Value {
	i := big.NewInt(g.Int64() >> g.IntN(64))
	if g.IntN(3) == 0 {
		i.Lsh(i, uint(g.IntN(300)))
	}
	if g.IntN(2) == 0 {
		i.Neg(i)
	}
	return starlark.MakeBigInt(i)
}

func (g *generator) float() starlark.Value {
	special := []float64{math.NaN(), math.Copysign(0, -1), 0, math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64}
	if i := g.IntN(2 * len(special)); i < len(special) {
		return starlark.Float(special[i])
	}
	return starlark.Float(g.NormFloat64() * math.Pow(10, float64(g.IntN(40)-20)))
}

// text makes strings, also such as are not valid UTF-8.
func (g *generator) text() string {
	b := make([]byte, g.IntN(12))
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return []string{string(b), "", "name", "žluťoučký", "\x00\xff"}[g.IntN(5)]
}

func (g *generator) time() starlark.Value {
	t := gotime.Unix(g.Int64N(1<<33)-1<<32, g.Int64N(1e9))
	zones := []*gotime.Location{gotime.UTC, gotime.FixedZone("", 3600), gotime.FixedZone("EST", 3*3600), gotime.FixedZone("Mars", -5400)}
	for _, name := range []string{"Europe/Prague", "America/New_York"} {
		if zone, err := gotime.LoadLocation(name); err == nil {
			zones = append(zones, zone)
		}
	}
	return time.Time(t.In(zones[g.IntN(len(zones))]))
}

func makeRange(start, stop, step int) starlark.Value {
	args := starlark.Tuple{starlark.MakeInt(start), starlark.MakeInt(stop), starlark.MakeInt(step)}
	v, err := starlark.Call(new(starlark.Thread), starlark.Universe["range"], args, nil)
	must(err)
	return v
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// difference says where two values differ, in type, content or order; "" when
// nowhere.
func difference(x, y starlark.Value, path string) string {
	if fmt.Sprintf("%T", x) != fmt.Sprintf("%T", y) || x.Type() != y.Type() {
		return fmt.Sprintf("%s: a %s became a %s", path, x.Type(), y.Type())
	}
	switch x := x.(type) {
	case starlark.Float:
		if math.Float64bits(float64(x)) != math.Float64bits(float64(y.(starlark.Float))) {
			return fmt.Sprintf("%s: %v became %v", path, x, y)
		}
		return ""
	case time.Time:
		if x.String() != y.String() {
			return fmt.Sprintf("%s: %v became %v", path, x, y)
		}
	case *starlark.Dict:
		return differenceOf(pairs(x), pairs(y.(*starlark.Dict)), path)
	case *starlarkstruct.Struct:
		other := y.(*starlarkstruct.Struct)
		if x.Constructor() != other.Constructor() {
			return fmt.Sprintf("%s: constructor %v became %v", path, x.Constructor(), other.Constructor())
		}
		return differenceOf(fields(x), fields(other), path)
	case *starlark.Set:
		return differenceOf(elements(x), elements(y.(*starlark.Set)), path)
	case *starlark.List:
		return differenceOf(elements(x), elements(y.(*starlark.List)), path)
	case starlark.Tuple:
		return differenceOf(x, y.(starlark.Tuple), path)
	}
	if same, err := starlark.EqualDepth(x, y, 1000); err != nil || !same {
		return fmt.Sprintf("%s: %v became %v (%v)", path, x, y, err)
	}
	return ""
}

func differenceOf(x, y []starlark.Value, path string) string {
	if len(x) != len(y) {
		return fmt.Sprintf("%s: %d elements became %d", path, len(x), len(y))
	}
	for i := range x {
		if d := difference(x[i], y[i], fmt.Sprintf("%s[%d]", path, i)); d != "" {
			return d
		}
	}
	return ""
}

func elements(v starlark.Iterable) (elems []starlark.Value) {
	iter := v.Iterate()
	defer iter.Done()
	for x := starlark.Value(nil); iter.Next(&x); {
		elems = append(elems, x)
	}
	return elems
}

func pairs(d *starlark.Dict) (elems []starlark.Value) {
	for _, kv := range d.Items() {
		elems = append(elems, kv...)
	}
	return elems
}

func fields(s *starlarkstruct.Struct) (elems []starlark.Value) {
	for _, name := range s.AttrNames() {
		field, err := s.Attr(name)
		must(err)
		elems = append(elems, starlark.String(name), field)
	}
	return elems
}

func newGenerator(seed uint64) *generator {
	return &generator{rand.New(rand.NewPCG(seed, 0)), value.NewSecrets([]byte("key"))}
}

func TestGeneratorMakesEveryKind(t *testing.T) {
	g, seen := newGenerator(1), map[string]bool{}
	for range 2000 {
		value.Walk(g.value(3), func(v starlark.Value) bool { seen[v.Type()] = true; return true })
	}
	for _, kind := range []string{"NoneType", "bool", "int", "float", "string", "bytes", "list", "tuple", "dict", "set",
		"struct", "range", "time.time", "time.duration", "secret"} {
		if !seen[kind] {
			t.Errorf("the generator never made a %s", kind)
		}
	}
}
