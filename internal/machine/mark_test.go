package machine

import (
	"bytes"
	"testing"
)

func TestUntilMark(t *testing.T) {
	tests := []struct {
		text, want string
		found      bool
	}{
		{"", "", false},
		{"err\n", "err\n", false},
		{"err" + endedMark, "err", true},
		{"a" + endedMark + "b", "ab", true},
		{"\036ende", "\036ende", false},
		{"\036\036ended\nx", "\036x", true},
		{"\036ended", "\036ended", false},
	}
	for _, test := range tests {
		for step := 1; step <= len(test.text)+1; step++ {
			var out bytes.Buffer
			found := false
			w := &untilMark{to: &out, mark: endedMark, found: func() { found = true }}
			for i := 0; i < len(test.text); i += step {
				if _, err := w.Write([]byte(test.text[i:min(i+step, len(test.text))])); err != nil {
					t.Fatal(err)
				}
			}
			w.flush()
			if out.String() != test.want || found != test.found {
				t.Errorf("%q in steps of %d: %q, %t", test.text, step, out.String(), found)
			}
		}
	}
}
