package travel

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// The interpreter cannot set a local of a call that is under way. So what if x
// were 5 becomes "if ·due(0): x = 5" before the statement that the call is at, and
// the run is replayed: ·due(0) holds once, when that statement comes around for as
// many times as it had.

const dueName = "·due"

// edit is a change of a script.
type edit struct {
	file string
	pos  syntax.Position // where the statement begins
	name string          // the variable; "": the branch is only held there
	expr string          // its new value
	path string          // the branch in which it happens
	nth  int             // when the statement comes around for the nth time in it; 0: never

	mu    sync.Mutex
	count map[string]int // by path: how often the statement has come around
}

// edits are the changes that are made so far, oldest first.
type edits []*edit

// reset prepares for an execution.
func (all edits) reset() {
	for _, e := range all {
		e.count = map[string]int{}
	}
}

// lineKind is the kind of a sight that is no effect, but a statement.
const lineKind = "statement"

// names are what the edited modules need.
func (all edits) names(h *hold) starlark.StringDict {
	due := func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		i, err := starlark.AsInt32(args[0])
		if err != nil {
			return nil, err
		}
		b := branch.Of(thread)
		due := all[i].due(b.Path)
		if due && all[i].name == "" {
			_, err = h.Before(&door.Sight{Thread: thread, Place: b.PeekPlace(), Kind: lineKind, Position: all[i].pos.String()})
		}
		return starlark.Bool(due), err
	}
	return starlark.StringDict{dueName: starlark.NewBuiltin(dueName, due)}
}

func (e *edit) due(path string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count[path]++
	return path == e.path && e.count[path] == e.nth
}

// apply makes the changes in a module.
func (all edits) apply(f *syntax.File) {
	var made []syntax.Stmt
	for i, e := range all {
		if e.file != f.Path {
			continue
		}
		f.Stmts = eachBlock(f.Stmts, func(block []syntax.Stmt) []syntax.Stmt {
			at := slices.IndexFunc(block, func(s syntax.Stmt) bool {
				return !slices.Contains(made, s) && samePosition(syntax.Start(s), e.pos)
			})
			if at < 0 {
				return block
			}
			s := e.statement(i)
			made = append(made, s, s.True[0])
			return slices.Insert(block, at, syntax.Stmt(s))
		})
	}
}

func samePosition(a, b syntax.Position) bool { return a.Line == b.Line && a.Col == b.Col }

// statement is "if ·due(i): name = expr", with the position of what it comes before.
func (e *edit) statement(i int) *syntax.IfStmt {
	var body syntax.Stmt = &syntax.BranchStmt{Token: syntax.PASS, TokenPos: e.pos}
	if e.name != "" {
		value, err := parseAt(e.expr, e.pos)
		if err != nil {
			panic(err) // it has been evaluated
		}
		body = &syntax.AssignStmt{OpPos: e.pos, Op: syntax.EQ, LHS: &syntax.Ident{NamePos: e.pos, Name: e.name}, RHS: value}
	}
	return &syntax.IfStmt{
		If: e.pos,
		Cond: &syntax.CallExpr{
			Fn: &syntax.Ident{NamePos: e.pos, Name: dueName}, Lparen: e.pos, Rparen: e.pos,
			Args: []syntax.Expr{&syntax.Literal{Token: syntax.INT, TokenPos: e.pos, Raw: strconv.Itoa(i), Value: int64(i)}},
		},
		True: []syntax.Stmt{body},
	}
}

// parseAt parses an expression so that its errors have the line of a position.
func parseAt(src string, pos syntax.Position) (syntax.Expr, error) {
	return script.SessionOptions().ParseExpr(pos.Filename(), "("+strings.Repeat("\n", max(int(pos.Line)-1, 0))+src+"\n)", 0)
}

// eachBlock calls do for every list of statements, which it may change.
func eachBlock(block []syntax.Stmt, do func([]syntax.Stmt) []syntax.Stmt) []syntax.Stmt {
	for _, s := range block {
		switch s := s.(type) {
		case *syntax.DefStmt:
			s.Body = eachBlock(s.Body, do)
		case *syntax.ForStmt:
			s.Body = eachBlock(s.Body, do)
		case *syntax.IfStmt:
			s.True = eachBlock(s.True, do)
			if s.False != nil {
				s.False = eachBlock(s.False, do)
			}
		}
	}
	return do(block)
}

// newEdit prepares the change of a variable of a frame.
func newEdit(l *script.Loader, f *Frame, name, expr string) (*edit, error) {
	file := f.Pos.Filename()
	tree, err := parseFile(l, file)
	if err != nil {
		return nil, err
	}
	body := bodyOf(tree, f)
	if body == nil {
		return nil, fault.New(fault.Usage, "the variables of a %s cannot be changed", f.Func).
			WithHint("select the frame of the function around it: :frame N")
	}
	if !slices.Contains(boundIn(body), name) && !isParameter(f, name) {
		return nil, fault.New(fault.Usage, "%s has no variable %q of its own", f.Func, name).
			WithHint("select the frame that has it with :frame N; :locals lists the variables")
	}
	path := enclosing(body, f.Pos)
	if len(path) == 0 {
		return nil, fault.New(fault.Internal, "there is no statement at %s", f.Pos)
	}
	return &edit{file: file, pos: syntax.Start(path[len(path)-1]), name: name, expr: expr}, nil
}

// haltAt prepares to stop at the statement around a position.
func haltAt(l *script.Loader, file string, line, col int) (*edit, error) {
	tree, err := parseFile(l, file)
	if err != nil {
		return nil, err
	}
	pos := syntax.MakePosition(&file, int32(line), int32(col))
	body := tree.Stmts
	syntax.Walk(tree, func(n syntax.Node) bool {
		if def, ok := n.(*syntax.DefStmt); ok && spans(def, pos) {
			body = def.Body
		}
		return true
	})
	path := enclosing(body, pos)
	if len(path) == 0 {
		return nil, fault.New(fault.NotFound, "there is no statement at %s", pos)
	}
	return &edit{file: file, pos: syntax.Start(path[len(path)-1])}, nil
}

func isParameter(f *Frame, name string) bool {
	n := f.fn.NumParams()
	for i := range n {
		if p, _ := f.fn.Param(i); p == name {
			return true
		}
	}
	return false
}

// parseFile parses the text of a module that was loaded.
func parseFile(l *script.Loader, file string) (*syntax.File, error) {
	src := l.Text(file)
	if src == nil {
		return nil, fault.New(fault.NotFound, "the text of %s is not there", file)
	}
	f, err := script.SessionOptions().Parse(file, src, 0)
	if err != nil {
		return nil, l.Explain(err)
	}
	return f, nil
}

// bodyOf finds the statements of the function of a frame; nil for a lambda.
func bodyOf(tree *syntax.File, f *Frame) []syntax.Stmt {
	if f.Func == "<toplevel>" {
		return tree.Stmts
	}
	var body []syntax.Stmt
	syntax.Walk(tree, func(n syntax.Node) bool {
		if def, ok := n.(*syntax.DefStmt); ok && samePosition(def.Def, f.fn.Position()) {
			body = def.Body
		}
		return body == nil
	})
	return body
}

// boundIn are the names that statements bind in their function.
func boundIn(body []syntax.Stmt) []string {
	var names []string
	var target func(e syntax.Expr)
	target = func(e syntax.Expr) {
		switch e := e.(type) {
		case *syntax.Ident:
			names = append(names, e.Name)
		case *syntax.ParenExpr:
			target(e.X)
		case *syntax.TupleExpr:
			for _, x := range e.List {
				target(x)
			}
		case *syntax.ListExpr:
			for _, x := range e.List {
				target(x)
			}
		}
	}
	eachBlockOf(body, func(s syntax.Stmt) {
		switch s := s.(type) {
		case *syntax.AssignStmt:
			target(s.LHS)
		case *syntax.ForStmt:
			target(s.Vars)
		case *syntax.DefStmt:
			names = append(names, s.Name.Name)
		}
	})
	return names
}

// eachBlockOf calls do for the statements of one function.
func eachBlockOf(body []syntax.Stmt, do func(syntax.Stmt)) {
	for _, s := range body {
		do(s)
		switch s := s.(type) {
		case *syntax.ForStmt:
			eachBlockOf(s.Body, do)
		case *syntax.IfStmt:
			eachBlockOf(s.True, do)
			eachBlockOf(s.False, do)
		}
	}
}

// enclosing are the statements of one function around a position, outermost
// first.
func enclosing(body []syntax.Stmt, pos syntax.Position) []syntax.Stmt {
	for _, s := range body {
		if !spans(s, pos) {
			continue
		}
		path := []syntax.Stmt{s}
		switch s := s.(type) {
		case *syntax.ForStmt:
			path = append(path, enclosing(s.Body, pos)...)
		case *syntax.IfStmt:
			path = append(path, enclosing(append(slices.Clone(s.True), s.False...), pos)...)
		}
		return path
	}
	return nil
}

func spans(n syntax.Node, pos syntax.Position) bool {
	start, end := n.Span()
	return !after(start, pos) && !after(pos, end)
}

func after(a, b syntax.Position) bool { return a.Line > b.Line || a.Line == b.Line && a.Col > b.Col }
