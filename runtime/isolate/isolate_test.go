package isolate

import (
	"errors"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestHonest(t *testing.T) {
	s := newStage(t, "", "def main():\n    return [w.act(\"a\"), w.act(\"b\")]\n")
	v, err := s.execute()
	if err != nil || v.String() != `["a", "b"]` {
		t.Errorf("%v, %v", v, err)
	}
	if got := s.places(t); got != "0#1 w.act done\n0#2 w.act done\n" {
		t.Errorf("the journal has\n%s", got)
	}
}

// An interpreter that was killed from outside leaves what is under way alone.
func TestKilled(t *testing.T) {
	s := newStage(t, "", "def main():\n    w.act(\"held\", wait = True)\n")
	go func() {
		<-s.world.held
		s.process.kill()
		time.Sleep(50 * time.Millisecond)
		close(s.world.hold)
	}()
	_, err := s.execute()
	e := fault.As(err)
	if e == nil || e.Kind != fault.Internal || !strings.Contains(e.Msg, "killed from outside") || !strings.Contains(e.Hint, "last heard of at x.star:2:10, where it asked for w.act") {
		t.Errorf("%v\n%s", err, e.Hint)
	}
	if got := s.places(t); got != "0#1 w.act done\n" {
		t.Errorf("the journal has\n%s", got)
	}
}

// A run that was told to stop does not wait for one operation of the
// interpreter that has no end.
func TestStopped(t *testing.T) {
	s := newStage(t, "", "def main():\n    w.act(\"held\", wait = True)\n    max(range(1 << 60))\n")
	why := fault.New(fault.Cancelled, "the run was interrupted")
	close(s.world.hold)
	go func() {
		<-s.world.held
		s.stop(why)
	}()
	began := time.Now()
	_, err := s.execute()
	if !fault.Is(err, fault.Cancelled) || err.Error() != why.Msg {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > patience+5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// Nothing of the parent is in the process: neither its files nor its environment.
func TestBare(t *testing.T) {
	t.Setenv("SECRET_OF_THE_PARENT", "x")
	s := newStage(t, "", "def main():\n    w.act(\"held\", wait = True)\n")
	file, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	go func() {
		<-s.world.held
		defer close(s.world.hold)
		dir := "/proc/" + itoa(s.process.cmd.Process.Pid)
		if _, err := os.Stat(dir); err != nil {
			return // another system
		}
		environ, err := os.ReadFile(dir + "/environ")
		if err != nil || strings.Contains(string(environ), "SECRET") || !strings.Contains(string(environ), "GOTRACEBACK") {
			t.Errorf("its environment is %q, %v", environ, err)
		}
		fds, err := os.ReadDir(dir + "/fd")
		if err != nil {
			t.Error(err)
		}
		for _, fd := range fds {
			to, err := os.Readlink(dir + "/fd/" + fd.Name())
			if err == nil && !strings.HasPrefix(to, "pipe:") && !strings.HasPrefix(to, "anon_inode:") && !strings.HasPrefix(to, "/sys/fs/cgroup/") && to != "/dev/null" {
				t.Errorf("it has %s open", to)
			}
		}
		limits, err := os.ReadFile(dir + "/limits")
		if err != nil {
			t.Error(err)
		}
		for _, want := range []string{"Max core file size 0 0", "Max file size 0 0", "Max cpu time 20 20", "Max open files 32 32"} {
			if !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), want) {
				t.Errorf("it has not %s:\n%s", want, limits)
			}
		}
	}()
	if _, err := s.execute(); err != nil {
		t.Error(err)
	}
}

func itoa(n int) string { return starlark.MakeInt(n).String() }

// An error is the same on the other side.
func TestCarry(t *testing.T) {
	secrets := value.NewSecrets([]byte("k"))
	e := &fault.Error{
		Kind: fault.Timeout, Msg: "late", Hint: "wait", Effect: "w.act", Place: "0#1", Unsent: true, InDoubt: true, RetryAfter: 1.5,
		Stack:   []fault.Frame{{File: "x.star", Line: 1, Col: 2, Func: "main", Text: "w.act()"}},
		Details: map[string]any{"go": map[string]any{"n": "x"}, "star": starlark.Tuple{starlark.MakeInt(1)}},
	}
	outer := &fault.Error{Kind: fault.Failed, Msg: "outer\xff", Cause: e}
	for _, err := range []error{e, outer, &fault.Error{Kind: fault.Waiting, Msg: "asks", Cause: branch.ErrSuspended}} {
		if got := overTheWire(t, err).err(secrets); !reflect.DeepEqual(got, err) {
			t.Errorf("%#v\ncomes back as\n%#v", err, got)
		}
	}
	if got := overTheWire(t, branch.ErrSibling).err(secrets); got != error(branch.ErrSibling) {
		t.Errorf("%v", got)
	}
	var u *value.Undecided
	if got := overTheWire(t, &value.Undecided{Unknown: value.NewUnknown("x.y"), Op: "if"}).err(secrets); !errors.As(got, &u) || u.Unknown.Text != "x.y" {
		t.Errorf("%v", got)
	}
	if got := overTheWire(t, errors.New("plain")).err(secrets); got.Error() != "plain" || fault.As(got) != nil {
		t.Errorf("%v", got)
	}
	if got := overTheWire(t, nil).err(secrets); got != nil {
		t.Errorf("%v", got)
	}
}

func overTheWire(t *testing.T, err error) *carried {
	t.Helper()
	frame, ferr := appendMessage(nil, &stop{carry(err)})
	if ferr != nil {
		t.Fatal(ferr)
	}
	var back stop
	if err := decode(frame[5:], &back); err != nil {
		t.Fatal(err)
	}
	return back.Why
}

// Every message comes out as it went in.
func TestMessages(t *testing.T) {
	for kind := range 256 {
		for _, make := range []func(byte) message{fromParent, fromChild} {
			m := make(byte(kind))
			if m == nil {
				continue
			}
			fill(reflect.ValueOf(m).Elem())
			frame, err := appendMessage(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			back := make(frame[4])
			if err := decode(frame[5:], back); err != nil {
				t.Fatalf("%T: %v", m, err)
			}
			if !reflect.DeepEqual(m, back) {
				t.Errorf("%#v\ncomes out as\n%#v", m, back)
			}
		}
	}
}

// fill gives every field a value of its own.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[carried]() {
			v.Set(reflect.ValueOf(*carry(fault.New(fault.Failed, "x"))))
			for i := range v.FieldByName("Details").Len() {
				v.FieldByName("Details").Index(i).SetBytes([]byte("d"))
			}
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.String:
		v.SetString(v.Type().String() + "\xff")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(math.MaxInt32 - 7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i))
		}
	case reflect.Uint8:
		v.SetUint('b')
	}
}

// FuzzReceive: whatever comes, the reader neither panics nor allocates much more
// than it has got, and what it takes for a message can be written again.
func FuzzReceive(f *testing.F) {
	for kind := range 256 {
		for _, make := range []func(byte) message{fromParent, fromChild} {
			if m := make(byte(kind)); m != nil {
				fill(reflect.ValueOf(m).Elem())
				frame, err := appendMessage(nil, m)
				if err != nil {
					f.Fatal(err)
				}
				f.Add(frame)
				f.Add(frame[:len(frame)-3])
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, make := range []func(byte) message{fromParent, fromChild} {
			c := newConn(strings.NewReader(string(data)), nil)
			for {
				m, err := c.receive(make)
				if err != nil {
					break
				}
				if _, err := appendMessage(nil, m); err != nil {
					t.Errorf("%T cannot be written again: %v", m, err)
				}
				if why, ok := m.(*stop); ok {
					_ = why.Why.err(value.NewSecrets(nil))
				}
			}
		}
	})
}
