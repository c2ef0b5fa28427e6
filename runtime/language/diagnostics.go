package language

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/lint"
	"github.com/provisioning-systems/provisioning/runtime/partial"
)

const (
	severityError   = 1
	severityWarning = 2
	tagUnnecessary  = 1

	// Beyond these a script cannot run, and the parser, which goes down with
	// the nesting, is not asked.
	maxScript  = 1 << 20
	maxNesting = 1000
)

// unnecessary are the findings that editors show faintly.
var unnecessary = map[lint.Code]bool{lint.UnusedLoad: true, lint.UnusedVariable: true, lint.Unreachable: true}

func digestible(doc *document) bool {
	return len(doc.content) <= maxScript && doc.read().Depth <= maxNesting
}

// diagnose publishes the diagnostics of a document after a delay, unless it
// changes once more until then.
func (s *server) diagnose(doc *document, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.pending[doc.uri]; t != nil {
		t.Stop()
	}
	s.pending[doc.uri] = time.AfterFunc(delay, func() {
		var err error
		defer s.survive("diagnostics", &err)
		found := s.diagnostics(doc)
		if s.files.get(doc.uri) == doc {
			s.notify("textDocument/publishDiagnostics", publishParams{doc.uri, &doc.version, found})
		}
	})
}

// forget takes the diagnostics of a document back.
func (s *server) forget(uri string) {
	s.mu.Lock()
	if t := s.pending[uri]; t != nil {
		t.Stop()
	}
	delete(s.pending, uri)
	s.mu.Unlock()
	s.notify("textDocument/publishDiagnostics", publishParams{uri, nil, []diagnostic{}})
}

func (s *server) stopTimers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.pending {
		t.Stop()
	}
}

func (s *server) diagnostics(doc *document) []diagnostic {
	found := []diagnostic{}
	if !digestible(doc) {
		msg := fmt.Sprintf("the script is larger than %d bytes, or nested deeper than %d brackets", maxScript, maxNesting)
		return append(found, diagnostic{Severity: severityError, Code: string(lint.Syntax), Source: "provisioning", Message: msg})
	}
	opts := lint.Options{Main: s.isMain(doc), Predeclared: s.opts.Predeclared, Modules: s.opts.Modules, Module: s.moduleFor(doc)}
	for _, f := range lint.Source(doc.name, []byte(doc.content), opts) {
		d := diagnostic{Range: doc.span(doc.wordAt(f)), Severity: severityError, Code: f.Code, Source: "provisioning", Message: f.Message}
		if f.Warning {
			d.Severity = severityWarning
		}
		if f.Hint != "" {
			d.Message += "\nhint: " + f.Hint
		}
		if unnecessary[lint.Code(f.Code)] {
			d.Tags = []int{tagUnnecessary}
		}
		found = append(found, d)
	}
	return found
}

// moduleFor reads what a document loads. Where there is no workspace it is not
// known what "//" stands for, nor beside what a script that has no file yet lies.
func (s *server) moduleFor(doc *document) func(spec string) ([]byte, bool, error) {
	_, inWorkspace := workspace.Enclosing(filepath.Dir(doc.path))
	return func(spec string) ([]byte, bool, error) {
		if !strings.HasPrefix(spec, stdPrefix) && (doc.path == "" || strings.HasPrefix(spec, "//") && !inWorkspace) ||
			strings.HasPrefix(spec, stdPrefix) && s.opts.Stdlib == nil {
			return nil, false, nil
		}
		loaded, err := s.files.load(doc, spec)
		if err != nil {
			return nil, false, err
		}
		return []byte(loaded.content), digestible(loaded), nil
	}
}

// wordAt is what a finding marks: the name or other token at its place.
func (d *document) wordAt(f lint.Finding) partial.Range {
	offset := d.fromColumn(f.Line, f.Col)
	_, end := d.line(d.position(offset).Line)
	token := d.read().TokenAt(offset)
	if token.End > offset {
		return partial.Range{Start: offset, End: min(token.End, end)}
	}
	return partial.Range{Start: offset, End: offset}
}

// isMain reports whether a script is one that is given to run, by the rules of
// "provisioning lint".
func (s *server) isMain(doc *document) bool {
	if strings.HasPrefix(doc.name, stdPrefix) {
		return false
	}
	return lint.IsMain(doc.name, []byte(doc.content)) && !s.files.isLoaded(doc)
}
