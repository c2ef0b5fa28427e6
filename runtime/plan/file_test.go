package plan_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/plan"
)

func file(t testing.TB) *plan.File {
	p := sample()
	f := &plan.File{
		Script: "//a.star", Root: p.Root(), Allowance: p.Allowance(), Summary: p.Summary(),
		Sources: []plan.Source{{Name: "//a.star", Text: "def main():\n    pass\n"}},
		Reads:   []plan.Read{{Place: "0#1", Key: "ab", Kind: "fs.read", Description: "in.txt", Digest: "d1", Shown: `"x"`}},
	}
	if err := f.Seal([]byte("key")); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFileIsReadAsWritten(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.plan")
	f := file(t)
	if err := f.Save(name); err != nil {
		t.Fatal(err)
	}
	read, err := plan.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if read.Hash != f.Hash || f.Difference(read) != "" {
		t.Errorf("%s is read as %s: %s", f.Hash, read.Hash, f.Difference(read))
	}
}

// TestForged: a file that was written anew, with a hash that fits, lacks the key.
func TestForged(t *testing.T) {
	f := file(t)
	if !f.Authentic([]byte("key")) {
		t.Error("a plan is not authentic")
	}
	f.Root.Steps = nil
	if err := f.Seal([]byte("another key")); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := plan.Decode(data); err != nil || read.Authentic([]byte("key")) {
		t.Errorf("a forged plan is authentic, or cannot be read: %v", err)
	}
}

func TestDifference(t *testing.T) {
	tests := []struct {
		name   string
		change func(*plan.File)
		want   string
	}{
		{"source", func(f *plan.File) { f.Sources[0].Text = "def main():\n    return\n" }, "-    pass"},
		{"read", func(f *plan.File) { f.Reads[0].Digest, f.Reads[0].Shown = "d2", `"y"` }, `it was "x", and is "y"`},
		{"read less", func(f *plan.File) { f.Reads = nil }, "it is not read any more"},
		{"read more", func(f *plan.File) { f.Reads = append(f.Reads, plan.Read{Place: "0#9", Kind: "fs.list"}) }, "+ fs.list"},
		{"effect", func(f *plan.File) { f.Root.Steps = f.Root.Steps[:1] }, "-  + fs.write out.txt"},
	}
	for _, test := range tests {
		now := file(t)
		test.change(now)
		if diff := file(t).Difference(now); !strings.Contains(diff, test.want) {
			t.Errorf("%s: the difference is %q", test.name, diff)
		}
	}
}

// TestAllowance: a write may be made as often as the arm says that has most of
// it, and what a loop repeats any number of times.
func TestAllowance(t *testing.T) {
	item := func(key, pos string, again bool) *plan.Item {
		return &plan.Item{Kind: "fs.write", Write: true, Change: effect.Create, Key: key, Trail: pos, Repeats: again}
	}
	e := plan.Explorer{}
	for trace := e.Next(); trace != nil; trace = e.Next() {
		trace.Add("0", *item("aa", "1", false))
		if trace.Decide("0", plan.Decision{Key: "k", Arms: 2, Choice: 1}) == 1 {
			trace.Add("0", *item("aa", "2", false))
			trace.Add("0", *item("", "3", false))
		}
		trace.Pass("0", 2, 1)
		trace.Add("0", *item("bb", "4", false))
		trace.Pass("0", 0, 2)
		e.Done(trace)
	}
	data, err := json.Marshal(e.Plan().Allowance())
	if err != nil {
		t.Fatal(err)
	}
	a := &plan.Allowance{}
	if err := json.Unmarshal(data, a); err != nil {
		t.Fatal(err)
	}
	for i, use := range []struct {
		key, pos string
		want     bool
	}{
		{"aa", "1", true}, {"aa", "9", true}, {"aa", "1", false}, // by its key, twice
		{"zz", "3", true}, {"zz", "3", false}, // by its position, once
		{"bb", "4", true}, {"bb", "4", true}, {"bb", "4", true},
		{"cc", "5", false},
	} {
		if got := a.Use("fs.write", use.key, use.pos); got != use.want {
			t.Errorf("use %d of %+v is %t", i, use, got)
		}
	}
	if a.Use("fs.remove", "bb", "4") {
		t.Error("another kind is allowed")
	}
}

func FuzzDecode(f *testing.F) {
	data, err := json.Marshal(file(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, change := range []func(*plan.File){
		func(f *plan.File) { f.Root.Steps = append(f.Root.Steps, plan.Step{Branches: []*plan.Node{nil}}) },
		func(f *plan.File) {
			f.Root.Steps = append(f.Root.Steps, plan.Step{Decision: &plan.Fork{Arms: []*plan.Arm{nil}}})
		},
		func(f *plan.File) { f.Root.Steps = append(f.Root.Steps, plan.Step{Decision: &plan.Fork{Op: "for"}}) },
	} {
		hostile := file(f)
		change(hostile)
		if err := hostile.Seal(nil); err != nil {
			f.Fatal(err)
		}
		data, err := json.Marshal(hostile)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := plan.Decode(data); err == nil {
			f.Errorf("a tree that is none is read: %s", data)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"format":"provisioning-plan/1"}`))
	f.Add([]byte(`{"format":"provisioning-plan/1","writes":[{}],"plan":{"steps":[{"branches":[null]}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := plan.Decode(data)
		if err == nil && read.Difference(read) != "" {
			t.Error("a plan differs from itself")
		}
	})
}
