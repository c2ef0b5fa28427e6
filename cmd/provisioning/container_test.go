package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/container/containertest"
)

// dockerAnswers is the condition [docker]: an engine answers.
func dockerAnswers() (bool, error) {
	e, err := containertest.Open(context.Background())
	if err == nil {
		return true, e.Close()
	}
	if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), "docker") {
		return false, fmt.Errorf("%w, and REQUIRE demands it", err)
	}
	return false, nil
}

// containers gives a script an image, $BUSYBOX, and removes what it makes when it
// is over.
func containers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: containers")
	}
	ctx := context.Background()
	e, err := containertest.Open(ctx)
	ts.Check(err)
	ts.Defer(func() {
		_, err := e.Sweep(ctx, container.Filter{Owner: container.Owner{Workspace: ts.MkAbs(".")}}, false)
		if err == nil {
			err = e.Close()
		}
		if err != nil {
			ts.Logf("what the script has made could not be removed: %v", err)
		}
	})
	if _, found, err := e.LookImage(ctx, containertest.Image); err != nil || !found {
		ts.Check(err)
		rootfs, err := containertest.RootFS()
		ts.Check(err)
		_, err = e.Import(ctx, bytes.NewReader(rootfs), containertest.Image, []string{`CMD ["/bin/sh"]`, "ENV PATH=/bin"})
		ts.Check(err)
	}
	ts.Setenv("BUSYBOX", containertest.Image)
	ts.Setenv("DOCKER_HOST", os.Getenv("DOCKER_HOST"))
	// Scripts run side by side, also the same one on both engines.
	sum := sha256.Sum256([]byte(ts.MkAbs(".")))
	ts.Setenv("ID", fmt.Sprintf("t%x", sum[:6]))
	ts.Setenv("NET", fmt.Sprintf("10.214.%d", sum[0])) // the first three parts of addresses
}

func TestSplitWords(t *testing.T) {
	for _, c := range []struct{ line, want, err string }{
		{"", "", ""},
		{"  docker  ps\t-a\n", "docker|ps|-a", ""},
		{`sh -c 'echo "a b"'`, `sh|-c|echo "a b"`, ""},
		{`a "b \" c" "" d\ e`, `a|b " c||d e`, ""},
		{`"\n" '\n' \n`, `\n|\n|n`, ""},
		{`x=$HOME *`, `x=$HOME|*`, ""},
		{`a'b'"c"d`, "abcd", ""},
		{`'a`, "", "quote ' that does not end"},
		{`"a`, "", `quote " that does not end`},
		{`a\`, "", "ends with a backslash"},
	} {
		got, err := splitWords(c.line)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || err == nil && strings.Join(got, "|") != c.want {
			t.Errorf("%q: %q, %v", c.line, got, err)
		}
	}
}

// FuzzSplitWords: words that are quoted come back as they were.
func FuzzSplitWords(f *testing.F) {
	f.Add("a b", `'"\`)
	f.Fuzz(func(t *testing.T, a, b string) {
		_, _ = splitWords(a)
		quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
		got, err := splitWords(quote(a) + " " + quote(b))
		if err != nil || len(got) != 2 || got[0] != a || got[1] != b {
			t.Errorf("%q, %q became %q, %v", a, b, got, err)
		}
	})
}

func TestAdapted(t *testing.T) {
	for _, c := range []struct {
		options runtimeOptions
		line    string
		want    string
	}{
		{runtimeOptions{}, "docker ps -a", "ps -a"},
		{runtimeOptions{}, "nerdctl images", "images"},
		{runtimeOptions{container: "db"}, "psql -l", "exec -i db psql -l"},
		{runtimeOptions{container: "db", tty: true}, "psql", "exec -it db psql"},
		{runtimeOptions{container: "db"}, "docker ps", "exec -i db docker ps"},
		{runtimeOptions{}, "ls", ""},
		{runtimeOptions{}, "", ""},
		{runtimeOptions{container: "-v"}, "ls", ""},
	} {
		got, err := c.options.adapted(strings.Fields(c.line))
		if strings.Join(got, " ") != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s in %q: %q, %v", c.line, c.options.container, got, err)
		}
	}
}

func TestShownArgv(t *testing.T) {
	colima := container.Runtime{Name: "colima", Command: "/usr/bin/docker", Socket: "unix:///c.sock"}
	if got := strings.Join(shownArgv(colima, []string{"ps"}), " "); got != "docker --host unix:///c.sock ps" {
		t.Errorf("got %s", got)
	}
}
