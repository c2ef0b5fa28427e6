package language_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/language"
)

// TestRequestsKeepTheirPlace: a request that is under way when the document
// changes is answered for the document before. Hundreds of both are there at
// once, as after a pause of the machine.
func TestRequestsKeepTheirPlace(t *testing.T) {
	var in, out bytes.Buffer
	send := func(format string, args ...any) {
		body := fmt.Sprintf(format, args...)
		fmt.Fprintf(&in, "Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	const n = 300
	send(`{"jsonrpc":"2.0","id":"start","method":"initialize","params":{"capabilities":{}}}`)
	send(`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"untitled:a","version":0,"text":"v = 0\nv"}}}`)
	for i := range n {
		send(`{"jsonrpc":"2.0","id":%d,"method":"textDocument/hover","params":{"textDocument":{"uri":"untitled:a"},"position":{"line":1,"character":0}}}`, i)
		send(`{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"textDocument":{"uri":"untitled:a","version":%d},"contentChanges":[{"text":"v = %d\nv"}]}}`, i+1, i+1)
	}
	send(`{"jsonrpc":"2.0","id":"stop","method":"shutdown"}`)
	send(`{"jsonrpc":"2.0","method":"exit"}`)
	if code, err := language.Serve(language.Options{Modules: modules()}, &in, &out); code != 0 || err != nil {
		t.Fatal(code, err)
	}
	answered := 0
	for part := range strings.SplitSeq(out.String(), "Content-Length: ") {
		_, body, _ := strings.Cut(part, "\r\n\r\n")
		var m struct {
			ID     any
			Result struct{ Contents struct{ Value string } }
		}
		if body == "" || json.Unmarshal([]byte(body), &m) != nil {
			continue
		}
		if id, ok := m.ID.(float64); ok {
			answered++
			if want := fmt.Sprintf("v = %d\n", int(id)); !strings.Contains(m.Result.Contents.Value, want) {
				t.Errorf("request %d was answered %q, want %s", int(id), m.Result.Contents.Value, want)
			}
		}
	}
	if answered != n {
		t.Errorf("%d requests of %d were answered", answered, n)
	}
}
