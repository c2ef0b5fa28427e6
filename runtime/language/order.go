package language

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
)

// order lets every request see the document that its editor sees. Requests are
// answered at the same time, and a change that comes after one may not come
// before it: the positions of the request would then mean something else.
type order struct {
	mu   sync.Mutex
	turn *sync.WaitGroup // of the requests since the last change that have not looked yet
}

// changes are the messages that change documents.
var changes = map[string]bool{
	"textDocument/didOpen": true, "textDocument/didChange": true, "textDocument/didClose": true,
}

type snapshotKey struct{}

// next is called for the messages in their order. It returns what to do when
// their handling begins: a change waits for the requests before it, and a
// request takes the document that it is about. ctx ends with the message.
func (o *order) next(ctx context.Context, name string) func(context.Context, *files, json.RawMessage) context.Context {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.turn == nil {
		o.turn = new(sync.WaitGroup)
	}
	turn := o.turn
	switch {
	case changes[name]:
		o.turn = new(sync.WaitGroup)
		return func(ctx context.Context, _ *files, _ json.RawMessage) context.Context {
			turn.Wait()
			return ctx
		}
	case strings.HasPrefix(name, "textDocument/"):
		turn.Add(1)
		looked := sync.OnceFunc(turn.Done)
		context.AfterFunc(ctx, looked) // one that is cancelled may never begin
		return func(ctx context.Context, f *files, params json.RawMessage) context.Context {
			defer looked()
			var p documentParams
			if json.Unmarshal(params, &p) != nil {
				return ctx // the method will say so
			}
			return context.WithValue(ctx, snapshotKey{}, f.get(p.TextDocument.URI))
		}
	}
	return func(ctx context.Context, _ *files, _ json.RawMessage) context.Context { return ctx }
}

// snapshot is the document that a request is about; nil when it is not open.
func snapshot(ctx context.Context) *document {
	doc, _ := ctx.Value(snapshotKey{}).(*document)
	return doc
}
