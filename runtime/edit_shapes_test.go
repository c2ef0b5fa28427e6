package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// note is a write that nothing can take back, and of which nobody can say what it
// looks at: a command, say.
var (
	notes = module.New("notes", "")
	_     = notes.Write("def line(text): pass", &noteLine{}, effect.Blind)

	noted  = map[string]int{}
	mended bool
)

type noteLine struct {
	Text string `star:"text"`
}

func (n *noteLine) Perform(context.Context, *effect.Env) (any, error) {
	acting()
	defer acting()
	if n.Text == "stop" {
		if !mended {
			return nil, fault.New(fault.Failed, "it is not mended")
		}
		return nil, nil
	}
	noted[n.Text]++
	return nil, nil
}

// oneByOne is parallel with a limit of one, so that what came before a failure is
// the same each time.
func oneByOne(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	var items []starlark.Value
	for x := range starlark.Elements(args[1].(starlark.Iterable)) {
		items = append(items, x)
	}
	_, err := branch.Of(thread).Parallel(thread, args[0].(starlark.Callable), items, 1, false)
	return starlark.None, err
}

// A block is a statement, or branches, or the same as a loop.
type block struct {
	stmt  string
	lines [][]string // of each item
	loop  bool
}

func shapeStatement(r *rand.Rand) string {
	if r.IntN(3) == 0 {
		return fmt.Sprintf(`shelf.put("%c", "%d")`, 'a'+rune(r.IntN(3)), r.IntN(3)+1)
	}
	return fmt.Sprintf(`notes.line("%c")`, 'p'+rune(r.IntN(6)))
}

func someBlock(r *rand.Rand) block {
	if r.IntN(2) == 0 {
		return block{stmt: shapeStatement(r)}
	}
	var b block
	for range 1 + r.IntN(3) {
		var lines []string
		for range 1 + r.IntN(3) {
			lines = append(lines, shapeStatement(r))
		}
		b.lines = append(b.lines, lines)
	}
	return b
}

func shapeText(blocks []block) string {
	var s strings.Builder
	s.WriteString("def main():\n")
	for _, b := range blocks {
		if b.lines == nil {
			fmt.Fprintf(&s, "    %s\n", b.stmt)
			continue
		}
		s.WriteString("    def br(i):\n")
		for i, lines := range b.lines {
			fmt.Fprintf(&s, "        if i == %d:\n            %s\n", i, strings.Join(lines, "\n            "))
		}
		if b.loop {
			fmt.Fprintf(&s, "    for i in range(%d):\n        br(i)\n", len(b.lines))
		} else {
			fmt.Fprintf(&s, "    one_by_one(br, range(%d))\n", len(b.lines))
		}
	}
	return s.String()
}

// reshape makes an edit of a kind that moves what was done.
func reshape(r *rand.Rand, blocks []block) []block {
	blocks = slices.Clone(blocks)
	i, k := r.IntN(len(blocks)), r.IntN(len(blocks))
	switch r.IntN(6) {
	case 0, 1: // a loop in place of branches, or the other way round
		blocks[i].loop = !blocks[i].loop
	case 2, 3:
		blocks[i], blocks[k] = blocks[k], blocks[i]
	case 4:
		if len(blocks) > 2 {
			blocks = slices.Delete(blocks, i, i+1)
		}
	case 5:
		if lines := slices.Clone(blocks[i].lines); len(lines) > 1 { // it moves to another branch
			last := len(lines) - 1
			lines[0], lines[last] = append(slices.Clone(lines[0]), lines[last][0]), lines[last][1:]
			if len(lines[last]) == 0 {
				lines = lines[:last]
			}
			blocks[i].lines = lines
		}
	}
	return blocks
}

// plantStop lets the run stop somewhere.
func plantStop(r *rand.Rand, blocks []block) []block {
	const stop = `notes.line("stop")`
	i := r.IntN(len(blocks) + 1)
	if i < len(blocks) && blocks[i].lines != nil {
		lines := slices.Clone(blocks[i].lines)
		k := r.IntN(len(lines))
		lines[k] = slices.Insert(slices.Clone(lines[k]), r.IntN(len(lines[k])+1), stop)
		blocks = slices.Clone(blocks)
		blocks[i].lines = lines
		return blocks
	}
	return slices.Insert(slices.Clone(blocks), i, block{stmt: stop})
}

// However an edit moves what was done, nothing is done more often than the edited
// script alone does it, or than it was done before, unless there was a yes to just
// that; and the run replays, and its rollback leaves nothing.
func TestEditedRunsDoNothingTwice(t *testing.T) {
	cases := 50
	if n, err := strconv.Atoi(os.Getenv("EDITS")); err == nil {
		cases = n
	}
	if testing.Short() {
		cases = 25
	}
	quiet, asked := 0, 0
	for seed := range cases {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if nothingTwice(t, uint64(seed)) {
				asked++
			} else {
				quiet++
			}
		})
	}
	t.Logf("%d asked, %d did not", asked, quiet)
	if ran := asked + quiet; ran == cases && (asked < ran/10 || quiet < ran/10) {
		t.Errorf("of %d edits %d asked: one of both is hardly tried", ran, asked)
	}
}

func shapeRuntime(t *testing.T, dir string) *runtime.Runtime {
	ws, err := workspace.At(dir)
	check(t, err)
	return runtime.New(runtime.Config{
		Workspace: ws, Modules: []*module.Module{shelf, notes}, Key: seal.KeyAt(filepath.Join(dir, "age.key")),
		Globals: starlark.StringDict{"one_by_one": starlark.NewBuiltin("one_by_one", oneByOne)},
	})
}

func nothingTwice(t *testing.T, seed uint64) (asked bool) {
	r := rand.New(rand.NewPCG(seed, 13))
	var blocks []block
	for range 2 + r.IntN(4) {
		blocks = append(blocks, someBlock(r))
	}
	blocks = plantStop(r, blocks)
	edited := reshape(r, blocks)
	for range r.IntN(2) {
		edited = reshape(r, edited)
	}
	before, after := shapeText(blocks), shapeText(edited)
	dir := t.TempDir()
	file := filepath.Join(dir, "x.star")
	fresh := func(text string) (*runtime.Runtime, error) {
		check(t, os.WriteFile(file, []byte(text), 0o644))
		shelves.texts, shelves.failAt, noted = map[string]string{}, 0, map[string]int{}
		rt := shapeRuntime(t, dir)
		_, err := rt.Start(never, runtime.Start{Script: file})
		return rt, err
	}
	mended = true
	rt, err := fresh(after)
	check(t, err)
	check(t, rt.Close())
	alone, world := noted, shelves.texts

	mended = false
	if rt, err = fresh(before); err == nil {
		t.Fatal("it does not stop")
	}
	defer rt.Close()
	mended = true
	done := maps.Clone(noted)
	check(t, os.WriteFile(file, []byte(after), 0o644))
	agreed := map[string]int{}
	var seen []string
	_, err = rt.ResumeEdited(never, "last", runtime.Resume{}, runtime.Edit{Decide: func(c *runtime.Compared) (bool, error) {
		asked = asked || c.Asks() > 0
		for _, d := range c.Differences {
			seen = append(seen, fmt.Sprintf("%s %s %s->%s %s (%s) asks %v", d.Change, d.Kind, d.OldPlace, d.Place, d.Description, d.Why, d.Ask))
			if d.Ask {
				agreed[strings.Trim(d.Description, `"`)]++
			}
			if d.Change == door.Retried && d.OldDescription == d.Description {
				return false, errors.New("retried what has not changed")
			}
		}
		return true, nil
	}})
	story := fmt.Sprintf("seed %d\n%s\nis edited to\n%s\ncompared\n%s", seed, before, after, strings.Join(seen, "\n"))
	if err != nil {
		t.Fatalf("%v %s\n%s", err, fault.Render(err), story)
	}
	for text, n := range noted {
		if most := max(done[text], alone[text]) + agreed[text]; n > most {
			t.Errorf("%s was done %d times, not %d\n%s", text, n, most, story)
		}
		if n < alone[text] {
			t.Errorf("%s was done %d times only, not %d\n%s", text, n, alone[text], story)
		}
	}
	if !maps.Equal(world, shelves.texts) {
		t.Errorf("the world is %v, not %v\n%s", shelves.texts, world, story)
	}
	if _, err := rt.Replay(never, "last", ""); err != nil {
		t.Errorf("the replay fails: %v\n%s", fault.Render(err), story)
	}
	if _, err := rt.Rollback(never, "last", ""); err != nil || len(shelves.texts) > 0 {
		t.Errorf("the rollback leaves %v: %v\n%s", shelves.texts, err, story)
	}
	return asked
}
