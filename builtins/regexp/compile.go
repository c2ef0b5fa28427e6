package regexp

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// compiled keeps patterns, because scripts match in loops. Once it is full it
// starts anew: a script with so many patterns makes them up as it goes.
var compiled = struct {
	sync.Mutex
	m map[string]*regexp.Regexp
}{m: map[string]*regexp.Regexp{}}

const maxCompiled = 256

func compile(pattern string) (*regexp.Regexp, error) {
	compiled.Lock()
	defer compiled.Unlock()
	if re := compiled.m[pattern]; re != nil {
		return re, nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, refuse(err)
	}
	if len(compiled.m) >= maxCompiled {
		clear(compiled.m)
	}
	compiled.m[pattern] = re
	return re, nil
}

func refuse(err error) error {
	var bad *syntax.Error
	if !errors.As(err, &bad) {
		return fault.New(fault.Invalid, "cannot compile the pattern: it is no regular expression")
	}
	expr := bad.Expr
	if len(expr) > 40 {
		expr = strings.ToValidUTF8(expr[:40], "") + "…"
	}
	e := fault.New(fault.Invalid, "cannot compile the pattern: %s at %q", bad.Code, expr)
	switch {
	case bad.Code == syntax.ErrInvalidPerlOp || (bad.Code == syntax.ErrInvalidEscape && len(expr) == 2 && expr[1] >= '1' && expr[1] <= '9'):
		e.WithHint("RE2 has no lookahead, lookbehind and backreferences")
	case bad.Code == syntax.ErrInvalidEscape:
		e.WithHint("in a script, write patterns as raw strings: r\"\\d+\"")
	}
	return e
}
