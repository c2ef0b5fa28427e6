package schema

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// service is a record with a field of most kinds.
const service = `
S = schema.record(
    port = schema.int(min = 1025, max = 65535, default = 5432, doc = "Port of clients."),
    ratio = schema.float(default = 1),
    hosts = schema.list(schema.str(format = "hostname"), default = [], unique = True, max = 3),
    labels = schema.map(schema.int(), keys = schema.str(pattern = "[a-z]+", expect = "small letters"), default = {}),
    mode = schema.enum("async", "sync", default = "async"),
    version = schema.union(schema.enum("latest"), schema.str(format = "semver"), default = "latest"),
    schedule = schema.optional(schema.str()),
    tls = schema.record(enabled = schema.bool(default = False), cert = schema.str(default = "")),
)
`

func TestCompletes(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`S().port`, `5432`},
		{`S({"port": None}).port`, `5432`},
		{`S({"port": 6000}, port = 7000).port`, `7000`},
		{`S({"tls": {"cert": "x"}}, tls = {"enabled": True}).tls`, `struct(cert = "x", enabled = True)`},
		{`S(struct(ratio = 2)).ratio`, `2.0`},
		{`S(hosts = ("a", "b")).hosts`, `["a", "b"]`},
		{`S(schedule = "x").schedule, S().schedule`, `("x", None)`},
		{`S(S()) == S()`, `True`},
		{`S(version = "1.2").version`, `"1.2"`},
		{`S.merge({"port": 6000, "labels": {"a": 1}}, None, {"labels": {"b": 2}, "hosts": ["x"]}, {"port": None}).labels`, `{"a": 1, "b": 2}`},
		{`S.merge({"port": 6000}, {"port": None}).port`, `5432`},
		{`S.merge({"hosts": ["a"]}, {"hosts": ["b"]}).hosts`, `["b"]`},
		{`S.dict({"schedule": None, "tls": {"enabled": True}})`, `{"port": 5432, "ratio": 1.0, "hosts": [], "labels": {}, "mode": "async", "version": "latest", "tls": {"enabled": True, "cert": ""}}`},
		{`S.defaults()["tls"]`, `{"enabled": False, "cert": ""}`},
		{`S.defaults() == S.dict({})`, `True`},
		{`schema.record(a = schema.int()).defaults(), schema.int().defaults()`, `({}, None)`},
		{`schema.record(open = True, a = schema.int())(a = 1, b = [2])`, `struct(a = 1, b = [2])`},
		{`schema.str(format = "bytes", min = "1Ki", max = "1gb")("512mb")`, `"512mb"`},
		{`[schema.str(format = f)(v) == v for f, v in {"bytes": "10Gi", "cidr": "10.0.0.0/8", "duration": "1h30m", "hostname": "a.b", "ip": "::1", "name": "web-1", "path": "/x", "semver": "1.2.3", "url": "http://h/x"}.items()]`, `[True, True, True, True, True, True, True, True, True]`},
		{`schema.union(schema.int(), schema.record(a = schema.int()))({"a": 1})`, `struct(a = 1)`},
		{`schema.enum([1, 2])(2)`, `2`},
		{`schema.optional(schema.int())(None)`, `None`},
		{`schema.record({"check": schema.bool(), "doc": schema.str()}, doc = "D")(check = True, doc = "x")`, `struct(check = True, doc = "x")`},
		{`schema.record(a = schema.int(deprecated = "use b")).warnings({"a": 1})[0].message`, `"a is deprecated: use b"`},
		{`schema.record(a = schema.int(deprecated = "use b", default = 1)).warnings({})`, `[]`},
		{`S.errors({})`, `[]`},
		{`S.parse('port = 6000\n[tls]\nenabled = true', "x.toml").tls.enabled`, `True`},
		{`S.parse('{"port": 6000}', name = "x.json").port`, `6000`},
		{`S.parse('', "x.yaml").port`, `5432`},
		{`S.parse('low = 6000\nconfig = {"port": low}', "x.star").port`, `6000`},
		{`type(S), bool(S), S`, `("schema", True, schema.record(port, ratio, hosts, labels, mode, version, schedule, tls))`},
		{`schema.list(schema.int(min = 1), max = 2, default = [1])`, `schema.list(schema.int(min = 1), max = 2, default = [1])`},
		{`schema.optional(schema.str(pattern = "a+"))`, `schema.optional(schema.str(pattern = "a+"))`},
		{`S.merge`, `<method merge(*values) of schema.record>`},
		{`S.json_schema()["properties"]["port"]`, `{"type": "integer", "minimum": 1025, "maximum": 65535, "description": "Port of clients.", "default": 5432}`},
		{`S.json_schema()["properties"]["schedule"]`, `{"anyOf": [{"type": "string"}, {"type": "null"}]}`},
		{`S.json_schema()["properties"]["labels"]`, `{"type": "object", "additionalProperties": {"type": "integer"}, "propertyNames": {"type": "string", "pattern": "^(?:[a-z]+)$", "description": "small letters."}, "default": {}}`},
		{`S.example("toml").splitlines()[:3]`, `["# Port of clients.", "port = 5432", "ratio = 1"]`},
	} {
		if got := builtintest.New(t, Module).Eval(service + "got = " + c.expr); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expr, got, c.want)
		}
	}
}

// TestMistakes: each value has the mistakes that are listed, and no others.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`S.errors(1)`, `the value must be a dict with port, ratio, hosts, labels, mode, version, …, not 1`},
		{`S.errors({"port": 1, "ratio": "x"})`, `port must be an int from 1025 to 65535, not 1; ratio must be a number, not "x"`},
		{`S.errors({"port": 6000.0})`, `port must be an int from 1025 to 65535, not 6000.0`},
		{`S.errors({"port": True})`, `port must be an int from 1025 to 65535, not True`},
		{`S.errors({"prt": 1})`, `unknown field prt (did you mean "port"?)`},
		{`S.errors({1: 2})`, `the value has the key 1; keys must be strings`},
		{`S.errors({"tls": {"enabled": "yes", "x": 1}})`, `tls.enabled must be True or False, not "yes"; unknown field tls.x; there are enabled, cert`},
		{`S.errors({"hosts": ["a", "_", "a", 3]})`, `hosts must be a list of at most 3 elements, not 4 elements; hosts[1] must be a host name such as "db-1.example.org", not "_"; hosts[3] must be a host name such as "db-1.example.org", not 3; put it in quotes; hosts[2] is the same as hosts[0], "a"`},
		{`S.errors({"hosts": "a"})`, `hosts must be a list of at most 3 elements, not "a"`},
		{`S.errors({"labels": {"A": "x"}})`, `the key of labels.A must be small letters; labels.A must be an int, not "x"`},
		{`S.errors({"labels": {"a.b": None, "c": None}})`, ``},
		{`S.errors({"mode": "asnc"})`, `mode must be "async" or "sync", not "asnc" (did you mean "async"?)`},
		{`S.errors({"version": "new"})`, `version must be "latest", or a version such as "1.4.2", not "new"`},
		{`schema.record(a = schema.record(b = schema.int())).errors({})`, `a.b is required: an int`},
		{`schema.record(a = schema.int()).errors({"A_": 1})`, `unknown field A_ (did you mean "a"?)`},
		{`schema.list(schema.int()).errors([1, None])`, `[1] is required: an int`},
		{`schema.str(min = 2, max = 3).errors("é")`, `the value must be a string of 2 to 3 characters, not "é"`},
		{`schema.str(pattern = "a|b").errors("ab")`, `the value must be a string that matches a|b, not "ab"`},
		{`schema.str(format = "duration", max = "1h").errors("61min")`, `the value must be a duration such as "90s" or "1h30m" of at most "1h", not "61min"`},
		{`schema.union(schema.int(), schema.record(a = schema.int())).errors({"a": "x"})`, `a must be an int, not "x"`},
		{`schema.union(schema.int(), schema.bool()).errors("x")`, `the value must be an int, or True or False, not "x"`},
		{`schema.map(min = 1).errors({})`, `the value must be a dict of 1 or more entries, not 0 elements`},
		{`schema.record(a = schema.int(), b = schema.int(), check = {"b must follow a": lambda r: r.b > r.a}).errors({"a": 2, "b": 1})`, `b must follow a`},
		{`schema.record(a = schema.int(), b = schema.int(), c = schema.int(), check = [(lambda r: r.b > r.a, "order"), lambda r: "c is %d" % r.c]).errors({"a": 2, "b": 1, "c": "x"})`, `c must be an int, not "x"; order`},
		{`schema.record(x = schema.record(a = schema.int(), check = schema.check(lambda r: r.a > 1, "small", field = "a"))).errors({"x": {"a": 1}})`, `x.a: small`},
		{`schema.int(check = lambda n: n % 2 == 0).errors(3)`, `does not pass the check lambda`},
	} {
		globals, err := builtintest.New(t, Module).Exec(service + "got = '; '.join([e.message for e in " + c.expr + "])")
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
		} else if got, _ := starlark.AsString(globals["got"]); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expr, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`S(1)`, "the value must be a dict"},
		{`S(port = 1, hosts = 2)`, "the value has 2 mistakes:\n  port must be an int"},
		{`S(1, 2)`, "takes one value"},
		{`S.parse("port = 1\nmode = 'x'", "a.toml")`, "a.toml has 2 mistakes:\n  a.toml:1:1: port must be an int from 1025 to 65535, not 1\n      1 | port = 1\n  a.toml:2:1: mode must"},
		{`S.parse("port = ", "a.toml")`, "a.toml: cannot decode TOML: line 1, column 7"},
		{`S.parse("port = 1", "a.ini")`, "none of the known formats"},
		{`S.parse("x = 1", "a.star")`, "sets no config"},
		{`S.parse("config = fs", "a.star")`, "undefined: fs"},
		{`S.valdate(1)`, `did you mean "validate"?`},
		{`S.validate()`, "0 arguments given"},
		{`S.validate(v = 1)`, `unexpected argument "v"`},
		{`S.example("ini")`, `no example as "ini"`},
		{`schema.int().example("toml")`, "only a record"},
		{`{S: 1}`, "unhashable type: schema"},
		{`schema.int(min = 2, max = 1)`, "is more than max"},
		{`schema.int(min = 1.5)`, "must be numbers of the kind int"},
		{`schema.int(default = "x")`, "the default does not fit"},
		{`schema.str(min = -1)`, "numbers of characters"},
		{`schema.str(pattern = "(")`, "cannot compile the pattern"},
		{`schema.str(format = "durtion")`, `no format "durtion"`},
		{`schema.str(format = "bytes", min = 1)`, `must be a size`},
		{`schema.enum()`, "needs values"},
		{`schema.enum("a", "a")`, `has "a" twice`},
		{`schema.enum([1], [2])`, "not a list"},
		{`schema.union(schema.int())`, "two types or more"},
		{`schema.union(schema.int(default = 1), schema.str())`, "belongs to the union"},
		{`schema.union(None, schema.str())`, "not None"},
		{`schema.optional(schema.int(default = 1))`, "never missing"},
		{`schema.optional(None)`, "must be a type, not None"},
		{`schema.list(int)`, "must be a type, not the function int"},
		{`schema.list("int")`, "must be a type, not a string"},
		{`schema.map(keys = schema.int())`, "the keys of a map must be strings"},
		{`schema.map(keys = schema.str(secret = True))`, "cannot be secrets"},
		{`schema.record({"a": 1})`, "the field a must be a type"},
		{`schema.record({"a": None})`, "not None"},
		{`schema.record({1: schema.int()})`, "names of fields must be strings"},
		{`schema.record({"": schema.int()})`, "needs a name"},
		{`schema.record({"a": schema.int()}, a = schema.int())`, "there twice"},
		{`schema.record(check = schema.int())`, "not a type"},
		{`schema.record(default = schema.int())`, "not a type"},
		{`schema.record(check = [1])`, "a check must be a function"},
		{`schema.record(check = struct(a = 1))`, "no check"},
		{`schema.record(base = schema.int())`, "the base must be a record"},
		{`schema.record(a = schema.int(), check = lambda r: 1)(a = 1)`, "must return True, False or a text"},
		{`schema.record(a = schema.int(), check = lambda r: r.b)(a = 1)`, "has no .b"},
		{`a = {}; a["a"] = a; S.merge(a)`, "contains itself"},
	} {
		_, err := builtintest.New(t, Module).Exec(service + c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}

// TestInherits: fields of a base may be narrowed.
func TestInherits(t *testing.T) {
	const base = service + "B = schema.record(a = schema.int(min = 1, max = 9, default = 5, doc = 'A.'), o = schema.optional(schema.str()), check = {'three': lambda r: r.a != 3})\n"
	for _, c := range []struct{ expr, want string }{
		{`schema.record(base = B, b = schema.int(default = 2))()`, `struct(a = 5, b = 2, o = None)`},
		{`schema.record(base = B, a = schema.int(max = 8)).doc()`, `"a: an int from 1 to 8, default 5\n    A.\no: a string, optional\nchecked: three\n"`},
		{`schema.record(base = B, o = schema.str(default = "x"))().o`, `"x"`},
		{`schema.record(base = B).errors({"a": 3})[0].message`, `"three"`},
		{`schema.record(base = S, port = schema.enum(6000, 7000, default = 6000))().port`, `6000`},
		{`schema.record(base = S, version = schema.enum("1.2.3", default = "1.2.3"))().version`, `"1.2.3"`},
		{`schema.record(base = S, tls = schema.record(cert = schema.str(pattern = "/.*", default = "/x")))().tls`, `struct(cert = "/x", enabled = False)`},
		{`schema.record(base = S, hosts = schema.list(min = 1, default = ["a"])).errors({"hosts": []})[0].message`, `"hosts must be a list of 1 to 3 elements, not 0 elements"`},
		{`schema.record(base = S, ratio = schema.int(default = 3))().ratio`, `3`},
		{`schema.record(base = S, labels = schema.map(schema.int(min = 1))).errors({"labels": {"a": 0}})[0].message`, `"labels.a must be an int of at least 1, not 0"`},
	} {
		if got := builtintest.New(t, Module).Eval(base + "got = " + c.expr); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expr, got, c.want)
		}
	}
	for _, c := range []struct{ script, want string }{
		{`schema.record(base = B, a = schema.int(min = 0))`, "the field a contradicts the base: min = 0 allows more"},
		{`schema.record(base = B, a = schema.str())`, "so it cannot be a string"},
		{`schema.record(base = B, a = schema.optional(schema.int()))`, "cannot be optional"},
		{`schema.record(base = B, a = schema.int(max = 4))`, "the default of the base does not fit"},
		{`schema.record(base = S, mode = schema.enum("lazy"))`, `"lazy" is not what the base allows`},
		{`schema.record(base = S, tls = schema.bool())`, "the field tls contradicts the base"},
		{`schema.record(base = S, tls = schema.record(enabled = schema.int()))`, "the field tls contradicts the base: the field enabled contradicts"},
		{`schema.record(base = S, hosts = schema.list(schema.int()))`, "contradicts"},
		{`schema.record(base = S, version = schema.int())`, "contradicts"},
	} {
		if _, err := builtintest.New(t, Module).Exec(base + c.script); err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	f := builtintest.New(t, Module)
	const plain = "hunter2hunter2"
	globals, err := f.Exec(`
S = schema.record(pw = schema.str(secret = True, min = 8), note = schema.str(min = 100, default = 100 * "x"))
c = S(pw = "` + plain + `")
again = S(c)
short = S.errors({"pw": "swordfish"[:6]})
text = S.errors({"pw": "x" * 9, "note": "id " + c.pw})
odd = S.errors("` + plain + `")
wrong = S.errors({"pww": "` + plain + `"})
defaults = schema.record(pw = schema.str(secret = True, default = "` + plain + `")).defaults()
shown = [str(S), str(schema.str(secret = True, default = "` + plain + `")), S.doc(), S.example("toml"), str(S.json_schema())]
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"c", "again", "short", "text", "odd", "wrong", "defaults", "shown"} {
		if text := globals[name].String(); strings.Contains(text, plain) || strings.Contains(text, "swordf") {
			t.Errorf("%s shows a secret: %s", name, text)
		}
	}
	if got := f.Run.Secrets.Redact(globals["c"].String()); !strings.Contains(got, "pw = «secret pw»") {
		t.Errorf("got %s", got)
	}
	if globals["c"].String() != globals["again"].String() {
		t.Errorf("%s became %s", globals["c"], globals["again"])
	}
}

// TestUnknown: what is not known passes, and stays unknown.
func TestUnknown(t *testing.T) {
	facts := module.New("", "What is not known.")
	facts.Fact("u", "Not known.", func(*effect.Run) any { return value.NewUnknown("u") })
	f := builtintest.New(t, Module, facts)
	f.Run.Check = true
	for _, c := range []struct{ expr, want string }{
		{`S(port = u).port`, `«unknown u»`},
		{`S(port = u).mode`, `"async"`},
		{`S(u)`, `«unknown schema.record(u)»`},
		{`S({"port": 6000}, port = u).port`, `«unknown u»`},
		{`S(hosts = ["a", u, u]).hosts`, `["a", «unknown u», «unknown u»]`},
		{`S.merge({"port": 1}, u)`, `«unknown schema.record({"port": 1}, u)»`},
		{`S.errors({"port": u})`, `«unknown schema.record.errors({"port": «unknown u»})»`},
		{`len(S.errors({"port": u, "mode": 1}))`, `1`},
		{`S.dict(u)`, `«unknown schema.record(u)»`},
		{`S.parse(u, "x.toml")`, `«unknown schema.record.parse(u)»`},
		{`schema.int(default = u)`, `«unknown schema.int(default = u)»`},
		{`schema.record(a = schema.int(), check = lambda r: r.a + 1)(a = u)`, `struct(a = «unknown u»)`},
		{`schema.union(schema.int(), schema.str())(u)`, `«unknown schema.union(u)»`},
	} {
		if got := f.Eval(service + "got = " + c.expr); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expr, got, c.want)
		}
	}
}
