package module

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/docstring"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Func is a builtin. It is a Starlark value that scripts call.
type Func struct {
	module *Module
	short  string // "read"
	name   string // "fs.read"
	stub   string
	proto  reflect.Type
	decl   *effect.Decl // nil for functions without effect
	// callsBack says that it is a Controller.
	callsBack bool
	spreads   bool // it is a Spreader
	spec      func() *spec
}

var (
	_ starlark.Callable = (*Func)(nil)
	_ starlark.HasAttrs = (*Func)(nil)
)

// Part is implemented by a part of the structs of several builtins that has
// parameters of its own: they are not in the stubs of those, but in that of the part,
// after a star.
type Part interface {
	Parameters() (stub string)
}

// spec is what the stub and the struct say together. It is made on first use:
// a run uses few of the builtins that there are.
type spec struct {
	params   []param
	byName   map[string]int
	required int
	varargs  *field // *args
	kwargs   *field // **kwargs
	doc      docstring.Doc
}

type param struct {
	name     string
	text     string         // as written in the stub, for signatures
	standard starlark.Value // the default; nil: the argument is required
	kwOnly   bool
	field    field
}

func newFunc(m *Module, stub string, args any, decl *effect.Decl) *Func {
	short, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(stub), "def "), "(")
	name := short
	if m.Name != "" {
		name = m.Name + "." + short
	}
	f := &Func{module: m, short: short, name: name, stub: stub, proto: reflect.TypeOf(args).Elem(), decl: decl}
	_, f.callsBack = args.(Controller)
	_, f.spreads = args.(effect.Spreader)
	f.spec = sync.OnceValue(f.parse)
	return f
}

// parse reads the stub. A stub that does not fit its struct is a defect of the
// builtin, found by the tests, which look at every declared function.
func (f *Func) parse() *spec {
	s := &spec{byName: map[string]int{}}
	fields := fieldsOf(f.proto)
	s.doc = s.read(f, f.stub, fields)
	if part, ok := reflect.New(f.proto).Interface().(Part); ok {
		inherited := s.read(f, part.Parameters(), fields)
		s.doc.Args = append(s.doc.Args, inherited.Args...)
	}
	if len(fields) != 0 {
		panic(fmt.Sprintf("stub of %s: no parameter for the fields %v", f.name, fields))
	}
	if f.decl != nil {
		f.decl.Kind = f.name
		for _, p := range s.params {
			f.decl.Params = append(f.decl.Params, p.name)
			f.decl.Tuning = append(f.decl.Tuning, p.field.tuning)
		}
	}
	return s
}

// read takes the parameters of a stub, whose documentation it returns.
func (s *spec) read(f *Func, stub string, fields map[string]field) docstring.Doc {
	file, err := (&syntax.FileOptions{}).Parse(f.name, strings.TrimSpace(stub)+"\n", 0)
	if err != nil {
		panic(fmt.Sprintf("stub of %s: %v", f.name, err))
	}
	def := file.Stmts[0].(*syntax.DefStmt)
	kwOnly := false
	for _, p := range def.Params {
		switch p := p.(type) {
		case *syntax.Ident:
			s.addParam(f, param{name: p.Name, text: p.Name, kwOnly: kwOnly}, fields)
		case *syntax.BinaryExpr: // name = default
			name := p.X.(*syntax.Ident).Name
			standard := literal(f.name, p.Y)
			text := sourceText(p.Y, standard)
			s.addParam(f, param{name: name, text: name + " = " + text, standard: standard, kwOnly: kwOnly}, fields)
		case *syntax.UnaryExpr: // *, *args, **kwargs
			kwOnly = true
			if p.X == nil {
				continue
			}
			fd := mustField(f.name, fields, p.Op.String()+p.X.(*syntax.Ident).Name)
			if p.Op == syntax.STAR {
				s.varargs = &fd
			} else {
				s.kwargs = &fd
			}
		}
	}
	lit, ok := docLiteral(def)
	if !ok {
		return docstring.Doc{}
	}
	return docstring.Parse(lit)
}

func (s *spec) addParam(f *Func, p param, fields map[string]field) {
	p.field = mustField(f.name, fields, p.name)
	s.byName[p.name] = len(s.params)
	s.params = append(s.params, p)
	if p.standard == nil {
		s.required++
	}
}

func mustField(name string, fields map[string]field, param string) field {
	fd, ok := fields[param]
	if !ok {
		panic(fmt.Sprintf("stub of %s: no field for the parameter %s", name, param))
	}
	delete(fields, param)
	return fd
}

// literal evaluates a default, which has to be a constant expression.
func literal(name string, e syntax.Expr) starlark.Value {
	v, err := starlark.EvalExprOptions(&syntax.FileOptions{Set: true}, new(starlark.Thread), e, starlark.StringDict{})
	if err != nil {
		panic(fmt.Sprintf("stub of %s: %v", name, err))
	}
	v.Freeze()
	return v
}

// sourceText is how documentation writes a default: 0o644 stays 0o644.
func sourceText(e syntax.Expr, v starlark.Value) string {
	if lit, ok := e.(*syntax.Literal); ok && lit.Token == syntax.INT {
		return lit.Raw
	}
	return v.String()
}

func docLiteral(def *syntax.DefStmt) (string, bool) {
	if len(def.Body) == 0 {
		return "", false
	}
	stmt, ok := def.Body[0].(*syntax.ExprStmt)
	if !ok {
		return "", false
	}
	lit, ok := stmt.X.(*syntax.Literal)
	if !ok {
		return "", false
	}
	s, ok := lit.Value.(string)
	return s, ok
}

func (f *Func) Name() string          { return f.name }
func (f *Func) Short() string         { return f.short }
func (f *Func) String() string        { return "<builtin " + f.Signature() + ">" }
func (f *Func) Type() string          { return "builtin" }
func (f *Func) Freeze()               {}
func (f *Func) Truth() starlark.Bool  { return true }
func (f *Func) Hash() (uint32, error) { return starlark.String(f.name).Hash() }
func (f *Func) Doc() docstring.Doc    { return f.spec().doc }

// Decl returns what is known of the effect; nil for a function that has none.
func (f *Func) Decl() *effect.Decl {
	f.spec()
	return f.decl
}

// Prototype returns the type whose methods say what the effect can do.
func (f *Func) Prototype() reflect.Type { return reflect.PointerTo(f.proto) }

// Attr gives scripts the documentation: fs.read.doc.
func (f *Func) Attr(name string) (starlark.Value, error) {
	if name == "doc" {
		return starlark.String(f.Help()), nil
	}
	return nil, nil
}

func (f *Func) AttrNames() []string { return []string{"doc"} }

// Params returns the names of the parameters, in order.
func (f *Func) Params() []string {
	s := f.spec()
	names := make([]string, len(s.params))
	for i, p := range s.params {
		names[i] = p.name
	}
	return names
}

// Default returns what a parameter is when it is not given; nil for one that is
// required, or that there is not.
func (f *Func) Default(name string) starlark.Value {
	s := f.spec()
	if i, ok := s.byName[name]; ok {
		return s.params[i].standard
	}
	return nil
}

// ParamType returns, in the words of the documentation, what the parameter takes.
func (f *Func) ParamType(name string) string {
	s := f.spec()
	if i, ok := s.byName[name]; ok {
		return s.params[i].field.typeName
	}
	return ""
}

// Signature is how the function is called: fs.read(path, limit = 0).
func (f *Func) Signature() string {
	s := f.spec()
	var parts []string
	starred := false
	for _, p := range s.params {
		if p.kwOnly && !starred && s.varargs == nil {
			parts = append(parts, "*")
			starred = true
		}
		parts = append(parts, p.text)
	}
	if s.varargs != nil {
		parts = append(parts, "*args")
	}
	if s.kwargs != nil {
		parts = append(parts, "**kwargs")
	}
	return f.name + "(" + strings.Join(parts, ", ") + ")"
}

// CallInternal unpacks the arguments and does what the declaration says.
func (f *Func) CallInternal(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if f.spreads {
		return f.spread(thread, args, kwargs)
	}
	return f.call(thread, args, kwargs)
}

// call is one effect, or one computation.
func (f *Func) call(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	host := hostOf(thread)
	u := unpacking{f: f, thread: thread, spec: f.spec(), check: host.Check(), secrets: host.Env().Run.Secrets}
	ptr := reflect.New(f.proto)
	if err := u.unpack(ptr.Elem(), args, kwargs); err != nil {
		return nil, err
	}
	switch do := whole(ptr).(type) {
	case effect.Performer:
		return host.Effect(thread, &effect.Call{
			Decl: f.decl, Do: do, Args: u.given, Options: u.options, Under: u.under, Unknown: u.unknown,
		})
	case Controller:
		if u.unknown != nil {
			return nil, &value.Undecided{Unknown: u.unknown, Op: f.name}
		}
		v, err := do.Control(thread)
		return result(v, err)
	case Computer:
		if u.unknown != nil {
			return f.unknown(host, &u, args, kwargs), nil
		}
		v, err := do.Compute(host.Env())
		return result(v, err)
	}
	panic(f.name + " declares neither an effect nor a function")
}

// whole tells the parts of an effect about it.
func whole(ptr reflect.Value) any {
	do := ptr.Interface()
	if e, ok := do.(effect.Embedded); ok {
		e.Embed(do.(effect.Performer))
	}
	return do
}

// unknown is what a function without effect gives for arguments that check mode
// does not know.
func (f *Func) unknown(host Host, u *unpacking, args starlark.Tuple, kwargs []starlark.Tuple) *value.Unknown {
	operands := args
	for _, kv := range kwargs {
		operands = append(operands[:len(operands):len(operands)], kv)
	}
	return value.UnknownOf(operands, func(known starlark.Tuple) (starlark.Value, error) {
		named := make([]starlark.Tuple, len(kwargs))
		for i := range named {
			named[i] = known[len(args)+i].(starlark.Tuple)
		}
		again := unpacking{f: f, spec: u.spec, secrets: u.secrets}
		ptr := reflect.New(f.proto)
		if err := again.unpack(ptr.Elem(), known[:len(args)], named); err != nil {
			return nil, err
		}
		return result(ptr.Interface().(Computer).Compute(host.Env()))
	}, "%s(%s)", f.name, value.Arguments(args, kwargs))
}

// Restore makes the effect again from the arguments that the journal keeps, for
// those who have to undo it or ask about it later.
func (f *Func) Restore(args *starlark.Dict) (effect.Performer, effect.Options, error) {
	call, err := f.Recall(args)
	if err != nil {
		return nil, effect.NoOptions, err
	}
	return call.Do, call.Options, nil
}

// Recall makes the call of an effect again from the arguments that the journal keeps.
func (f *Func) Recall(args *starlark.Dict) (*effect.Call, error) {
	u := unpacking{f: f, spec: f.spec()}
	kwargs := make([]starlark.Tuple, 0, args.Len())
	for _, kv := range args.Items() {
		if _, ok := kv[0].(starlark.String); !ok {
			return nil, fmt.Errorf("the arguments of %s are damaged", f.name)
		}
		kwargs = append(kwargs, kv)
	}
	ptr := reflect.New(f.proto)
	if err := u.unpack(ptr.Elem(), nil, kwargs); err != nil {
		return nil, err
	}
	do, ok := whole(ptr).(effect.Performer)
	if !ok {
		return nil, fmt.Errorf("%s is not an effect", f.name)
	}
	return &effect.Call{Decl: f.decl, Do: do, Args: u.given, Options: u.options, Under: u.under}, nil
}

// Call makes the call of an effect again from what it was called with in another
// process: given are the arguments in the order of the parameters, nil for those
// that were not given.
func (f *Func) Call(given []starlark.Value, under []starlark.Tuple, check bool, secrets *value.Secrets) (*effect.Call, error) {
	u := unpacking{f: f, spec: f.spec(), check: check, secrets: secrets}
	if f.decl == nil || len(given) != len(u.spec.params) {
		return nil, fmt.Errorf("%s is not called like that", f.name)
	}
	var kwargs []starlark.Tuple
	for i, v := range given {
		if v != nil {
			kwargs = append(kwargs, starlark.Tuple{starlark.String(u.spec.params[i].name), v})
		}
	}
	for _, kv := range under {
		if name, ok := starlark.AsString(kv[0]); !ok || !strings.HasPrefix(name, "_") {
			return nil, fmt.Errorf("%s is not called like that", f.name)
		}
	}
	ptr := reflect.New(f.proto)
	if err := u.unpack(ptr.Elem(), nil, append(kwargs, under...)); err != nil {
		return nil, err
	}
	return &effect.Call{
		Decl: f.decl, Do: whole(ptr).(effect.Performer), Args: u.given, Options: u.options, Under: u.under, Unknown: u.unknown,
	}, nil
}

func result(v any, err error) (starlark.Value, error) {
	if err != nil {
		return nil, err
	}
	return valueOf(v), nil
}

func valueOf(v any) starlark.Value { return value.Of(v) }

// Host is what a builtin needs of the run that it is called in.
type Host interface {
	Effect(thread *starlark.Thread, call *effect.Call) (starlark.Value, error)
	Env() *effect.Env // for functions without effect
	Check() bool      // unknown values may occur
}

const hostKey = "provisioning.host"

// SetHost makes builtins that are called on thread act on host.
func SetHost(thread *starlark.Thread, host Host) { thread.SetLocal(hostKey, host) }

func hostOf(thread *starlark.Thread) Host {
	host, ok := thread.Local(hostKey).(Host)
	if !ok {
		panic("module: a builtin was called on a thread without a host")
	}
	return host
}
