package language

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/provisioning-systems/provisioning/runtime/partial"
)

// Keywords of expressions, and those that can only begin a statement.
var (
	expressionWords = []string{"and", "else", "for", "if", "in", "lambda", "not", "or"}
	statementWords  = []string{"break", "continue", "def", "elif", "load", "pass", "return"}
)

// The order of the groups of candidates: what is nearest comes first.
const (
	orderArgument = "0"
	orderLocal    = "1"
	orderOption   = "2"
	orderGlobal   = "3"
	orderBuiltin  = "4"
	orderLanguage = "5"
	orderKeyword  = "6"
)

// completion lists what the word at the cursor may become.
func (s *server) completion(ctx context.Context, p positionParams) (any, error) {
	doc := snapshot(ctx)
	if doc == nil {
		return completionList{Items: []completionItem{}}, nil
	}
	found := s.complete(doc, doc.offset(p.Position))
	s.remember(found)
	return completionList{Items: found.items}, nil
}

// maxLists is how many lists of candidates can still be asked about. Editors
// ask about the last one.
const maxLists = 4

// itemID says which item of which list an editor asks about.
type itemID struct {
	List int `json:"list"`
	Item int `json:"item"`
}

// remember numbers the items, so that their documentation can be asked for. To
// send it with all of them would take longer than all else.
func (s *server) remember(found *candidates) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list++
	for i := range found.items {
		found.items[i].Data = &itemID{s.list, i}
	}
	if s.lists == nil {
		s.lists = map[int]*candidates{}
	}
	s.lists[s.list] = found
	delete(s.lists, s.list-maxLists)
}

// resolveItem adds the documentation to an item.
func (s *server) resolveItem(_ context.Context, item completionItem) (any, error) {
	if item.Data == nil {
		return item, nil
	}
	s.mu.Lock()
	found := s.lists[item.Data.List]
	s.mu.Unlock()
	if i := item.Data.Item; found != nil && i >= 0 && i < len(found.full) {
		item.Documentation = found.full[i]().explanation(found.format)
	}
	return item, nil
}

// candidates collects what fits what is typed already.
type candidates struct {
	doc    *document
	typed  string
	at     span // what is replaced
	format string
	seen   map[string]bool
	items  []completionItem
	full   []func() *symbol // what each item is, with its documentation
}

func (s *server) complete(doc *document, offset int) *candidates {
	file := doc.read()
	c := file.At(offset)
	found := &candidates{doc: doc, seen: map[string]bool{}, items: []completionItem{}}
	found.format = format(s.clientCapabilities().TextDocument.Completion.CompletionItem.DocumentationFormat)
	found.typing(partial.Range{Start: c.Word.Start, End: offset})
	switch {
	case c.Comment || c.Numeral || file.Names(c):
	case c.Text:
		s.completeLoad(found, c)
	case c.Dotted:
		for _, m := range s.receiver(doc, c) {
			found.add(m, orderArgument)
		}
	default:
		s.completeArguments(found, c)
		s.completeNames(found, c)
	}
	return found
}

// typing says which part of the text a candidate replaces.
func (f *candidates) typing(r partial.Range) {
	f.typed = f.doc.content[r.Start:r.End]
	f.at = f.doc.span(r)
}

// add offers a symbol, unless one of the same name is nearer.
func (f *candidates) add(x *symbol, order string) {
	f.addLazily(x, order, func() *symbol { return x })
}

// addLazily is add for a symbol whose documentation has to be found first.
func (f *candidates) addLazily(x *symbol, order string, full func() *symbol) {
	if f.seen[x.name] || !fits(f.typed, x.name) {
		return
	}
	f.seen[x.name] = true
	f.full = append(f.full, full)
	f.items = append(f.items, completionItem{
		Label: x.name, Kind: int(x.kind), Detail: strings.TrimPrefix(x.title, "def "),
		SortText: order + x.name, TextEdit: &textEdit{f.at, x.name},
	})
}

// fits reports whether all that is typed is in the name, in its order. Editors
// narrow the list down further, each in its way.
func fits(typed, name string) bool {
	rest := strings.ToLower(name)
	for _, r := range typed {
		i := strings.IndexRune(rest, unicode.ToLower(r))
		if i < 0 {
			return false
		}
		rest = rest[i+1:]
	}
	return true
}

// completeArguments offers the parameters that the call does not have yet.
func (s *server) completeArguments(found *candidates, c partial.Cursor) {
	if c.Call == nil || !c.Call.Fresh {
		return
	}
	fn := s.callee(found.doc, c)
	if fn == nil {
		return
	}
	for i, p := range fn.params {
		given := slices.Contains(c.Call.Given, p.name) || !p.named && i < c.Call.Argument-len(c.Call.Given)
		if p.stars != "" || given || !fits(found.typed, p.name) {
			continue
		}
		order := orderArgument
		if p.late {
			order = orderOption
		}
		found.full = append(found.full, func() *symbol { return fn.parameterSymbol(p) })
		detail := strings.Trim(p.label+": "+p.typ, ": ")
		found.items = append(found.items, completionItem{
			Label: p.name + " =", Kind: int(kindProperty), Detail: detail,
			SortText: fmt.Sprintf("%s%02d", order, i), FilterText: p.name, TextEdit: &textEdit{found.at, p.name + " = "},
		})
	}
}

// completeNames offers the names of all scopes around the cursor, the builtins
// and the language.
func (s *server) completeNames(found *candidates, c partial.Cursor) {
	doc := found.doc
	order := orderLocal
	for scope := doc.read().ScopeAt(c.Offset); scope != nil; scope = scope.Outer {
		if scope.Def == nil {
			order = orderGlobal
		}
		for _, b := range scope.Bindings {
			// The word itself may be about to become a name.
			if !found.seen[b.Name] && b.Visible(c.Offset) && b.Start != c.Word.Start && fits(found.typed, b.Name) {
				s.addBinding(found, b, order)
			}
		}
	}
	for _, names := range []map[string]*symbol{s.index.modules, s.index.bare} {
		for _, x := range sortedSymbols(names) {
			found.add(x, orderBuiltin)
		}
	}
	for _, x := range sortedSymbols(s.index.language) {
		found.add(x, orderLanguage)
	}
	words := expressionWords
	if !c.Inside && c.Before.End == 0 {
		words = slices.Concat(expressionWords, statementWords)
	}
	for _, w := range words {
		found.add(&symbol{name: w, kind: kindKeyword, title: w}, orderKeyword)
	}
}

func (s *server) addBinding(found *candidates, b *partial.Binding, order string) {
	full := sync.OnceValue(func() *symbol { return s.bound(found.doc, b, 0) })
	x := symbol{name: b.Name, kind: kindFunction}
	if b.Role == partial.Function {
		x.title = b.Def.Statement
	} else {
		x.kind, x.title = full().kind, full().title
	}
	found.addLazily(&x, order, full)
}

func sortedSymbols(names map[string]*symbol) []*symbol {
	all := make([]*symbol, 0, len(names))
	for _, x := range names {
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b *symbol) int { return strings.Compare(a.name, b.name) })
	return all
}

// completeLoad offers scripts, and what a script has, in a load statement.
func (s *server) completeLoad(found *candidates, c partial.Cursor) {
	doc := found.doc
	if c.Call == nil || doc.content[c.Call.Callee.Start:c.Call.Callee.End] != "load" {
		return
	}
	found.typing(partial.Range{Start: c.Quoted.Start, End: c.Offset})
	for _, l := range doc.read().Loads {
		if l.At == c.Quoted {
			break
		}
		if !l.Holds(c.Quoted) {
			continue
		}
		from, err := s.files.load(doc, l.Path)
		if err != nil {
			return
		}
		for _, b := range from.read().Exports() {
			if !l.Takes(b.Name, c.Quoted) {
				found.add(s.bound(from, b, 0), orderArgument)
			}
		}
		return
	}
	if c.Call.Argument == 0 {
		s.completePaths(found)
	}
}

// completePaths offers what a load path may go on with, up to the next slash.
func (s *server) completePaths(found *candidates) {
	typed := found.typed
	var fsys fs.FS
	dir, prefix := "", ""
	switch {
	case strings.HasPrefix(typed, stdPrefix):
		fsys, prefix = s.opts.Stdlib, stdPrefix
	case strings.HasPrefix(typed, "//"):
		fsys, prefix = dirFS(found.doc.root), "//"
	case strings.HasPrefix(typed, "./"), strings.HasPrefix(typed, "../"):
		s.completeRelative(found)
		return
	default:
		for _, start := range []string{stdPrefix, "//", "./"} {
			found.add(&symbol{name: start, kind: kindFolder, title: start, doc: docText(pathStarts[start])}, orderArgument)
		}
		return
	}
	if i := strings.LastIndexByte(typed, '/') + 1; i > len(prefix) {
		dir = typed[len(prefix):i]
	}
	s.addFiles(found, fsys, dir, prefix+dir)
}

var pathStarts = map[string]string{
	stdPrefix: "The standard library.", "//": "Below the root of the workspace.", "./": "Beside this script.",
}

func (s *server) completeRelative(found *candidates) {
	if found.doc.path == "" || found.doc.root == "" {
		return
	}
	dir := found.typed[:strings.LastIndexByte(found.typed, '/')+1]
	rel, err := filepath.Rel(found.doc.root, filepath.Join(filepath.Dir(found.doc.path), filepath.FromSlash(dir)))
	if err != nil || !filepath.IsLocal(rel) {
		return // nothing can be loaded from outside of the workspace
	}
	s.addFiles(found, dirFS(found.doc.root), filepath.ToSlash(rel), dir)
}

func dirFS(root string) fs.FS {
	if root == "" {
		return nil
	}
	return os.DirFS(root)
}

// addFiles offers the scripts and directories in dir; start is how the path
// begins that leads there.
func (s *server) addFiles(found *candidates, fsys fs.FS, dir, start string) {
	if fsys == nil {
		return
	}
	entries, err := fs.ReadDir(fsys, path.Clean(dir))
	if err != nil {
		return // there is no such directory, as yet
	}
	for _, e := range entries {
		name := start + e.Name()
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			found.add(&symbol{name: name + "/", kind: kindFolder, title: name + "/"}, orderArgument)
		case strings.HasSuffix(e.Name(), ".star"):
			if doc, err := s.files.load(found.doc, name); err == nil && doc.name != found.doc.name {
				found.add(&symbol{name: name, kind: kindFile, title: name, doc: docOf(doc)}, orderArgument)
			}
		}
	}
}
