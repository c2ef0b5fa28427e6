package scenes

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// key is a public key that nobody has the private one of.
const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFSGnOLTPROpBbhOLwXWvjuaHnZSzM1gMYPs8XaCmiLN scene"

// fileScenes are those of operations on files.
var fileScenes = []scene{
	{
		op: "file", about: "new", want: "create",
		play: []string{`op.file(m, "/etc/scene", content = "Welcome.\n", mode = 0o640, owner = "deploy", group = "deploy")`},
	},
	{
		op: "file", about: "other content, mode, owner", want: "update update create",
		before: "mkdir -p /srv; printf 'old\\n' >/srv/a; chmod 600 /srv/a; chown deploy /srv/a; echo kept >/srv/b",
		play: []string{
			`op.file(m, "/srv/a", content = "new\n", mode = 0o4755, backup = True)`,
			`op.file(m, "/srv/b", owner = "deploy", mode = 0o400)`,
			`op.file(m, "/srv/c", source = "c.txt", validate = "grep -q text %s")`,
		},
		files: map[string]string{"c.txt": "a text\n"},
	},
	{
		op: "file", about: "absent, large", want: "delete delete",
		before: "mkdir -p /srv; echo old >/srv/a; head -c 3000000 /dev/zero >/srv/large; chmod 640 /srv/large; chown deploy /srv/large",
		play: []string{
			`op.file(m, "/srv/a", state = "absent")`,
			`op.file(m, "/srv/large", state = "absent")`,
		},
	},
	{
		op: "directory", about: "new", want: "create",
		play: []string{`op.directory(m, "/srv/app/data/it's here", mode = 0o2750, owner = "deploy", group = "deploy")`},
	},
	{
		op: "directory", about: "with all that is in it", want: "update",
		before: "mkdir -p /srv/app/sub; echo a >/srv/app/a; echo b >'/srv/app/sub/b c'; ln -s a /srv/app/l; chmod 700 /srv/app/sub; chmod 4711 /srv/app/a",
		play:   []string{`op.directory(m, "/srv/app", owner = "deploy", recursive = True, mode = 0o755, file_mode = 0o640)`},
	},
	{
		op: "directory", about: "absent", want: "delete",
		before: "mkdir -p /srv/app/sub; echo a >/srv/app/a; ln -s a /srv/app/l; chown -R deploy /srv/app/sub; chmod 2700 /srv/app/sub",
		play:   []string{`op.directory(m, "/srv/app", state = "absent")`},
	},
	{
		op: "link", want: "create update create delete",
		before: "mkdir -p /srv; echo a >/srv/a; ln -s /nowhere /srv/other; ln -s a /srv/gone",
		play: []string{
			`op.link(m, "/srv/new", to = "a")`,
			`op.link(m, "/srv/other", to = "a")`,
			`op.link(m, "/srv/hard", to = "/srv/a", hard = True)`,
			`op.link(m, "/srv/gone", state = "absent")`,
		},
	},
	{
		op: "template", want: "create",
		files: map[string]string{"greeting.j2": "{% for n in names %}Hello {{ n }}.\n{% endfor %}"},
		play:  []string{`op.template(m, "/etc/greeting", "greeting.j2", {"names": ["A", "B"]}, mode = 0o600, owner = "deploy")`},
	},
	{
		op: "line", want: "update update update create",
		before: "mkdir -p /srv; printf '#Port 22\\nPort 2\\nUser x\\n' >/srv/conf; chmod 600 /srv/conf; printf 'a\\nb\\nc' >/srv/list",
		play: []string{
			`op.line(m, "/srv/conf", "Port 2222", match = "^#?Port\\b")`,
			`op.line(m, "/srv/list", match = "^b$", state = "absent")`,
			`op.line(m, "/srv/list", "d", after = "^a")`,
			`op.line(m, "/srv/new", "first", create = True, mode = 0o600)`,
		},
	},
	{
		op: "block", want: "update update",
		before: "mkdir -p /srv; printf 'a\\nb\\n' >/srv/conf; printf 'a\\n# BEGIN x\\nold\\n# END x\\nb\\n' >/srv/other",
		play: []string{
			`op.block(m, "/srv/conf", "one\ntwo\n", after = "^a")`,
			`op.block(m, "/srv/other", state = "absent", name = "x")`,
		},
	},
	{
		op: "hosts_entry", want: "update update",
		play: []string{
			`op.hosts_entry(m, "10.9.8.7", ["db.internal", "db"])`,
			`op.hosts_entry(m, "::1", ["also-local"])`,
		},
	},
	{
		op: "ssh_key", want: "create",
		before: "rm -rf ~deploy/.ssh",
		play:   []string{`op.ssh_key(m, "deploy", "` + key + `", options = ["no-pty"])`},
	},
	{
		op: "ssh_key", about: "exclusive", want: "update",
		before: "mkdir -p ~root/.ssh; chmod 700 ~root/.ssh; echo 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQ== old' >~root/.ssh/authorized_keys; chmod 644 ~root/.ssh/authorized_keys",
		play:   []string{`op.ssh_key(m, "root", "` + key + `", exclusive = True)`},
	},
	{
		op: "archive", about: "of the workspace", want: "update",
		files: map[string]string{"app.tar": appTar}, before: "mkdir -p /opt/app; echo old >/opt/app/VERSION",
		play: []string{`op.archive(m, "/opt/app", source = "app.tar", strip = 1, owner = "deploy")`},
	},
	{
		op: "archive", about: "packed", want: "create",
		before: "mkdir -p /srv/data; echo a >/srv/data/a; mkdir -p /var/backups",
		play:   []string{`op.archive(m, "/srv/data", path = "/var/backups/data.tar.gz", state = "packed")`},
	},
	{
		op: "download", about: "by wget", want: "create", apt: true, serve: map[string]string{"/tool": "#!/bin/sh\n"},
		play: []string{`op.download(m, URL + "/tool", "/usr/local/bin/tool", mode = 0o755, checksum = "sha256:` + toolSum + `")`},
	},
	{
		op: "download", about: "by the wget of busybox", want: "create", images: []string{onBusybox}, serve: map[string]string{"/tool": "#!/bin/sh\n"},
		before: "mkdir -p /usr/local/bin",
		play:   []string{`op.download(m, URL + "/tool", "/usr/local/bin/tool", mode = 0o755, checksum = "sha256:` + toolSum + `")`},
	},
	{
		op: "download", about: "without curl and wget", late: true, images: []string{onSystemd, onNoInit},
		play:    []string{`op.download(m, "http://192.0.2.1/tool", "/usr/local/bin/tool")`},
		refused: map[string]string{onSystemd: "neither curl nor wget", onNoInit: "neither curl nor wget"},
	},
	{
		op: "git", about: "cloned", want: "create", apt: true, before: repository,
		play: []string{`op.git(m, "file:///srv/app.git", "/srv/app", ref = "v1")`},
	},
	{
		op: "git", about: "another commit", want: "update", apt: true,
		before: repository + "git clone -q file:///srv/app.git /srv/app; git -C /srv/app checkout -q v1\n",
		play:   []string{`op.git(m, "file:///srv/app.git", "/srv/app", ref = "main")`},
	},
	{
		op: "git", about: "without git", images: []string{onBusybox},
		play:    []string{`op.git(m, "file:///srv/app.git", "/srv/app")`},
		refused: map[string]string{onBusybox: "git"},
	},
}

// toolSum is the SHA-256 of what is downloaded.
var toolSum = func() string {
	sum := sha256.Sum256([]byte("#!/bin/sh\n"))
	return hex.EncodeToString(sum[:])
}()

// repository makes one with the tag v1, and a commit after it.
const repository = `mkdir -p /srv/work; cd /srv/work; git init -q -b main .
git config user.email nobody@example.org; git config user.name nobody
echo one >file; git add file; git commit -q -m one; git tag v1
echo two >file; echo new >new; git add .; git commit -q -m two
git clone -q --bare /srv/work /srv/app.git
`

// appTar is an archive of a directory with two files in it.
var appTar = func() string {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct{ name, text string }{{"app-2/VERSION", "2\n"}, {"app-2/bin/app", "#!/bin/sh\n"}} {
		_ = w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.text)), ModTime: time.Unix(1e9, 0)}) // to memory
		_, _ = w.Write([]byte(f.text))
	}
	_ = w.Close()
	return b.String()
}()
