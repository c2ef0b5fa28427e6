package url

import (
	"net/url"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestValues(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`url.parse("https://joe:p%40ss@[::1]:8443/a%20b?x=%26#to%20p")`,
			`parts(fragment = "to p", host = "::1", password = "p@ss", path = "/a b", port = 8443, query = "x=%26", scheme = "https", user = "joe")`},
		{`url.parse("mailto:joe@example.org").path`, `"joe@example.org"`},
		{`url.parse("/a").port`, `None`},
		{`url.quote(b"\xff~")`, `"%FF~"`},
		{`url.query_encode({"a": True, "b": [], "c": 1.5})`, `"a=true&c=1.5"`},
		{`url.query_decode("")`, `{}`},
		{`url.query_decode("a&b=&&")`, `{"a": "", "b": ""}`},
		{`url.build("", "/etc/x", scheme = "file")`, `"file:///etc/x"`},
		{`url.build("h", user = "u", fragment = "a b")`, `"https://u@h#a%20b"`},
		{`url.join("https://web/a/", "b")`, `"https://web/a/b"`},
	} {
		if got := builtintest.New(t, Module).Eval("got = " + c.expr); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expr, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`url.parse(1)`, "must be a string"},
		{`url.parse("http://u:hunter2/x@h")`, "the port is not a number"},
		{`url.parse("http://u:hunter2|@h")`, "the user or password has characters"},
		{`url.parse("http://h/%zz")`, "a % is not followed"},
		{`url.parse("http://h/\n")`, "control character"},
		{`url.parse("http://h:99999")`, "the port must be 0 to 65535"},
		{`url.join("::", "x")`, "there is no scheme"},
		{`url.unquote("%4")`, "a % is not followed"},
		{`url.quote("a", safe = "é")`, "safe must be ASCII"},
		{`url.query_encode({"a": None})`, `"a" must be a string, a number or a bool, not a NoneType`},
		{`url.query_encode([1])`, "must be a dict"},
		{`url.query_decode("a=1&a=2")`, `"a" occurs more than once`},
		{`url.build("h:1")`, "the host has a colon in it"},
		{`url.build("h/x")`, "characters that no host can have"},
		{`url.build("h", port = 70000)`, "the port must be"},
		{`url.build("h", password = "hunter2")`, "a password without a user"},
		{`url.build("h", scheme = "1")`, "the scheme must be"},
	} {
		_, err := builtintest.New(t, Module).Exec(c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}

// TestSecrets checks that values are quoted where the text is used, and come
// back from a URL that is parsed again.
func TestSecrets(t *testing.T) {
	const plain = "p@ss/w:rd&+%=ü"
	f := builtintest.New(t, Module)
	secret, _ := f.Run.Secrets.Add("db", plain)
	user, password := "joe", secret.String()
	query := new(starlark.Dict)
	_ = query.SetKey(starlark.String("token"), starlark.String("x "+secret.String()))
	built, err := (&build{Host: "h", Scheme: "https", User: &user, Password: &password, Query: query}).Compute(f.Env())
	if err != nil {
		t.Fatal(err)
	}
	expanded, err := f.Run.Secrets.Expand(built.(string))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(expanded)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := u.User.Password(); got != plain || u.Query().Get("token") != "x "+plain {
		t.Errorf("got %s", expanded)
	}
	for _, text := range []string{built.(string), "https://joe:" + secret.String() + "@h?token=" + quoted("x "+secret.String(), "")} {
		v, err := (&parse{text}).Compute(f.Env())
		if err != nil {
			t.Fatal(err)
		}
		p := v.(parts)
		back, err := (&queryDecode{Text: p.Query}).Compute(f.Env())
		if err != nil {
			t.Fatal(err)
		}
		token, _, _ := back.(*starlark.Dict).Get(starlark.String("token"))
		if p.Password != starlark.Value(secret) || token != starlark.String("x "+secret.String()) {
			t.Errorf("%s: got %v, %v", text, p, token)
		}
	}
	joined, err := (&join{built.(string), "/x"}).Compute(f.Env())
	if err != nil || !strings.Contains(joined.(string), value.Through(secret.String(), value.LayerURL)) {
		t.Errorf("join: %v, %v", joined, err)
	}
}
