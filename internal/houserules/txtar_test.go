package houserules_test

import (
	"bytes"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestEveryScriptIsRun sees that every testdata/**/*.txtar is run. A script
// that no test opens looks like a test and proves nothing.
func TestEveryScriptIsRun(t *testing.T) {
	repo := theTree(t)
	patterns := repo.runPatterns()
	for _, name := range repo.files {
		if path.Ext(name) != ".txtar" || !strings.Contains("/"+name, "/testdata/") {
			continue
		}
		if !anyCovers(patterns, name) {
			t.Errorf("%s is run by no test: a _test.go has to name %q, a pattern for it, or walk a directory above",
				name, path.Dir(name))
		}
	}
}

// runPattern is a path that a test names, with "*" for what it computes.
type runPattern struct {
	path  string
	walks bool // the test goes through the directories below
}

func anyCovers(patterns []runPattern, name string) bool {
	for _, p := range patterns {
		if covers(p, name) {
			return true
		}
	}
	return false
}

func covers(p runPattern, name string) bool {
	for _, candidate := range []string{name, path.Dir(name)} {
		if ok, err := path.Match(p.path, candidate); ok && err == nil {
			return true
		}
	}
	return p.walks && !strings.Contains(p.path, "*") && within(name, p.path)
}

var walks = regexp.MustCompile(`\b(WalkDir|filepath\.Walk|ReadDir)\b`)

// runPatterns are the paths with "testdata" in them that tests name.
func (t *tree) runPatterns() []runPattern {
	var found []runPattern
	for _, f := range t.gos {
		if !f.test || !bytes.Contains(f.src, []byte("testdata")) {
			continue
		}
		walking := walks.Match(f.src)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			text, ok := pathOf(e)
			if ok && strings.Contains(text, "testdata") {
				found = append(found, runPattern{path.Join(f.dir, text), walking})
			}
			return !ok
		})
	}
	return found
}

// pathOf evaluates a literal, or filepath.Join of literals; what is computed
// becomes "*".
func pathOf(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		x, okX := pathOf(e.X)
		y, okY := pathOf(e.Y)
		return orStar(x, okX) + orStar(y, okY), e.Op == token.ADD && (okX || okY)
	case *ast.CallExpr:
		sel, isSel := e.Fun.(*ast.SelectorExpr)
		if !isSel || sel.Sel.Name != "Join" {
			return "", false
		}
		var parts []string
		for _, arg := range e.Args {
			parts = append(parts, orStar(pathOf(arg)))
		}
		return path.Join(parts...), true
	}
	return "", false
}

func orStar(text string, ok bool) string {
	if ok {
		return text
	}
	return "*"
}

func TestCovers(t *testing.T) {
	const name = "testdata/run/resume.txtar"
	for _, c := range []struct {
		p    runPattern
		want bool
	}{
		{runPattern{"testdata/run", false}, true},
		{runPattern{"testdata/*", false}, true},
		{runPattern{"testdata/*/*.txtar", false}, true},
		{runPattern{"testdata", false}, false},
		{runPattern{"testdata", true}, true},
		{runPattern{"testdata/other", true}, false},
		{runPattern{"testdata/run/other.txtar", false}, false},
	} {
		if got := covers(c.p, name); got != c.want {
			t.Errorf("covers(%v) = %v", c.p, got)
		}
	}
}
