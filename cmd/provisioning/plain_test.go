package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
)

// plainProgram is the program without the race detector, which makes a process four times
// as slow, and its memory many times as large. It is for tests in which the program
// does what it does elsewhere under the detector too, and for those of limits.
func plainProgram(t *testing.T) string {
	t.Helper()
	path, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var builtProgram = sync.OnceValues(func() (string, error) {
	program, err := exec.LookPath("provisioning")
	if err != nil || !detectsRaces() {
		return program, err
	}
	path := filepath.Join(filepath.Dir(program), "plain", "provisioning") // goes with the directory of the other one
	// This package with its tests, since they are what makes the program one of scripts.
	if out, err := exec.Command("go", "test", "-c", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the program: %w\n%s", err, out)
	}
	return path, nil
})

// detectsRaces reports whether this binary was built with -race.
func detectsRaces() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
