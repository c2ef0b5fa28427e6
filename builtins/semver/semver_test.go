package semver

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

func TestValues(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`semver.parse("v1.2.3-rc.1+b5")`, `version(major = 1, metadata = "b5", minor = 2, patch = 3, prerelease = "rc.1", text = "1.2.3-rc.1+b5")`},
		{`semver.compare("1.0.0+a", "v1")`, `0`},
		{`semver.sort(["1", "2", "1.0"], reverse = True)`, `["2", "1", "1.0"]`},
		{`semver.bump("1.2.3-rc.1")`, `"1.2.3"`},
		{`semver.bump("1.2.3+x", "major")`, `"2.0.0"`},
		{`semver.satisfies("1.0.0-rc.1", ">=0.9")`, `False`},
	} {
		if got := builtintest.New(t, Module).Eval("got = " + c.expr); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expr, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`semver.parse(1)`, "must be a string"},
		{`semver.parse("one")`, `cannot parse the version "one"`},
		{`semver.compare("1", "")`, `cannot parse the version ""`},
		{`semver.sort(["1", "x"])`, `cannot parse the version "x"`},
		{`semver.satisfies("1", ">>1")`, `cannot parse the constraint ">>1"`},
		{`semver.bump("1", "manor")`, `no part "manor"`},
	} {
		_, err := builtintest.New(t, Module).Exec(c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}
