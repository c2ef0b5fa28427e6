package run

import (
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

func TestFacts(t *testing.T) {
	f := builtintest.New(t, Module)
	f.Run.Infra, f.Run.Program = "prod", "/usr/bin/provisioning"
	for script, want := range map[string]string{
		"run.id":        `"00000000-0000-4000-8000-000000000001"`,
		"run.check":     "False",
		"run.infra":     `"prod"`,
		"run.workspace": `"` + f.Dir + `"`,
		"run.program":   `"/usr/bin/provisioning"`,
	} {
		if got := f.Eval("got = " + script); got != want {
			t.Errorf("%s: %s, want %s", script, got, want)
		}
	}
	f.Run.Check = true
	if got := f.Eval("got = run.check"); got != "True" {
		t.Error(got)
	}
	if _, err := f.Exec("run.nope"); err == nil {
		t.Error("run.nope exists")
	}
	if got := workspace(&effect.Run{}); got != "" {
		t.Error(got)
	}
}
