package module_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var sample = module.New("box", "Things in a box.\n\nFor tests.")

var everything = sample.Pure(`
def everything(text, number = 1, ratio = 0.5, flag = False, data = b"", wait = "1s", names = [], sizes = {}, any = None,
               fn = None, items = (), table = None, maybe = None, *, last_of_all = ""):
    """Takes one argument of every type.

    Args:
      text: a text.
      number: a number.
    """`, &allTypes{})

type allTypes struct {
	Text   string            `star:"text"`
	Number int               `star:"number"`
	Ratio  float64           `star:"ratio"`
	Flag   bool              `star:"flag"`
	Data   []byte            `star:"data"`
	Wait   gotime.Duration   `star:"wait"`
	Names  []string          `star:"names"`
	Sizes  map[string]int    `star:"sizes"`
	Any    starlark.Value    `star:"any"`
	Fn     starlark.Callable `star:"fn"`
	Items  starlark.Iterable `star:"items"`
	Table  *starlark.Dict    `star:"table"`
	Maybe  *int              `star:"maybe"`
	Last   string            `star:"last_of_all"`
}

func (a *allTypes) Compute(*effect.Env) (any, error) {
	maybe := "none"
	if a.Maybe != nil {
		maybe = fmt.Sprint(*a.Maybe)
	}
	return fmt.Sprintf("%s %d %g %t %s %s %q %v %v %t %v %v %s %s", a.Text, a.Number, a.Ratio, a.Flag, a.Data, a.Wait, a.Names,
		a.Sizes, a.Any, a.Fn != nil, a.Items, a.Table, maybe, a.Last), nil
}

var rest = sample.Control(`
def rest(first, *args, **kwargs):
    """Takes what comes."""`, &variadic{})

type variadic struct {
	First  string           `star:"first"`
	Args   starlark.Tuple   `star:"*args"`
	Kwargs []starlark.Tuple `star:"**kwargs"`
}

func (v *variadic) Control(*starlark.Thread) (any, error) {
	return fmt.Sprintf("%s %v %v", v.First, v.Args, v.Kwargs), nil
}

var look = sample.Read(`
def look(path, password = "", limit = 0):
    """Looks into the box.

    Args:
      path: where.
      password: of the box.
      limit: how far.
    Returns:
      What is there.
    Example:
      box.look("a")
    """`, &looker{})

type looker struct {
	Path     string `star:"path"`
	Password string `star:"password,secret"`
	Limit    int    `star:"limit,tuning"`
}

func (l *looker) Perform(context.Context, *effect.Env) (any, error) { return l.Path + l.Password, nil }

var push = sample.Write(`
def push(command):
    """Runs a command in the box."""`, &pusher{}, effect.Approximate)

type pusher struct {
	Command []string `star:"command"`
}

func (p *pusher) RunsCommand()                                      {}
func (p *pusher) Perform(context.Context, *effect.Env) (any, error) { return nil, nil }
func (p *pusher) Happened(context.Context, *effect.Env, effect.Past) (effect.Answer, error) {
	return effect.Answer{}, nil
}

var _ = sample.Fact("size", "How large it is.", func(*effect.Run) any { return 7 })

// host notes the calls that it gets.
type host struct {
	run   *effect.Run
	check bool
	calls []*effect.Call
}

func newHost() *host { return &host{run: &effect.Run{Secrets: value.NewSecrets([]byte("k"))}} }

func (h *host) Effect(_ *starlark.Thread, call *effect.Call) (starlark.Value, error) {
	h.calls = append(h.calls, call)
	return starlark.String("called"), nil
}
func (h *host) Env() *effect.Env { return &effect.Env{Run: h.run, Options: effect.NoOptions} }
func (h *host) Check() bool      { return h.check }

func (h *host) eval(expr string) (starlark.Value, error) {
	marked, _ := h.run.Secrets.Add("pw", "hidden value")
	globals := starlark.StringDict{
		"unknown": value.NewUnknown("u"), "secret": marked, "minute": time.Duration(gotime.Minute),
		"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
	}
	sample.Bind(h.run, globals)
	thread := new(starlark.Thread)
	module.SetHost(thread, h)
	return starlark.EvalOptions(&syntax.FileOptions{Set: true}, thread, "x.star", expr, globals)
}

func TestUnpack(t *testing.T) {
	const standard = `1 0.5 false  1s [] map[] None false () <nil> none `
	tests := []struct{ expr, want string }{
		{`box.everything("t")`, "t " + standard},
		{`box.everything(text = "t")`, "t " + standard},
		{`box.everything("t", 7, 2, True, b"d", "2d", ("a", "b"), {"x": 1}, [0], len, set([1]), {1: 2}, 5, last_of_all = "l")`,
			`t 7 2 true d 48h0m0s ["a" "b"] map[x:1] [0] true set([1]) {1: 2} 5 l`},
		{`box.everything("t", wait = minute, data = "text")`, "t 1 0.5 false text 1m0s [] map[] None false () <nil> none "},
		{`box.everything("t", wait = 0, ratio = 3)`, "t 1 3 false  0s [] map[] None false () <nil> none "},
		{`box.everything("t", any = None, fn = None, table = None, maybe = None)`, "t " + standard},
		{`box.rest("a")`, "a () []"},
		{`box.rest("a", 1, 2, x = 3, _y = 4)`, `a (1, 2) [("x", 3) ("_y", 4)]`},
		{`box.rest(first = "a", x = 1)`, `a () [("x", 1)]`},
		{`box.size + 1`, "8"},
	}
	for _, test := range tests {
		t.Run(test.expr, func(t *testing.T) {
			v, err := newHost().eval(test.expr)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := starlark.AsString(v)
			if !ok {
				got = v.String()
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestUnpackRefuses(t *testing.T) {
	tests := []struct{ expr, want string }{
		{`box.everything()`, `box.everything: argument missing: "text"`},
		{`box.look(limit = 1)`, `box.look: argument missing: "path"`},
		{`box.everything("t", txet = 1)`, `unexpected argument "txet" (did you mean "text"?)`},
		{`box.everything("t", lastofall = 1)`, `unexpected argument "lastofall" (did you mean "last_of_all"?)`},
		{`box.everything("t", mabye = 1)`, `unexpected argument "mabye" (did you mean "maybe"?)`},
		{`box.everything("t", zzzzzz = 1)`, `unexpected argument "zzzzzz"`},
		{`box.everything("t", text = "u")`, `the argument "text" is given twice`},
		{`box.rest("a", first = "b")`, `the argument "first" is given twice`},
		{`box.look("a", "b", 1, 2)`, "takes at most 3 positional arguments, not 4"},
		{`box.everything(*([""] * 14))`, "takes at most 13 positional arguments, not 14"},
		{`box.everything(None)`, `the argument "text" must be a string, not None`},
		{`box.everything(1)`, `the argument "text" must be a string, not the int 1`},
		{`box.everything("t", None)`, `the argument "number" must be an int, not None`},
		{`box.everything("t", 1.5)`, `the argument "number" must be an int, not the float 1.5`},
		{`box.everything("t", 1 << 70)`, `the argument "number" is too large a number`},
		{`box.everything("t", ratio = "1")`, `must be a number, not the string "1"`},
		{`box.everything("t", flag = 1)`, "must be True or False, not the int 1"},
		{`box.everything("t", data = 1)`, "must be a string or bytes"},
		{`box.everything("t", wait = 5)`, "must be a duration such as"},
		{`box.everything("t", wait = "soon")`, "must be a duration such as"},
		{`box.everything("t", names = "abc")`, `must be a list, not the string "abc"`},
		{`box.everything("t", names = {"a": 1})`, "must be a list, not a dict"},
		{`box.everything("t", names = ["a", 1])`, `the argument "names" at index 1 must be a string, not the int 1`},
		{`box.everything("t", sizes = {"a": "x"})`, `at key "a" must be an int`},
		{`box.everything("t", sizes = {1: 1})`, "has the key 1, which must be a string"},
		{`box.everything("t", fn = 1)`, "must be a function"},
		{`box.everything("t", items = 1)`, "must be a list or another iterable"},
		{`box.everything("t", table = [])`, "must be a dict, not a list"},
		{`box.everything("t", number = "x" * 100)`, "must be an int, not a string"},
		{`box.everything("t", number = secret)`, "must be an int, not a secret"},
		{`box.everything("t", number = "a" + secret)`, "must be an int, not a string"},
		{`box.everything("t", _timeout = "1s")`, `unexpected argument "_timeout"`},
		{`box.look("a", _timeuot = "1s")`, `unexpected argument "_timeuot" (did you mean "_timeout"?)`},
		{`box.look("a", _timeout = "long")`, `the argument "_timeout" must be a duration`},
		{`box.look("a", _timeout = "-1s")`, `the argument "_timeout" is out of range`},
		{`box.look("a", _retries = -2)`, `the argument "_retries" is out of range`},
		{`box.look("a", _when = "yes")`, `the argument "_when" must be True or False`},
		{`box.look("a", _sudo = True)`, "_sudo is for effects that run commands"},
		{`box.lok("a")`, `the module box has no "lok" (did you mean "look"?)`},
	}
	for _, test := range tests {
		t.Run(test.expr, func(t *testing.T) {
			h := newHost()
			_, err := h.eval(test.expr)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if !fault.Is(err, fault.Invalid, fault.Script) || fault.As(err).Hint == "" {
				t.Errorf("the error is of the kind %s, with the hint %q", fault.KindOf(err), fault.As(err).Hint)
			}
			if strings.Contains(err.Error(), "hidden") || value.HasMarker(err.Error()) || len(h.calls) > 0 {
				t.Errorf("the error %q shows a secret, or the effect was called", err)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	h := newHost()
	if _, err := h.eval(`box.push(["a"], _timeout = "5s", _retries = 2, _description = "pushing", _when = False, _sudo = True,
		_user = "me", _env = {"A": "b"}, _cwd = "/x", _once = True)`); err != nil {
		t.Fatal(err)
	}
	want := effect.Options{Timeout: 5 * gotime.Second, Retries: 2, Description: "pushing", Sudo: true, User: "me",
		Env: map[string]string{"A": "b"}, Cwd: "/x", Once: true}
	if got := h.calls[0].Options; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if len(h.calls[0].Under) != 9 {
		t.Errorf("recorded are %v", h.calls[0].Under)
	}
	if _, err := h.eval(`box.look("a", _timeout = None, _retries = None)`); err != nil {
		t.Fatal(err)
	}
	if got := h.calls[1].Options; fmt.Sprint(got) != fmt.Sprint(effect.NoOptions) {
		t.Errorf("None for options gives %+v", got)
	}
}

func TestGivenArguments(t *testing.T) {
	h := newHost()
	if _, err := h.eval(`box.look("a", limit = 3)`); err != nil {
		t.Fatal(err)
	}
	call := h.calls[0]
	if call.Args[0] != starlark.String("a") || call.Args[1] != nil || call.Args[2].String() != "3" {
		t.Errorf("given are %v", call.Args)
	}
	if do := call.Do.(*looker); *do != (looker{Path: "a", Limit: 3}) {
		t.Errorf("the effect is %+v", do)
	}
}

func TestSecretFieldsAreConcealed(t *testing.T) {
	h := newHost()
	for _, expr := range []string{`box.look("a", "open sesame")`, `box.look("a", password = "open sesame")`, `box.look("a", secret)`, `box.look("a", "x" + secret)`, `box.look("a", "")`} {
		if _, err := h.eval(expr); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"open sesame", "open sesame", "hidden value", "xhidden value", ""} {
		call := h.calls[i]
		given, field := call.Args[1].String(), call.Do.(*looker).Password
		if strings.Contains(given+field, "sesame") {
			t.Errorf("call %d shows the secret: %s, %s", i, given, field)
		}
		if plain, err := h.run.Secrets.Expand(field); err != nil || plain != want {
			t.Errorf("call %d means %q, %v; want %q", i, plain, err, want)
		}
	}
	if shown := h.run.Secrets.Redact("open sesame"); shown != "«secret box.look password»" {
		t.Errorf("it is shown as %q", shown)
	}
}

func TestUnknownArguments(t *testing.T) {
	h := newHost()
	h.check = true
	if v, err := h.eval(`box.everything(unknown)`); err != nil || v.Type() != "unknown" {
		t.Errorf("a function of an unknown is %v, %v", v, err)
	}
	if _, err := h.eval(`box.rest(unknown)`); err == nil || !strings.Contains(err.Error(), "depends on u") {
		t.Errorf("a controller went on with an unknown: %v", err)
	}
	if _, err := h.eval(`box.push(["a", {"x": unknown}])`); err != nil {
		t.Error(err)
	}
	if h.calls[0].Unknown == nil || h.calls[0].Do.(*pusher).Command != nil {
		t.Errorf("the effect got %+v", h.calls[0])
	}
	if _, err := h.eval(`box.look("a", _when = unknown)`); err == nil {
		t.Error("an option that is not known was taken")
	}
}

func TestDocumentation(t *testing.T) {
	if got, want := everything.Signature(), `box.everything(text, number = 1, ratio = 0.5, flag = False, data = b"", wait = "1s", names = [], sizes = {}, any = None, fn = None, items = (), table = None, maybe = None, *, last_of_all = "")`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := rest.Signature(), "box.rest(first, *args, **kwargs)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	const help = `box.look(path, password = "", limit = 0)
    (read)

Looks into the box.

Arguments:
  path (string): where.
  password (string): of the box.
  limit (int): how far.

Returns:
  What is there.

Example:
  box.look("a")
`
	if got := look.Help(); got != help {
		t.Errorf("got\n%s\nwant\n%s", got, help)
	}
	if got, want := push.Nature(), "write, predicted approximately, not undone by rollback, asks the world when in doubt"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	decl := look.Decl()
	if decl.Kind != "box.look" || fmt.Sprint(decl.Params, decl.Tuning) != "[path password limit] [false false true]" || everything.Decl() != nil {
		t.Errorf("got %+v", decl)
	}
	var names []string
	for _, f := range sample.Funcs() {
		names = append(names, f.Short())
	}
	if fmt.Sprint(names) != "[everything look push rest]" || sample.Doc.Summary != "Things in a box." || len(sample.Facts()) != 1 {
		t.Errorf("the module has %v, %+v", names, sample.Doc)
	}
	if v, err := newHost().eval(`box.look.doc`); err != nil || v != starlark.String(help) {
		t.Errorf("scripts see %v, %v", v, err)
	}
}

func TestRestore(t *testing.T) {
	args := starlark.NewDict(2)
	for k, v := range map[string]starlark.Value{"path": starlark.String("a"), "limit": starlark.MakeInt(2), "_timeout": starlark.String("3s")} {
		if err := args.SetKey(starlark.String(k), v); err != nil {
			t.Fatal(err)
		}
	}
	do, options, err := look.Restore(args)
	if err != nil || *do.(*looker) != (looker{Path: "a", Limit: 2}) || options.Timeout != 3*gotime.Second {
		t.Errorf("got %+v, %+v, %v", do, options, err)
	}
	if _, _, err := look.Restore(starlark.NewDict(0)); err == nil {
		t.Error("an effect without its arguments was restored")
	}
	if _, _, err := everything.Restore(args); err == nil {
		t.Error("a function was restored as an effect")
	}
	damaged := starlark.NewDict(1)
	if err := damaged.SetKey(starlark.None, starlark.None); err != nil {
		t.Fatal(err)
	}
	if _, _, err := look.Restore(damaged); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
}

// A stub that does not fit its struct is found by whatever looks at it first.
func TestStubAndStructDisagree(t *testing.T) {
	tests := []struct{ name, stub, want string }{
		{"no field", "def f(path, password, limit, more): pass", "no field for the parameter more"},
		{"no parameter", "def f(path): pass", "no parameter for the fields"},
		{"no syntax", "def f(path", "stub of box.f"},
		{"no constant", "def f(path, password = x, limit = 0): pass", "undefined: x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), test.want) {
					t.Errorf("got %v, want %q", r, test.want)
				}
			}()
			module.New("box", "").Read(test.stub, &looker{}).Signature()
		})
	}
}

type unfit struct {
	C chan int `star:"c"`
}

func (*unfit) Compute(*effect.Env) (any, error) { return nil, nil }

func TestFieldOfAnUnfitType(t *testing.T) {
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "cannot be a chan int") {
			t.Errorf("got %v", r)
		}
	}()
	module.New("box", "").Pure("def f(c): pass", &unfit{}).Signature()
}

var largeNumber = regexp.MustCompile(`[0-9]{5}`)

// Whatever is given, the unpacker answers with a value or a fault.
func FuzzUnpack(f *testing.F) {
	f.Add(`"t", number = 3`)
	f.Add(`*[1, 2], **{"text": None, "_timeout": {}}`)
	f.Add(`names = [[]], sizes = {"a": 1 << 80}, wait = 1e300, secret = secret`)
	f.Fuzz(func(t *testing.T, args string) {
		if largeNumber.MatchString(args) {
			t.Skip("an expression that takes all memory is the script's own affair")
		}
		for _, fn := range []string{"everything", "rest", "look", "push"} {
			for _, check := range []bool{false, true} {
				h := newHost()
				h.check = check
				if v, err := h.eval("box." + fn + "(" + args + ")"); err == nil && v == nil {
					t.Errorf("box.%s(%s) has neither a value nor an error", fn, args)
				}
			}
		}
	})
}
