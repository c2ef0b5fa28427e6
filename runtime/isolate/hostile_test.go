package isolate

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/codec"
)

// fake pretends to be the interpreter of a run: that is what a script could do
// that had taken it over.
type fake struct {
	// attack is what it does when it was told to run.
	attack func(f *faker)
	says   string // what the parent says of it
	kind   fault.Kind
	done   []string // what it gets done
}

type faker struct {
	*conn
	out *os.File
}

// raw writes bytes that are no message.
func (f *faker) raw(b []byte) { _, _ = f.out.Write(b) }

// effect asks for w.act("x") as if the branch at path did.
func (f *faker) effect(path string, change func(*askEffect)) {
	args, err := (&codec.Codec{Wire: true}).Encode(starlark.Tuple{starlark.String("x")})
	if err != nil {
		panic(err)
	}
	m := &askEffect{site: site{ID: 1, Path: path, Pos: "x.star:1:1", Functions: []string{"main"}, Modules: []string{"x.star"}}, Kind: "w.act", Given: "10", Args: args}
	if change != nil {
		change(m)
	}
	_ = f.send(m)
}

// next waits for an answer.
func (f *faker) next() *answer {
	for {
		m, err := f.receive(fromParent)
		if err != nil {
			os.Exit(0)
		}
		if a, ok := m.(*answer); ok {
			return a
		}
	}
}

const garbled = "a message makes no sense"

var fakes = map[string]fake{
	"junk":                   {func(f *faker) { f.raw([]byte(strings.Repeat("\xff\x00junk", 10000))) }, garbled, fault.Internal, nil},
	"a huge length":          {func(f *faker) { f.raw(binary.BigEndian.AppendUint32(nil, 1<<31)); f.raw(make([]byte, 100)) }, garbled, fault.Internal, nil},
	"a lying length":         {func(f *faker) { f.raw(append(binary.BigEndian.AppendUint32(nil, maxFrame), 24)); f.out.Close() }, "has ended: exit status 0", fault.Internal, nil},
	"half a message":         {func(f *faker) { f.raw([]byte{0, 0, 0, 100, 20, 1}); f.out.Close() }, "has ended: exit status 0", fault.Internal, nil},
	"an empty message":       {func(f *faker) { f.raw([]byte{0, 0, 0, 0, 0}) }, garbled, fault.Internal, nil},
	"an unknown kind":        {func(f *faker) { f.raw([]byte{0, 0, 0, 1, 99}) }, "it is of kind 99", fault.Internal, nil},
	"a parent's":             {func(f *faker) { _ = f.send(&doRun{}) }, "it is of kind 3", fault.Internal, nil},
	"it ends at once":        {func(f *faker) {}, "has ended: exit status 0", fault.Internal, nil},
	"it ends twice":          {func(f *faker) { _ = f.send(&done{}); _ = f.send(&done{}); _ = f.send(&done{}); select {} }, "", "", nil},
	"no such effect":         {func(f *faker) { f.effect("0", func(m *askEffect) { m.Kind = "w.destroy" }) }, `there is no effect "w.destroy"`, fault.Internal, nil},
	"no such branch":         {func(f *faker) { f.effect("0.7", nil) }, `there is no branch "0.7"`, fault.Internal, nil},
	"a branch of a rollback": {func(f *faker) { f.effect("r0:1", nil) }, `there is no branch "r0:1"`, fault.Internal, nil},
	"a long place":           {func(f *faker) { f.effect("0", func(m *askEffect) { m.Pos = strings.Repeat("x", 1<<20) }) }, "its place is no place", fault.Internal, nil},
	"too few arguments":      {func(f *faker) { f.effect("0", func(m *askEffect) { m.Given = "1" }) }, garbled, fault.Internal, nil},
	"options without names": {func(f *faker) {
		under, _ := (&codec.Codec{Wire: true}).Encode(starlark.Tuple{starlark.Tuple{starlark.MakeInt(1), starlark.None}})
		f.effect("0", func(m *askEffect) { m.Under = under })
	}, "options have no names", fault.Internal, nil},
	"a secret that there is not": {func(f *faker) {
		f.effect("0", func(m *askEffect) { m.Args = append([]byte{'u', 1, 'x'}, []byte(strings.Repeat("1", 39))...) })
	}, "a secret that is not here", fault.Internal, nil},
	"damaged arguments": {func(f *faker) { f.effect("0", func(m *askEffect) { m.Args = []byte{'u', 0xff, 0xff, 0xff} }) }, garbled, fault.Internal, nil},
	"two things at a time": {func(f *faker) {
		f.effect("0", func(m *askEffect) {
			m.Args, _ = (&codec.Codec{Wire: true}).Encode(starlark.Tuple{starlark.String("held"), starlark.True})
			m.Given = "11"
		})
		f.effect("0", nil)
	}, "asks for two things at a time", fault.Internal, []string{"held"}},
	"an end within an effect": {func(f *faker) {
		f.effect("0", func(m *askEffect) {
			m.Args, _ = (&codec.Codec{Wire: true}).Encode(starlark.Tuple{starlark.String("held"), starlark.True})
			m.Given = "11"
		})
		_ = f.send(&done{})
	}, "it has ended within effects", fault.Internal, []string{"held"}},
	"branches without number": {func(f *faker) { _ = f.send(&askFork{site: site{ID: 1, Path: "0"}, N: 1 << 30}) }, "1073741824 branches", fault.Internal, nil},
	"more branches than allowed": {func(f *faker) {
		_ = f.send(&askFork{site: site{ID: 1, Path: "0"}, N: 1000})
		_ = f.send(&done{Fault: f.next().Fault})
		select {}
	}, "limit of branches: 100", fault.Limit, nil},
	"a join of nothing": {func(f *faker) { _ = f.send(&askJoin{site: site{ID: 1, Path: "0"}, Fork: 3}) }, "branches that there are not", fault.Internal, nil},
	"a branch beyond its fork": {func(f *faker) {
		_ = f.send(&askFork{site: site{ID: 1, Path: "0"}, N: 3})
		f.next()
		f.effect("0.3", nil)
	}, `there is no branch "0.3"`, fault.Internal, nil},
	"a branch by another name": {func(f *faker) {
		_ = f.send(&askFork{site: site{ID: 1, Path: "0"}, N: 3})
		f.next()
		f.effect("0.01", nil)
	}, `there is no branch "0.01"`, fault.Internal, nil},
	"a branch that has ended": {func(f *faker) {
		_ = f.send(&askFork{site: site{ID: 1, Path: "0"}, N: 3})
		_ = f.send(&askJoin{site: site{ID: 2, Path: "0"}, Fork: f.next().Fork.ID})
		f.next()
		f.effect("0.1", nil)
	}, `there is no branch "0.1"`, fault.Internal, nil},
	"a module from elsewhere": {func(f *faker) {
		_ = f.send(&askSource{ID: 1, Name: "/etc/passwd"})
		_ = f.send(&done{Fault: f.next().Fault})
		select {}
	}, `cannot load "/etc/passwd": it is outside of the workspace`, fault.Permission, nil},
	"a module above": {func(f *faker) {
		_ = f.send(&askSource{ID: 1, Name: "//../../etc/passwd.star"})
		_ = f.send(&done{Fault: f.next().Fault})
		select {}
	}, "it is outside of the workspace", fault.Permission, nil},
	"a file that is no module": {func(f *faker) {
		_ = f.send(&askSource{ID: 1, Name: "//config/provisioning.toml"})
		_ = f.send(&done{Fault: f.next().Fault})
		select {}
	}, "no script of the run loads it", fault.Permission, nil},
	"a decision about nothing":   {func(f *faker) { _ = f.send(&askDecide{site: site{ID: 1, Path: "0"}, Op: "if"}) }, "there is nothing to decide", fault.Internal, nil},
	"a stop for nothing":         {func(f *faker) { _ = f.send(&tellHalt{carry(fault.New(fault.Cancelled, "why not"))}) }, "stops the run for no limit", fault.Internal, nil},
	"a stop without why":         {func(f *faker) { _ = f.send(&tellHalt{}) }, "stops the run for no limit", fault.Internal, nil},
	"turns that there are not":   {func(f *faker) { _ = f.send(&tellIdle{}) }, "its branches take no turns", fault.Internal, nil},
	"a branch that begins twice": {func(f *faker) { _ = f.send(&tellBranch{Path: "0"}) }, "has begun or ended twice", fault.Internal, nil},
	"a flood of secrets": {func(f *faker) {
		for i := range maxSecrets + 1 {
			_ = f.send(&secret{fmt.Sprint("s", i), fmt.Sprint("value-", i)})
		}
	}, "more than 10000 secrets", fault.Limit, nil},
	"a flood of lines": {func(f *faker) {
		go func() {
			for {
				f.next()
			}
		}()
		for i := int64(1); ; i++ {
			if f.send(&askLog{site: site{ID: i, Path: "0"}, Level: "print", Text: strings.Repeat("x", 1000)}) != nil {
				return
			}
		}
	}, "limit of output", fault.Limit, nil},
	"answers that nobody takes": {func(f *faker) {
		for i := int64(1); ; i++ {
			if f.send(&askProgress{site: site{ID: i, Path: "0"}}) != nil {
				return
			}
		}
	}, "does not take its answers", fault.Internal, nil},
	"a flood of modules": {func(f *faker) {
		go func() {
			for {
				f.next()
			}
		}()
		for i := int64(1); ; i++ {
			if f.send(&askSource{ID: i, Name: "//x.star"}) != nil {
				return
			}
		}
	}, "asks for too many modules", fault.Internal, nil},
	"an endless error": {func(f *faker) {
		e := fault.New(fault.Failed, "x")
		for range 100 {
			e = &fault.Error{Kind: fault.Failed, Msg: strings.Repeat("x", 10_000), Cause: e}
		}
		_ = f.send(&done{Fault: carry(e)})
		select {}
	}, "xxx", fault.Failed, nil},
	"a forged sentinel": {func(f *faker) {
		_ = f.send(&done{Fault: carry(branch.ErrSibling)})
		select {}
	}, "another branch failed", fault.Cancelled, nil},
	"it does what it may": {func(f *faker) { // no attack: the others are refused for what they are
		f.effect("0", nil)
		a := f.next()
		_ = f.send(&done{Value: a.Value})
		select {}
	}, "", "", []string{"x"}},
}

// play is what the process does.
func (a fake) play() {
	in, out := os.NewFile(inFD, "in"), os.NewFile(outFD, "out")
	f, turns := &faker{newConn(in, out), out}, false
	for {
		m, err := f.receive(fromParent)
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *start:
			turns = m.Turns
		case *doReady:
			_ = f.send(&done{})
			if turns {
				_ = f.send(&tellIdle{})
			}
		case *doRun:
			a.attack(f)
			time.Sleep(20 * time.Millisecond) // the message is there before the end
			return
		}
	}
}

// fakeProgram is one of the fakes.
func fakeProgram(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "fake")
	text := fmt.Sprintf("#!/bin/sh\nexec %q fake %q\n", os.Args[0], name)
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return program
}

// TestHostile lets processes that are no interpreters speak with the parent. It
// says what is wrong, has done nothing that was not asked for properly, and its
// journal is in order.
func TestHostile(t *testing.T) {
	for name, f := range fakes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, fakeProgram(t, name), "")
			if len(f.done) > 0 && f.done[0] == "held" {
				go func() { // effects that are under way end before the run does
					<-s.world.held
					time.Sleep(50 * time.Millisecond)
					close(s.world.hold)
				}()
			}
			began := time.Now()
			_, err := s.execute()
			if took := time.Since(began); took > time.Minute { // for ever, on a machine with other things to do
				t.Errorf("it took %s", took)
			}
			s.Close()
			if f.says == "" && err != nil || f.says != "" && (err == nil || !strings.Contains(err.Error(), f.says) || fault.KindOf(err) != f.kind) {
				t.Errorf("the parent says %s: %.500v", fault.KindOf(err), err)
			}
			if got := fmt.Sprint(s.world.all()); got != fmt.Sprint(f.done) {
				t.Errorf("it has done %s", got)
			}
			want := ""
			if len(f.done) > 0 {
				want = "0#1 w.act done\n"
			}
			if strings.Contains(name, "fork") || strings.Contains(name, "has ended") || strings.Contains(name, "another name") {
				want = "" // of branches only
				if got := s.places(t); !strings.HasPrefix(got, "0#1 parallel") {
					t.Errorf("the journal has\n%s", got)
				}
			} else if got := s.places(t); got != want {
				t.Errorf("the journal has\n%s", got)
			}
			if err := s.journal.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}
