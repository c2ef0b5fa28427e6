package language

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// thousand is a script with n functions, and an unfinished name at its end.
func thousand(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "def name_%04d(host, port = %d):\n    \"\"\"Does step %d.\n\n    Args:\n      host: where.\n    \"\"\"\n    return host\n\n", i, i, i)
	}
	b.WriteString("def main():\n    x = na")
	return b.String()
}

// BenchmarkCompletion is what a key costs in a script with 1,000 functions: the
// edit, the reading, the candidates and the JSON.
func BenchmarkCompletion(b *testing.B) {
	s := newServer(Options{})
	doc := s.files.open(textDocument{URI: "untitled:x", Text: thousand(1000)})
	end := doc.position(len(doc.content))
	for b.Loop() {
		doc = s.files.change(textDocument{URI: doc.uri}, []change{{&span{end, end}, ""}})
		items := s.complete(doc, len(doc.content)).items
		if len(items) < 1000 {
			b.Fatalf("there are %d candidates", len(items))
		}
		if _, err := json.Marshal(completionList{Items: items}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/key")
}

// TestCompletionIsQuick guards the figure, with a generous margin for machines
// that do other things as well.
func TestCompletionIsQuick(t *testing.T) {
	s := newServer(Options{})
	doc := s.files.open(textDocument{URI: "untitled:x", Text: thousand(1000)})
	best := time.Hour
	for range 5 {
		doc = s.files.change(textDocument{URI: doc.uri}, []change{{&span{position{}, position{}}, " "}})
		began := time.Now()
		s.complete(doc, len(doc.content))
		best = min(best, time.Since(began))
	}
	if best > 250*time.Millisecond {
		t.Errorf("completion over 1,000 names takes %s", best)
	}
}
