package language

import (
	"context"
	"sync"

	"github.com/provisioning-systems/provisioning/runtime/partial"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// document is one state of a script. It never changes.
type document struct {
	text
	uri     string
	version int
	path    string // "" when it is in no file
	root    string // of its workspace
	name    string // as load statements resolve to it
	read    func() *partial.File
	loads   func() []string // names of the scripts that it loads
}

// newDocument reads the text when that is first needed.
func newDocument(d document, content text) *document {
	d.text = content
	d.read = sync.OnceValue(func() *partial.File { return partial.Read(content.content) })
	d.loads = sync.OnceValue(func() []string {
		var all []string
		for _, l := range d.read().Loads {
			if name, err := script.ModuleName(l.Path, d.name); err == nil {
				all = append(all, name)
			}
		}
		return all
	})
	return &d
}

func (d *document) location(r partial.Range) location { return location{d.uri, d.span(r)} }

func (s *server) didOpen(_ context.Context, p documentParams) (any, error) {
	doc := s.files.open(p.TextDocument)
	s.diagnose(doc, 0)
	return nil, nil
}

func (s *server) didChange(_ context.Context, p didChangeParams) (any, error) {
	doc := s.files.change(p.TextDocument, p.ContentChanges)
	if doc != nil {
		s.diagnose(doc, s.opts.Delay)
	}
	return nil, nil
}

// didClose takes the diagnostics back: who closes a document has done with it.
func (s *server) didClose(_ context.Context, p documentParams) (any, error) {
	s.files.close(p.TextDocument.URI)
	s.forget(p.TextDocument.URI)
	return nil, nil
}

// didSave looks again at the other documents: whether a script is loaded by
// another one decides what it may do.
func (s *server) didSave(context.Context, documentParams) (any, error) {
	for _, doc := range s.files.all() {
		s.diagnose(doc, s.opts.Delay)
	}
	return nil, nil
}
