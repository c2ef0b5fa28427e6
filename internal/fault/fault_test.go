package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

func TestRender(t *testing.T) {
	top := fault.Frame{File: "deploy.star", Line: 30, Col: 5, Func: "<toplevel>", Text: "main()"}
	inner := fault.Frame{File: "deploy.star", Line: 12, Col: 8, Func: "main", Text: "    ssh.run(\"web-1\")  "}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"an error of somebody else", errors.New("disk full"), "disk full\n"},
		{"message only", fault.New(fault.Failed, "cannot do %s", "it"), "cannot do it\n"},
		{"all there is",
			&fault.Error{Msg: "cannot connect", Effect: "ssh.run", Hint: "start it\nor not", Stack: []fault.Frame{inner, top}},
			`deploy.star:12:8: ssh.run: cannot connect
    12 | ssh.run("web-1")
    deploy.star:12:8  main
    deploy.star:30:5  <toplevel>
hint: start it
      or not
`},
		{"at the top level", &fault.Error{Msg: "bad", Stack: []fault.Frame{top}}, "deploy.star:30:5: bad\n    30 | main()\n"},
		{"without source", &fault.Error{Msg: "bad", Stack: []fault.Frame{{File: "a.star", Line: 1, Col: 2}}}, "a.star:1:2: bad\n"},
		{"wrapped", fmt.Errorf("while at it: %w", fault.New(fault.Failed, "no")), "no\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := fault.Render(test.err); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	tests := map[fault.Kind]int{
		fault.Failed: 1, fault.Script: 1, fault.Internal: 1, fault.Usage: 2, fault.Config: 3,
		fault.Permission: 4, fault.NotFound: 5, fault.Waiting: 6, fault.Cancelled: 130,
	}
	for kind, want := range tests {
		if got := fault.ExitCode(fmt.Errorf("x: %w", fault.New(kind, "y"))); got != want {
			t.Errorf("%s exits with %d, want %d", kind, got, want)
		}
	}
	if fault.ExitCode(nil) != 0 || fault.ExitCode(errors.New("x")) != 1 {
		t.Error("success is 0, any other error 1")
	}
}

func TestTransient(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Network, fault.Timeout, fault.Unavailable} {
		if !fault.New(kind, "x").Transient() {
			t.Errorf("%s may go away by itself", kind)
		}
	}
	for _, kind := range []fault.Kind{fault.Failed, fault.Invalid, fault.Permission, fault.NotFound, fault.Exists, fault.Limit} {
		if fault.New(kind, "x").Transient() {
			t.Errorf("%s does not go away by itself", kind)
		}
	}
}

func TestWrap(t *testing.T) {
	cause := errors.New("disk full")
	err := fault.Wrap(fault.Failed, cause, "cannot write %q:", "a")
	if err.Error() != `cannot write "a": disk full` || !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	outer := fmt.Errorf("outer: %w", err)
	if fault.As(outer) != err || fault.KindOf(outer) != fault.Failed || !fault.Is(outer, fault.Usage, fault.Failed) || fault.Is(outer, fault.Usage) {
		t.Errorf("%v is not found in %v", err, outer)
	}
	if fault.As(cause) != nil || fault.Is(cause, fault.Failed) || fault.KindOf(cause) != fault.Failed {
		t.Error("an error without a kind has failed, and is of no kind")
	}
}
