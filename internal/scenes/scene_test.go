package scenes

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/op"
	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// scene is a small play.
type scene struct {
	op     string            // the operation that it is about, without the module
	about  string            // which of its scenes
	play   []string          // calls; m is the machine
	want   string            // the kinds of the changes that check mode names, in order
	images []string          // "": all
	apt    bool              // it needs the archive of Debian
	before string            // script that prepares the machine
	more   string            // script that adds lines to the fingerprint
	files  map[string]string // of the workspace
	serve  map[string]string // contents by path; URL is where they are
	// refused has the reason that the operation gives on images where it cannot
	// work, by image.
	refused map[string]string
	late    bool // it is refused by the run only: check mode cannot know
	// acts says that it acts every time: a second run changes something as well.
	acts bool
}

func (s scene) name() string {
	if s.about == "" {
		return s.op
	}
	return s.op + ": " + s.about
}

func (s scene) on(i image) bool {
	return (len(s.images) == 0 && !i.own || slices.Contains(s.images, i.name)) && (i.apt || !s.apt)
}

func scenes() []scene { return slices.Concat(fileScenes, systemScenes, otherScenes) }

// elsewhere says which functions of the module have no scene, and why.
var elsewhere = map[string]string{
	"handler": "it touches no machine; testdata/op/handlers.txtar plays it",
	"changed": "it touches no machine; testdata/taskserv/workspace.txtar asks it",
}

// TestEveryOperationHasAScene: one that nobody has tried on a machine does not work.
func TestEveryOperationHasAScene(t *testing.T) {
	played := map[string]bool{}
	for _, s := range scenes() {
		for _, i := range images {
			played[s.op] = played[s.op] || s.on(i) && s.refused[i.name] == ""
		}
		if op.Module.Func("op."+s.op) == nil {
			t.Errorf("there is a scene of op.%s, which there is not", s.op)
		}
	}
	for _, f := range op.Module.Funcs() {
		if !played[f.Short()] && elsewhere[f.Short()] == "" {
			t.Errorf("%s has no scene in which it is performed: add one to files_test.go or systems_test.go", f.Name())
		}
	}
}

func TestScenes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a container for each scene")
	}
	t.Cleanup(func() { coverage.report(t) })
	for _, i := range images {
		for n, s := range scenes() {
			if !s.on(i) || !full() && i.name != s.sample(n) {
				continue
			}
			t.Run(strings.NewReplacer(" ", "-", ":", "").Replace(i.name+"/"+s.name()), func(t *testing.T) {
				t.Parallel()
				perform(t, s, i)
			})
		}
	}
}

// full says to play each scene on every machine that it is for.
func full() bool { return os.Getenv("TORTURE") == "full" || *update }

// sample is the machine that the scene with the number n is played on where there is
// not the time for all.
func (s scene) sample(n int) string {
	var on []string
	for _, i := range images {
		if s.on(i) {
			on = append(on, i.name)
		}
	}
	return on[n%len(on)]
}

// perform proves what a scene is for.
func perform(t *testing.T, s scene, i image) {
	ref := i.ref
	if s.apt {
		ref = withPackages(t, i)
	}
	b := newBox(t, i, ref, nil)
	if s.before != "" {
		b.sh("set -e\n" + s.before)
	}
	machine := fmt.Sprintf("scene.machine(%q)\n    URL = %q", b.name, b.serve(s.serve))
	newPlay := func() *play { return newPlay(t, machine, s.play, s.files) }
	p := newPlay()
	start := b.fingerprint(s.more)

	checked, err := p.check()
	if reason, refused := s.refused[i.name]; refused {
		if s.late && err == nil {
			_, err = p.run()
		}
		b.refuses(text(err), reason, start, s)
		return
	}
	if err != nil {
		t.Fatalf("check: %s", text(err))
	}
	b.same("check", start, b.fingerprint(s.more))
	will := named(checked)
	if kinds := kindsOf(will); kinds != s.want {
		t.Errorf("check names %q, want %q", kinds, s.want)
	}

	ran, err := p.run()
	if err != nil {
		t.Fatalf("run: %s", text(err))
	}
	sameChanges(t, will, reported(t, ran))
	if !s.acts {
		nothingLeft(t, newPlay())
	}
	done := b.fingerprint(s.more)
	if len(b.diff(start, done)) == 0 && !s.acts {
		t.Error("the run has changed nothing that the fingerprint knows of")
	}
	b.rollBack(s, p, start, done)
	b.interrupted(s, newPlay(), done)
}

// refuses sees that an operation which cannot work says why, and does nothing.
func (b *box) refuses(said, reason string, start fingerprint, s scene) {
	b.t.Helper()
	if !strings.Contains(said, reason) {
		b.t.Errorf("it says %q, and not %q", said, reason)
	}
	b.same("what was refused", start, b.fingerprint(s.more))
	coverage.refused(s, b.image, reason)
}

// same fails where a machine is not as it was.
func (b *box) same(after string, was, is fingerprint) {
	b.t.Helper()
	for _, key := range b.diff(was, is) {
		if strings.HasPrefix(key, keptForUndo) {
			continue
		}
		b.t.Errorf("%s has changed %s: %s -> %s", after, key, was.explain(key), is.explain(key))
	}
}

func (b *box) diff(was, is fingerprint) []string { return differences(was, is, b.pristine) }

// untouched are the sums of files of images, by image and path.
var untouched struct {
	sync.Mutex
	sums map[string]string
}

// pristine reads files in a box of the image in which nothing has happened.
func (b *box) pristine(paths []string) map[string]string {
	b.t.Helper()
	untouched.Lock()
	defer untouched.Unlock()
	if untouched.sums == nil {
		untouched.sums = map[string]string{}
	}
	key := func(path string) string { return b.ref + " " + path }
	missing := slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return untouched.sums[key(p)] != "" })
	if len(missing) > 0 {
		still := newBox(b.t, image{name: b.image.name, up: "true"}, b.ref, func(s *container.Spec) { s.Command = []string{"sleep", "1000000"} })
		for path, sum := range still.sums(missing) {
			untouched.sums[key(path)] = sum
		}
	}
	sums := map[string]string{}
	for _, p := range paths {
		if sum := untouched.sums[key(p)]; sum != "" {
			sums[p] = sum
		}
	}
	return sums
}

func kindsOf(changes []change) string {
	var kinds []string
	for _, c := range changes {
		kinds = append(kinds, c.kind)
	}
	return strings.Join(kinds, " ")
}

// sameChanges sees that what a run reports is what check mode has named.
func sameChanges(t *testing.T, will, did []change) {
	t.Helper()
	if len(will) != len(did) {
		t.Errorf("check names %d operations, the run reports %d", len(will), len(did))
		return
	}
	for n := range will {
		named, changed := will[n].kind != string(effect.None), did[n].kind != ""
		if named != changed && !(named && will[n].vague) {
			t.Errorf("operation %d: check names %q, the run reports %q", n+1, will[n].kind, did[n].kind)
		}
		if !will[n].vague && shown(will[n].diff) != shown(did[n].diff) {
			t.Errorf("operation %d: check shows\n%s\nthe run reports\n%s", n+1, will[n].diff, did[n].diff)
		}
	}
}

// secrets are how plans show secrets, and how the values of scripts have them.
var secrets = regexp.MustCompile(`«secret [^»]*»|𓉘\d+𓊂`)

func shown(diff string) string {
	return strings.TrimRight(secrets.ReplaceAllString(diff, "«secret»"), "\n")
}

// nothingLeft sees that a second run, and its check, change nothing.
func nothingLeft(t *testing.T, p *play) {
	t.Helper()
	again, err := p.run()
	if err != nil {
		t.Errorf("the second run: %s", text(err))
		return
	}
	for n, c := range reported(t, again) {
		if c.kind != "" {
			t.Errorf("operation %d changes something in a second run:\n%s", n+1, c.diff)
		}
	}
	checked, err := p.check()
	if err != nil {
		t.Errorf("the second check: %s", text(err))
		return
	}
	for n, c := range named(checked) {
		if c.kind != string(effect.None) {
			t.Errorf("after the run, check names operation %d: %s\n%s", n+1, c.kind, c.diff)
		}
	}
}

// rollBack takes a run back and writes down what stays.
func (b *box) rollBack(s scene, p *play, start, done fingerprint) {
	b.t.Helper()
	b.undo(p)
	back := b.fingerprint(s.more)
	made, left := b.diff(start, done), b.diff(start, back)
	for _, key := range coverage.add(s, b.image, made, left) {
		b.t.Errorf("rollback has left %s, and nothing explains that: it was %s, is %s", key, start.explain(key), back.explain(key))
	}
}

// undo takes the last run back.
func (b *box) undo(p *play) {
	b.t.Helper()
	out, err := p.rollback()
	if err != nil {
		b.t.Errorf("rollback: %s", text(err))
	}
	if out == nil || out.Rollback == nil {
		b.t.FailNow()
	}
	for _, u := range out.Rollback.Failed {
		b.t.Errorf("rollback of %s failed: %s", u.Description, u.Error)
	}
}

// interrupted has scripts of a play killed on the way, and resumes the run: it has to
// lead to the same end.
func (b *box) interrupted(s scene, p *play, done fingerprint) {
	b.t.Helper()
	rnd := chance(b.t, b.t.Name())
	b.cut.arm(rnd)
	out, err := p.run()
	for n := 0; !completed(out); n++ {
		if n == 5 {
			b.t.Fatalf("the run that was interrupted does not come to its end: %s", text(err))
		}
		if rnd.IntN(2) == 0 {
			b.cut.arm(rnd)
		}
		out, err = p.resume()
	}
	b.cut.arm(nil)
	if b.cut.taken() == 0 {
		b.t.Error("nothing was interrupted")
	}
	b.same("a run that was interrupted", done, b.fingerprint(s.more))
}

func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(1)
	if given := os.Getenv("SCENES_SEED"); given != "" {
		var err error
		if s, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func chance(t *testing.T, of string) *rand.Rand {
	t.Helper()
	h := fnv.New64a()
	_, _ = h.Write([]byte(of)) // never fails
	return rand.New(rand.NewPCG(seed(t), h.Sum64()))
}
