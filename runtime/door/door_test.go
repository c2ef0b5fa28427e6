package door_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestOrder(t *testing.T) {
	s := newStage()
	if _, err := s.run(t, live, `
w.act("a")
w.look("b")
w.known("c")
w.act("not", _when = False)
w.act("d")
`); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"intend 0#1 in doubt", "perform a", "finish 0#1 done",
		"perform b", "record 0#2 done",
		"remember c", "intend 0#3 in doubt", "perform c", "finish 0#3 done",
		"intend 0#4 in doubt", "perform d", "finish 0#4 done",
	}
	if !slices.Equal(s.log, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(s.log, "\n"), strings.Join(want, "\n"))
	}
	if e := s.rec.at("0#3"); e.Undo == nil || strings.Contains(string(e.Undo), "before") || e.Pos != "x.star:4:8" || e.Kind != "w.known" {
		t.Errorf("recorded is %+v", e)
	}
}

// What has nothing to do is recorded with its result, as it cannot be in doubt: no
// intent has to reach the disk before it. What failed so is recorded, too.
func TestNothingToDo(t *testing.T) {
	s := newStage()
	s.do = func(_ context.Context, name string, attempt int) (any, error) {
		if name == "as it is" && attempt > 1 {
			return nil, fault.New(fault.Failed, "no")
		}
		return name, nil
	}
	_, err := s.run(t, live, `
w.ensure("as it is")
w.ensure("new")
w.ensure("as it is")
`)
	if !fault.Is(err, fault.Failed) {
		t.Fatal(err)
	}
	want := []string{
		"remember as it is", "perform as it is", "record 0#1 done",
		"remember new", "intend 0#2 in doubt", "perform new", "finish 0#2 done",
		"remember as it is", "perform as it is", "record 0#3 failed",
	}
	if !slices.Equal(s.log, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(s.log, "\n"), strings.Join(want, "\n"))
	}
}

// failing makes the first n attempts fail.
func failing(n int, e fault.Error) func(context.Context, string, int) (any, error) {
	return func(_ context.Context, name string, attempt int) (any, error) {
		if attempt <= n {
			e := e
			e.Msg, e.RetryAfter = fmt.Sprintf("failure %d", attempt), soon
			return nil, &e
		}
		return name, nil
	}
}

func TestRetries(t *testing.T) {
	transient := fault.Error{Kind: fault.Network}
	unsent := fault.Error{Kind: fault.Network, Unsent: true}
	doubt := fault.Error{Kind: fault.Timeout, InDoubt: true}
	tests := []struct {
		name, call string
		fails      int
		with       fault.Error
		attempts   int
		status     journal.Status
	}{
		{"a read, twice", `w.look("x")`, 2, transient, 3, journal.Done},
		{"a read, too often", `w.look("x")`, 9, transient, 3, journal.Erred},
		{"a read that can never work", `w.look("x")`, 1, fault.Error{Kind: fault.Invalid}, 1, journal.Erred},
		{"a read that may not be retried", `w.look("x", _retries = 0)`, 1, transient, 1, journal.Erred},
		{"a read that may be retried often", `w.look("x", _retries = 7)`, 7, transient, 8, journal.Done},
		{"a write that was sent", `w.act("x")`, 1, transient, 1, journal.Erred},
		{"a write that was sent, whatever is asked", `w.act("x", _retries = 5)`, 1, transient, 1, journal.Erred},
		{"a write that was not sent", `w.act("x")`, 2, unsent, 3, journal.Done},
		{"a write that was not sent and can never work", `w.act("x")`, 1, fault.Error{Kind: fault.NotFound, Unsent: true}, 1, journal.Erred},
		{"a write that may be repeated", `w.put("x")`, 2, transient, 3, journal.Done},
		{"a repeatable write in doubt", `w.put("x")`, 1, doubt, 2, journal.Done},
		{"a write in doubt", `w.act("x")`, 1, doubt, 1, journal.Intended},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStage()
			s.do = failing(test.fails, test.with)
			_, err := s.run(t, live, test.call)
			if s.attempts["x"] != test.attempts {
				t.Errorf("%d attempts, want %d", s.attempts["x"], test.attempts)
			}
			e := s.rec.at("0#1")
			if e.Status != test.status || (err == nil) != (test.status == journal.Done) {
				t.Errorf("it is %s, with the error %v; want %s", e.Status, err, test.status)
			}
			if test.status == journal.Erred && (fault.As(err).Place != "0#1" || e.Result == nil) {
				t.Errorf("the error %+v does not say where it was", fault.As(err))
			}
			retried := 0
			for _, ev := range s.events {
				if ev.Type == event.EffectRetried {
					retried++
				}
			}
			if retried != test.attempts-1 {
				t.Errorf("%d retries were told of, want %d", retried, test.attempts-1)
			}
		})
	}
}

func TestInDoubt(t *testing.T) {
	yes := effect.Answer{Happened: effect.Yes, Result: "from the world"}
	tests := []struct {
		name, call string
		world      effect.Answer
		unreached  error
		person     answers
		status     journal.Status
		attempts   int
		result     string // or what the error says
	}{
		{"the world says yes", `w.known("x")`, yes, nil, "", journal.Done, 1, `"from the world"`},
		{"the world says no", `w.known("x")`, effect.Answer{Happened: effect.No}, nil, "", journal.Done, 2, `"x"`},
		{"the world is unsure", `w.known("x")`, effect.Answer{Why: "no tag"}, nil, "", journal.Intended, 1, "may or may not have happened; failure 1; no tag"},
		{"the world is not there", `w.known("x")`, effect.Answer{}, errors.New("no route"), "", journal.Intended, 1, "asking the world failed: no route"},
		{"the world is unsure, a person knows", `w.known("x")`, effect.Answer{}, nil, "done", journal.Assumed, 1, `"assumed"`},
		{"nobody can tell", `w.act("x")`, yes, nil, "", journal.Intended, 1, "w.act: x may or may not have happened"},
		{"a person says done", `w.act("x")`, yes, nil, "done", journal.Assumed, 1, "None"},
		{"a person says redo", `w.act("x")`, yes, nil, "redo", journal.Done, 2, `"x"`},
		{"a person says skip", `w.act("x")`, yes, nil, "skip", journal.Skipped, 1, "None"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStage()
			s.do = failing(1, fault.Error{Kind: fault.Timeout, InDoubt: true})
			s.happened = func() (effect.Answer, error) { return test.world, test.unreached }
			s.person = test.person
			globals, err := s.run(t, live, "got = "+test.call)
			if e := s.rec.at("0#1"); e.Status != test.status || s.attempts["x"] != test.attempts {
				t.Errorf("it is %s after %d attempts", e.Status, s.attempts["x"])
			}
			if test.status != journal.Intended {
				if err != nil || globals["got"].String() != test.result {
					t.Errorf("got %v, %v; want %s", globals["got"], err, test.result)
				}
				return
			}
			if !fault.Is(err, fault.Waiting) || !errors.Is(err, branch.ErrSuspended) || !strings.Contains(err.Error(), test.result) {
				t.Errorf("got %v, want %q", err, test.result)
			}
			if hint := fault.As(err).Hint; !strings.Contains(hint, "--done 0#1") {
				t.Errorf("the hint is %q", hint)
			}
			if len(s.rec.questions) != 1 || s.rec.questions[0].Place != "0#1" {
				t.Errorf("asked was %v", s.rec.questions)
			}
		})
	}
}

// A resumed run settles what the first execution left in doubt, before it acts.
func TestResume(t *testing.T) {
	s := newStage()
	s.do = func(_ context.Context, name string, attempt int) (any, error) {
		if name == "c" && attempt == 1 {
			return nil, fault.New(fault.Failed, "no")
		}
		return name, nil
	}
	const src = `
got = [w.act("a"), w.look("b"), w.act("c"), w.put("d")]
`
	if _, err := s.run(t, live, src); !fault.Is(err, fault.Failed) {
		t.Fatal(err)
	}
	globals, err := s.run(t, resume, src)
	if err != nil || globals["got"].String() != `["a", "b", "c", "d"]` {
		t.Fatal(globals, err)
	}
	want := []string{"intend 0#3 in doubt", "perform c", "finish 0#3 done", "intend 0#4 in doubt", "perform d", "finish 0#4 done"}
	if !slices.Equal(s.log, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(s.log, "\n"), strings.Join(want, "\n"))
	}
	if globals, err = s.run(t, replay, src); err != nil || globals["got"].String() != `["a", "b", "c", "d"]` || s.log != nil {
		t.Errorf("the replay gives %v, %v, and does %q", globals, err, s.log)
	}
}

func TestResumeInDoubt(t *testing.T) {
	for _, kind := range []string{"put", "known", "act"} {
		t.Run(kind, func(t *testing.T) {
			s := newStage()
			src := `got = w.` + kind + `("x")`
			if _, err := s.run(t, live, src); err != nil {
				t.Fatal(err)
			}
			s.rec.effects[0].Status, s.rec.effects[0].Result, s.rec.effects[0].Done = journal.Intended, nil, 0 // killed before the result
			s.happened = func() (effect.Answer, error) { return effect.Answer{Happened: effect.Yes, Result: "was there"}, nil }
			globals, err := s.run(t, resume, src)
			switch kind {
			case "put":
				if err != nil || s.attempts["x"] != 2 {
					t.Errorf("a repeatable effect is done again: %v, %d", err, s.attempts["x"])
				}
			case "known":
				if err != nil || globals["got"].String() != `"was there"` || s.attempts["x"] != 1 {
					t.Errorf("the world knows: %v, %v, %d", globals, err, s.attempts["x"])
				}
			case "act":
				if !fault.Is(err, fault.Waiting) || s.attempts["x"] != 1 {
					t.Errorf("nobody knows: %v, %d", err, s.attempts["x"])
				}
				s.rec.questions[0].Answer = "done"
				if globals, err = s.run(t, resume, src); err != nil || globals["got"].String() != "None" || s.attempts["x"] != 1 {
					t.Errorf("the answer: %v, %v", globals, err)
				}
			}
		})
	}
}

// What the script went on after is not tried again.
func TestCaughtErrorsAreReplayed(t *testing.T) {
	s := newStage()
	s.do = failing(1, fault.Error{Kind: fault.NotFound})
	const src = `got = attempt(lambda: w.act("x"))`
	first, err := s.run(t, live, src)
	if err != nil || s.rec.at("0#1").Status != journal.Caught {
		t.Fatal(err, s.rec.at("0#1").Status)
	}
	again, err := s.run(t, resume, src)
	if err != nil || again["got"].String() != first["got"].String() || s.attempts["x"] != 1 {
		t.Errorf("got %v, %v; want %v", again["got"], err, first["got"])
	}
}

func TestMismatch(t *testing.T) {
	s := newStage()
	if _, err := s.run(t, live, "def f():\n    w.act(\"a\")\nf()\n"); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, src, want string }{
		{"another argument", "def f():\n\n    w.act(\"b\")\nf()\n", "journal: w.act a   x.star:2:10\nscript:  w.act b   x.star:3:10\nthe arguments differ"},
		{"another effect", "w.look(\"a\")", "journal: w.act a   x.star:2:10\nscript:  w.look a   x.star:1:7\nthe journal was written by another version"},
		{"another function", "def g():\n    w.act(\"a\")\ng()\n", "the functions that lead to the effect have other names"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := s.run(t, resume, test.src)
			if !fault.Is(err, fault.Mismatch) || !strings.Contains(fault.As(err).Hint, test.want) || s.log != nil {
				t.Errorf("got %v\n%s\nwant\n%s", err, fault.As(err).Hint, test.want)
			}
		})
	}
	if _, err := s.run(t, resume, "\n\ndef f():\n    x = 1\n    w.act(\"a\", _timeout = \"9s\")\nf()\n"); err != nil {
		t.Errorf("other lines and another timeout are no difference: %v", err)
	}
}

func TestReplayActsOnNothing(t *testing.T) {
	s := newStage()
	if _, err := s.run(t, live, `w.act("a")`); err != nil {
		t.Fatal(err)
	}
	_, err := s.run(t, replay, "w.act(\"a\")\nw.act(\"b\")")
	if !errors.Is(err, branch.ErrSuspended) || !strings.Contains(err.Error(), "the journal ends here") || s.log != nil {
		t.Errorf("got %v, done is %q", err, s.log)
	}
	s.rec.effects[0].Status = journal.Intended
	if _, err = s.run(t, replay, `w.act("a")`); !errors.Is(err, branch.ErrSuspended) || s.log != nil {
		t.Errorf("got %v, done is %q", err, s.log)
	}
}

func TestCheckMode(t *testing.T) {
	s := newStage()
	globals, err := s.run(t, check, `
read = w.look("a")
acted = w.act("b")
predicted = w.known("c")
after = w.act(acted)
`)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.log, []string{"perform a"}) {
		t.Errorf("done is %q", s.log)
	}
	if globals["read"].String() != `"a"` || globals["predicted"].String() != `"predicted"` {
		t.Errorf("got %v", globals)
	}
	if _, ok := globals["acted"].(*value.Unknown); !ok {
		t.Errorf("the result of a write that was not made is %v", globals["acted"])
	}
	var got []string
	for _, step := range plan.Of(s.trace).Root().Steps {
		item := step.Effect
		got = append(got, fmt.Sprint(item.Kind, " ", item.Change, " ", item.Quality, " ", item.Undo, " ", item.Depends))
	}
	want := []string{"w.look   false ", "w.act run blind false ", "w.known create exact true ", "w.act run blind false w.act(…)"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSecretsStayInside(t *testing.T) {
	s := newStage()
	s.do = func(_ context.Context, name string, _ int) (any, error) {
		if name == "failhidden value" {
			return nil, fault.New(fault.Failed, "cannot log in with hidden value").WithHint("is it hidden value?")
		}
		return "echo " + name, nil
	}
	globals, err := s.run(t, live, `
got = w.act("use ", text = "" + secret)
w.act("fail", text = secret)
`)
	if err == nil || !slices.Contains(s.log, "perform use hidden value") {
		t.Fatalf("the world did not get the secret: %q, %v", s.log, err)
	}
	shown := fmt.Sprint(globals["got"], err.Error(), fault.As(err).Hint, s.events, s.rec.lines)
	for _, e := range s.rec.effects {
		shown += fmt.Sprintf("%s %s %s %s", e.Args, e.Result, e.Description, e.Undo)
	}
	if strings.Contains(shown, "hidden value") {
		t.Errorf("the secret is in %s", shown)
	}
	if !strings.Contains(err.Error(), "cannot log in with «secret pw»") {
		t.Errorf("the error is %v", err)
	}
}

func TestTimeout(t *testing.T) {
	blocked := func(ctx context.Context, _ string, _ int) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	tests := []struct {
		name, call string
		do         func(context.Context, string, int) (any, error)
		kind       fault.Kind
		status     journal.Status
	}{
		{"a read", `w.look("x", _timeout = "1ms", _retries = 0)`, blocked, fault.Timeout, journal.Erred},
		{"a write that does not say how far it came", `w.act("x", _timeout = "1ms")`, blocked, fault.Waiting, journal.Intended},
		{"a write that was not sent", `w.act("x", _timeout = "1ms", _retries = 0)`, func(ctx context.Context, _ string, _ int) (any, error) {
			<-ctx.Done()
			return nil, &fault.Error{Kind: fault.Network, Msg: "cannot connect", Unsent: true}
		}, fault.Timeout, journal.Erred},
		{"a write that knows", `w.act("x", _timeout = "1ms")`, func(ctx context.Context, _ string, _ int) (any, error) {
			<-ctx.Done()
			return nil, fault.New(fault.Timeout, "it was killed")
		}, fault.Timeout, journal.Erred},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStage()
			s.do = test.do
			_, err := s.run(t, live, test.call)
			e := s.rec.at("0#1")
			if !fault.Is(err, test.kind) || e == nil || e.Status != test.status {
				t.Errorf("got %v (%s), recorded is %+v", err, fault.KindOf(err), e)
			}
		})
	}
}

// A write that is cut off with the whole run is left in doubt.
func TestCut(t *testing.T) {
	s := newStage()
	ctx, cut := context.WithCancelCause(context.Background())
	s.cut = ctx
	s.do = func(ctx context.Context, _ string, _ int) (any, error) {
		cut(fault.New(fault.Cancelled, "interrupted"))
		<-ctx.Done()
		return nil, ctx.Err()
	}
	_, err := s.run(t, live, "w.act(\"x\")\nw.act(\"y\")")
	if !fault.Is(err, fault.Cancelled) || s.rec.at("0#1").Status != journal.Intended || s.attempts["y"] != 0 {
		t.Errorf("got %v, recorded is %s", err, s.rec.at("0#1").Status)
	}
}

func TestDefectOfAnEffect(t *testing.T) {
	s := newStage()
	s.do = func(context.Context, string, int) (any, error) { panic("boom") }
	_, err := s.run(t, live, `attempt(lambda: w.act("x"))`)
	if !fault.Is(err, fault.Internal) || !strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v", err)
	}
}

func TestLimitOfEffects(t *testing.T) {
	s := newStage()
	s.limits = sandbox.Limits{Effects: 2}
	_, err := s.run(t, live, `
for i in range(5):
    w.look("x")
`)
	if !fault.Is(err, fault.Limit) || s.attempts["x"] != 2 {
		t.Errorf("got %v after %d effects", err, s.attempts["x"])
	}
}

func TestBrokenJournalStopsTheRun(t *testing.T) {
	s := newStage()
	broken := fault.New(fault.Failed, "cannot write the journal")
	d := &brokenRecorder{s.rec, broken}
	for _, call := range []string{`w.act("x")`, `w.look("x")`} {
		s.attempts["x"] = 0
		_, err := s.runOn(t, d, call)
		if !errors.Is(err, broken) && !strings.Contains(fmt.Sprint(err), "cannot write the journal") {
			t.Errorf("%s: %v", call, err)
		}
		if strings.Contains(call, "act") && s.attempts["x"] != 0 {
			t.Errorf("%s: it was performed all the same", call)
		}
	}
}

// The set of what is recorded does not depend on timing.
func TestRecordedSet(t *testing.T) {
	const src = `
def inner(x):
    w.act("inner %d" % x)
    return w.look("look %d" % x)
def outer(x):
    w.put("put %d" % x)
    return parallel(inner, [x, x + 10])
got = parallel(outer, [i for i in range(8)])
`
	var want, value string
	for i := range 20 {
		s := newStage()
		globals, err := s.run(t, live, src)
		if err != nil {
			t.Fatal(err)
		}
		var rows []string
		for _, e := range s.rec.effects {
			rows = append(rows, fmt.Sprintf("%s %s %s %s %x %x", e.Place, e.Kind, e.Pos, e.Status, e.Key, e.Result))
		}
		sort.Strings(rows)
		got := strings.Join(rows, "\n")
		if want == "" {
			want, value = got, globals["got"].String()
		}
		if got != want || globals["got"].String() != value {
			t.Fatalf("execution %d recorded\n%s\nwant\n%s", i, got, want)
		}
		if replayed, err := s.run(t, replay, src); err != nil || replayed["got"].String() != value || s.log != nil {
			t.Fatalf("the replay gives %v, %v, and does %q", replayed, err, s.log)
		}
	}
}
