package language_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"

	"github.com/provisioning-systems/provisioning/runtime/language"
)

// code is the code of an error that the server answered.
func code(err error) int {
	var e *jsonrpc2.Error
	if errors.As(err, &e) {
		return int(e.Code)
	}
	return 0
}

func TestLifecycle(t *testing.T) {
	e := connect(t, language.Options{Modules: modules(), Version: "1.2.3"})
	at := protocol.TextDocumentPositionParams{TextDocument: protocol.TextDocumentIdentifier{URI: e.uri("a.star")}}
	if _, err := e.Hover(e.ctx, &protocol.HoverParams{TextDocumentPositionParams: at}); code(err) != -32002 {
		t.Errorf("a request before initialize: %v", err)
	}
	r := e.initialize()
	if v, _ := r.ServerInfo.Version.Get(); r.ServerInfo.Name != "provisioning" || v != "1.2.3" {
		t.Errorf("%+v", r.ServerInfo)
	}
	if r.Capabilities.PositionEncoding != protocol.PositionEncodingKindUTF16 {
		t.Errorf("%v", r.Capabilities.PositionEncoding)
	}
	if _, err := e.Initialize(e.ctx, &protocol.InitializeParams{}); code(err) != -32600 {
		t.Errorf("initialize again: %v", err)
	}
	if h, err := e.Hover(e.ctx, &protocol.HoverParams{TextDocumentPositionParams: at}); h != nil || err != nil {
		t.Errorf("hover in a document that is not open: %v, %v", h, err)
	}
	if _, err := e.Rename(e.ctx, &protocol.RenameParams{}); code(err) != -32601 {
		t.Errorf("an unknown method: %v", err)
	}
	e.check(e.SetTrace(e.ctx, &protocol.SetTraceParams{Value: "off"}))
	e.check(e.Shutdown(e.ctx))
	if _, err := e.Hover(e.ctx, &protocol.HoverParams{TextDocumentPositionParams: at}); code(err) != -32600 {
		t.Errorf("a request after shutdown: %v", err)
	}
	e.check(e.Exit(e.ctx))
	if code := <-e.done; code != 0 {
		t.Errorf("the exit code is %d", code)
	}
}

func TestExitWithoutShutdown(t *testing.T) {
	e := start(t, nil)
	e.check(e.Exit(e.ctx))
	if code := <-e.done; code != 1 {
		t.Errorf("the exit code is %d", code)
	}
}

func TestEditorGone(t *testing.T) {
	e := start(t, nil)
	e.closed()
	if code := <-e.done; code != 1 {
		t.Errorf("the exit code is %d", code)
	}
}

// hanging is a file system that answers when it is told to.
type hanging struct{ asked, answer chan struct{} }

func (h hanging) Open(name string) (fs.File, error) {
	if name == "slow.star" {
		h.asked <- struct{}{}
		<-h.answer
	}
	return nil, fs.ErrNotExist
}

func TestCancel(t *testing.T) {
	slow := hanging{make(chan struct{}), make(chan struct{})}
	e := connect(t, language.Options{Modules: modules(), Stdlib: slow})
	e.initialize()
	at := e.open("a.star", `load("@std//slow.star", "|")`)
	ctx, cancel := context.WithCancel(e.ctx)
	answered := make(chan error)
	go func() {
		_, err := e.Completion(ctx, &protocol.CompletionParams{TextDocumentPositionParams: at})
		answered <- err
	}()
	<-slow.asked
	cancel()
	if err := <-answered; err == nil {
		t.Error("the request was not cancelled")
	}
	// The server goes on, though the file system still hangs.
	if items := e.complete(e.open("b.star", "fs.|")); labels(items) != "read, root" {
		t.Error(labels(items))
	}
	close(slow.answer)
}

// TestDebounce: a change makes the diagnostics of the change before it needless.
func TestDebounce(t *testing.T) {
	if !alone(t) {
		return
	}
	synctest.Test(t, func(t *testing.T) {
		e := connect(t, language.Options{Modules: modules(), Delay: 100 * time.Millisecond})
		e.initialize()
		e.open("a.star", "x = 1\n")
		e.diagnostics("a.star", 1)
		for version := int32(2); version < 10; version++ {
			e.change("a.star", version, &protocol.TextDocumentContentChangeWholeDocument{Text: fmt.Sprintf("x = %d\n", version)})
			time.Sleep(20 * time.Millisecond) // of the bubble: no time passes
		}
		time.Sleep(time.Second)
		synctest.Wait()
		var versions []int32
		for len(e.published) > 0 {
			v, _ := (<-e.published).Version.Get()
			versions = append(versions, v)
		}
		if len(versions) != 1 || versions[0] != 9 {
			t.Errorf("diagnostics of the versions %v", versions)
		}
		e.closed()
		<-e.done
	})
}

// alone runs the test in a process of its own and reports whether this is it.
// jsonrpc2 keeps channels of its calls for later ones, and a channel that was
// made in a bubble of synctest must never meet a test outside of it.
func alone(t *testing.T) bool {
	const env = "LANGUAGE_TEST_ALONE"
	if os.Getenv(env) == t.Name() {
		return true
	}
	c := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	c.Env = append(os.Environ(), env+"="+t.Name())
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// TestSync makes random edits, as an editor counts, and compares the documents.
func TestSync(t *testing.T) {
	e := start(t, nil)
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"x", "é", "😀", "\n", "\r\n", "\r", "\"", "a b", "", "𐍈\n𐍈", "#"}
	text := utf16.Encode([]rune("x = 1\n"))
	e.open("a.star", "x = 1\n")
	for version := int32(2); version < 200; version++ {
		var changes []protocol.TextDocumentContentChangeEvent
		for range r.IntN(3) + 1 {
			from := boundary(text, r.IntN(len(text)+1))
			to := boundary(text, min(len(text), from+r.IntN(4)))
			piece := pieces[r.IntN(len(pieces))]
			changes = append(changes, &protocol.TextDocumentContentChangePartial{
				Range: protocol.Range{Start: positionIn(text, from), End: positionIn(text, to)}, Text: piece,
			})
			text = append(append(append([]uint16{}, text[:from]...), utf16.Encode([]rune(piece))...), text[to:]...)
		}
		e.change("a.star", version, changes...)
	}
	// A name at the end tells where the server sees it.
	end := positionIn(text, len(text))
	e.change("a.star", 200, &protocol.TextDocumentContentChangePartial{Range: protocol.Range{Start: end, End: end}, Text: "\nmarked = 1\n"})
	at := e.open("b.star", "")
	at.TextDocument.URI = e.uri("a.star")
	s, err := e.DocumentSymbol(e.ctx, &protocol.DocumentSymbolParams{TextDocument: at.TextDocument})
	e.check(err)
	all := s.(protocol.DocumentSymbolSlice)
	want := positionIn(append(text, '\n'), len(text)+1)
	if last := all[len(all)-1]; last.Name != "marked" || last.SelectionRange.Start != want {
		t.Errorf("%+v, want it at %+v", last, want)
	}
}

// boundary is an offset that does not cut a character, nor an end of line.
func boundary(text []uint16, i int) int {
	for i > 0 && i < len(text) && (utf16.IsSurrogate(rune(text[i])) && text[i] >= 0xdc00 || text[i-1] == '\r' && text[i] == '\n') {
		i--
	}
	return i
}

// positionIn counts as the specification says, in units of UTF-16.
func positionIn(text []uint16, offset int) protocol.Position {
	var p protocol.Position
	for i := 0; i < offset; i++ {
		p.Character++
		if text[i] == '\n' || text[i] == '\r' && (i+1 == len(text) || text[i+1] != '\n') {
			p = protocol.Position{Line: p.Line + 1}
		}
	}
	return p
}

// TestFolders: the folders of the editor say where // is, for scripts that are
// in no workspace or in no file.
func TestFolders(t *testing.T) {
	e := start(t, map[string]string{"one/a.star": "A = 1\n", "two/b.star": "B = 1\n", "two/sub/c.star": ""})
	folder := func(name string) protocol.WorkspaceFolder {
		return protocol.WorkspaceFolder{URI: e.uri(name), Name: name}
	}
	p := &protocol.DidChangeWorkspaceFoldersParams{}
	p.Event.Removed = []protocol.WorkspaceFolder{folder("")}
	p.Event.Added = []protocol.WorkspaceFolder{folder("one"), folder("two")}
	e.check(e.DidChangeWorkspaceFolders(e.ctx, p))
	for _, c := range []struct{ name, want string }{
		{"one/x.star", "//a.star"},
		{"two/sub/x.star", "//b.star, //sub/"},
		{"untitled:Untitled-1", "//a.star"},
	} {
		if got := labels(e.complete(e.open(c.name, `load("//|")`))); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	// What is open counts, not what is on the disk.
	e.open("one/a.star", "CHANGED = 1\n")
	if got := labels(e.complete(e.open("one/x.star", `load("./a.star", "|")`))); got != "CHANGED" {
		t.Error(got)
	}
	e.open("untitled:Untitled-1", "x = \n")
	if d := e.diagnostics("untitled:Untitled-1", 1); len(d) != 1 || !strings.Contains(fmt.Sprint(d[0].Code), "syntax") {
		t.Errorf("%+v", d)
	}
}
