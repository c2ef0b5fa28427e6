package journal_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

func open(t testing.TB, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.OpenOptions{})
	check(t, err)
	return j
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// create adds a run whose id is made of a beginning and zeros.
func create(t testing.TB, j *journal.Journal, begin string) *journal.Run {
	t.Helper()
	r, err := j.Create(journal.Run{ID: begin + strings.Repeat("0", 36-len(begin)), Script: "//x.star", Params: []byte{'n'}, Key: "k"})
	check(t, err)
	return r
}

func intent(place string) *journal.Effect {
	return &journal.Effect{Place: place, Kind: "fs.write", Write: true, Key: []byte("key"), Args: []byte{'m', 0}, Begun: time.Unix(100, 5)}
}

// reopen closes the journal and returns its run from the disk.
func reopen(t *testing.T, j *journal.Journal, dir, id string) *journal.Run {
	t.Helper()
	check(t, j.Close())
	j = open(t, dir)
	t.Cleanup(func() { check(t, j.Close()) })
	r, err := j.Find(id)
	check(t, err)
	return r
}

func TestRunComesBackAsItWas(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	r, err := j.Create(journal.Run{
		ID: "aaaa", Script: "//x.star", Entry: "deploy", Params: []byte("params"), Key: "sealed",
		Options: journal.Options{Infra: "prod", AllowPaths: []string{"/x"}, RollbackOnFailure: true, Limits: map[string]string{"steps": "1k"}},
	})
	check(t, err)
	failure := &fault.Error{Kind: fault.NotFound, Msg: "no", Hint: "look", Effect: "fs.read", Place: "0#1", InDoubt: true,
		Details: map[string]any{"n": 1.5}, Stack: []fault.Frame{{File: "x.star", Line: 1, Col: 2, Func: "f", Text: "f()"}}}
	check(t, r.SetState(journal.Failed, failure))
	check(t, r.SetResult([]byte("result")))
	check(t, r.AddSecret(journal.Secret{Name: "pw", Sealed: []byte{1, 2}}))
	check(t, r.AddSource("//x.star", []byte("a = 1")))
	check(t, r.AddSource("//y.star", []byte("a = 1")))
	check(t, r.AddSource("//x.star", []byte("a = 2")))
	check(t, r.Log(journal.Line{At: time.Unix(1, 0), Place: "0", Level: "print", Text: "one"}))
	check(t, r.Log(journal.Line{At: time.Unix(2, 0), Place: "0", Level: "print", Text: "two"}))
	check(t, r.Ask(journal.Question{Place: "0#1", Kind: "approval", Text: "sure?", Choices: []string{"yes", "no"}, Asked: time.Unix(3, 0)}))
	check(t, r.Answer("0#1", "yes", "because"))
	check(t, r.Ask(journal.Question{Place: "0#1", Kind: "approval", Text: "really?", Choices: []string{"yes"}, Asked: time.Unix(4, 0)}))
	check(t, r.Ask(journal.Question{Place: "0#2", Kind: "approval", Text: "gone", Asked: time.Unix(5, 0)}))
	check(t, r.Forget("0#2"))

	back := reopen(t, j, dir, "aaaa")
	if back.State != journal.Failed || back.Script != r.Script || back.Entry != r.Entry || string(back.Params) != "params" ||
		back.Key != "sealed" || string(back.Result) != "result" || !reflect.DeepEqual(back.Options, r.Options) || !back.Ended.Equal(r.Ended) {
		t.Errorf("got %+v, want %+v", back, r)
	}
	if err := back.Error.Err(); !reflect.DeepEqual(err, failure) {
		t.Errorf("the error is %+v, want %+v", err, failure)
	}
	if got, err := back.Secrets(); err != nil || fmt.Sprint(got) != "[{pw [1 2]}]" {
		t.Errorf("secrets %v, %v", got, err)
	}
	if got, err := back.Sources(); err != nil || fmt.Sprintf("%s", got) != "map[//x.star:a = 2 //y.star:a = 1]" {
		t.Errorf("sources %s, %v", got, err)
	}
	lines, next, err := back.Lines(0)
	if err != nil || len(lines) != 2 || lines[1].Text != "two" || !lines[0].At.Equal(time.Unix(1, 0)) {
		t.Errorf("lines %v, %v", lines, err)
	}
	if more, again, err := back.Lines(next); err != nil || more != nil || again != next {
		t.Errorf("after the last line come %v, %v", more, err)
	}
	questions, err := back.Questions()
	if err != nil || len(questions) != 1 || questions[0].Text != "really?" || questions[0].Answer != "yes" || questions[0].Reason != "because" {
		t.Errorf("questions %+v, %v", questions, err)
	}
}

func TestEffectComesBackAsItWas(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	r := create(t, j, "a")
	e := intent("0#1")
	e.Description, e.Pos, e.Undo = "out.txt", "x.star:1:2", []byte("undo")
	check(t, r.Intend(e))
	e.Status, e.Result, e.Ended, e.Attempts, e.Done = journal.Done, []byte("r"), time.Unix(200, 0), 2, 1
	check(t, r.Finish(e))
	read := &journal.Effect{Place: "0#2", Kind: "fs.read", Key: []byte("k2"), Args: []byte("args"), Status: journal.Erred, Result: []byte("{}"), Begun: time.Unix(1, 0), Ended: time.Unix(2, 0), Done: 2}
	check(t, r.Record(read))
	check(t, r.SetStatus(read, journal.Caught))
	check(t, j.Sync())
	check(t, r.SetUndo(e, journal.UndoFailed, "why"))

	back := reopen(t, j, dir, "a")
	effects, err := back.Effects()
	check(t, err)
	if len(effects) != 2 {
		t.Fatalf("got %+v", effects)
	}
	got := *effects[0]
	if err := back.Details(&got); err != nil || !reflect.DeepEqual(&got, e) {
		t.Errorf("got  %+v, %v\nwant %+v", &got, err, e)
	}
	if got := effects[1]; got.Status != journal.Caught || got.Write || got.Args != nil || got.Place != "0#2" {
		t.Errorf("got %+v", got)
	}
	again := *effects[0] // performed again, at the same place
	again.Status, again.Result, again.Done, again.Args = journal.Intended, nil, 0, []byte("new")
	check(t, back.Intend(&again))
	if effects, err = back.Effects(); err != nil || len(effects) != 2 || effects[0].Status != journal.Intended || effects[0].UndoStatus != journal.NotUndone {
		t.Errorf("got %+v, %v", effects[0], err)
	}
	if err := back.Details(&journal.Effect{Seq: 999, Place: "0#9"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("an effect that is not there: %v", err)
	}
}

func TestIntendIsDurableWithAllBeforeIt(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	defer j.Close() //nolint:errcheck // the copy is what is looked at
	r := create(t, j, "a")
	for i := range 50 {
		check(t, r.Record(&journal.Effect{Place: fmt.Sprintf("0#%d", i+1), Kind: "read", Key: []byte("k"), Args: []byte("a"), Status: journal.Done, Done: int64(i + 1)}))
	}
	check(t, r.Intend(intent("0#51")))

	// What is on the disk at this moment, as after a crash.
	copied := t.TempDir()
	check(t, os.CopyFS(copied, os.DirFS(dir)))
	back := open(t, copied)
	defer back.Close() //nolint:errcheck // only read
	run, err := back.Find("last")
	check(t, err)
	effects, err := run.Effects()
	check(t, err)
	if len(effects) != 51 {
		t.Fatalf("%d effects are durable, want 51", len(effects))
	}
	for i, e := range effects {
		if e.Place != fmt.Sprintf("0#%d", i+1) {
			t.Errorf("effect %d is %s", i, e.Place)
		}
	}
	if last := effects[50]; last.Status != journal.Intended || last.Status.String() != "in doubt" {
		t.Errorf("the last one is %s", last.Status)
	}
}

func TestGroupCommit(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	r := create(t, j, "a")
	const branches = 1000
	var wait sync.WaitGroup
	failed := make(chan error, branches)
	for i := range branches {
		wait.Go(func() {
			e := intent(fmt.Sprintf("0.%d#1", i))
			err := r.Intend(e)
			if err == nil && e.Seq == 0 {
				err = errors.New("the intent has no number")
			}
			e.Status, e.Done = journal.Done, int64(i+1)
			if err = errors.Join(err, r.Finish(e)); err != nil {
				failed <- err
			}
		})
	}
	wait.Wait()
	close(failed)
	for err := range failed {
		t.Fatal(err)
	}
	effects, err := reopen(t, j, dir, "a").Effects()
	check(t, err)
	places := map[string]bool{}
	for _, e := range effects {
		if places[e.Place] = true; e.Status != journal.Done {
			t.Errorf("%s is %s", e.Place, e.Status)
		}
	}
	if len(places) != branches {
		t.Errorf("%d of %d intents are there", len(places), branches)
	}
}

func TestFind(t *testing.T) {
	j := open(t, t.TempDir())
	defer j.Close() //nolint:errcheck // only read
	if _, err := j.Find("last"); !fault.Is(err, fault.NotFound) {
		t.Errorf("in an empty journal: %v", err)
	}
	one, two, three := create(t, j, "abc1"), create(t, j, "abc2"), create(t, j, "d")
	tests := []struct {
		id   string
		want *journal.Run
		kind fault.Kind
	}{
		{"last", three, ""},
		{one.ID, one, ""},
		{"abc2", two, ""},
		{"ABC2", two, ""},
		{"d", three, ""},
		{"abc", nil, fault.Usage},
		{"x", nil, fault.NotFound},
		{"", nil, fault.NotFound},
		{"%", nil, fault.NotFound},
		{"d_", nil, fault.NotFound},
	}
	for _, test := range tests {
		got, err := j.Find(test.id)
		if (test.want != nil && (err != nil || got.ID != test.want.ID)) || (test.want == nil && !fault.Is(err, test.kind)) {
			t.Errorf("Find(%q) = %v, %v", test.id, got, err)
		}
	}
	if runs, err := j.Runs(2); err != nil || len(runs) != 2 || runs[0].ID != three.ID || runs[1].ID != two.ID {
		t.Errorf("the newest two are %v, %v", runs, err)
	}
	if runs, err := j.Runs(0); err != nil || len(runs) != 3 {
		t.Errorf("all are %v, %v", runs, err)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	check(t, open(t, dir).Close())
	file := filepath.Join(dir, journal.FileName)
	db, err := sql.Open("sqlite", file)
	check(t, err)
	_, err = db.Exec(fmt.Sprintf("PRAGMA user_version = %d", journal.Version+1))
	check(t, err)
	check(t, db.Close())
	before, err := os.ReadFile(file)
	check(t, err)
	if _, err := journal.Open(dir, journal.OpenOptions{}); !fault.Is(err, fault.Config) || !strings.Contains(err.Error(), "newer than this program knows") {
		t.Errorf("got %v", err)
	}
	after, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the journal was changed (%v)", err)
	}
}

func TestDropAfter(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	r := create(t, j, "a")
	for i, place := range []string{"0#1", "0#2", "0.0#1", "r0#1"} {
		e := intent(place)
		e.Status, e.Done = journal.Done, int64(i+1)
		check(t, r.Record(e))
	}
	check(t, r.Intend(intent("0#3")))
	check(t, r.DropAfter(&journal.Effect{Seq: 1, Done: 1}))
	effects, err := reopen(t, j, dir, "a").Effects()
	check(t, err)
	var places []string
	for _, e := range effects {
		places = append(places, e.Place)
	}
	if fmt.Sprint(places) != "[0#1]" {
		t.Errorf("kept are %v", places)
	}
}

func TestDelete(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	r, other := create(t, j, "a"), create(t, j, "b")
	for _, run := range []*journal.Run{r, other} {
		check(t, run.Intend(intent("0#1")))
		check(t, run.AddSource("//shared.star", []byte("shared")))
		check(t, run.AddSource("//own.star", []byte("of "+run.ID)))
		check(t, run.AddSecret(journal.Secret{Name: "s", Sealed: []byte("x")}))
		check(t, run.Log(journal.Line{Place: "0", Level: "print", Text: "x"}))
		check(t, run.Ask(journal.Question{Place: "0#1", Kind: "approval"}))
	}
	check(t, r.Delete())
	if _, err := j.Find("a"); !fault.Is(err, fault.NotFound) {
		t.Errorf("the run is still there: %v", err)
	}
	if err := r.Reload(); !fault.Is(err, fault.NotFound) {
		t.Errorf("the run is still there: %v", err)
	}
	if sources, err := other.Sources(); err != nil || len(sources) != 2 {
		t.Errorf("the other run has %v, %v", sources, err)
	}
	check(t, j.Close())
	db, err := sql.Open("sqlite", filepath.Join(dir, journal.FileName))
	check(t, err)
	defer db.Close()
	for table, want := range map[string]int{"runs": 1, "effects": 1, "secrets": 1, "sources": 2, "run_sources": 2, "logs": 1, "questions": 1} {
		var n int
		if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil || n != want {
			t.Errorf("%s has %d rows, want %d (%v)", table, n, want, err)
		}
	}
}

func TestBlobs(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	defer j.Close() //nolint:errcheck // only blobs are looked at
	data := strings.Repeat("large\xff", 10_000)
	hash, err := j.Blobs.Put(data)
	check(t, err)
	again, err := j.Blobs.Put(data)
	check(t, err)
	if got, err := j.Blobs.Get(hash); err != nil || got != data || again != hash {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	file := onlyFile(t, filepath.Join(dir, "blobs"))
	for name, damage := range map[string]func() error{
		"cut":     func() error { return os.Truncate(file, 100) },
		"changed": func() error { return os.WriteFile(file, []byte("L"+data[1:]), 0o600) },
		"lost":    func() error { return os.Remove(file) },
	} {
		check(t, os.WriteFile(file, []byte(data), 0o600))
		check(t, damage())
		if got, err := j.Blobs.Get(hash); !fault.Is(err, fault.Failed) {
			t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
	}
}

func onlyFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	check(t, err)
	if len(files) != 1 {
		t.Fatalf("in %s are %q", dir, files)
	}
	return files[0]
}

func TestLease(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	defer j.Close() //nolint:errcheck // only leases are looked at
	r := create(t, j, "a")
	if r.OwnerProcess() != 0 {
		t.Error("a run that nobody executes has an owner")
	}
	lease, err := r.Acquire()
	check(t, err)
	if r.OwnerProcess() != os.Getpid() || r.Executions != 1 {
		t.Errorf("the owner is %d, after %d executions", r.OwnerProcess(), r.Executions)
	}
	second, err := j.Find("a")
	check(t, err)
	_, err = second.Acquire()
	if !fault.Is(err, fault.Failed) || !strings.Contains(err.Error(), fmt.Sprintf("is being executed by process %d on ", os.Getpid())) {
		t.Errorf("got %v", err)
	}
	lease.Release()
	lease, err = second.Acquire()
	check(t, err)
	lease.Release()
	check(t, second.Reload())
	if second.Executions != 2 || second.OwnerProcess() != 0 {
		t.Errorf("%d executions, the owner is %d", second.Executions, second.OwnerProcess())
	}
}

func TestClosedJournal(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	r := create(t, j, "a")
	var wait sync.WaitGroup
	for range 20 { // whatever is on its way when it is closed is written or refused
		wait.Go(func() {
			for r.Log(journal.Line{Text: "x"}) == nil {
			}
		})
	}
	for range 5 {
		wait.Go(func() {
			for j.Sync() == nil {
			}
		})
	}
	check(t, j.Close())
	wait.Wait()
	for name, err := range map[string]error{"intend": r.Intend(intent("0#1")), "log": r.Log(journal.Line{}), "sync": j.Sync(), "state": r.SetState(journal.Failed, nil)} {
		if !fault.Is(err, fault.Internal) || !strings.Contains(err.Error(), "closed") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStatusHasAName(t *testing.T) {
	for s, want := range map[fmt.Stringer]string{
		journal.Intended: "in doubt", journal.Dropped: "dropped", journal.Status(200): "unknown (200)",
		journal.NoUndo: "cannot be undone", journal.UndoStatus(99): "unknown (99)",
	} {
		if got := s.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for state, want := range map[journal.State]bool{journal.Running: false, journal.Waiting: false, journal.Completed: true, journal.RolledBack: true} {
		if state.Ended() != want {
			t.Errorf("%s: ended is %t", state, !want)
		}
	}
}
