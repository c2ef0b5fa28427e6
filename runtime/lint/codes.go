package lint

// Code names a kind of finding. Codes never change: comments in scripts use them.
type Code string

const (
	Syntax            Code = "syntax"
	UndefinedName     Code = "undefined-name"
	UnknownMember     Code = "unknown-member"
	UnknownArgument   Code = "unknown-argument"
	MissingArgument   Code = "missing-argument"
	TooManyArguments  Code = "too-many-arguments"
	TopLevelControl   Code = "top-level-control"
	TopLevelEffect    Code = "top-level-effect"
	WhileLoop         Code = "while-loop"
	Recursion         Code = "recursion"
	PrivateLoad       Code = "private-load"
	UnknownModule     Code = "unknown-module"
	UnknownLoad       Code = "unknown-load"
	AssignedLoad      Code = "assigned-load"
	Reassigned        Code = "reassigned"
	DuplicateFunction Code = "duplicate-function"
	DuplicateKey      Code = "duplicate-key"

	UnusedLoad            Code = "unused-load"
	UnusedVariable        Code = "unused-variable"
	Unreachable           Code = "unreachable"
	ShadowedLoad          Code = "shadowed-load"
	ShadowedBuiltin       Code = "shadowed-builtin"
	UndocumentedParameter Code = "undocumented-parameter"
	LeftBreakpoint        Code = "left-breakpoint"
)

// warnings are the codes of scripts that may be right all the same.
var warnings = map[Code]bool{
	UnusedLoad: true, UnusedVariable: true, Unreachable: true,
	ShadowedLoad: true, ShadowedBuiltin: true, UndocumentedParameter: true, LeftBreakpoint: true,
}
