package container_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	builtin "github.com/provisioning-systems/provisioning/builtins/container"
	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/container/containertest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// stage is scripts with a real engine. What they make carries labels of the test.
type stage struct {
	*builtintest.Fixture
	real *containertest.Fixture
}

func newStage(t *testing.T) *stage {
	real := containertest.New(t)
	s := &stage{builtintest.New(t, builtin.Module), real}
	s.Run.ID = real.Owner.Run // so that the sweep of the fixture finds all of it
	return s
}

// script fills in names: $BOX is one of a container, $NET of a network, $VOL of a
// volume, $IMG of an image; $BUSYBOX is an image that is there.
func (s *stage) script(text string) string {
	return strings.NewReplacer("$BOX", s.real.Name("box"), "$NET", s.real.Name("net"), "$VOL", s.real.Name("vol"),
		"$IMG", strings.ToLower(s.real.Name("img"))+":1", "$BUSYBOX", s.real.Busybox()).Replace(text)
}

func TestScripts(t *testing.T) {
	s := newStage(t)
	s.WriteFile("note", "from the workspace\n")
	s.WriteFile("Dockerfile", "FROM "+s.real.Busybox()+"\nARG V\nRUN echo $V > /v\nCOPY note /note\nCMD [\"cat\", \"/v\"]\n")
	s.WriteFile("secretfile", "not for the image")
	s.WriteFile(".dockerignore", "secretfile\n")
	for _, c := range []struct{ about, script, want string }{
		{"a container is made once", `
c = container.create("$BUSYBOX", name = "$BOX", command = ["sleep", "1000000"], init = True, memory = "64m", cpus = 0.5, pids = 50, env = {"A": "b"})
again = container.create("$BUSYBOX", name = "$BOX", command = ["sleep", "1000000"], init = True, memory = "64m", cpus = 0.5, pids = 50, env = {"A": "b"})
got = (c.changed, c.state, c.limits.memory, c.limits.cpus, c.limits.pids, c.target.kind, again.id == c.id, again.state)`,
			`(True, "running", 67108864, 0.5, 50, "container", True, "running")`},
		{"start, stop and remove", `
c = container.create("$BUSYBOX", name = "$BOX", command = ["sleep", "1000000"], init = True, start = False)
got = [c.state] + [r.changed for r in [container.start(c), container.start(c), container.stop(c, timeout = "1s"), container.stop(c.name), container.restart(c), container.kill(c.target), container.remove(c), container.remove(c)]]`,
			`["created", True, False, True, False, True, True, True, False]`},
		{"commands", `
c = container.create("$BUSYBOX", name = "$BOX", command = ["sleep", "1000000"], init = True)
a = container.exec(c, ["sh", "-c", "cat; id -un; pwd; echo $X; exit 3"], stdin = "in ", _env = {"X": "y"}, _user = "user", _cwd = "/tmp", ok_codes = [3])
b = container.exec(c, "echo $0 >&2; exit 1", shell = True, check = False)
got = (a.host == c.name, a.ok, a.rc, a.stdout, b.ok, b.rc, b.stderr)`,
			`(True, True, 3, "in user\n/tmp\ny\n", False, 1, "/bin/sh\n")`},
		{"a program in a container of its own", `
r = container.run("$BUSYBOX", command = ["sh", "-c", "echo out; echo err >&2; exit 2"], check = False)
left = container.list(labels = {"provisioning.run": "` + s.Run.ID + `", "purpose": "none"})
got = (r.ok, r.rc, r.stdout, r.stderr, left)`,
			`(False, 2, "out\n", "err\n", [])`},
		{"networks", `
n = container.network_create("$NET", subnet = "10.213.9.0/24", internal = True)
same = container.network_create("$NET", subnet = "10.213.9.0/24", internal = True)
c = container.create("$BUSYBOX", name = "$BOX", command = ["sleep", "1000000"], init = True, networks = [{"network": "$NET", "ipv4": "10.213.9.9", "aliases": ["www"]}])
off = container.network_disconnect("$NET", c)
on = container.network_connect("$NET", c, ipv4 = "10.213.9.10")
got = (n.changed, same.id == n.id, c.networks["$NET"].ipv4, off.changed, on.changed, container.inspect(c).networks["$NET"].ipv4,
    container.network_inspect("$NET").containers["$BOX"], "$NET" in [x.name for x in container.network_list(mine = True)])`,
			`(True, True, "10.213.9.9", True, True, "10.213.9.10", "10.213.9.10", True)`},
		{"volumes keep what is in them", `
v = container.volume_create("$VOL")
container.run("$BUSYBOX", command = ["sh", "-c", "echo kept > /data/x"], mounts = ["$VOL:/data"])
r = container.run("$BUSYBOX", command = ["cat", "/data/x"], mounts = ["$VOL:/data:ro"])
got = (v.changed, r.stdout, container.volume_inspect("$VOL").driver, container.volume_remove("$VOL").changed, container.volume_remove("$VOL").changed)`,
			`(True, "kept\n", "local", True, False)`},
		{"files in and out", `
c = container.create("$BUSYBOX", name = "$BOX", command = ["sleep", "1000000"], init = True)
container.copy_to(c, "note", "/etc/note", mode = 0o600, uid = 1000)
container.copy_from(c, "/etc", "out/etc")
got = (container.exec(c, ["stat", "-c", "%a %u", "/etc/note"]).stdout, container.exec(c, ["cat", "/etc/note"]).stdout)`,
			`("600 1000\n", "from the workspace\n")`},
		{"images are built of a directory", `
b = container.image_build("$IMG", args = {"V": "17"})
again = container.image_build("$IMG", args = {"V": "17"})
r = container.run("$IMG")
files = container.run("$IMG", command = ["ls", "/"]).stdout
container.image_tag("$IMG-two", "$IMG")
i = container.image_inspect("$IMG-two")
two = container.image_remove("$IMG-two")
got = (b.changed, again.changed, r.stdout, "note" in files, "secretfile" in files, i.command, two.changed, container.image_remove("$IMG", force = True).changed)`,
			`(True, False, "17\n", True, False, ["cat", "/v"], True, True)`},
		{"images are made of a container", `
c = container.create("$BUSYBOX", name = "$BOX", command = ["sleep", "1000000"], init = True, labels = {"purpose": "box"}, env = {"A": "b"})
container.exec(c, ["sh", "-c", "echo kept > /kept"], _env = {"B": "c"})
m = container.commit(c, "$IMG", changes = ['ENTRYPOINT ["sh", "-c", "cat /kept; echo $A$B"]'], labels = {"said": 'a "word" of $HOME \\ and more'})
i = container.image_inspect("$IMG")
got = (m.changed, m.diff == "$IMG: made of $BOX\n", container.run("$IMG").stdout, i.labels["purpose"], i.labels["provisioning.run"], i.labels["said"],
    i.labels["provisioning.workspace"] == c.labels["provisioning.workspace"], container.image_remove("$IMG").changed)`,
			`(True, True, "kept\nb\n", "", "", "a \"word\" of $HOME \\ and more", True, True)`},
		{"logs, stats and health", `
c = container.create("$BUSYBOX", name = "$BOX", command = ["sh", "-c", "echo one; echo two; echo three >&2; touch /ready; exec sleep 1000000"], init = True, health = {"command": "test -e /ready", "interval": "200ms"})
h = container.wait_healthy(c, timeout = "30s")
l = container.logs(c, tail = 3)
u = container.stats(c)
got = (h.health, sorted(l.stdout.split()), l.stderr, u.pids >= 1, u.memory > 0)`,
			`("healthy", ["one", "two"], "three\n", True, True)`},
	} {
		t.Run(c.about, func(t *testing.T) {
			globals, err := s.Exec(s.script(c.script))
			if err != nil {
				t.Fatal(err)
			}
			if got := globals["got"].String(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	if data, err := os.ReadFile(s.Dir + "/out/etc/note"); err != nil || string(data) != "from the workspace\n" {
		t.Errorf("what was copied out: %q, %v", data, err)
	}
}

func TestRefused(t *testing.T) {
	s := newStage(t)
	for _, c := range []struct {
		script string
		kind   fault.Kind
		want   string
	}{
		{`container.create("")`, fault.Invalid, "needs an image"},
		{`container.create("x", name = "a b")`, fault.Invalid, "no name of a container"},
		{`container.create("x", memory = "lots")`, fault.Invalid, "no amount of memory"},
		{`container.create("x", memory = "1k")`, fault.Invalid, "6 MiB"},
		{`container.create("x", mounts = ["x"])`, fault.Invalid, "no mount"},
		{`container.create("x", mounts = ["a:/x", "b:/x"])`, fault.Invalid, "one for each place"},
		{`container.create("x", ports = ["http"])`, fault.Invalid, "no port"},
		{`container.create("x", ports = ["99999"])`, fault.Invalid, "no port"},
		{`container.create("x", networks = [{"name": "a"}])`, fault.Invalid, `no "name"`},
		{`container.create("x", networks = [{"network": "a", "ipv4": "1.2"}])`, fault.Invalid, "no IPv4 address"},
		{`container.create("x", health = {"command": []})`, fault.Invalid, "needs a command"},
		{`container.create("x", restart = "sometimes")`, fault.Invalid, "no restart policy"},
		{`container.create("provisioning-test/none:1", name = "$BOX")`, fault.NotFound, "no image"},
		{`container.start(3)`, fault.Invalid, "a container is needed"},
		{`container.start("$BOX")`, fault.NotFound, "no container"},
		{`container.exec("$BOX", ["true"])`, fault.NotFound, "no such container"},
		{`container.exec("$BOX", "true")`, fault.Invalid, "shell = True"},
		{`container.exec("$BOX", ["true"], _once = True)`, fault.Invalid, "target.run"},
		{`container.kill("$BOX", signal = "a b")`, fault.Invalid, "no signal"},
		{`container.copy_to("$BOX", "x", "etc")`, fault.Invalid, "no absolute path"},
		{`container.copy_to("$BOX", "../x", "/etc/x")`, fault.Permission, "outside"},
		{`container.image_pull("a b")`, fault.Invalid, "no name of an image"},
		{`container.image_build("$IMG", dir = ".")`, fault.NotFound, "no Dockerfile"},
		{`container.commit("$BOX", "a b")`, fault.Invalid, "no name of an image"},
		{`container.commit(3, "$IMG")`, fault.Invalid, "a container is needed"},
		{`container.commit("$BOX", "$IMG")`, fault.NotFound, "no container"},
		{`container.network_create("$NET", subnet = "10.0.0.1/8")`, fault.Invalid, "no network address"},
		{`container.network_create("$NET", subnet = "10.0.0.0/8", gateway = "11.0.0.1")`, fault.Invalid, "not within"},
		{`container.info(engine = "nonesuch")`, fault.NotFound, "no Docker context"},
		{`container.info(engine = "unix:///nonesuch.sock")`, fault.Network, "there is no such socket"},
	} {
		_, err := s.Exec(s.script(c.script))
		if e := fault.As(err); e == nil || e.Kind != c.kind || !strings.Contains(e.Msg+e.Hint, c.want) {
			t.Errorf("%s\n\tgives %v, want %s with %q", c.script, err, c.kind, c.want)
		}
	}
}

// TestPlan: check mode says what would happen, one effect building on the other, and
// does nothing.
func TestPlan(t *testing.T) {
	s := newStage(t)
	s.Run.Check = true
	name := s.real.Name("box")
	if _, err := s.Exec(strings.NewReplacer("$NAME", name, "$BUSYBOX", s.real.Busybox()).Replace(`
c = container.create("$BUSYBOX", name = "$NAME", start = False)
container.start(c.name)
container.start("$NAME")
container.stop("$NAME")
container.remove("$NAME")
container.remove("$NAME")
container.create("$BUSYBOX", name = "$NAME")
container.volume_create("$NAME")
container.volume_remove("$NAME")
container.network_remove("$NAME")
container.image_tag("$NAME:2", "$BUSYBOX")
container.image_remove("$NAME:2")
container.commit("$NAME", "$NAME:3")
container.image_remove("$NAME:3")
`)); err != nil {
		t.Fatal(err)
	}
	want := []effect.Change{
		effect.Create, effect.Update, effect.None, effect.Update, effect.Delete, effect.None, effect.Create,
		effect.Create, effect.Delete, effect.None, effect.Create, effect.Delete, effect.Create, effect.Delete,
	}
	for i, p := range s.Predicts {
		if p.Change != want[i] || (p.Change == effect.None) != (p.Diff == "") {
			t.Errorf("effect %d is planned as %s, with %q; want %s", i, p.Change, p.Diff, want[i])
		}
	}
	if _, found, err := s.real.Engine.Look(context.Background(), name); err != nil || found {
		t.Errorf("check mode has made a container: %v", err)
	}
}

// remembered is the past of an effect: what its intent keeps, by way of JSON.
type remembered struct {
	effect.Past
	data any
}

// TestUndo: what is undone is as it was, however often.
func TestUndo(t *testing.T) {
	s := newStage(t)
	e, ctx := s.real.Engine, context.Background()
	box, img := s.real.Run(nil), strings.ToLower(s.real.Name("img"))+":1"
	s.WriteFile("f", "new")
	if err := e.CopyFile(ctx, box, "/was", engine.File{Content: strings.NewReader("old"), Size: 3, Mode: 0o640}); err != nil {
		t.Fatal(err)
	}
	state := func() string {
		var b strings.Builder
		all, err := e.List(ctx, engine.Filter{Owner: engine.Owner{Run: s.Run.ID}})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			b.WriteString(c.Name + " " + c.State + "\n")
		}
		ns, err := e.Networks(ctx, engine.Filter{Owner: engine.Owner{Run: s.Run.ID}})
		if err != nil {
			t.Fatal(err)
		}
		vs, err := e.Volumes(ctx, engine.Filter{Owner: engine.Owner{Run: s.Run.ID}})
		if err != nil {
			t.Fatal(err)
		}
		for range len(ns) + len(vs) {
			b.WriteString("another\n")
		}
		if i, found, err := e.LookImage(ctx, img); err != nil {
			t.Fatal(err)
		} else if found {
			b.WriteString("image " + i.ID + "\n")
		}
		if c, err := e.Inspect(ctx, box); err == nil && c.Alive() {
			s.Run.Check = false
			v, err := s.Exec(`got = container.exec("` + box + `", "cat /was; ls -l /was /new 2>/dev/null; true", shell = True).stdout`)
			if err != nil {
				t.Fatal(err)
			}
			b.WriteString(v["got"].(starlark.String).GoString())
		}
		return b.String()
	}
	before := state()
	for _, script := range []string{
		`container.create("$BUSYBOX", name = "$BOX", command = ["sleep", "1000000"], init = True)`,
		`container.network_create("$NET")`,
		`container.volume_create("$VOL")`,
		`container.stop("` + box + `", timeout = "1s")`,
		`container.copy_to("` + box + `", "f", "/was")`,
		`container.copy_to("` + box + `", "f", "/new")`,
		`container.commit("` + box + `", "` + img + `")`,
	} {
		call, data := s.begun(t, s.script(script))
		if after := state(); after == before {
			t.Errorf("%s changes nothing", script)
		}
		for range 2 {
			if err := call.Do.(effect.Undoer).Undo(ctx, s.EnvFor(call), remembered{data: data}); err != nil {
				t.Errorf("%s: undo: %v", script, err)
			}
		}
		if after := state(); after != before {
			t.Errorf("%s: after undo it is\n%s\nand was\n%s", script, after, before)
		}
	}
}

// Remembered decodes what the intent keeps.
func (r remembered) Remembered(into any) error {
	data, err := json.Marshal(r.data)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// begun performs the one effect of a script as the door does: with its intent first.
func (s *stage) begun(t *testing.T, script string) (*effect.Call, any) {
	t.Helper()
	s.Run.Check = true // gives the call, without performing it
	defer func() { s.Run.Check = false }()
	s.Calls = nil
	if _, err := s.Exec(script); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	call := s.Calls[0]
	s.Run.Check, s.Run.Planned = false, effect.Overlay{}
	env := s.EnvFor(call)
	data, err := call.Do.(effect.Undoer).Remember(context.Background(), env)
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	if _, err := call.Do.Perform(context.Background(), env); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return call, data
}
