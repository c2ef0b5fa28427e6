package template

import (
	"os"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

func workspace(t *testing.T) *builtintest.Fixture {
	f := builtintest.New(t, Module)
	files(t, f, map[string]string{
		"t/main":       "{% include \"part\" %}{% include \"sub/deep\" with x=host only %}",
		"t/part":       "[{{ host }}]",
		"t/sub/deep":   "<{{ x }}{% include \"other\" %}{% include \"part\" with host=x %}>",
		"t/sub/other":  "o",
		"t/dynamic":    "{% include name %}",
		"t/optional":   "a{% include \"nope\" if_exists %}b",
		"t/base":       "B{% block a %}1{% endblock %}",
		"t/child":      "{% extends \"base\" %}{% block a %}{{ block.Super }}{{ host }}{% endblock %}",
		"t/badchild":   "{% extends \"base\" %}\n{% block a %}{{ nope }}{% endblock %}",
		"t/lib":        "{% macro hi(n) export %}hi {{ n }}{% endmacro %}\n{% macro bad() export %}{{ nope }}{% endmacro %}",
		"t/import":     "{% import \"lib\" hi as h, bad %}{{ h(host) }}",
		"t/importbad":  "{% import \"lib\" bad %}\n{{ bad() }}",
		"t/up":         "x\n {% include \"../secret\" %}",
		"t/abs":        "{% include \"/etc/passwd\" %}",
		"t/link":       "{% include \"out\" %}",
		"t/dynopt":     "a{% include name if_exists %}b",
		"t/extup":      "{% extends \"../secret\" %}",
		"t/impup":      "{% import \"../secret\" m %}",
		"t/optup":      "{% include \"../secret\" if_exists %}",
		"t/missing":    "{% include \"nope\" %}",
		"t/self":       "{% include \"self\" %}",
		"t/selfext":    "{% extends \"selfext\" %}",
		"t/selfdyn":    "{% include me %}",
		"t/badpart":    "{% include \"broken\" %}",
		"t/broken":     "ok\n{% if %}",
		"t/undefpart":  "{% include \"undef\" %}",
		"t/undef":      "ok\n{{ nope }}",
		"shared/x":     "shared",
		"t/shared":     "{% include \"x\" %}",
		"t/sharedroot": "{% include \"//shared/x\" %}",
		"secret":       "secret",
	})
	for name, to := range map[string]string{"out": f.Dir + "/secret", "rel": "../secret", "etc": "/etc/passwd"} {
		if err := os.Symlink(to, f.Dir+"/t/"+name); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestFile(t *testing.T) {
	f := workspace(t)
	for args, want := range map[string]string{
		`"t/main", {"host": "h"}`:                    `"[h]<ho[h]>"`,
		`"t/dynamic", {"name": "part", "host": "h"}`: `"[h]"`,
		`"t/dynopt", {"name": "gone"}`:               `"ab"`,
		`"t/optional"`:                               `"ab"`,
		`"t/child", {"host": "h"}`:                   `"B1h"`,
		`"t/import", {"host": "h"}`:                  `"hi h"`,
		`"t/shared", roots = ["shared"]`:             `"shared"`,
		`"t/sharedroot", roots = ["shared"]`:         `"shared"`,
	} {
		if got := f.Eval("got = template.file(" + args + ")"); got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
	if touched := (&file{Path: "t/main"}).Touches(f.EnvFor(f.Calls[0])); len(touched) != 1 || touched[0] != "file:"+f.Dir+"/t/main" {
		t.Error(touched)
	}
}

func TestFileErrors(t *testing.T) {
	f := workspace(t)
	for args, c := range map[string]struct {
		kind fault.Kind
		want string
	}{
		`"t/up"`:                              {fault.Permission, `t/up:2:13: the template "../secret" is outside of "t"`},
		`"t/abs"`:                             {fault.Permission, `t/abs:1:12: the template "/etc/passwd" is outside`},
		`"t/link"`:                            {fault.Permission, `the template "out" is outside`},
		`"t/dynamic", {"name": "rel"}`:        {fault.Permission, "outside"},
		`"t/dynamic", {"name": "etc"}`:        {fault.Permission, "outside"},
		`"t/extup"`:                           {fault.Permission, `t/extup:1:12: the template`},
		`"t/impup"`:                           {fault.Permission, `t/impup:1:11: the template`},
		`"t/optup"`:                           {fault.Permission, "outside"},
		`"t/dynamic", {"name": "../secret"}`:  {fault.Permission, `t/dynamic:1:12: the template "../secret" is outside`},
		`"t/dynamic", {"name": "/etc/hosts"}`: {fault.Permission, "outside"},
		`"t/dynamic", {"name": "//secret"}`:   {fault.Permission, "outside"},
		`"t/dynamic", {"name": "gone"}`:       {fault.NotFound, `t/dynamic:1:12: there is no template "gone" in "t"`},
		`"t/missing"`:                         {fault.NotFound, `t/missing:1:12: there is no template "nope"`},
		`"t/shared"`:                          {fault.NotFound, `there is no template "x"`},
		`"t/shared", roots = ["../.."]`:       {fault.Permission, "outside of the workspace"},
		`"t/self"`:                            {fault.TooLarge, `does "t/self" include itself?`},
		`"t/selfext"`:                         {fault.TooLarge, `does "t/selfext" include itself?`},
		`"t/selfdyn", {"me": "selfdyn"}`:      {fault.TooLarge, `does "t/selfdyn" include itself?`},
		`"t/badpart"`:                         {fault.Invalid, "t/broken:2:"},
		`"t/undefpart"`:                       {fault.Invalid, `t/undef:2:4: "nope" is not defined`},
		`"t/badchild"`:                        {fault.Invalid, `t/badchild:2:17: "nope" is not defined`},
		`"t/importbad"`:                       {fault.Invalid, `t/lib:2:28: "nope" is not defined`},
	} {
		_, err := f.Exec("template.file(" + args + ")")
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, c.kind) {
			t.Errorf("%s: %v (%s), want %s", args, err, fault.KindOf(err), c.want)
		}
	}
}

func TestFileInCheckMode(t *testing.T) {
	f := workspace(t)
	f.Run.Check = true
	if got := f.Eval(`got = template.file("t/part", {"host": "h"})`); got != `"[h]"` {
		t.Error(got)
	}
}
