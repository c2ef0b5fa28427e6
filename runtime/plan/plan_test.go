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
	p := plan.New()
	p.Add("0", plan.Item{Kind: "fs.read", Description: "in.txt", Position: "a.star:1:1"})
	first := write("fs.write", "out.txt", effect.Create)
	first.Diff = "+ one\n+ two\n"
	p.Add("0", first)
	p.Add("0.1", write("fs.remove", "b", effect.Delete))
	p.Add("0.0", write("fs.write", "same", effect.None))
	p.Add("0.1.0", write("fs.write", "deep", effect.Update))
	p.Stop("0.2", "if depends on exec.run(…).code")
	last := write("exec.run", "make", effect.Act)
	last.Quality, last.Depends = "blind", "exec.run(…).stdout"
	p.Add("0", last)
	p.Add("0", plan.Item{Kind: "fs.read", Description: "made", Position: "a.star:2:1", Depends: "exec.run(…)"})
	return p
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
		p := plan.New()
		p.Add("0", test.item)
		if got := p.Summary().Changes(); got != test.changes {
			t.Errorf("%+v: changes is %t", test.item, got)
		}
	}
	p := plan.New()
	if p.Summary().Changes() {
		t.Error("an empty plan changes something")
	}
	p.Stop("0", "x")
	if !p.Summary().Changes() {
		t.Error("a plan that ends early may change something")
	}
	p.Stop("0.1", "y")
	if text := p.Summary().String(); !strings.HasSuffix(text, "; 2 branches could not be followed to their end") {
		t.Error(text)
	}
}

// The tree does not depend on the order in which branches come to their effects.
func TestOrderOfBranches(t *testing.T) {
	p := plan.New()
	var wait sync.WaitGroup
	for i := range 30 {
		wait.Go(func() {
			p.Add(fmt.Sprintf("0.%d", 29-i), write("w", "", effect.Create))
			p.Add(fmt.Sprintf("0.%d.0", 29-i), write("w", "", effect.Create))
		})
	}
	wait.Wait()
	root := p.Root()
	if len(root.Children) != 30 {
		t.Fatalf("%d branches", len(root.Children))
	}
	for i, c := range root.Children {
		if c.Path != fmt.Sprintf("0.%d", i) || len(c.Items) != 1 || len(c.Children) != 1 {
			t.Errorf("branch %d is %+v", i, c)
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
