package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/provisioning-systems/provisioning/runtime/temporal/temporaltest"
)

// temporalClusters are the Temporal servers of scripts, by their directories.
var temporalClusters sync.Map

// temporalServer start starts a Temporal server for the script, whose address is then in
// $TEMPORAL and in the environment of the program; or starts it again, with all that it
// knew, after temporal stop, which kills it.
func temporalServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "start" && args[0] != "stop" {
		ts.Fatalf("usage: temporal start|stop")
	}
	dir := ts.MkAbs(".home/temporal")
	known, there := temporalClusters.Load(dir)
	switch {
	case args[0] == "stop" && there:
		known.(*temporaltest.Server).Stop()
	case args[0] == "stop":
		ts.Fatalf("there is no server to stop")
	case there:
		ts.Check(known.(*temporaltest.Server).Restart())
	default:
		ts.Check(os.MkdirAll(dir, 0o700))
		s, err := temporaltest.Launch(temporaltest.Program(), dir)
		ts.Check(err)
		temporalClusters.Store(dir, s)
		ts.Defer(func() {
			s.Stop()
			temporalClusters.Delete(dir)
		})
		ts.Setenv("TEMPORAL", s.Address)
		ts.Setenv("PROVISIONING_ENGINE_TEMPORAL_ADDRESS", s.Address)
	}
}

// temporalThere is the condition [temporal].
func temporalThere() (bool, error) {
	if temporaltest.Program() != "" {
		return true, nil
	}
	if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), "temporal") {
		return false, errors.New("there is no Temporal server (make tools), and REQUIRE demands it")
	}
	return false, nil
}

// freePort NAME… sets variables to ports where nobody listens.
func freePort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: freeport NAME…")
	}
	for _, name := range args {
		port, err := findPort()
		ts.Check(err)
		ts.Setenv(name, port)
	}
}

func findPort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), l.Close()
}

// unusedPort is a port where nobody listens.
func unusedPort(t *testing.T) string {
	t.Helper()
	port, err := findPort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// answers URL STATUS [TEXT] waits until that is what a server answers.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: answers URL STATUS [TEXT]")
	}
	last := ""
	for began := time.Now(); time.Since(began) < pollDeadline; time.Sleep(pollInterval) {
		last = answerOf(args[0])
		if strings.HasPrefix(last, args[1]+" ") && (len(args) == 2 || strings.Contains(last, args[2])) {
			return
		}
	}
	ts.Fatalf("%s answers %q", args[0], last)
}

func answerOf(url string) string {
	res, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", res.StatusCode, body)
}
