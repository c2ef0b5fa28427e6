package plan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/plan"
)

func write(kind, what string, change effect.Change) plan.Item {
	return plan.Item{Kind: kind, Write: true, Change: change, Quality: "exact", Description: what, Position: "a.star:1:1"}
}

// sample has a read, branches between two writes, and a branch within a branch.
func sample() *plan.Plan {
	p := plan.NewTrace()
	p.Add("0", plan.Item{Kind: "fs.read", Description: "in.txt", Position: "a.star:1:1"})
	first := write("fs.write", "out.txt", effect.Create)
	first.Diff = "+ one\n+ two\n"
	p.Add("0", first)
	p.Fork("0", []string{"0.0", "0.1", "0.2"})
	p.Add("0.1", write("fs.remove", "b", effect.Delete))
	p.Add("0.0", write("fs.write", "same", effect.None))
	p.Fork("0.1", []string{"0.1.0"})
	p.Add("0.1.0", write("fs.write", "deep", effect.Update))
	p.Stop("0.2", "if depends on exec.run(…).code")
	last := write("exec.run", "make", effect.Act)
	last.Quality, last.Depends = "blind", "exec.run(…).stdout"
	p.Add("0", last)
	p.Add("0", plan.Item{Kind: "fs.read", Description: "made", Position: "a.star:2:1", Depends: "exec.run(…)"})
	return plan.Of(p)
}

func TestPrint(t *testing.T) {
	tests := []struct {
		all  bool
		want string
	}{
		{false, `  + fs.write out.txt  a.star:1:1
      + one
      + two
  branch 0.1
    - fs.remove b  a.star:1:1
    branch 0.1.0
      ~ fs.write deep  a.star:1:1
  branch 0.2
    ? the plan of this branch ends here: if depends on exec.run(…).code
  ! exec.run make  (blind, depends on exec.run(…).stdout)  a.star:1:1
plan: 1 to create, 1 to update, 1 to delete, 1 to run, 1 unchanged; 2 reads made; 1 branch could not be followed to its end
`},
		{true, `    fs.read in.txt  a.star:1:1
  + fs.write out.txt  a.star:1:1
      + one
      + two
  branch 0.0
    = fs.write same  a.star:1:1
  branch 0.1
    - fs.remove b  a.star:1:1
    branch 0.1.0
      ~ fs.write deep  a.star:1:1
  branch 0.2
    ? the plan of this branch ends here: if depends on exec.run(…).code
  ! exec.run make  (blind, depends on exec.run(…).stdout)  a.star:1:1
  ? fs.read made  (depends on exec.run(…))  a.star:2:1
plan: 1 to create, 1 to update, 1 to delete, 1 to run, 1 unchanged; 2 reads made; 1 branch could not be followed to its end
`},
	}
	for _, test := range tests {
		var out strings.Builder
		sample().Print(&out, test.all)
		if out.String() != test.want {
			t.Errorf("all = %t: got\n%s\nwant\n%s", test.all, out.String(), test.want)
		}
	}
}

func TestSummary(t *testing.T) {
	tests := []struct {
		item    plan.Item
		changes bool
	}{
		{write("w", "", effect.Create), true},
		{write("w", "", effect.Update), true},
		{write("w", "", effect.Delete), true},
		{write("w", "", effect.Act), true},
		{write("w", "", effect.None), false},
		{plan.Item{Kind: "r"}, false},
	}
	for _, test := range tests {
		p := plan.NewTrace()
		p.Add("0", test.item)
		if got := plan.Of(p).Summary().Changes(); got != test.changes {
			t.Errorf("%+v: changes is %t", test.item, got)
		}
	}
	p := plan.NewTrace()
	if plan.Of(p).Summary().Changes() {
		t.Error("an empty plan changes something")
	}
	p.Fork("0", []string{"0.0"})
	p.Stop("0.0", "y")
	if !plan.Of(p).Summary().Changes() {
		t.Error("a plan that ends early may change something")
	}
	p.Stop("0", "x")
	if text := plan.Of(p).Summary().String(); !strings.HasSuffix(text, "; 2 branches could not be followed to their end") {
		t.Error(text)
	}
}

// The tree does not depend on the order in which branches come to their effects.
func TestOrderOfBranches(t *testing.T) {
	p := plan.NewTrace()
	var paths []string
	for i := range 30 {
		paths = append(paths, fmt.Sprintf("0.%d", i))
	}
	p.Fork("0", paths)
	var wait sync.WaitGroup
	for i := range 30 {
		wait.Go(func() {
			path := paths[29-i]
			p.Add(path, write("w", "", effect.Create))
			p.Fork(path, []string{path + ".0"})
			p.Add(path+".0", write("w", "", effect.Create))
		})
	}
	wait.Wait()
	nodes := plan.Of(p).Root().Steps[0].Branches
	if len(nodes) != 30 {
		t.Fatalf("%d branches", len(nodes))
	}
	for i, n := range nodes {
		if n.Path != paths[i] || len(n.Steps) != 2 || len(n.Steps[1].Branches) != 1 {
			t.Errorf("branch %d is %+v", i, n)
		}
	}
}

func TestJSON(t *testing.T) {
	data, err := json.Marshal(sample().Root())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"branches":[{"path":"0.0"`, `"stops":"if depends`, `"change":"create"`, `"quality":"blind"`, `"depends":"exec.run(…).stdout"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%s has no %s", data, want)
		}
	}
}
