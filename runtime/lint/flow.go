package lint

import (
	"fmt"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/docstring"
)

// eachBlock calls f for every list of statements that run one after another.
func (f *file) eachBlock(do func([]syntax.Stmt)) {
	walk(f.tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.File:
			do(n.Stmts)
		case *syntax.DefStmt:
			do(n.Body)
		case *syntax.ForStmt:
			do(n.Body)
		case *syntax.IfStmt:
			do(n.True)
			do(n.False)
		}
		return true
	})
}

// checkUnreachable finds the first statement after one that never goes on.
func (f *file) checkUnreachable() {
	f.eachBlock(func(stmts []syntax.Stmt) {
		for i, s := range stmts {
			if i > 0 {
				if why := leaves(stmts[i-1]); why != "" {
					f.report(syntax.Start(s), Unreachable, "", "this is never reached, because of the %s above", why)
					return
				}
			}
		}
	})
}

// leaves says by what a statement never goes on to the next one, or "".
func leaves(s syntax.Stmt) string {
	switch s := s.(type) {
	case *syntax.ReturnStmt:
		return "return"
	case *syntax.BranchStmt:
		if s.Token != syntax.PASS {
			return s.Token.String()
		}
	case *syntax.ExprStmt:
		if call, ok := s.X.(*syntax.CallExpr); ok {
			if id, ok := call.Fn.(*syntax.Ident); ok && id.Name == "fail" && scope(id) == resolve.Universal {
				return "fail"
			}
		}
	case *syntax.IfStmt:
		if blockLeaves(s.True) != "" {
			return blockLeaves(s.False)
		}
	}
	return ""
}

func blockLeaves(stmts []syntax.Stmt) string {
	for _, s := range stmts {
		if why := leaves(s); why != "" {
			return why
		}
	}
	return ""
}

// checkDuplicates finds functions defined twice and keys given twice.
func (f *file) checkDuplicates() {
	f.eachBlock(func(stmts []syntax.Stmt) {
		first := map[string]*syntax.Ident{}
		for _, s := range stmts {
			def, ok := s.(*syntax.DefStmt)
			if !ok {
				continue
			}
			if prev := first[def.Name.Name]; prev != nil {
				f.report(def.Name.NamePos, DuplicateFunction, "remove or rename one of them",
					"%s is defined at line %d already", def.Name.Name, prev.NamePos.Line)
				continue
			}
			first[def.Name.Name] = def.Name
		}
	})
	walk(f.tree, func(n syntax.Node) bool {
		if dict, ok := n.(*syntax.DictExpr); ok {
			f.checkKeys(dict)
		}
		return true
	})
}

func (f *file) checkKeys(dict *syntax.DictExpr) {
	first := map[string]syntax.Position{}
	for _, e := range dict.List {
		key := e.(*syntax.DictEntry).Key
		id, shown := constant(key)
		if id == "" {
			continue
		}
		if prev, ok := first[id]; ok {
			f.report(syntax.Start(key), DuplicateKey, "", "the key %s is given at line %d already", shown, prev.Line)
			continue
		}
		first[id] = syntax.Start(key)
	}
}

// constant identifies a key whose value is plain from the text; "" for others.
func constant(e syntax.Expr) (id, shown string) {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return constant(e.X)
	case *syntax.Literal:
		switch e.Token {
		case syntax.INT, syntax.FLOAT: // 1 and 1.0 are the same key
			return fmt.Sprintf("number %v", e.Value), e.Raw
		}
		return fmt.Sprintf("%s %v", e.Token, e.Value), e.Raw
	case *syntax.Ident:
		if scope(e) == resolve.Universal {
			return "name " + e.Name, e.Name
		}
	}
	return "", ""
}

// checkMain finds parameters of main that its docstring does not explain: they
// are flags of the command line, and fields of forms.
func (f *file) checkMain() {
	for _, s := range f.tree.Stmts {
		def, ok := s.(*syntax.DefStmt)
		if !ok || def.Name.Name != "main" {
			continue
		}
		doc := docstring.Parse(docOf(def))
		eachParam(def.Params, func(id *syntax.Ident) {
			if doc.Arg(id.Name) == "" {
				f.report(id.NamePos, UndocumentedParameter,
					fmt.Sprintf("add to the docstring of main, below Args: %s: what it is for", id.Name),
					"the parameter %s of main has no help", id.Name)
			}
		})
	}
}

func docOf(def *syntax.DefStmt) string {
	if stmt, ok := def.Body[0].(*syntax.ExprStmt); ok {
		if lit, ok := stmt.X.(*syntax.Literal); ok {
			text, _ := lit.Value.(string)
			return text
		}
	}
	return ""
}

// checkBreakpoints finds what was put in to look at one run.
func (f *file) checkBreakpoints() {
	walk(f.tree, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			if fn := f.builtin(call.Fn); fn != nil && fn.Name() == "breakpoint" {
				f.report(syntax.Start(call), LeftBreakpoint, "take it out when the run has been looked at", "a breakpoint stops every run at a terminal")
			}
		}
		return true
	})
}
