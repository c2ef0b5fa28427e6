package template

import (
	"os"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

const vars = `{
	"host": "web-1", "port": 80, "ratio": 0.1, "on": True, "none": None,
	"db": {"zeta": 1, "alpha": {"user": "app"}}, "ports": [80, 443], "html": "<b>", "empty": [],
	"pairs": [["a", 1], ["b", 2]], "key": "zeta", "st": struct(name = "s", size = 1.5), "raw": b"x",
}`

func quote(s string) string { return starlark.String(s).String() }

func TestString(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"plain\ntext", "plain\ntext"},
		{"{{ host }}:{{ port }}", "web-1:80"},
		{"{{ ratio }} {{ 1.50 }} {{ ratio + 1 }} {{ on }} [{{ none }}]", "0.1 1.5 1.1 True []"},
		{"{{ db.zeta }}{{ db[key] }}{{ db[\"zeta\"] }}{{ db.alpha.user|upper }}", "111APP"},
		{"{{ ports.0 }} {{ ports[1] }} {{ ports[0 - 1] }} {{ host.0 }}", "80 443 443 w"},
		{"{{ db }} {{ ports }}", `{"zeta": 1, "alpha": {"user": "app"}} [80, 443]`},
		{"{{ st.name }}{{ st.size }}{{ raw }}", "s1.5x"},
		{"{% for k, v in db %}{{ k }},{% endfor %}", "zeta,alpha,"},
		{"{% for k in db sorted %}{{ k }},{% endfor %}", "alpha,zeta,"},
		{"{% for k in db reversed %}{{ k }},{% endfor %}", "alpha,zeta,"},
		{"{% for p in ports %}{{ forloop.counter }}/{{ forloop.length }}{% if not forloop.last %};{% endif %}{% endfor %}", "1/2;2/2"},
		{"{% for a in ports %}{% for b in ports %}{{ forloop.parentloop.Counter0 }}{% endfor %}{% endfor %}", "0011"},
		{"{% for n, v in pairs %}{{ n }}={{ v }} {% endfor %}", "a=1 b=2 "},
		{"{% for x in empty %}x{% empty %}none{% endfor %}", "none"},
		{"{% for c in \"äb\" %}{{ c }}.{% endfor %}", "ä.b."},
		{"{% set x = port + 1 %}{{ x }}", "81"},
		{"{% with a=port b=host %}{{ a }}{{ b }}{% endwith %}", "80web-1"},
		{"{% with port as a %}{{ a }}{% endwith %}", "80"},
		{"{% macro m(a, b=port, c=\"z\") %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(host, 2, \"y\") }}", "180z web-12y"},
		{"{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{{ m(none) }}", "FalseTrue"},
		{"{% block b %}{{ host }}{% endblock %}", "web-1"},
		{"{% filter upper|cut:key %}a zeta{{ host }}{% endfilter %}", "A ZETAWEB-1"},
		{"{{ nope|default:\"d\" }} {{ db.nope|default:port }} {{ none|default_if_none:\"n\" }}", "d 80 n"},
		{"{% if nope is defined %}y{% else %}n{% endif %}{% if db.alpha is defined and host is defined %}y{% endif %}", "ny"},
		{"{% if nope is not defined %}1{% endif %}{% if nope is undefined %}2{% endif %}{% if none is none %}3{% endif %}{% if host is not none %}4{% endif %}", "1234"},
		{"{% if host == \"web-1\" and port > 79 or nope %}y{% endif %}", "y"},
		{"{% if 80 in ports %}y{% endif %}{% if \"zeta\" in db %}y{% endif %}", "yy"},
		{"{% firstof nope none ratio %}", "0.1"},
		{"{% for p in ports %}{% cycle host \"b\" as c silent %}{{ c }} {% endfor %}", "web-1 b "},
		{"{% ifequal port 80 %}y{% endifequal %}", "y"},
		{"{{ ports|join:\"-\" }} {{ ports|length }} {{ ports|first }}", "80-443 2 80"},
		{"{# {{ nope }} #}{% comment %}{{ nope }}{% now \"x\" %}{{ $\n{%- endcomment %}{% verbatim %}{{ nope }}{% endverbatim %}", "{{ nope }}"},
		{"{{ html }} {{ html|escape }}", "<b> &lt;b&gt;"},
		{"{{ \"a'b\" }}{{ \"}}\" }}", "a'b}}"},
		{"{{ (port + 1) * 2 }} {{ -port }} {{ port / 3 }} {{ port % 3 }}", "162 -80 26 2"},
		{"a {{- host -}} b", "aweb-1b"},
		{"{{ nil }}{{ None }}{% if True %}t{% endif %}", "t"},
	} {
		f := builtintest.New(t, Module)
		globals, err := f.Exec("got = template.string(" + quote(c.text) + ", " + vars + ")")
		if err != nil {
			t.Errorf("%s\n%v", c.text, err)
			continue
		}
		if got := string(globals["got"].(starlark.String)); got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.text, got, c.want)
		}
	}
}

func TestUndefined(t *testing.T) {
	for text, want := range map[string]string{
		"a\n b {{ hostt }}":                                  `template:2:7: "hostt" is not defined (did you mean "host"?)`,
		"{{ db.zet }}":                                       `template:1:4: "db" has no "zet" (did you mean "zeta"?)`,
		"{{ db.alpha.nope }}":                                `template:1:4: "db.alpha" has no "nope"`,
		"{{ host }}{{ db[\"nope\"] }}":                       `template:1:14: "db" has no "nope"`,
		"{{ db[nope] }}":                                     `template:1:7: "nope" is not defined`,
		"{{ ports.7 }}":                                      `"ports" has no index 7: its length is 2`,
		"{{ host.nope }}":                                    `"host" is a string, which has no "nope"`,
		"{{ port.x }}":                                       `"port" is an int`,
		"{{ host|cut:nope }}":                                `template:1:13: "nope"`,
		"{{ host|default:nope|upper }}":                      `"nope"`,
		"{{ nope|upper|default:1 }}":                         `"nope"`,
		"{% if nope %}{% endif %}":                           `template:1:7: "nope"`,
		"{% if host %}{% elif x %}{% endif %}ok{{ x }}":      `1:42: "x"`,
		"{% if not nope %}{% endif %}":                       `"nope"`,
		"{% for x in nope %}{% endfor %}":                    `template:1:13: "nope"`,
		"{% for x in ports %}{{ y }}{% endfor %}":            `template:1:24: "y"`,
		"{% for x in ports %}{% endfor %}{{ x }}":            `"x" is not defined`,
		"{% for x in ports %}{{ forloop.nope }}{% endfor %}": `forloop has no "nope"`,
		"{% for x in port %}{% endfor %}":                    `template:1:4: cannot loop over an int`,
		"{% for a, b in ports %}{% endfor %}":                `item 0 is an int, not a pair for "a" and "b"`,
		"{% set x = nope %}":                                 `template:1:12: "nope"`,
		"{% with x=nope %}{% endwith %}":                     `template:1:11: "nope"`,
		"{% with a=1 %}{% endwith %}{{ a }}":                 `template:1:31: "a"`,
		"{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}":     `template:1:20: the macro was called without "a"`,
		"{% macro m(a=nope) %}{% endmacro %}{{ m() }}":       `template:1:14: "nope"`,
		"{% macro m() %}{{ nope }}{% endmacro %}{{ m() }}":   `template:1:19: "nope"`,
		"{% macro m() %}{{ nope }}{% endmacro %}{% if m() is defined %}{% endif %}": `template:1:19: "nope"`,
		"{{ host(1) }}":                           `"host" is a string, not a macro`,
		"{% block b %}{{ nope }}{% endblock %}":   `template:1:17: "nope"`,
		"{% filter cut:nope %}x{% endfilter %}":   `template:1:15: "nope"`,
		"{% ifequal port nope %}{% endifequal %}": `template:1:17: "nope"`,
		"{% cycle nope %}":                        `template:1:10: "nope"`,
		"{% widthratio nope 1 2 %}":               `template:1:15: "nope"`,
		"{{ __v }}":                               `"__v" is not defined`,
		"{{ __render.err }}":                      `"__render" is not defined`,
		"ä {{ nope }}":                            `template:1:7: "nope"`,
	} {
		fails(t, text, fault.Invalid, want)
	}
}

func TestLenient(t *testing.T) {
	f := builtintest.New(t, Module)
	if got := f.Eval(`got = template.string("[{{ a }}{{ b.c.0 }}{% for x in a %}{% endfor %}]", strict = False)`); got != `"[]"` {
		t.Error(got)
	}
}

func TestSyntax(t *testing.T) {
	for text, want := range map[string]string{
		"a\nb {{ host\n}}":           "template:2:10: the tag does not end on its line",
		"a\nb {{ host | nope }} c":   "template:2:13: filter 'nope' does not exist\n    b {{ host | nope }} c",
		"{{ host }} {% nope %}":      "template:1:15: tag 'nope' not found",
		"{% if host %}":              "template:1:",
		"{{ a[ }}":                   "template:1:5: the bracket [ is not closed",
		"{{ a[] }}":                  "template:1:5: the brackets are empty",
		"{{ host }} {{ host host }}": "template:1:20: ",
		"{{ }}":                      "template:1:",
		"{{ 7/0 }}":                  "template:1:4: integer divide by zero",
		"\n{{ port / (port - 80) }}": "template:2:12: integer divide by zero",
		"{{ \"":                      "template:1:",
		"{% comment %}{{ $ }}":       "template:1:14: the comment is not closed",
		"{% comment %}\n{{ $\n{% endcomment %} {{ nope }}": "template:3:21: \"nope\"",
		"x {{ host $ }}":                     "template:1:11: unexpected '$'",
		"{{ host":                            "template:1:8: the tag is not closed",
		"{% for x %}{% endfor %}":            "template:1:",
		"{% for x in ports y %}{% endfor %}": "can follow here",
		"{% now \"2006\" %}":                 "template:1:4: the tag now is not allowed",
		"{% lorem 3 %}":                      "the tag lorem is not allowed",
		"{% ssi \"/etc/passwd\" %}":          "the tag ssi is not allowed",
		"{% include \"a\" %}":                "the tag include needs a template file",
		"{% extends \"a\" %}":                "the tag extends needs a template file",
		"{% import \"a\" b %}":               "the tag import needs a template file",
		"{{ ports|random }}":                 "template:1:10: the filter random is not allowed",
		"{{ ports == ports }}":               "template:1:13: ",
	} {
		fails(t, text, "", want)
	}
}

func TestLimits(t *testing.T) {
	for text, want := range map[string]string{
		"{{ " + strings.Repeat("(", 200_000) + "1":                                                   "",
		"{{ " + strings.Repeat("(", 200) + "1" + strings.Repeat(")", 200) + " }}":                    "nested deeper than 100",
		"{{ " + strings.Repeat("2^", 5_000) + "1 }}":                                                 "more than 2000 words",
		strings.Repeat("{% if 1 %}", 200):                                                            "tags are nested deeper than 100",
		"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}":                                            "macros call each other more than 200 deep",
		"{{ host|floatformat:1000000000 }}":                                                          "larger than 10000",
		"{{ host|center:\"1000000000\" }}":                                                           "larger than 10000",
		"{% set n = 1000000000 %}{{ host|rjust:n }}":                                                 "larger than 10000",
		"{{ port|stringformat:\"%0999999d\" }}":                                                      "larger than 10000",
		"{% filter ljust:999999 %}x{% endfilter %}":                                                  "larger than 10000",
		"{% set s = \"0123456789\" %}{% for i in big %}{% set s = s + s %}{% endfor %}":              "too large",
		"{% for a in big %}{% for b in big %}{% for c in big %}{% endfor %}{% endfor %}{% endfor %}": "steps",
		"{% for a in big %}{% for b in big %}{% for c in big %}" + strings.Repeat("x", 1000) + "{% endfor %}{% endfor %}{% endfor %}": "larger than",
		strings.Repeat("x", 1<<20+1): "larger than 1048576 bytes",
	} {
		f := builtintest.New(t, Module)
		_, err := f.Exec("big = [0] * 500\ngot = template.string(" + quote(text) + `, {"host": "h", "port": 1, "big": big})`)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

func fails(t *testing.T, text string, kind fault.Kind, want string) {
	t.Helper()
	f := builtintest.New(t, Module)
	globals, err := f.Exec("got = template.string(" + quote(text) + ", " + vars + ")")
	if err == nil {
		t.Errorf("%s\ngave %s", text, globals["got"])
		return
	}
	if !strings.Contains(err.Error(), want) || kind != "" && !fault.Is(err, kind) || fault.Is(err, fault.Failed) {
		t.Errorf("%s\n got %q (%s)\nwant %q", text, err, fault.KindOf(err), want)
	}
}

func TestArguments(t *testing.T) {
	for script, want := range map[string]string{
		`template.string(1)`:                 `the argument "text" must be a string`,
		`template.string("", {"a-b": 1})`:    `cannot use the variable "a-b"`,
		`template.string("", {"__v": 1})`:    `cannot use the variable "__v"`,
		`template.string("", {"a": {1: 2}})`: "only strings can be keys",
		`template.string("", {"f": len})`:    "has no plain form",
		`template.string("", var = {})`:      `did you mean "vars"?`,
		`template.file("nope")`:              `cannot stat "nope"`,
		`template.file("../x")`:              "outside of the workspace",
		`template.file("/etc/passwd")`:       "outside of the workspace",
		`template.file(".")`:                 "is a directory",
	} {
		f := builtintest.New(t, Module)
		if _, err := f.Exec(script); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

func TestAutoescape(t *testing.T) {
	f := builtintest.New(t, Module)
	files(t, f, map[string]string{
		"base":  "{{ x }}{% block b %}{% endblock %}",
		"child": "{% extends \"base\" %}{% block b %}{{ x }}{{ x|safe }}{{ block.Super }}{% endblock %}",
		"m":     "{% macro m(a) %}<i>{{ a }}</i>{% endmacro %}{{ m(x) }}{% autoescape off %}{{ x }}{% endautoescape %}",
	})
	for script, want := range map[string]string{
		`got = template.string("{{ x }}{{ x|safe }}", {"x": "<b>"}, autoescape = True)`: `"&lt;b&gt;<b>"`,
		`got = template.file("child", {"x": "<b>"}, autoescape = True)`:                 `"&lt;b&gt;&lt;b&gt;<b>"`,
		`got = template.file("m", {"x": "<b>"}, autoescape = True)`:                     `"<i>&lt;b&gt;</i><b>"`,
	} {
		if got := f.Eval(script); got != want {
			t.Errorf("%s: %s", script, got)
		}
	}
	if _, err := f.Exec(`template.string("{{ x }} {{ yy }}", {"x": 1}, autoescape = True)`); err == nil || !strings.Contains(err.Error(), "template:1:12:") {
		t.Error(err)
	}
	if _, err := f.Exec(`template.string("x {% nope %}", autoescape = True)`); err == nil || !strings.Contains(err.Error(), "template:1:6:") {
		t.Error(err)
	}
}

func files(t *testing.T, f *builtintest.Fixture, all map[string]string) {
	t.Helper()
	for name, content := range all {
		if i := strings.LastIndexByte(name, '/'); i > 0 {
			if err := os.MkdirAll(f.Dir+"/"+name[:i], 0o755); err != nil {
				t.Fatal(err)
			}
		}
		f.WriteFile(name, content)
	}
}
