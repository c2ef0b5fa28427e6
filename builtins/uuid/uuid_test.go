package uuid

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

func TestValues(t *testing.T) {
	const dns = `"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`
	for script, want := range map[string]string{
		`uuid.v5("dns", "www.example.com")`:                                                         `"2ed6657d-e927-568b-95e1-2665a8aea6a2"`, // RFC 9562, A.4
		`uuid.v5("DNS", "a") == uuid.v5(` + dns + `, "a")`:                                          "True",
		`uuid.v5("url", "a") != uuid.v5("oid", "a")`:                                                "True",
		`uuid.parse("{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}")`:                                      dns,
		`uuid.parse("urn:uuid:6ba7b8109dad11d180b400c04fd430c8")`:                                   dns,
		`uuid.valid("x"), uuid.valid(` + dns + `), uuid.valid("6ba7-b8109dad11d180b400c04fd430c8")`: "(False, True, False)",
		`uuid.v4()[14], uuid.valid(uuid.v4()), uuid.v4() != uuid.v4()`:                              `("4", True, True)`,
		`uuid.v7()[14], uuid.valid(uuid.v7()), uuid.v7() != uuid.v7()`:                              `("7", True, True)`,
		`uuid.v7()[:8] <= uuid.v7()[:8]`:                                                            "True",
		`uuid.v4()[19] in "89ab"`:                                                                   "True",
	} {
		f := builtintest.New(t, Module)
		f.Run.Check = true
		if got := f.Eval("got = " + script); got != want {
			t.Errorf("%s: %s, want %s", script, got, want)
		}
		if random := strings.Contains(script, "v4") || strings.Contains(script, "v7"); random != (len(f.Calls) > 0) {
			t.Errorf("%s: %d effects", script, len(f.Calls))
		}
	}
}

func TestErrors(t *testing.T) {
	for script, want := range map[string]string{
		`uuid.parse("x")`:   `"x" is not a UUID`,
		`uuid.parse("")`:    "is not a UUID",
		`uuid.v5("x", "a")`: "the namespace must be a UUID",
		`uuid.v5("dns")`:    `argument missing: "name"`,
		`uuid.v4(1)`:        "takes at most 0",
		`uuid.valid(1)`:     "must be a string",
	} {
		_, err := builtintest.New(t, Module).Exec(script)
		if err == nil || !strings.Contains(err.Error(), want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", script, err)
		}
	}
}
