package language

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/module"
)

// FuzzServe sends any bytes to the server: it may refuse them, and ends.
func FuzzServe(f *testing.F) {
	frame := func(bodies ...string) (all []byte) {
		for _, b := range bodies {
			all = fmt.Appendf(all, "Content-Length: %d\r\n\r\n%s", len(b), b)
		}
		return all
	}
	const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}`
	const open = `{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///a.star","version":1,"text":"fs.(\ud83d"}}}`
	f.Add(frame(initialize, open,
		`{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"textDocument":{"uri":"file:///a.star","version":2},"contentChanges":[{"range":{"start":{"line":9,"character":-1},"end":{"line":0,"character":1}},"text":"x"}]}}`,
		`{"jsonrpc":"2.0","id":"2","method":"textDocument/completion","params":{"textDocument":{"uri":"file:///a.star"},"position":{"line":0,"character":3}}}`,
		`{"jsonrpc":"2.0","id":3,"method":"textDocument/hover","params":[]}`,
		`{"jsonrpc":"2.0","id":4,"method":"shutdown"}`, `{"jsonrpc":"2.0","method":"exit"}`))
	f.Add([]byte("Content-Length: 99999999999999999999\r\n\r\n"))
	f.Add([]byte("Content-Length: 5\r\n\r\n[1"))
	f.Add(frame(`{"id":{}}`, `[]`, `[[]]`, `null`, `{"jsonrpc":"2.0","id":1,"method":"$/cancelRequest","params":{"id":7}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		_, _ = Serve(Options{Modules: []*module.Module{}}, bytes.NewReader(data), &out)
		if strings.Contains(out.String(), "please report it") {
			t.Errorf("a request made the server panic: %s", out.String())
		}
		r := bufio.NewReader(&out)
		for {
			if _, err := readMessage(r); err == io.EOF {
				return
			} else if err != nil {
				t.Fatalf("the server sent no message: %v", err)
			}
		}
	})
}

// FuzzDocument makes any edit, and asks for everything at any position.
func FuzzDocument(f *testing.F) {
	f.Add("def f(x):\r\n    fs.re\n", "😀", 0, 3, 1, 2)
	f.Add("load(\"//", "\", \"x", 5, 0, -1, 99)
	f.Fuzz(func(t *testing.T, content, piece string, line, character, line2, character2 int) {
		s := newServer(Options{})
		doc := s.files.open(textDocument{URI: "untitled:x", Text: content})
		at := position{line, character}
		c := change{&span{at, position{line2, character2}}, piece}
		doc = s.files.change(textDocument{URI: doc.uri}, []change{c})
		for _, p := range []position{at, {line2, character2}, {}} {
			offset := doc.offset(p)
			if back := doc.offset(doc.position(offset)); back != offset && validAround(doc.content) {
				t.Errorf("%q: the offset %d is at %+v, which is the offset %d", doc.content, offset, doc.position(offset), back)
			}
			s.complete(doc, offset)
			s.target(doc, offset)
			s.callee(doc, doc.read().At(offset))
		}
		outline(doc, doc.read().Top)
		s.diagnostics(doc)
	})
}

// validAround is false for what no editor can send: JSON has only valid text.
func validAround(s string) bool { return strings.ToValidUTF8(s, "") == s }
