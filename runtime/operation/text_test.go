package operation

import "testing"

// An error shows why a program has failed, not what it was about to do.
func TestLastLines(t *testing.T) {
	for text, want := range map[string]string{
		"": "",
		"Building dependency tree...\nReading state information...\nE: Unable to locate package ngnix\n": ": E: Unable to locate package ngnix",
		"one\ntwo\nthree\nfour\n": ": two\nthree\nfour",
		"Waiting...\n":            ": Waiting...",
	} {
		if got := lastLines(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}
