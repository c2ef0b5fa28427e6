package scenes

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// sudoScenes are played over SSH, by a user who becomes root with a password: one of
// each family of operations.
var sudoScenes = []string{
	`op.file(m, "/etc/scene", content = "one\n", mode = 0o600, _sudo = True)`,
	`op.directory(m, "/srv/app/data", mode = 0o700, owner = "deploy", _sudo = True)`,
	`op.file(m, "/srv/app/data/own", content = "by deploy\n")`,
	`op.template(m, "/srv/app/secret", "secret.j2", {"token": secret.get("env://SCENES_TOKEN")}, mode = 0o600, _sudo = True)`,
	`op.line(m, "/etc/sudoers.d/scene", "deploy ALL=(ALL) ALL", create = True, mode = 0o440, validate = "visudo -cf %s", _sudo = True)`,
	`op.user(m, "scene", uid = 4242, password_hash = secret.get("env://SCENES_TOKEN"), _sudo = True)`,
	`op.ssh_key(m, "scene", "` + key + `", _sudo = True)`,
	`op.file(m, "/home/scene/own", content = "as scene\n", _user = "scene")`,
	`op.service(m, "scene", state = "started", command = ["sleep", "86400"], user = "scene", _sudo = True)`,
	`op.sysctl(m, "vm.swappiness", 10, persist_only = True, _sudo = True)`,
	`op.mount(m, "/srv/scene", "tmpfs", "tmpfs", options = "size=1m", state = "present", _sudo = True)`,
	`op.command(m, ["touch", "/etc/touched"], creates = "/etc/touched", undo = ["rm", "-f", "/etc/touched"], _sudo = True)`,
}

// TestSudo: operations work for a user with a password, and the password, as the
// secrets that operations place, is seen nowhere: in no list of processes, no output, no
// journal and no file but those that it was placed in.
func TestSudo(t *testing.T) {
	password, token := "pw-"+rand.Text(), "token-"+rand.Text()
	t.Setenv("SCENES_PASSWORD", password)
	t.Setenv("SCENES_TOKEN", token)
	b := newBox(t, images[1], images[1].ref, nil)
	identity, public := newKey(t)
	b.sh(fmt.Sprintf(`set -e
echo 'deploy:%s' | chpasswd
echo 'deploy ALL=(ALL) ALL' >/etc/sudoers.d/deploy
echo '%s' >/home/deploy/.ssh/authorized_keys
chown deploy /home/deploy/.ssh/authorized_keys
rm -f /etc/passwd- /etc/shadow-`, password, public))
	target := fmt.Sprintf(`ssh.host("%s", user = "deploy", key = "identity", agent = False, config = False, host_key = %q, sudo_password = secret.get("env://SCENES_PASSWORD"), name = "machine")`,
		b.address(), strings.TrimSpace(b.sh("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")))
	files := map[string]string{"identity": identity, "secret.j2": "token = {{ token }}\n"}
	p := newPlay(t, target, sudoScenes, files)
	p.chmod("identity", 0o600)
	start := b.fingerprint("")
	watched := b.watch(password, token, "86400")

	checked, err := p.check()
	if err != nil {
		t.Fatalf("check: %s", text(err))
	}
	said := &listener{}
	p.events = said
	ran, err := p.run()
	if err != nil {
		t.Fatalf("run: %s", text(err))
	}
	sameChanges(t, named(checked), reported(t, ran))
	if owner := b.sh("stat -c %U /srv/app/data/own /home/scene/own /etc/scene"); owner != "deploy\nscene\nroot\n" {
		t.Errorf("the files belong to %q", owner)
	}
	if got := b.sh("cat /srv/app/secret; grep ^scene: /etc/shadow"); strings.Count(got, token) != 2 {
		t.Errorf("the secret is not where it belongs: %q", got)
	}
	b.undo(p)
	seen := watched()
	for _, key := range b.diff(start, b.fingerprint("")) {
		if explained(key) == "" {
			t.Errorf("rollback has left %s", key)
		}
	}
	for what, secret := range map[string]string{"the password": password, "a secret": token} {
		if strings.Contains(seen, secret) {
			t.Errorf("%s was in the list of processes", what)
		}
		if strings.Contains(said.String(), secret) || strings.Contains(fmt.Sprint(ran.Value, named(checked)), secret) {
			t.Errorf("%s was in what the run said", what)
		}
		for _, file := range filesWith(t, filepath.Join(p.dir, "ws"), secret) {
			t.Errorf("%s is in the file %s of the workspace", what, file)
		}
		// The programs for accounts copy the shadow file before they change it.
		if found, code := b.try("find / -xdev -type f -newerct @" + fmt.Sprint(b.created.Unix()) + " ! -name shadow- -exec grep -lF " + secret + " {} +"); code == 0 && found != "" {
			t.Errorf("%s is in files of the machine:\n%s", what, found)
		}
	}
	if !strings.Contains(seen, "86400") {
		t.Error("whoever watched the processes has seen nothing")
	}
	if state(t, p) != journal.RolledBack {
		t.Error("the run was not rolled back")
	}
}

// TestWrongPassword: that sudo refuses is said, and nothing has happened.
func TestWrongPassword(t *testing.T) {
	t.Setenv("SCENES_PASSWORD", "wrong")
	b := newBox(t, images[1], images[1].ref, nil)
	b.sh("echo 'deploy:right' | chpasswd; echo 'deploy ALL=(ALL) ALL' >/etc/sudoers.d/deploy")
	target := fmt.Sprintf(`scene.machine(%q, user = "deploy", sudo_password = secret.get("env://SCENES_PASSWORD"))`, b.name)
	_, err := newPlay(t, target, []string{`op.file(m, "/etc/scene", content = "x", _sudo = True)`}, nil).run()
	if said := text(err); !strings.Contains(said, "hint: the password was refused") || strings.Contains(said, "wrong") {
		t.Errorf("it says %s", said)
	}
}

func newKey(t *testing.T) (identity, public string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// address is that of the box on its network.
func (b *box) address() string {
	b.t.Helper()
	c, err := b.engine.Inspect(b.t.Context(), b.name)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, a := range c.Networks {
		if a.IPv4 != "" {
			return a.IPv4
		}
	}
	b.t.Fatal("the container has no address")
	return ""
}

// watch looks for texts in the arguments and environments of all processes of the box,
// as often as it can, until what it returns is called. That returns what it has found.
func (b *box) watch(texts ...string) (stop func() string) {
	b.t.Helper()
	b.sh("printf '%s\\n' " + strings.Join(texts, " ") + " >/tmp/texts") // it is not looking yet
	b.sh(`(until [ -e /tmp/enough ]; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\0' '\n' | grep -F -f /tmp/texts
done >/tmp/seen 2>/dev/null; touch /tmp/over) >/dev/null 2>&1 &`)
	return func() string {
		b.t.Helper()
		return b.sh("touch /tmp/enough; until [ -e /tmp/over ]; do :; done; sort -u /tmp/seen; rm -f /tmp/seen /tmp/texts /tmp/over /tmp/enough")
	}
}

func (p *play) chmod(name string, mode fs.FileMode) {
	p.t.Helper()
	if err := os.Chmod(filepath.Join(p.dir, "ws", name), mode); err != nil {
		p.t.Fatal(err)
	}
}

// listener keeps what a run says.
type listener struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *listener) Emit(e event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.all, "%+v\n", e)
}

func (l *listener) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// filesWith are the files below dir that have a text in them.
func filesWith(t *testing.T, dir, text string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		if bytes.Contains(data, []byte(text)) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func state(t *testing.T, p *play) (s journal.State) {
	t.Helper()
	_, err := p.with(func(rt *runtime.Runtime) (*runtime.Outcome, error) {
		j, err := rt.Journal()
		if err != nil {
			return nil, err
		}
		run, err := j.Find("last")
		if err == nil {
			s = run.State
		}
		return nil, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
