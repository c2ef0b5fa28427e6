package repl

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/lint"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// Script makes a script of the inputs of a session: those that succeeded and
// were not undone, in their order, after what they load.
func Script(inputs []*runtime.Input) ([]byte, error) {
	var loads, body []string
	last := -1 // which one of body gave _ its value; -1: none of them did
	for _, i := range inputs {
		if i.Err != nil || i.Undone {
			if i.Value != nil && i.Value != starlark.None {
				last = -1
			}
			continue
		}
		text := i.Source
		if module, ok := strings.CutPrefix(text, ":run "); ok {
			load, call := loadScript(module, i.Bound, len(loads))
			if load != "" {
				loads = append(loads, load)
			}
			body = append(body, call)
			if i.Value != nil && i.Value != starlark.None {
				last = len(body) - 1
			}
			continue
		}
		f, err := script.SessionOptions().Parse("", text, 0)
		if err != nil || isHelp(f) {
			continue
		}
		if usesLast(f) {
			if last < 0 {
				body = append(body, "# of something that was undone: "+firstLine(text))
				continue
			}
			body[last] = keepLast(body[last])
		}
		for _, load := range slices.Backward(loadsOf(f)) {
			if text := loadText(load); !slices.Contains(loads, text) {
				loads = append(loads, text)
			}
			text = cut(text, load)
		}
		if isBlank(text) && len(loadsOf(f)) > 0 {
			continue
		}
		body = append(body, strings.TrimSpace(text))
		if i.Value != nil && i.Value != starlark.None {
			last = len(body) - 1
		}
	}
	head := "# Saved from an interactive session.\n"
	if len(loads) > 0 {
		head += "\n" + strings.Join(loads, "\n") + "\n"
	}
	return lint.Format("session", []byte(head+"\n"+strings.Join(body, "\n")+"\n"))
}

// loadScript is what stands for a script that was run: a load of what it has
// bound, and a call of its main.
func loadScript(module string, bound []string, n int) (load, call string) {
	call = "# :run " + module
	if !strings.HasPrefix(module, "//") {
		return "", call // scripts cannot load it
	}
	args := ""
	for _, name := range bound {
		switch {
		case name == "main":
			call = fmt.Sprintf("main_%d()", n+1)
			args += fmt.Sprintf(", main_%d = \"main\"", n+1)
		case name[0] != '_':
			args += fmt.Sprintf(", %q", name)
		}
	}
	if args == "" {
		return "", call
	}
	return fmt.Sprintf("load(%q%s)", module, args), call
}

// isHelp: scripts have no function help.
func isHelp(f *syntax.File) bool {
	if len(f.Stmts) != 1 {
		return false
	}
	stmt, ok := f.Stmts[0].(*syntax.ExprStmt)
	if !ok {
		return false
	}
	expr := stmt.X
	if call, ok := expr.(*syntax.CallExpr); ok {
		expr = call.Fn
	}
	id, ok := expr.(*syntax.Ident)
	return ok && id.Name == "help"
}

func usesLast(f *syntax.File) bool {
	used := false
	syntax.Walk(f, func(n syntax.Node) bool {
		if id, ok := n.(*syntax.Ident); ok && id.Name == "_" {
			used = true
		}
		return !used
	})
	return used
}

// keepLast gives the value of the last statement in text its name.
func keepLast(text string) string {
	f, err := script.SessionOptions().Parse("", text, 0)
	if err != nil || len(f.Stmts) == 0 {
		return text
	}
	stmt, ok := f.Stmts[len(f.Stmts)-1].(*syntax.ExprStmt)
	if !ok {
		return text
	}
	start, _ := stmt.Span()
	at := offset(text, start)
	return text[:at] + "_ = " + text[at:]
}

func loadsOf(f *syntax.File) []*syntax.LoadStmt {
	var loads []*syntax.LoadStmt
	for _, s := range f.Stmts {
		if load, ok := s.(*syntax.LoadStmt); ok {
			loads = append(loads, load)
		}
	}
	return loads
}

// loadText writes a load so that it means the same in every directory: at the
// prompt, "./x.star" is beside the root of the workspace.
func loadText(load *syntax.LoadStmt) string {
	spec := load.ModuleName()
	if rest, ok := strings.CutPrefix(spec, "./"); ok {
		spec = "//" + rest
	}
	args := []string{fmt.Sprintf("%q", spec)}
	for i, from := range load.From {
		arg := fmt.Sprintf("%q", from.Name)
		if to := load.To[i].Name; to != from.Name {
			arg = to + " = " + arg
		}
		args = append(args, arg)
	}
	return "load(" + strings.Join(args, ", ") + ")"
}

// cut removes a load from text.
func cut(text string, load *syntax.LoadStmt) string {
	rest := strings.TrimLeft(text[offset(text, load.Rparen)+1:], " \t")
	rest = strings.TrimLeft(strings.TrimPrefix(rest, ";"), " \t")
	return text[:offset(text, load.Load)] + rest
}

// offset is where in text pos is; its column counts characters.
func offset(text string, pos syntax.Position) int {
	at := 0
	for range pos.Line - 1 {
		at += strings.IndexByte(text[at:], '\n') + 1
	}
	for range pos.Col - 1 {
		for at++; at < len(text) && text[at]&0xC0 == 0x80; at++ {
		}
	}
	return min(at, len(text))
}
