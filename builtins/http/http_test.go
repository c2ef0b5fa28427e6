package http

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// serve answers with h at an address that scripts know as URL.
func serve(t *testing.T, h nethttp.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func eval(f *builtintest.Fixture, url, script string) string {
	f.T.Helper()
	return f.Eval(strings.ReplaceAll(script, "URL", url))
}

func failure(t *testing.T, f *builtintest.Fixture, url, script string) *fault.Error {
	t.Helper()
	_, err := f.Exec(strings.ReplaceAll(script, "URL", url))
	e := fault.As(err)
	if e == nil {
		t.Fatalf("%s\ngave %v", script, err)
	}
	return e
}

// echo answers with what it was asked.
func echo(w nethttp.ResponseWriter, r *nethttp.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Add("X-Two", "a")
	w.Header().Add("X-Two", "b")
	fmt.Fprintf(w, "%s %s|%s|%s|%s|%s", r.Method, r.URL.RequestURI(), body,
		r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.Header.Get("X-A"))
}

func TestDocs(t *testing.T) {
	for _, f := range Module.Funcs() {
		doc := f.Doc()
		for _, p := range f.Params() {
			if doc.Arg(p) == "" {
				t.Errorf("%s: the parameter %q is not documented", f.Name(), p)
			}
		}
		if doc.Summary == "" || doc.Examples == "" || doc.Returns == "" {
			t.Errorf("%s: the documentation lacks a part", f.Name())
		}
	}
}

func TestRequests(t *testing.T) {
	f := builtintest.New(t, Module)
	s := serve(t, echo)
	secret, _ := f.Run.Secrets.Add("token", `p"&ss word`)
	for script, want := range map[string]string{
		`got = http.get("URL/x").body`: `GET /x||||`,
		`got = http.get("URL/x?q=0", params = {"a": [1, 2], "b": True, "c": None, "d": "&"}).body`: `GET /x?q=0&a=1&a=2&b=true&d=%26||||`,
		`got = http.post("URL", json = {"a": [1, None, "<é>"]}).body`:                              `POST /|{"a":[1,null,"<é>"]}|application/json||`,
		`got = http.post("URL", json = {"a": "SECRET"}).body`:                                      `POST /|{"a":"p\"&ss word"}|application/json||`,
		`got = http.post("URL", form = {"a": "SECRET"}).body`:                                      `POST /|a=p%22%26ss+word|application/x-www-form-urlencoded||`,
		`got = http.put("URL", body = "text", headers = {"X-A": "SECRET"}).body`:                   `PUT /|text|||p"&ss word`,
		`got = http.patch("URL", body = b"\x01", token = "t").body`:                                "PATCH /|\x01||Bearer t|",
		`got = http.delete("URL", user = "u", password = "p").body`:                                `DELETE /|||Basic dTpw|`,
		`got = http.get("URL").headers["x-two"]`:                                                   `a, b`,
		`got = str(http.head("URL").status)`:                                                       `200`,
		`got = type(http.get("URL").duration)`:                                                     `time.duration`,
		`got = str(http.get("URL").json)`:                                                          `None`,
	} {
		script = strings.ReplaceAll(script, "SECRET", secret.String())
		if got := eval(f, s.URL, script); got != starlark.String(want).String() {
			t.Errorf("%s\ngot %s, want %q", script, got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	f := builtintest.New(t, Module)
	answer := ""
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
		io.WriteString(w, answer)
	})
	for body, want := range map[string]string{
		`{"z": 123456789012345678901234567890, "a": [1.5, 1e3, null, true, {}]}`: `{"z": 123456789012345678901234567890, "a": [1.5, 1000.0, None, True, {}]}`,
		``:                           `None`,
		`{"a"`:                       `None`,
		`1 2`:                        `None`,
		`-0`:                         `0`,
		`"\u00e9"`:                   `"é"`,
		strings.Repeat("[", 100_000): `None`,
	} {
		answer = body
		if got := eval(f, s.URL, `got = http.get("URL").json`); got != want {
			t.Errorf("%.60s\ngot %s, want %s", body, got, want)
		}
	}
	answer = "\xff"
	if got := eval(f, s.URL, `r = http.get("URL"); got = (r.body, r.bytes, r.json)`); got != `("", b"\xff", None)` {
		t.Errorf("got %s", got)
	}
}

func TestArguments(t *testing.T) {
	f := builtintest.New(t, Module)
	for script, part := range map[string]string{
		`http.get("ftp://x")`:                           "must begin with http",
		`http.get("http://user:pa ss@x/")`:              "cannot be read",
		`http.get("http:///x")`:                         "names no host",
		`http.post("http://x", json = 1, body = "a")`:   "only one of json",
		`http.post("http://x", idempotency_key = 1)`:    "must be a string or True",
		`http.get("http://x", headers = {"A": "1\n2"})`: `the header "A"`,
		`http.get("http://x", token = "a", user = "b")`: "only one of token",
		`http.get("http://x", client_cert = "a")`:       "belong together",
		`http.get("http://x", params = {"a": {}})`:      `"params" at key "a"`,
		`http.download("http://x", "a", sha256 = "12")`: "64 hexadecimal",
		`http.download("http://x", "../a")`:             "outside",
		`http.download("http://x", ".")`:                "is a directory",
		`http.get("http://x", ca_file = "none")`:        "none",
	} {
		e := failure(t, f, "", script)
		if !strings.Contains(e.Msg, part) || strings.Contains(e.Msg, "pa ss") || e.InDoubt {
			t.Errorf("%s\ngave %v", script, e)
		}
	}
}

func TestConnectionsAreReused(t *testing.T) {
	f := builtintest.New(t, Module)
	var conns atomic.Int32
	s := httptest.NewUnstartedServer(nethttp.HandlerFunc(echo))
	s.Config.ConnState = func(_ net.Conn, state nethttp.ConnState) {
		if state == nethttp.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	eval(f, s.URL, `got = [http.post("URL", body = str(i)).status for i in range(10)]`)
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestStatuses(t *testing.T) {
	f := builtintest.New(t, Module)
	status := 0
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		io.WriteString(w, "it is\n  hunter22 "+strings.Repeat("x", 500))
	})
	f.Run.Secrets.Add("password", "hunter22")
	for _, c := range []struct {
		call    string
		status  int
		kind    fault.Kind
		unsent  bool
		inDoubt bool
	}{
		{"get", 404, fault.NotFound, false, false},
		{"get", 400, fault.Failed, false, false},
		{"get", 500, fault.Unavailable, false, false},
		{"post", 500, fault.Failed, false, false},
		{"post", 429, fault.Unavailable, true, false},
		{"post", 503, fault.Unavailable, false, false},
		{"post", 502, fault.Unavailable, false, true},
		{"put", 504, fault.Unavailable, false, false},
	} {
		status = c.status
		e := failure(t, f, s.URL, `http.`+c.call+`("URL/path?key=1")`)
		if e.Kind != c.kind || e.Unsent != c.unsent || e.InDoubt != c.inDoubt || e.RetryAfter != 7 {
			t.Errorf("%s %d gave %#v", c.call, c.status, e)
		}
		want := fmt.Sprintf("%s %s/path?…: answered %d %s: it is «secret password» xx", strings.ToUpper(c.call), s.URL, c.status, nethttp.StatusText(c.status))
		if !strings.HasPrefix(e.Msg, want) || len(e.Msg) > 400 {
			t.Errorf("message %q", e.Msg)
		}
	}
	if got := eval(f, s.URL, `got = [http.get("URL", check = False).status, http.put("URL", ok = [504]).status]`); got != "[504, 504]" {
		t.Errorf("got %s", got)
	}
	status = 200
	if e := failure(t, f, s.URL, `http.get("URL", ok = [201])`); e.Kind != fault.Failed {
		t.Errorf("%#v", e)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for header, want := range map[string]float64{
		"": 0, "120": 120, "-1": 0, "NaN": 0, "soon": 0,
		"Thu, 01 Jan 2026 00:01:30 GMT": 90, "Wed, 31 Dec 2025 00:00:00 GMT": 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

func TestLimit(t *testing.T) {
	f := builtintest.New(t, Module)
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { io.WriteString(w, "12345") })
	if got := eval(f, s.URL, `got = http.get("URL", max_bytes = 5).body`); got != `"12345"` {
		t.Errorf("got %s", got)
	}
	if e := failure(t, f, s.URL, `http.get("URL", max_bytes = 4)`); e.Kind != fault.TooLarge || !strings.Contains(e.Msg, "more than 4 bytes") {
		t.Errorf("%#v", e)
	}
}

func TestRedirects(t *testing.T) {
	f := builtintest.New(t, Module)
	other := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprint(w, r.Header.Get("X-Key"), r.Header.Get("Authorization"), r.Header.Get("Accept"))
	})
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		switch r.URL.Path {
		case "/loop":
			nethttp.Redirect(w, r, "/loop", nethttp.StatusFound)
		case "/other":
			nethttp.Redirect(w, r, other.URL, nethttp.StatusFound)
		case "/keep":
			nethttp.Redirect(w, r, "/echo", nethttp.StatusTemporaryRedirect)
		default:
			echo(w, r)
		}
	})
	for script, want := range map[string]string{
		`got = http.post("URL/keep", body = "b").body`:                                                  `"POST /echo|b|||"`,
		`got = http.get("URL/keep").url.endswith("/echo")`:                                              `True`,
		`got = http.get("URL/keep", follow = False).status`:                                             `307`,
		`got = http.get("URL/other", headers = {"X-Key": "secret", "Accept": "a/b"}, token = "t").body`: `"a/b"`,
	} {
		if got := eval(f, s.URL, script); got != want {
			t.Errorf("%s\ngot %s, want %s", script, got, want)
		}
	}
	if e := failure(t, f, s.URL, `http.get("URL/loop")`); !strings.Contains(e.Msg, "more than 10 times") {
		t.Errorf("%v", e)
	}
}

func TestIdempotencyKey(t *testing.T) {
	f := builtintest.New(t, Module)
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { io.WriteString(w, r.Header.Get("Idempotency-Key")) })
	want := `["` + f.Run.ID + `/0#1", "mine", ""]`
	got := eval(f, s.URL, `got = [http.post("URL", idempotency_key = k).body for k in [True, "mine", ""]]`)
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var repeatable []bool
	for _, c := range f.Calls {
		repeatable = append(repeatable, c.Do.(effect.Repeatable).Repeatable())
	}
	if fmt.Sprint(repeatable) != "[true true false]" {
		t.Errorf("repeatable %v", repeatable)
	}
}

func TestTLS(t *testing.T) {
	f := builtintest.New(t, Module)
	s := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		io.WriteString(w, r.Proto)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshake that is refused
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	f.WriteFile("ca.pem", string(ca))
	for _, arg := range []string{`ca_file = "ca.pem"`, `ca_file = """` + string(ca) + `"""`, `insecure = True`} {
		if got := eval(f, s.URL, `got = http.get("URL", `+arg+`).body`); got != `"HTTP/2.0"` {
			t.Errorf("%s gave %s", arg, got)
		}
	}
	e := failure(t, f, s.URL, `http.post("URL")`)
	if e.Kind != fault.Failed || !e.Unsent || e.InDoubt || !strings.Contains(e.Hint, "ca_file") {
		t.Errorf("%#v", e)
	}
}

func TestSecretsStayOut(t *testing.T) {
	f := builtintest.New(t, Module)
	f.Run.Secrets.Add("hook", "T000/B000/hunter")
	s := serve(t, nethttp.NotFound)
	url := strings.Replace(s.URL, "http://", "http://me:hunter22@", 1)
	e := failure(t, f, url, `http.post("URL/services/T000/B000/hunter?key=hunter")`)
	if strings.Contains(e.Error(), "hunter") || !strings.Contains(e.Error(), "/services/«secret hook»?…") {
		t.Errorf("%v", e)
	}
	if d := f.Calls[0].Describe(); strings.Contains(d, "hunter22") || strings.Contains(d, "key") {
		t.Errorf("described as %s", d)
	}
}

func TestCheckMode(t *testing.T) {
	f := builtintest.New(t, Module)
	f.Run.Check = true
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.Method != "GET" {
			t.Errorf("check mode sent a %s", r.Method)
		}
	})
	eval(f, s.URL, `http.post("URL"); http.patch("URL"); http.put("URL"); http.delete("URL"); got = http.get("URL").status`)
	var changes []effect.Change
	for _, p := range f.Predicts {
		changes = append(changes, p.Change)
	}
	if fmt.Sprint(changes) != "[run run update delete]" {
		t.Errorf("changes %v", changes)
	}
}
