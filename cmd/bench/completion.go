package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/channel"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/runtime/language"
)

// completion measures what an editor waits for after a key, in a script with
// 1,000 functions: from the change to the candidates.
func completion() {
	toServer, fromEditor := io.Pipe()
	toEditor, fromServer := io.Pipe()
	go func() {
		_, err := language.Serve(language.Options{Modules: builtins.All, Delay: time.Hour}, toServer, fromServer)
		check(err)
		check(fromServer.Close())
	}()
	editor := jrpc2.NewClient(channel.LSP(toEditor, fromEditor), nil)
	ctx := context.Background()
	call := func(method string, params any) {
		_, err := editor.Call(ctx, method, params)
		check(err)
	}
	type m = map[string]any
	call("initialize", m{"capabilities": m{}})
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "def name_%04d(host):\n    \"\"\"Does step %d.\"\"\"\n    return host\n\n", i, i)
	}
	check(editor.Notify(ctx, "textDocument/didOpen", m{"textDocument": m{"uri": "untitled:x", "version": 1, "text": text.String() + "n"}}))
	end := m{"line": 4000, "character": 1}
	var took []time.Duration
	for i := range 31 {
		began := time.Now()
		check(editor.Notify(ctx, "textDocument/didChange", m{
			"textDocument":   m{"uri": "untitled:x", "version": i + 2},
			"contentChanges": []m{{"range": m{"start": end, "end": end}, "text": ""}},
		}))
		call("textDocument/completion", m{"textDocument": m{"uri": "untitled:x"}, "position": end})
		took = append(took, time.Since(began))
	}
	check(editor.Close())
	line("a key in an editor, completion of 1,000 names", median(took), 50*time.Millisecond, "what people notice")
}
