package tester

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/lint"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/rewrite"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// Cover counts what tests execute: the lines of scripts, and the places from which
// they perform effects. It is safe for concurrent use.
//
// The interpreter has no hook for that, so each statement gets another one before
// it, ·line ^ 17, which counts under the number 17. Nothing is called, so stacks
// and positions stay what they are.
type Cover struct {
	mu    sync.Mutex
	files map[string]*coveredFile
	next  int
	hits  atomic.Pointer[[]*atomic.Int64] // by number; replaced by a longer one, never changed
	sites map[string]int                  // "file:line:col kind" → how often performed
}

// coveredFile are the numbers of the statements of a file, by line.
type coveredFile struct {
	lines map[int]int
}

// NewCover returns one that has counted nothing.
func NewCover() *Cover {
	c := &Cover{files: map[string]*coveredFile{}, sites: map[string]int{}}
	c.hits.Store(&[]*atomic.Int64{})
	return c
}

const lineName = rewrite.Prefix + "line"

// Globals are the names that instrumented scripts see.
func (c *Cover) Globals() starlark.StringDict { return starlark.StringDict{lineName: (*counter)(c)} }

// counter is ·line.
type counter Cover

var _ starlark.HasBinary = (*counter)(nil)

func (c *counter) Binary(_ syntax.Token, n starlark.Value, _ starlark.Side) (starlark.Value, error) {
	i, err := starlark.AsInt32(n)
	if err == nil {
		(*c.hits.Load())[i].Add(1)
	}
	return starlark.None, err
}

func (c *counter) String() string        { return lineName }
func (c *counter) Type() string          { return "operator" }
func (c *counter) Freeze()               {}
func (c *counter) Truth() starlark.Bool  { return true }
func (c *counter) Hash() (uint32, error) { return 0, nil }

// counts reports whether a module is one whose execution is worth counting: a
// script of the workspace that is no test.
func counts(name string) bool {
	return strings.HasPrefix(name, "//") && !strings.HasSuffix(name, Suffix)
}

// Instrument makes a module count its lines.
func (c *Cover) Instrument(name string, tree *syntax.File) {
	if !counts(name) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	file := script.FileName(name)
	f := c.files[file]
	if f == nil {
		f = &coveredFile{lines: map[int]int{}}
		c.files[file] = f
	}
	tree.Stmts = c.block(f, tree.Stmts, map[int]bool{})
	hits := slices.Clone(*c.hits.Load())
	for len(hits) < c.next {
		hits = append(hits, new(atomic.Int64))
	}
	c.hits.Store(&hits)
}

// block puts a count before the first statement of each line.
func (c *Cover) block(f *coveredFile, stmts []syntax.Stmt, done map[int]bool) []syntax.Stmt {
	out := make([]syntax.Stmt, 0, 2*len(stmts))
	for _, s := range stmts {
		if start, _ := s.Span(); worthCounting(s) && !done[int(start.Line)] {
			done[int(start.Line)] = true
			out = append(out, c.count(f, start))
		}
		switch s := s.(type) {
		case *syntax.DefStmt:
			s.Body = c.block(f, s.Body, done)
		case *syntax.ForStmt:
			s.Body = c.block(f, s.Body, done)
		case *syntax.IfStmt:
			s.True, s.False = c.block(f, s.True, done), c.block(f, s.False, done)
		}
		out = append(out, s)
	}
	return out
}

// worthCounting leaves out what does nothing: a docstring has to stay the first
// statement, and a def or load says nothing of what is executed later.
func worthCounting(s syntax.Stmt) bool {
	switch s := s.(type) {
	case *syntax.DefStmt, *syntax.LoadStmt:
		return false
	case *syntax.BranchStmt:
		return s.Token != syntax.PASS
	case *syntax.ExprStmt:
		_, text := s.X.(*syntax.Literal)
		return !text
	}
	return true
}

func (c *Cover) count(f *coveredFile, at syntax.Position) syntax.Stmt {
	n, known := f.lines[int(at.Line)]
	if !known {
		n = c.next
		c.next++
		f.lines[int(at.Line)] = n
	}
	return &syntax.ExprStmt{X: &syntax.BinaryExpr{
		X: &syntax.Ident{NamePos: at, Name: lineName}, OpPos: at, Op: syntax.CIRCUMFLEX,
		Y: &syntax.Literal{Token: syntax.INT, TokenPos: at, Raw: strconv.Itoa(n), Value: int64(n)},
	}}
}

// Performed counts the effects of a run.
func (c *Cover) Performed(effects []*journal.Effect) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range effects {
		c.sites[e.Pos+" "+e.Kind]++
	}
}

// FileCoverage is what tests have executed of a file.
type FileCoverage struct {
	File    string         `json:"file"`  // below the workspace
	Lines   []LineCoverage `json:"lines"` // those with a statement, in order
	Effects []SiteCoverage `json:"effects"`
}

// LineCoverage is how often a line was executed.
type LineCoverage struct {
	Line  int   `json:"line"`
	Count int64 `json:"count"`
}

// SiteCoverage is how often an effect was performed from a place.
type SiteCoverage struct {
	lint.CallSite
	Count int `json:"count"`
}

// LinesCovered counts the lines that were executed, EffectsCovered the places.
func (f FileCoverage) LinesCovered() (n int) {
	for _, l := range f.Lines {
		if l.Count > 0 {
			n++
		}
	}
	return n
}

// EffectsCovered see LinesCovered.
func (f FileCoverage) EffectsCovered() (n int) {
	for _, e := range f.Effects {
		if e.Count > 0 {
			n++
		}
	}
	return n
}

// Report returns the coverage of all scripts below root, by file, also of those
// that no test has loaded. opts say what is a builtin.
func (c *Cover) Report(root string, opts lint.Options) ([]FileCoverage, error) {
	var report []FileCoverage
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case !d.Type().IsRegular() || filepath.Ext(name) != ".star" || strings.HasSuffix(name, Suffix):
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		report = append(report, c.file(filepath.ToSlash(rel), src, opts))
		return nil
	})
	return report, err
}

func (c *Cover) file(rel string, src []byte, opts lint.Options) FileCoverage {
	out := FileCoverage{File: rel, Lines: []LineCoverage{}, Effects: []SiteCoverage{}}
	tree, err := script.Parse(rel, src)
	if err != nil {
		return out // it has no statements that could be executed
	}
	c.Instrument("//"+rel, tree) // counts its lines where no test did
	c.mu.Lock()
	defer c.mu.Unlock()
	hits := *c.hits.Load()
	for line, n := range c.files[rel].lines {
		out.Lines = append(out.Lines, LineCoverage{line, hits[n].Load()})
	}
	slices.SortFunc(out.Lines, func(a, b LineCoverage) int { return a.Line - b.Line })
	opts.Main = true
	known := map[string]bool{}
	for _, s := range lint.CallSites(rel, src, opts) {
		key := siteKey(s)
		known[key] = true
		out.Effects = append(out.Effects, SiteCoverage{s, c.sites[key]})
	}
	acts := acting(opts.Modules)
	for key, n := range c.sites {
		if s, ok := parseSite(key); ok && s.File == rel && !known[key] && acts[s.Kind] {
			out.Effects = append(out.Effects, SiteCoverage{s, n})
		}
	}
	slices.SortStableFunc(out.Effects, func(a, b SiteCoverage) int {
		return cmp.Or(a.Line-b.Line, a.Col-b.Col, strings.Compare(a.Kind, b.Kind))
	})
	return out
}

// siteKey is how a place is counted: "file:line:col kind".
func siteKey(s lint.CallSite) string {
	return s.File + ":" + strconv.Itoa(s.Line) + ":" + strconv.Itoa(s.Col) + " " + s.Kind
}

// parseSite reads what siteKey writes.
func parseSite(key string) (s lint.CallSite, ok bool) {
	space := strings.LastIndexByte(key, ' ')
	if space < 0 {
		return s, false
	}
	parts := strings.Split(key[:space], ":")
	if len(parts) < 3 {
		return s, false
	}
	n := len(parts)
	s.File, s.Kind = strings.Join(parts[:n-2], ":"), key[space+1:]
	var err error
	if s.Line, err = strconv.Atoi(parts[n-2]); err == nil {
		s.Col, err = strconv.Atoi(parts[n-1])
	}
	return s, err == nil
}

// acting are the kinds of the effects that scripts perform by their names, not
// those that are made of others, such as a pause of retry. A script may reach them
// by another name, or give them to something that calls them: nothing but their
// execution shows that.
func acting(modules []*module.Module) map[string]bool {
	kinds := map[string]bool{}
	for _, m := range modules {
		for _, f := range m.Funcs() {
			if f.Decl() != nil {
				kinds[f.Name()] = true
			}
		}
	}
	return kinds
}
