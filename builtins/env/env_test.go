package env

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

func TestValues(t *testing.T) {
	t.Setenv("PT_NAME", "x")
	t.Setenv("PT_EMPTY", "")
	t.Setenv("PT_EMPTY_KEY", "")
	t.Setenv("PT_API_TOKEN", "hunter22")
	for script, want := range map[string]string{
		`env.get("PT_NAME")`:                                `"x"`,
		`env.get("PT_EMPTY", "d")`:                          `""`,
		`env.get("PT_EMPTY_KEY")`:                           `""`,
		`env.get("PT_NONE", "d")`:                           `"d"`,
		`env.get("PT_NONE", 5)`:                             "5",
		`type(env.get("PT_API_TOKEN"))`:                     `"secret"`,
		`[(k, type(v)) for k, v in env.all("PT_").items()]`: `[("PT_API_TOKEN", "secret"), ("PT_EMPTY", "string"), ("PT_EMPTY_KEY", "string"), ("PT_NAME", "string")]`,
		`env.all()["PT_NAME"]`:                              `"x"`,
		`env.all("PT_NOTHING_")`:                            "{}",
	} {
		f := builtintest.New(t, Module)
		f.Run.Check = true
		if got := f.Eval("got = " + script); got != want {
			t.Errorf("%s: %s, want %s", script, got, want)
		}
		if len(f.Calls) != 1 {
			t.Errorf("%s: %d effects", script, len(f.Calls))
		}
	}
}

func TestSecretIsNamed(t *testing.T) {
	t.Setenv("PT_PASSWORD", "hunter22")
	f := builtintest.New(t, Module)
	if got := redacted(f, `got = "pw=" + env.get("PT_PASSWORD")`); !strings.Contains(got, "«secret env/PT_PASSWORD»") {
		t.Error(got)
	}
}

func redacted(f *builtintest.Fixture, script string) string {
	globals, err := f.Exec(script)
	if err != nil {
		f.T.Fatal(err)
	}
	text, _ := starlark.AsString(globals["got"])
	return f.Run.Secrets.Redact(text)
}

func TestErrors(t *testing.T) {
	t.Setenv("PT_NAME", "x")
	for script, c := range map[string]struct {
		kind fault.Kind
		want string
	}{
		`env.get("PT_NAMF")`: {fault.NotFound, `there is no environment variable "PT_NAMF"`},
		`env.get("")`:        {fault.Invalid, "cannot be the name"},
		`env.get("A=B")`:     {fault.Invalid, "cannot be the name"},
		`env.get(1)`:         {fault.Invalid, "must be a string"},
		`env.all(prefx="")`:  {fault.Invalid, `did you mean "prefix"?`},
	} {
		_, err := builtintest.New(t, Module).Exec(script)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", script, err)
		}
		if c.kind == fault.NotFound && !strings.Contains(fault.As(err).Hint, `did you mean "PT_NAME"?`) {
			t.Error(fault.As(err).Hint)
		}
	}
}

func TestIsSecret(t *testing.T) {
	for name, want := range map[string]bool{
		"DB_PASSWORD": true, "PGPASSWORD": true, "AWS_SECRET_ACCESS_KEY": true, "GITHUB_TOKEN": true, "ApiKey": true,
		"GOOGLE_APPLICATION_CREDENTIALS": true, "SSH_KEYS": true, "TOKENS": true, "DB_PASS": true, "MYSQL_PWD": true,
		"KEYBOARD": false, "MONKEY": false, "PATH": false, "PWD": false, "OLDPWD": false, "COMPASS": false, "HOME": false,
	} {
		if isSecret(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
