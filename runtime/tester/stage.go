package tester

import (
	"context"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/cassette"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// stage is what the script of a test sets up: who answers its questions, and what
// answers its effects.
type stage struct {
	test Test
	root string // of its workspace

	deck    cassette.Deck
	mu      sync.Mutex
	answers []answer
	wrong   error // an answer that is none
}

type answer struct {
	question *regexp.Regexp
	text     string
}

// newStage returns that of a test in a workspace at root. modules say which effects
// are writes.
func newStage(t Test, root string, modules []*module.Module) *stage {
	s := &stage{test: t, root: root}
	s.deck.Writes = func(kind string) bool {
		for _, m := range modules {
			for _, f := range m.Funcs() {
				if d := f.Decl(); d != nil && d.Kind == kind {
					return d.Mode == effect.Write
				}
			}
		}
		return false
	}
	return s
}

var (
	_ effect.Stage = (*stage)(nil)
	_ door.Person  = (*stage)(nil)
)

// Cassette makes a recorded run answer effects. "./x" is beside the file of the
// test, everything else below the workspace.
func (s *stage) Cassette(file string, maybe bool) error {
	rel := strings.TrimPrefix(file, "//")
	if strings.HasPrefix(file, "./") || strings.HasPrefix(file, "../") {
		rel = path.Join(path.Dir(s.test.File), file)
	}
	if rel = path.Clean(rel); !filepath.IsLocal(rel) {
		return fault.New(fault.Permission, "the cassette %q is outside of the workspace", file)
	}
	return s.deck.Load(filepath.Join(s.root, filepath.FromSlash(rel)), rel, maybe)
}

// Answer keeps an answer.
func (s *stage) Answer(question, text string) error {
	re, err := regexp.Compile(question)
	if err != nil {
		return fault.New(fault.Invalid, "answers: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, answer{re, text})
	return nil
}

// Ask gives the answer that the test has for a question; without one the run
// waits, which is how a test fails. What happened to an effect in doubt is never
// for a test to say.
func (s *stage) Ask(_ context.Context, q journal.Question) (text, reason string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.Kind != effect.KindApproval {
		return "", "", false
	}
	for _, a := range s.answers {
		if !a.question.MatchString(q.Text) {
			continue
		}
		if !slices.Contains(q.Choices, a.text) {
			s.wrong = fault.New(fault.Invalid, "the test answers %q with %q, which is none of %s", q.Text, a.text, strings.Join(q.Choices, ", "))
			return "", "", false
		}
		return a.text, "", true
	}
	return "", "", false
}
