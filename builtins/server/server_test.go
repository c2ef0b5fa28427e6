package server

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/providers/providertest"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// memory is the provider of the tests. Its servers answer as SSH servers do.
var memory *providertest.Memory

func init() {
	providers.All.Add("memory", func(providers.Config) providers.Provider { return memory })
}

func setUp(t *testing.T) *builtintest.Fixture {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("SSH-2.0-test\r\n"))
			_ = conn.Close()
		}
	}()
	memory = &providertest.Memory{Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, HostKeys: []string{"ssh-ed25519 AAAA"}}
	return builtintest.New(t, Module)
}

// past is what a journal would keep of an effect.
type past struct{ memory []byte }

func (p past) Remembered(into any) error { return json.Unmarshal(p.memory, into) }
func (past) Result() starlark.Value      { return nil }
func (past) Begun() time.Time            { return time.Now() }

func remember(t *testing.T, f *builtintest.Fixture, call *effect.Call) past {
	t.Helper()
	m, err := call.Do.(effect.Undoer).Remember(t.Context(), f.EnvFor(call))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return past{data}
}

func names(t *testing.T) string {
	t.Helper()
	all, err := memory.ListServers(t.Context(), providers.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range all {
		b.WriteString(s.Name + ":" + string(s.Status) + ":" + s.Plan + " ")
	}
	return strings.TrimSpace(b.String())
}

func TestCreate(t *testing.T) {
	f := setUp(t)
	got := f.Eval(`
web = server.create("web-1", plan = "small", provider = "memory", tags = {"role": "web"})
again = server.create("web-1", provider = "memory", tags = {"role": "web"})
t = web.target
got = [web.status, web.changed, web.address, again.id == web.id, t.kind, t.name, t.address, t.user, t.host_key, t.host_keys]`)
	want := `["running", True, "127.0.0.1", True, "ssh", "web-1", "127.0.0.1", "", ["ssh-ed25519 AAAA"], "pinned"]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReads(t *testing.T) {
	f := setUp(t)
	for script, want := range map[string]string{
		`got = server.get("db", provider = "memory").plan`:                                             `"large"`,
		`got = [s.name for s in server.list(provider = "memory")]`:                                     `["db", "web-1", "web-2"]`,
		`got = [s.name for s in server.list(name = "web-*", provider = "memory")]`:                     `["web-1", "web-2"]`,
		`got = [s.name for s in server.list(tags = {"n": "2"}, provider = "memory")]`:                  `["web-2"]`,
		`got = [s.name for s in server.list(status = "stopped", provider = "memory")]`:                 `[]`,
		`got = server.wait("db", provider = "memory").target.name`:                                     `"db"`,
		`got = server.delete("none", provider = "memory").changed`:                                     `False`,
		`got = server.stop("db", provider = "memory").status`:                                          `"stopped"`,
		`got = server.start("db", provider = "memory").changed`:                                        `False`,
		`got = server.resize("db", "small", provider = "memory").plan`:                                 `"small"`,
		`got = server.reboot("db", provider = "memory").status`:                                        `"running"`,
		`got = [server.delete("db", provider = "memory").status, len(server.list(provider="memory"))]`: `["deleted", 2]`,
	} {
		memory = &providertest.Memory{Address: memory.Address, Port: memory.Port, HostKeys: memory.HostKeys}
		f.Run.Live.CloseAll()
		f.Eval(`
server.create("db", plan = "large", provider = "memory")
for i in [1, 2]:
    server.create("web-%d" % i, provider = "memory", tags = {"n": str(i)})
got = None`)
		if got := f.Eval(script); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", script, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	f := setUp(t)
	f.Eval(`got = server.create("web-1", provider = "memory")`)
	for script, want := range map[string]struct {
		kind fault.Kind
		text string
	}{
		`server.create("Web 1", provider = "memory")`:                                      {fault.Invalid, `"Web 1" is no name of a server`},
		`server.create("a", image = "no-such", provider = "memory")`:                       {fault.NotFound, `no image "no-such"`},
		`server.create("a", provider = "memroy")`:                                          {fault.NotFound, "did you mean memory"},
		`server.create("a", provider = "memory", tags = {"a b": "c"})`:                     {fault.Invalid, "no name of a tag"},
		`server.create("a", provider = "memory", wait = "-1s")`:                            {fault.Invalid, "negative"},
		`server.create("a", provider = "memory", ssh_key = "no/such/file")`:                {fault.NotFound, "cannot read the SSH key"},
		`server.create("a", provider = "memory", ssh_key = "ssh-ed25519 nonsense")`:        {fault.Invalid, "begins like a public key"},
		`server.create("a", provider = "memory", ssh_key = "-----BEGIN PRIVATE KEY-----")`: {fault.Invalid, "no private key"},
		`server.create("web-1", plan = "large", provider = "memory")`:                      {fault.Exists, "is small, not large"},
		`server.get("wbe-1", provider = "memory")`:                                         {fault.NotFound, "did you mean web-1"},
		`server.stop("none", provider = "memory")`:                                         {fault.NotFound, `no server "none"`},
		`server.list(name = "[", provider = "memory")`:                                     {fault.Invalid, "no pattern"},
		`server.resize("web-1", "", provider = "memory")`:                                  {fault.Invalid, "the plan is empty"},
		`server.wait("web-1", timeout = "0s", provider = "memory")`:                        {fault.Invalid, "not positive"},
	} {
		// The key of an effect is that of its place, which is the same for all of a fixture.
		f.Run.ID = script
		_, err := f.Exec(script)
		if err == nil || fault.KindOf(err) != want.kind || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %v %v", script, fault.KindOf(err), err)
		}
	}
	if got := names(t); got != "web-1:running:small" {
		t.Errorf("there is %s", got)
	}
}

// TestSilent: a server that does not answer is an error, and is waited for when the
// effect is made again.
func TestSilent(t *testing.T) {
	f := setUp(t)
	memory.Port = 1 // nobody listens there
	_, err := f.Exec(`server.create("deaf", provider = "memory", wait = "50ms")`)
	if fault.KindOf(err) != fault.Failed || !strings.Contains(err.Error(), "does not answer after 50ms") {
		t.Errorf("%v", err)
	}
	if got := f.Eval(`got = server.create("late", provider = "memory", wait = 0).status`); got != `"running"` {
		t.Errorf("without waiting: %s", got)
	}
}

func TestCheck(t *testing.T) {
	f := setUp(t)
	f.Eval(`got = server.create("there", provider = "memory")`)
	f.Run.Check = true
	before := names(t)
	got := f.Eval(`
new = server.create("new", plan = "large", provider = "memory")
there = server.create("there", provider = "memory")
server.stop("there", provider = "memory")
server.resize("there", "large", provider = "memory")
server.delete("there", provider = "memory")
server.delete("there", provider = "memory")
server.create("there", plan = "large", provider = "memory")
got = [new.name, new.changed, there.changed, there.address]`)
	if got != `["new", True, False, "127.0.0.1"]` {
		t.Errorf("got %s", got)
	}
	var kinds []string
	for _, p := range f.Predicts {
		kinds = append(kinds, string(p.Change))
	}
	if got := strings.Join(kinds, " "); got != "create unchanged update update delete unchanged create" {
		t.Errorf("the plan is %s", got)
	}
	if target := f.Predicts[0].Result.(Server).Target; value.FindUnknown(value.Of(target)) == nil {
		t.Errorf("the target of a server that is not there is known: %v", target)
	}
	if now := names(t); now != before {
		t.Errorf("check mode made %s of %s", now, before)
	}
	// An image that the plan builds first is not missed.
	const ofImage = `got = server.create("built", image = "no-such", provider = "memory").image`
	if _, err := f.Exec(ofImage); fault.KindOf(err) != fault.NotFound {
		t.Errorf("without the image: %v", err)
	}
	f.Run.Planned.Set("image:/no-such", value.NewUnknown("the image"))
	if got := f.Eval(ofImage); got != `"no-such"` {
		t.Errorf("with it: %s", got)
	}
	if _, err := f.Exec(`server.resize("ther", "large", provider = "memory")`); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
}

// TestUndo takes each effect back, twice.
func TestUndo(t *testing.T) {
	for _, c := range []struct{ before, script, after string }{
		{``, `server.create("a", provider = "memory")`, ""},
		{`server.create("a", provider = "memory")`, `server.stop("a", provider = "memory")`, "a:running:small"},
		{`server.create("a", provider = "memory")
server.stop("a", provider = "memory")`, `server.start("a", provider = "memory")`, "a:stopped:small"},
		{`server.create("a", provider = "memory")`, `server.resize("a", "large", provider = "memory")`, "a:running:small"},
	} {
		f := setUp(t)
		f.Run.ID = "before"
		if _, err := f.Exec(c.before); err != nil {
			t.Fatal(err)
		}
		f.Run.ID, f.Run.Check = "now", true
		if _, err := f.Exec(c.script); err != nil { // to get the call
			t.Fatal(err)
		}
		f.Run.Check = false
		call := f.Calls[len(f.Calls)-1]
		was := remember(t, f, call)
		if _, err := call.Do.Perform(t.Context(), f.EnvFor(call)); err != nil {
			t.Fatal(err)
		}
		if names(t) == c.after {
			t.Errorf("%s changes nothing", c.script)
		}
		for range 2 {
			if err := call.Do.(effect.Undoer).Undo(t.Context(), f.EnvFor(call), was); err != nil {
				t.Errorf("undo of %s: %v", c.script, err)
			}
			if got := names(t); got != c.after {
				t.Errorf("after the undo of %s there is %q, not %q", c.script, got, c.after)
			}
		}
	}
}

// TestUndoSparesOthers: a server of the same name that another run has made stays.
func TestUndoSparesOthers(t *testing.T) {
	f := setUp(t)
	f.Run.ID = "first"
	f.Eval(`got = server.create("a", provider = "memory")`)
	f.Run.ID = "second"
	f.Eval(`got = server.create("a", provider = "memory").changed`)
	call := f.Calls[len(f.Calls)-1]
	if err := call.Do.(effect.Undoer).Undo(t.Context(), f.EnvFor(call), remember(t, f, call)); err != nil {
		t.Fatal(err)
	}
	if got := names(t); got != "a:running:small" {
		t.Errorf("there is %q", got)
	}
}

// TestLost: the provider has made the server, and its answer was lost.
func TestLost(t *testing.T) {
	f := setUp(t)
	lost := &fault.Error{Kind: fault.Network, Msg: "the answer was lost", InDoubt: true}
	memory.Lose = func(string) error { return lost }
	if _, err := f.Exec(`server.create("a", provider = "memory")`); err == nil {
		t.Fatal("nothing was lost")
	}
	memory.Lose = nil
	call := f.Calls[len(f.Calls)-1]
	was := remember(t, f, call)
	answer, err := call.Do.(effect.Asker).Happened(context.Background(), f.EnvFor(call), was)
	if err != nil || answer.Happened != effect.Yes || !answer.Result.(Server).Changed {
		t.Errorf("%+v, %v", answer, err)
	}
	again, err := call.Do.Perform(t.Context(), f.EnvFor(call))
	if err != nil || !again.(Server).Changed || names(t) != "a:running:small" {
		t.Errorf("again: %+v, %v", again, err)
	}
	if err := memory.DeleteServer(t.Context(), again.(Server).ID.(string), false); err != nil {
		t.Fatal(err)
	}
	answer, err = call.Do.(effect.Asker).Happened(context.Background(), f.EnvFor(call), was)
	if err != nil || answer.Happened != effect.No {
		t.Errorf("when it is gone: %+v, %v", answer, err)
	}
}

// TestKeys: what logs in is found in all the forms that it has.
func TestKeys(t *testing.T) {
	f := setUp(t)
	env := &effect.Env{Run: f.Run}
	own, err := key{}.public(env)
	if err != nil || !strings.HasPrefix(own, "ssh-ed25519 ") {
		t.Fatalf("the key of the workspace: %s, %v", own, err)
	}
	if again, err := (key{}).public(env); err != nil || again != own {
		t.Errorf("it was %s and is %s, %v", own, again, err)
	}
	file := workspaceKey(env)
	private := readFile(t, file)
	for _, text := range []string{file, private, own} {
		k := key{&text}
		if got, err := k.public(env); err != nil || got != own {
			t.Errorf("%.30q: %s, %v", text, got, err)
		}
		if got := k.private(env); (text == own) != (got == "") || text != own && got != text {
			t.Errorf("%.30q logs in with %.30q", text, got)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestSecretKey: the text of a key that is a secret stays one in the target.
func TestSecretKey(t *testing.T) {
	f := setUp(t)
	if _, err := (key{}).public(&effect.Env{Run: f.Run}); err != nil {
		t.Fatal(err)
	}
	private := readFile(t, workspaceKey(&effect.Env{Run: f.Run}))
	f.Run.Secrets.Add("deploy/key", private)
	p := &create{Name: "a", Provider: "memory", Wait: time.Minute, SSHKey: &private} // as the door hands it on
	made, err := p.Perform(t.Context(), &effect.Env{Run: f.Run, Output: func(string, string) {}})
	if err != nil {
		t.Fatal(err)
	}
	text := value.Of(made).String()
	if strings.Contains(text, "PRIVATE KEY") || !value.HasMarker(text) {
		t.Errorf("the key is in the clear: %s", text)
	}
}
