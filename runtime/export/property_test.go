package export_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/export"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/lint"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// The builtins of these tests act on nothing: a host answers for them.
var world = module.New("world", "A world to act on.")

var _ = world.Write(`
def put(path, content, mode = 0o644, tags = None, extra = None):
    """Puts something somewhere."""`, &put{}, effect.Exact)

type put struct {
	Path    starlark.Value `star:"path"`
	Content starlark.Value `star:"content"`
	Mode    starlark.Value `star:"mode"`
	Tags    starlark.Value `star:"tags"`
	Extra   starlark.Value `star:"extra"`
}

func (*put) Perform(context.Context, *effect.Env) (any, error) { return nil, nil }

var _ = world.Read(`
def look(name, deep = False):
    """Looks at something."""`, &look{})

type look struct {
	Name starlark.Value `star:"name"`
	Deep starlark.Value `star:"deep"`
}

func (*look) Perform(context.Context, *effect.Env) (any, error) { return nil, nil }

// player answers the effects of a script with those of a run, one after the other.
type player struct {
	env  *effect.Env
	want []*export.Effect
	got  []string
}

func (p *player) Env() *effect.Env { return p.env }
func (p *player) Check() bool      { return false }

func (p *player) Effect(_ *starlark.Thread, call *effect.Call) (starlark.Value, error) {
	given := starlark.NewDict(4)
	for i, v := range call.Args {
		if v != nil {
			_ = given.SetKey(starlark.String(call.Decl.Params[i]), v)
		}
	}
	for _, kv := range call.Under {
		_ = given.SetKey(kv[0], kv[1])
	}
	p.got = append(p.got, call.Decl.Kind+given.String())
	if len(p.got) > len(p.want) {
		return nil, fmt.Errorf("there are more effects than the run had")
	}
	x := p.want[len(p.got)-1]
	if x.Status == journal.Caught {
		return nil, fault.New(fault.Failed, "it failed")
	}
	return x.Gave, nil
}

// play runs a script against the effects of a run, and returns what it did.
func play(t *testing.T, src []byte, want []*export.Effect) []string {
	t.Helper()
	p := &player{want: want, env: &effect.Env{Run: &effect.Run{Secrets: value.NewSecrets(nil)}}}
	globals := starlark.StringDict{"struct": starlark.NewBuiltin("struct", starlarkstruct.Make)}
	world.Bind(p.env.Run, globals)
	builtin := func(name string, f func(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)) {
		globals[name] = starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return f(thread, args, kwargs)
		})
	}
	builtin("attempt", func(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		_, _ = starlark.Call(thread, args[0], args[1:], kwargs)
		return starlark.None, nil
	})
	builtin("parallel", func(thread *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		iter := args[1].(starlark.Iterable).Iterate()
		defer iter.Done()
		var x starlark.Value
		for iter.Next(&x) {
			if _, err := starlark.Call(thread, args[0], starlark.Tuple{x}, nil); err != nil {
				return nil, err
			}
		}
		return starlark.None, nil
	})
	thread := &starlark.Thread{}
	module.SetHost(thread, p)
	out, err := starlark.ExecFileOptions(script.Options(true), thread, "exported.star", src, globals)
	if err == nil {
		_, err = starlark.Call(thread, out["main"], nil, nil)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	return p.got
}

// maker makes runs.
type maker struct {
	*rand.Rand
	effects []*export.Effect
	known   []starlark.Value // what effects gave
	ordinal map[string]int
}

var words = []string{
	"", "a", "web-1", "web-1.example.com", "1.4.2", "https://example.com/x", "out/app.conf", "50% of \"it\"", "two\nlines",
	"three\nlines\n\\and\tmore\n", "é漢字🎉", "tail\"", "\"\"\"", "\x00\x1b", "%s", "  spaces  ", "site/index.html", "main", "True",
}

func (m *maker) word() string {
	if m.IntN(3) == 0 {
		return fmt.Sprintf("id-%08x", m.Uint32())
	}
	return words[m.IntN(len(words))]
}

func (m *maker) value(depth int) starlark.Value {
	switch n := m.IntN(12); {
	case n < 3 && len(m.known) > 0:
		return m.part(m.known[m.IntN(len(m.known))])
	case n < 4 && len(m.known) > 0:
		if s, ok := m.part(m.known[m.IntN(len(m.known))]).(starlark.String); ok {
			return starlark.String(m.word()) + "/" + s + "-" + starlark.String(m.word())
		}
		return starlark.None
	case n < 7 || depth > 2:
		return starlark.String(m.word())
	case n == 7:
		return starlark.MakeInt(m.IntN(20) - 5)
	case n == 8:
		return []starlark.Value{starlark.None, starlark.True, starlark.Float(1.5), starlark.MakeInt64(1 << 60), starlark.Bytes("\xff\x00b")}[m.IntN(5)]
	case n == 9:
		return starlark.Tuple{m.value(depth + 1)}
	case n == 10:
		d := starlark.NewDict(2)
		for range m.IntN(3) {
			_ = d.SetKey(starlark.String(m.word()), m.value(depth+1))
		}
		return d
	}
	list := starlark.NewList(nil)
	for range m.IntN(4) {
		_ = list.Append(m.value(depth + 1))
	}
	return list
}

// part is something within a value, which a script could have taken from it.
func (m *maker) part(v starlark.Value) starlark.Value {
	switch v := v.(type) {
	case *starlarkstruct.Struct:
		if names := v.AttrNames(); len(names) > 0 && m.IntN(5) > 0 {
			field, _ := v.Attr(names[m.IntN(len(names))])
			return m.part(field)
		}
	case *starlark.List:
		if v.Len() > 0 && m.IntN(3) > 0 {
			return m.part(v.Index(m.IntN(v.Len())))
		}
	case starlark.String:
		if m.IntN(2) == 0 {
			return starlark.String(strings.TrimSpace(string(v)))
		}
	}
	return v
}

func (m *maker) result() starlark.Value {
	switch m.IntN(4) {
	case 0:
		return starlark.None
	case 1:
		return starlark.String(m.word() + "\n")
	case 2:
		return m.value(1)
	}
	return starlarkstruct.FromStringDict(starlark.String("result"), starlark.StringDict{
		"stdout": starlark.String(m.word() + "\n"), "code": starlark.MakeInt(0), "all": m.value(1),
	})
}

func (m *maker) effect(path, kind string, args ...starlark.Value) *export.Effect {
	m.ordinal[path]++
	names := map[string][]string{"world.put": {"path", "content", "mode", "tags", "extra"}, "world.look": {"name", "deep"}}[kind]
	given := starlark.NewDict(len(args))
	for i, v := range args {
		if v != nil {
			_ = given.SetKey(starlark.String(names[i]), v)
		}
	}
	x := &export.Effect{Given: given, Effect: &journal.Effect{
		Seq: int64(len(m.effects) + 1), Place: fmt.Sprintf("%s#%d", path, m.ordinal[path]), Kind: kind, Write: kind == "world.put",
		Status: journal.Done, Description: "what\nit does",
	}}
	m.effects = append(m.effects, x)
	return x
}

func (m *maker) any(path string) {
	var x *export.Effect
	if m.IntN(3) == 0 {
		x = m.effect(path, "world.look", m.value(0))
	} else {
		x = m.effect(path, "world.put", m.value(0), m.value(0), nil, m.value(0), nil)
	}
	switch m.IntN(12) {
	case 0:
		x.UndoStatus = journal.Undone
	case 1:
		x.Status, x.Failed = journal.Caught, &journal.Fault{Message: "no\nway"}
	case 2:
		x.Status, x.Failed = journal.Erred, &journal.Fault{Message: "no"}
	case 3:
		x.Status = journal.Intended
	default:
		x.Gave = m.result()
		m.known = append(m.known, x.Gave)
	}
}

// fork makes branches, most of which do the same.
func (m *maker) fork(n int, first int) {
	m.effect("0", "parallel").Description = "page for 3 items"
	for i := range n {
		path, item := fmt.Sprintf("0.%d", first+i), fmt.Sprintf("%s%d", m.word(), i)
		if m.IntN(12) == 0 {
			m.any(path)
		}
		look := m.effect(path, "world.look", starlark.String(item))
		look.Gave = starlark.String(fmt.Sprintf("found-%08x\n", m.Uint32()))
		m.effect(path, "world.put", starlark.String("site/"+item), starlark.String("<h1>"+item+"</h1> "+string(look.Gave.(starlark.String)))).Gave = starlark.None
		if m.IntN(12) == 0 {
			m.known = append(m.known, look.Gave)
		}
	}
}

func canonical(x *export.Effect) string {
	data, err := new(codec.Codec).Encode(x.Given)
	if err != nil {
		panic(err)
	}
	v, _ := new(codec.Codec).Decode(data)
	return x.Kind + v.String()
}

func TestExportedScriptDoesTheSame(t *testing.T) {
	joined := 0
	for seed := range uint64(1500) {
		m := &maker{Rand: rand.New(rand.NewPCG(seed, 7)), ordinal: map[string]int{}}
		params := []export.Param{
			{Name: "owner", Value: starlark.String("ada"), Help: "who says \"\"\"so\"\"\""},
			{Name: "world", Value: starlark.NewList([]starlark.Value{starlark.String(m.word()), starlark.String("paris")})},
			{Name: "mode", Value: starlark.MakeInt(3)},
		}
		m.known = append(m.known, params[0].Value, params[1].Value, params[2].Value)
		branches := 0
		for range 1 + m.IntN(8) {
			if m.IntN(5) == 0 {
				n := 2 + m.IntN(3)
				m.fork(n, branches)
				branches += n
				continue
			}
			m.any("0")
		}
		m.effect("0", "world.put", starlark.String("end"), starlark.None).Gave = starlark.None
		var done []*export.Effect
		var want []string
		for _, x := range m.effects {
			if x.Kind != "parallel" && x.UndoStatus != journal.Undone && (x.Status == journal.Done || x.Status == journal.Caught) {
				done, want = append(done, x), append(want, canonical(x))
			}
		}
		run := &export.Run{ID: "0123456789", Script: "x.star", State: journal.Completed, Params: params, Effects: m.effects}
		src, err := export.Script(run, export.Options{Modules: []*module.Module{world}, Predeclared: []string{"struct", "attempt", "parallel"}})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if strings.Contains(string(src), "parallel(") {
			joined++
		}
		got := play(t, src, done)
		// A script can write structs, but not their names, which nothing looks at.
		if nameless(got) != nameless(want) {
			t.Fatalf("seed %d: the script does\n%s\nand the run did\n%s\n%s", seed, strings.Join(got, "\n"), strings.Join(want, "\n"), src)
		}
		checkStyle(t, src)
	}
	if joined < 50 {
		t.Errorf("only %d of the scripts have parallel in them: the test does not look at it", joined)
	}
}

func nameless(effects []string) string {
	return strings.ReplaceAll(strings.Join(effects, "\n"), "result(", "struct(")
}

func checkStyle(t *testing.T, src []byte) {
	t.Helper()
	again, err := lint.Format("exported", src)
	if err != nil || string(again) != string(src) {
		t.Fatalf("it is not formatted (%v):\n%s\n%s", err, src, again)
	}
	options := lint.Options{Main: true, Modules: []*module.Module{world}, Predeclared: []string{"struct", "attempt", "parallel"}}
	for _, f := range lint.Source("exported", src, options) {
		t.Fatalf("%s\n%s", f, src)
	}
}
