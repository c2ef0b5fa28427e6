package language

import (
	"context"
	"encoding/json"

	"github.com/creachadair/jrpc2"
)

// advance notes what a message does to the phase of the conversation, and says
// why it may not be answered in this phase.
func (s *server) advance(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case name == "exit":
		return nil
	case s.phase == starting && name != "initialize":
		return jrpc2.Errorf(notInitialized, "the first request has to be initialize")
	case s.phase == starting:
		s.phase = running
	case s.phase == stopping:
		return jrpc2.Errorf(jrpc2.InvalidRequest, "after shutdown only exit may follow")
	case name == "initialize":
		return jrpc2.Errorf(jrpc2.InvalidRequest, "initialize may be sent once only")
	case name == "shutdown":
		s.phase = stopping
	}
	return nil
}

// initialize says what the server can do.
func (s *server) initialize(_ context.Context, p initializeParams) (any, error) {
	s.mu.Lock()
	s.client = p.Capabilities
	s.mu.Unlock()
	switch {
	case len(p.WorkspaceFolders) > 0:
		s.changeFolders(p.WorkspaceFolders, nil)
	case p.RootURI != "":
		s.changeFolders([]folder{{URI: p.RootURI}}, nil)
	}
	return initializeResult{
		Capabilities: serverCapabilities{
			PositionEncoding:           "utf-16",
			TextDocumentSync:           syncOptions{OpenClose: true, Change: incremental, Save: true},
			CompletionProvider:         completionOptions{[]string{".", `"`, "/", "@"}, true},
			HoverProvider:              true,
			SignatureHelpProvider:      triggers{TriggerCharacters: []string{"(", ","}},
			DefinitionProvider:         true,
			DocumentSymbolProvider:     true,
			DocumentFormattingProvider: true,
			Workspace:                  workspaceCapabilities{folderCapabilities{Supported: true, ChangeNotifications: true}},
		},
		ServerInfo: serverInfo{"provisioning", s.opts.Version},
	}, nil
}

// nothing is what some messages ask for.
func (s *server) nothing(context.Context, json.RawMessage) (any, error) { return nil, nil }

// exit ends the conversation, after the requests that came before it.
func (s *server) exit(context.Context, json.RawMessage) (any, error) {
	s.wire.drain()
	s.rpc.Stop()
	return nil, nil
}

// cancel makes a request that is under way end without its result.
func (s *server) cancel(_ context.Context, p cancelParams) (any, error) {
	s.rpc.CancelRequest(string(p.ID))
	return nil, nil
}

func (s *server) didChangeFolders(_ context.Context, p didChangeFoldersParams) (any, error) {
	s.changeFolders(p.Event.Added, p.Event.Removed)
	return nil, nil
}

// changeFolders notes which directories the editor has open.
func (s *server) changeFolders(added, removed []folder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := map[string]bool{}
	for _, f := range removed {
		if dir, ok := pathOf(f.URI); ok {
			gone[dir] = true
		}
	}
	kept := []string{}
	for _, dir := range s.folders {
		if !gone[dir] {
			kept = append(kept, dir)
		}
	}
	for _, f := range added {
		if dir, ok := pathOf(f.URI); ok {
			kept = append(kept, dir)
		}
	}
	s.folders = kept
}

func (s *server) openFolders() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.folders
}

func (s *server) clientCapabilities() clientCapabilities {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client
}
