package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"
	"go.lsp.dev/uri"

	"github.com/provisioning-systems/provisioning/builtins"
)

// editor is a client of another library than the server's.
type editor struct {
	protocol.UnimplementedClient
	published chan *protocol.PublishDiagnosticsParams
}

func (e editor) PublishDiagnostics(_ context.Context, p *protocol.PublishDiagnosticsParams) error {
	e.published <- p
	return nil
}

type pipes struct {
	io.Reader
	io.WriteCloser
}

// TestLSP has a conversation with the real program.
func TestLSP(t *testing.T) {
	cmd := exec.Command("provisioning", "lsp")
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "PROVISIONING_HOME="+home, "HOME="+home, "XDG_CACHE_HOME="+home)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // has ended, if the test passes

	ctx := t.Context()
	e := editor{published: make(chan *protocol.PublishDiagnosticsParams, 100)}
	_, conn, server := protocol.NewClient(ctx, e, jsonrpc2.NewStream(pipes{out, in}))
	_, err = server.Initialize(ctx, &protocol.InitializeParams{})
	check(t, err)
	check(t, server.Initialized(ctx, &protocol.InitializedParams{}))

	file := uri.File(filepath.Join(t.TempDir(), "deploy.star"))
	check(t, server.DidOpen(ctx, &protocol.DidOpenTextDocumentParams{TextDocument: protocol.TextDocumentItem{
		URI: file, LanguageID: "starlark", Version: 1, Text: "def main():\n    exec.",
	}}))
	if p := <-e.published; len(p.Diagnostics) != 1 || p.Diagnostics[0].Range.Start.Line != 1 {
		t.Errorf("%+v", p)
	}
	at := protocol.TextDocumentPositionParams{
		TextDocument: protocol.TextDocumentIdentifier{URI: file}, Position: protocol.Position{Line: 1, Character: 9},
	}
	r, err := server.Completion(ctx, &protocol.CompletionParams{TextDocumentPositionParams: at})
	check(t, err)
	var names []string
	for _, item := range r.(*protocol.CompletionList).Items {
		names = append(names, item.Label)
	}
	if got := strings.Join(names, " "); got != "query run start stop which" {
		t.Errorf("exec has %s", got)
	}

	change := &protocol.DidChangeTextDocumentParams{ContentChanges: []protocol.TextDocumentContentChangeEvent{
		&protocol.TextDocumentContentChangePartial{Range: protocol.Range{Start: at.Position, End: at.Position}, Text: "run(\"uptime\", _sudo = True)\n"},
	}}
	change.TextDocument.URI, change.TextDocument.Version = file, 2
	check(t, server.DidChange(ctx, change))
	if p := <-e.published; len(p.Diagnostics) != 0 {
		t.Errorf("%+v", p)
	}
	at.Position.Character = 26
	h, err := server.Hover(ctx, &protocol.HoverParams{TextDocumentPositionParams: at})
	check(t, err)
	if text := h.Contents.(*protocol.MarkupContent).Value; !strings.Contains(text, "Run the command as root") {
		t.Errorf("%s", text)
	}
	everythingIsExplained(t, server)

	check(t, server.Shutdown(ctx))
	check(t, server.Exit(ctx))
	<-conn.Done()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// everythingIsExplained hovers over every builtin.
func everythingIsExplained(t *testing.T, server protocol.Server) {
	t.Helper()
	var names []string
	for _, m := range builtins.All {
		for _, f := range m.Funcs() {
			names = append(names, f.Name())
		}
	}
	file := uri.File(filepath.Join(t.TempDir(), "all.star"))
	check(t, server.DidOpen(t.Context(), &protocol.DidOpenTextDocumentParams{TextDocument: protocol.TextDocumentItem{
		URI: file, LanguageID: "starlark", Version: 1, Text: strings.Join(names, "\n"),
	}}))
	for i, name := range names {
		h, err := server.Hover(t.Context(), &protocol.HoverParams{TextDocumentPositionParams: protocol.TextDocumentPositionParams{
			TextDocument: protocol.TextDocumentIdentifier{URI: file}, Position: protocol.Position{Line: uint32(i), Character: uint32(len(name))},
		}})
		check(t, err)
		if h == nil || !strings.Contains(h.Contents.(*protocol.MarkupContent).Value, name+"(") {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
