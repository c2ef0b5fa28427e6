package once

import (
	"bytes"
	"testing"
	"time"
)

func TestReader(t *testing.T) {
	tests := []struct {
		name, text string
		out, err   string
		end        End
		taken      int
		done, bad  bool
	}{
		{name: "all of it", text: "hello\n\036once\nT 2\nO 3\na\nbE 2\n\n\nX ended 3 10 14\n", out: "a\nb", err: "\n\n", end: End{Ended, 3, 4 * time.Second}, taken: 2, done: true},
		{name: "gone", text: mark + "X gone\n", end: End{State: Gone}, done: true},
		{name: "a clock that was set back", text: mark + "X ended 0 20 10\n", end: End{State: Ended}, done: true},
		{name: "it breaks off", text: mark + "O 10\nabc", out: "abc"},
		{name: "no mark", text: "X gone\n"},
		{name: "nonsense", text: mark + "Y\n", bad: true},
		{name: "a negative length", text: mark + "O -1\n", bad: true},
		{name: "another state", text: mark + "X maybe\n", bad: true},
		{name: "after the end", text: mark + "X gone\nT 1\n", end: End{State: Gone}, done: true, bad: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, step := range []int{1, len(test.text)} {
				var out, errs bytes.Buffer
				r := &reader{out: Output{&out, &errs}}
				for i := 0; i < len(test.text); i += step {
					_, _ = r.Write([]byte(test.text[i:min(i+step, len(test.text))]))
				}
				if out.String() != test.out || errs.String() != test.err || r.end != test.end || r.taken != test.taken || r.done != test.done || (r.err != nil) != test.bad {
					t.Errorf("in steps of %d: %q %q %+v %d %t %v", step, out.String(), errs.String(), r.end, r.taken, r.done, r.err)
				}
			}
		})
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(mark + "T 2\nO 3\na\nbX ended 3 10 14\n"))
	f.Add([]byte("x" + mark + "E 999999999999\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var out, errs bytes.Buffer
		r := &reader{out: Output{&out, &errs}}
		if n, err := r.Write(text); n != len(text) || err != nil {
			t.Fatalf("%d of %d, %v", n, len(text), err)
		}
		if out.Len()+errs.Len() > len(text) {
			t.Error("it has printed more than came")
		}
	})
}
