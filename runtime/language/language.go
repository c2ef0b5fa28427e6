// Package language is a server of the Language Server Protocol for scripts:
// completion, hover, signature help, definitions, symbols, diagnostics and
// formatting, for any editor.
//
// What it says comes from where everything else takes it: the stubs of the
// builtins, the docstrings of scripts and of the standard library, the checks
// of the linter and its formatter. It executes nothing.
//
// [Serve] speaks to one editor until that says exit:
//
//	code, err := language.Serve(language.Options{Modules: builtins.All, Stdlib: stdlib.FS}, os.Stdin, os.Stdout)
//
// A request sees the documents as they were when it was read: they are values
// that never change.
package language

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/creachadair/jrpc2"

	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Options say what scripts may use.
type Options struct {
	Modules     []*module.Module // the builtins
	Predeclared []string         // names that scripts see besides the modules
	Stdlib      fs.FS            // what @std// names
	Workspace   string           // root for scripts that are in no workspace; "": the editor's folder
	CacheDir    string           // where the standard library is written for editors to open; "": nowhere
	Version     string           // of the program
	Delay       time.Duration    // how long nothing has to be typed before diagnostics are made
}

// server is the state of one conversation.
type server struct {
	opts  Options
	rpc   *jrpc2.Server
	wire  *wire
	files *files
	std   func() string // identifies the standard library
	index *index        // of the builtins
	order order

	mu      sync.Mutex
	phase   phase
	client  clientCapabilities
	folders []string               // directories that the editor has open
	pending map[string]*time.Timer // diagnostics to be made, by URI
	list    int                    // number of the last list of candidates
	lists   map[int]*candidates
}

// phase is how far the conversation is.
type phase uint8

const (
	starting phase = iota
	running
	stopping // after shutdown
)

// Error codes of the protocol.
const (
	notInitialized jrpc2.Code = -32002
	cancelled      jrpc2.Code = -32800
)

// concurrency is how many requests are answered at once.
const concurrency = 16

// Serve speaks the protocol until the editor says exit, or in ends. The exit
// code is that of the protocol: 0 if the editor said shutdown before, else 1.
func Serve(opts Options, in io.Reader, out io.Writer) (code int, err error) {
	s := newServer(opts)
	s.rpc = jrpc2.NewServer(assigner{s}, &jrpc2.ServerOptions{
		AllowPush: true, DisableBuiltin: true, Concurrency: concurrency,
	})
	s.wire = newWire(in, out)
	status := s.rpc.Start(s.wire).WaitStatus()
	s.stopTimers()
	if s.last() < stopping || !status.Success() {
		code = 1
	}
	return code, status.Err
}

func newServer(opts Options) *server {
	s := &server{opts: opts, index: newIndex(opts), pending: map[string]*time.Timer{}}
	s.files = newFiles(s)
	s.std = sync.OnceValue(func() string { return hashFS(opts.Stdlib) })
	return s
}

// last is the phase that the conversation ended in.
func (s *server) last() phase {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase
}

// method answers one kind of message.
type method func(s *server, ctx context.Context, params json.RawMessage) (any, error)

// on makes a method of a function that takes parsed parameters.
func on[P any](do func(*server, context.Context, P) (any, error)) method {
	return func(s *server, ctx context.Context, raw json.RawMessage) (any, error) {
		var params P
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &params); err != nil {
				return nil, jrpc2.Errorf(jrpc2.InvalidParams, "cannot read the parameters: %v", err)
			}
		}
		return do(s, ctx, params)
	}
}

// table is what the server understands.
var table = map[string]method{
	"initialize":                          on((*server).initialize),
	"initialized":                         on((*server).nothing),
	"shutdown":                            on((*server).nothing),
	"exit":                                on((*server).exit),
	"$/cancelRequest":                     on((*server).cancel),
	"$/setTrace":                          on((*server).nothing),
	"textDocument/didOpen":                on((*server).didOpen),
	"textDocument/didChange":              on((*server).didChange),
	"textDocument/didClose":               on((*server).didClose),
	"textDocument/didSave":                on((*server).didSave),
	"textDocument/completion":             on((*server).completion),
	"completionItem/resolve":              on((*server).resolveItem),
	"textDocument/hover":                  on((*server).hover),
	"textDocument/signatureHelp":          on((*server).signatureHelp),
	"textDocument/definition":             on((*server).definition),
	"textDocument/documentSymbol":         on((*server).documentSymbol),
	"textDocument/formatting":             on((*server).formatting),
	"workspace/didChangeWorkspaceFolders": on((*server).didChangeFolders),
	"workspace/didChangeConfiguration":    on((*server).nothing),
	"workspace/didChangeWatchedFiles":     on((*server).nothing),
}

// assigner finds the method of a message.
type assigner struct{ s *server }

// Assign is called for the messages in their order, so it alone decides what
// the phase of the conversation allows. Handlers run at the same time.
func (m assigner) Assign(ctx context.Context, name string) jrpc2.Handler {
	if refusal := m.s.advance(name); refusal != nil {
		return func(_ context.Context, req *jrpc2.Request) (any, error) { return nil, refusal }
	}
	do, ok := table[name]
	if !ok {
		return nil // the library answers requests, and drops notifications
	}
	inTurn := m.s.order.next(ctx, name)
	return func(ctx context.Context, req *jrpc2.Request) (any, error) {
		params := json.RawMessage(req.ParamString())
		ctx = inTurn(ctx, m.s.files, params)
		if req.IsNotification() {
			return m.s.answer(ctx, name, do, params)
		}
		return m.s.answerUnlessCancelled(ctx, name, do, params)
	}
}

func (s *server) answer(ctx context.Context, name string, do method, params json.RawMessage) (result any, err error) {
	defer s.survive(name, &err)
	return do(s, ctx, params)
}

// answerUnlessCancelled does not wait for a file system that hangs.
func (s *server) answerUnlessCancelled(ctx context.Context, name string, do method, params json.RawMessage) (any, error) {
	type answer struct {
		result any
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		result, err := s.answer(ctx, name, do, params)
		done <- answer{result, err}
	}()
	select {
	case a := <-done:
		return a.result, a.err
	case <-ctx.Done():
		return nil, jrpc2.Errorf(cancelled, "the request was cancelled")
	}
}

// survive turns a panic into an error: an editor that loses its server because
// of one request loses everything.
func (s *server) survive(name string, err *error) {
	if p := recover(); p != nil {
		*err = jrpc2.Errorf(jrpc2.InternalError, "%s failed: %v", name, p)
		s.log("%s failed: %v; please report it", name, p)
	}
}

// log shows a message in the editor's log of the server.
func (s *server) log(format string, args ...any) {
	const isError = 1
	s.notify("window/logMessage", logMessageParams{isError, fmt.Sprintf(format, args...)})
}

// notify fails when the editor has gone, and then nobody is to be told.
func (s *server) notify(name string, params any) {
	_ = s.rpc.Notify(context.Background(), name, params)
}
