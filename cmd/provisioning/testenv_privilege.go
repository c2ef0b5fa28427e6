package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/testenv"
)

// lacking is that the host cannot give what machines need: their tests are skipped, not
// failed.
type lacking struct {
	reason string
	hint   string
	cause  error
}

func (l *lacking) Error() string { return l.reason }
func (l *lacking) Unwrap() error { return l.cause }

// fault is what a command says that makes no tests, and can only give up.
func (l *lacking) fault() error {
	return fault.New(fault.Unavailable, "cannot make the machines: %s", l.reason).WithHint("%s", l.hint)
}

// needsCgroup2 is the recipe whose machines need the newer control groups: the kubelet
// works with no others.
const needsCgroup2 = "kubernetes"

// lacks is what an engine cannot give, as it says itself; nil for nothing.
func lacks(e *testenv.Environment, info container.Info) error {
	for _, n := range e.Nodes {
		if n.Resources.Privileged && slices.Contains(n.Recipes, needsCgroup2) && info.Cgroup != "2" {
			return &lacking{
				reason: n.Name + " needs cgroup v2, and the container engine " + info.Host + " has v" + info.Cgroup,
				hint:   "boot its machine with systemd.unified_cgroup_hierarchy=1, or use another engine",
			}
		}
	}
	return nil
}

// refusals are what engines say when they make no privileged containers: those without the
// rights themselves, those that are told not to, and those with rights of their own.
var refusals = []string{"privileged", "operation not permitted", "unable to apply caps", "permission denied", "authorization denied"}

// refused tells from an error that the engine makes no privileged machines, where some are
// wanted.
func refused(e *testenv.Environment, err error) error {
	if err == nil {
		return nil
	}
	for _, n := range e.Nodes {
		// The library says which machine it could not make.
		_, said, found := strings.Cut(message(err), "make "+n.Name+": ")
		if !found || !n.Resources.Privileged {
			continue
		}
		for _, text := range refusals {
			if strings.Contains(strings.ToLower(said), text) {
				return &lacking{
					reason: n.Name + " has to be privileged, and the container engine refuses: " + reasonIn(said),
					hint:   "use an engine that has all rights on its machine: --runtime, or DOCKER_HOST", cause: err,
				}
			}
		}
	}
	return err
}

// reasonIn is what the engine has said, in the first line of an error that begins with what
// could not be done with which container.
func reasonIn(said string) string {
	said, _, _ = strings.Cut(said, "\n")
	if _, reason, ok := strings.Cut(said, `": `); ok {
		return reason
	}
	return said
}

// skipped records that no test could be made, and reports it.
func (m *environments) skipped(e *testenv.Environment, tests []testenv.Test) error {
	r := &testenv.Result{EnvID: e.ID, Tests: tests, CompletedAt: time.Now().UTC().Truncate(time.Second)}
	r.Count()
	m.a.showTests(r.Tests)
	e.Results = append(e.Results, *r)
	return errors.Join(m.store.Save(e), m.a.reportTrial(&testenv.Environment{}, r, nil))
}

// skippedTests are all tests of an environment that were asked for, each skipped. Shipped are
// those of its taskservs.
func skippedTests(e *testenv.Environment, wanted []string, shipped map[string][]string, reason string) []testenv.Test {
	all := []testenv.Test{}
	subjects := subjectsOf(e.Nodes)
	skip := func(name string, of subject) {
		if len(wanted) == 0 || slices.Contains(wanted, name) {
			all = append(all, testenv.Test{Name: name, Taskserv: of.name, Node: strings.Join(of.nodes, ", "), Status: testenv.Skipped, Message: reason})
		}
	}
	for _, name := range testenv.Tests {
		if name == testenv.Uninstall {
			for _, s := range subjects {
				for _, own := range shipped[s.name] {
					skip(own, s)
				}
			}
		}
		if slices.Contains(testenv.ClusterTests, name) {
			if len(e.Nodes) > 1 {
				skip(name, subject{})
			}
			continue
		}
		for _, s := range subjects {
			skip(name, s)
		}
	}
	return all
}

// subject is a taskserv that is tested, and the nodes that it is on.
type subject struct {
	name  string
	nodes []string
}

// subjectsOf are what is tested on nodes, in their order.
func subjectsOf(nodes []testenv.Node) []subject {
	var all []subject
	for _, n := range nodes {
		for _, name := range n.Taskservs {
			at := slices.IndexFunc(all, func(s subject) bool { return s.name == name })
			if at < 0 {
				all, at = append(all, subject{name: name}), len(all)
			}
			all[at].nodes = append(all[at].nodes, n.Name)
		}
	}
	return all
}

// showTests shows tests that no run has made, as the library shows the others.
func (a *app) showTests(tests []testenv.Test) {
	words := map[string]string{testenv.Passed: "PASS", testenv.Skipped: "SKIP", testenv.TestFailed: "FAIL"}
	for _, t := range tests {
		on := ""
		if t.Node != "" {
			on = "on " + t.Node
		}
		line := words[t.Status] + "  " + t.Name + strings.Repeat(" ", max(0, 12-len(t.Name))) + "  " + strings.TrimSpace(t.Taskserv+" "+on)
		if t.Message != "" {
			line += ": " + t.Message
		}
		a.console.Print("%s", line)
	}
}
