package language_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"
	"go.lsp.dev/uri"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/language"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// The tests speak to the server with the client of go.lsp.dev/protocol, which is
// generated from the specification and shares nothing with the server.

type read struct {
	Path  string `star:"path"`
	Limit int    `star:"limit"`
	Sep   string `star:"sep"`
}

func (*read) Perform(context.Context, *effect.Env) (any, error) { return nil, nil }

type join struct {
	Parts []string `star:"first"`
}

func (*join) Compute(*effect.Env) (any, error) { return nil, nil }

func modules() []*module.Module {
	files := module.New("fs", "Files of the workspace.")
	files.Read(`
def read(path, limit = 0, *, sep = "\n"):
    """Reads a file.

    Args:
      path: file, relative to the workspace.
      limit: how many bytes at most.
      sep: ends a line.
    Returns:
      The text.
    Example:
      fs.read("motd")
    """`, &read{})
	files.Fact("root", "The directory of the workspace.", func(*effect.Run) any { return "" })
	bare := module.New("", "Functions for everything.")
	bare.Pure(`
def join(first):
    """Joins parts.

    Args:
      first: the parts.
    """`, &join{})
	return []*module.Module{files, bare}
}

var stdlib = fstest.MapFS{"lists.star": {Data: []byte(`"""Functions on lists."""

def chunks(items, size = 2):
    """Cuts a list into parts.

    Args:
      items: the list.
      size: of a part.
    """
    return [items]

def _hidden():
    pass
`)}}

// editor is the client.
type editor struct {
	protocol.Server

	t         *testing.T
	ctx       context.Context
	dir       string
	published chan *protocol.PublishDiagnosticsParams
	logged    chan string
	done      chan int
	closed    func()
}

// ears is what the server calls.
type ears struct {
	protocol.UnimplementedClient
	editor *editor
}

func (e ears) PublishDiagnostics(_ context.Context, p *protocol.PublishDiagnosticsParams) error {
	e.editor.published <- p
	return nil
}

func (e ears) LogMessage(_ context.Context, p *protocol.LogMessageParams) error {
	e.editor.logged <- p.Message
	return nil
}

type duplex struct {
	io.Reader
	io.WriteCloser
}

// connect starts a server and a client. Nothing is initialized yet.
func connect(t *testing.T, opts language.Options) *editor {
	t.Helper()
	toServer, fromClient := io.Pipe()
	toClient, fromServer := io.Pipe()
	e := &editor{
		t: t, ctx: t.Context(), dir: t.TempDir(), done: make(chan int, 1),
		published: make(chan *protocol.PublishDiagnosticsParams, 10_000), logged: make(chan string, 100),
	}
	if real, err := filepath.EvalSymlinks(e.dir); err == nil {
		e.dir = real
	}
	go func() {
		code, err := language.Serve(opts, toServer, fromServer)
		if err != nil {
			code = 100
		}
		e.done <- code
		fromServer.Close()
	}()
	stream := jsonrpc2.NewStream(duplex{toClient, fromClient})
	_, conn, server := protocol.NewClient(context.Background(), ears{editor: e}, stream)
	e.Server = server
	e.closed = func() { fromClient.Close() }
	t.Cleanup(func() {
		conn.Close()
		fromClient.Close()
		toClient.Close()
	})
	return e
}

// start is connect with what editors send first.
func start(t *testing.T, files map[string]string) *editor {
	t.Helper()
	cache := t.TempDir()
	e := connect(t, language.Options{Modules: modules(), Predeclared: []string{"struct"}, Stdlib: stdlib, CacheDir: cache})
	for name, text := range files {
		e.write(name, text)
	}
	e.initialize()
	return e
}

func (e *editor) initialize() *protocol.InitializeResult {
	e.t.Helper()
	p := &protocol.InitializeParams{}
	p.WorkspaceFolders = protocol.NewNullable([]protocol.WorkspaceFolder{{URI: uri.File(e.dir), Name: "w"}})
	p.Capabilities.TextDocument = &protocol.TextDocumentClientCapabilities{
		DocumentSymbol: &protocol.DocumentSymbolClientCapabilities{HierarchicalDocumentSymbolSupport: new(true)},
		SignatureHelp: &protocol.SignatureHelpClientCapabilities{SignatureInformation: &protocol.ClientSignatureInformationOptions{
			ParameterInformation: &protocol.ClientSignatureParameterInformationOptions{LabelOffsetSupport: new(true)},
		}},
	}
	r, err := e.Initialize(e.ctx, p)
	e.check(err)
	e.check(e.Initialized(e.ctx, &protocol.InitializedParams{}))
	return r
}

func (e *editor) check(err error) {
	if err != nil {
		e.t.Helper()
		e.t.Fatal(err)
	}
}

func (e *editor) write(name, text string) {
	path := filepath.Join(e.dir, name)
	e.check(os.MkdirAll(filepath.Dir(path), 0o755))
	e.check(os.WriteFile(path, []byte(text), 0o644))
}

func (e *editor) uri(name string) uri.URI {
	if strings.Contains(name, ":") {
		u, err := uri.Parse(name)
		e.check(err)
		return u
	}
	return uri.File(filepath.Join(e.dir, name))
}

// open opens a document. Where its text has "|", the cursor is.
func (e *editor) open(name, text string) protocol.TextDocumentPositionParams {
	e.t.Helper()
	before, after, _ := strings.Cut(text, "|")
	e.check(e.DidOpen(e.ctx, &protocol.DidOpenTextDocumentParams{TextDocument: protocol.TextDocumentItem{
		URI: e.uri(name), LanguageID: "starlark", Version: 1, Text: before + after,
	}}))
	return protocol.TextDocumentPositionParams{
		TextDocument: protocol.TextDocumentIdentifier{URI: e.uri(name)}, Position: endOf(before),
	}
}

// endOf is the position behind a text.
func endOf(text string) protocol.Position {
	line := uint32(strings.Count(text, "\n"))
	n := uint32(0)
	for _, r := range text[strings.LastIndex(text, "\n")+1:] {
		if n++; r > 0xffff {
			n++
		}
	}
	return protocol.Position{Line: line, Character: n}
}

// change replaces the document.
func (e *editor) change(name string, version int32, changes ...protocol.TextDocumentContentChangeEvent) {
	e.t.Helper()
	p := &protocol.DidChangeTextDocumentParams{ContentChanges: changes}
	p.TextDocument.URI, p.TextDocument.Version = e.uri(name), version
	e.check(e.DidChange(e.ctx, p))
}

// diagnostics waits for those of a version of a document.
func (e *editor) diagnostics(name string, version int32) []protocol.Diagnostic {
	e.t.Helper()
	for {
		select {
		case p := <-e.published:
			if v, _ := p.Version.Get(); p.URI == e.uri(name) && v == version {
				return p.Diagnostics
			}
		case <-time.After(20 * time.Second):
			e.t.Fatalf("there are no diagnostics of version %d of %s", version, name)
		}
	}
}

func (e *editor) complete(at protocol.TextDocumentPositionParams) []protocol.CompletionItem {
	e.t.Helper()
	r, err := e.Completion(e.ctx, &protocol.CompletionParams{TextDocumentPositionParams: at})
	e.check(err)
	items := r.(*protocol.CompletionList).Items
	slices.SortStableFunc(items, func(a, b protocol.CompletionItem) int { return strings.Compare(sortText(a), sortText(b)) })
	return items
}

func sortText(i protocol.CompletionItem) string {
	s, _ := i.SortText.Get()
	return s
}

func labels(items []protocol.CompletionItem) string {
	var all []string
	for _, i := range items {
		all = append(all, i.Label)
	}
	return strings.Join(all, ", ")
}

func markdown(v any) string {
	if m, ok := v.(*protocol.MarkupContent); ok {
		return m.Value
	}
	return ""
}

// documentation asks for what an editor shows beside an item.
func (e *editor) documentation(item protocol.CompletionItem) string {
	e.t.Helper()
	full, err := e.CompletionResolve(e.ctx, &item)
	e.check(err)
	return markdown(full.Documentation)
}
