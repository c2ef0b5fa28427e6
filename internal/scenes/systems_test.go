package scenes

const (
	onSystemd = "systemd"
	onNoInit  = "no init"
	onBusybox = "busybox"
	onDNF     = "dnf"
	onOpenRC  = "openrc"
	onRunit   = "runit"
)

// noAccounts is what operations on accounts say of the busybox of Debian, which has no
// adduser.
const noAccounts = "has no program that changes users"

// unit is a service of systemd.
const unit = `mkdir -p /etc/systemd/system
cat >/etc/systemd/system/scene.service <<'END'
[Service]
ExecStart=/bin/sleep 86400
[Install]
WantedBy=multi-user.target
END
`

// systemScenes are those of operations on packages, services, accounts and the
// kernel.
var systemScenes = []scene{
	{
		op: "package", about: "installed", want: "create", apt: true,
		play: []string{`op.package(m, ["hello", "tree"])`},
	},
	{
		op: "package", about: "absent", want: "delete", apt: true,
		before: "apt-get install -y -q hello >/dev/null 2>&1",
		play:   []string{`op.package(m, "hello", state = "absent")`},
	},
	{
		op: "package", about: "purged", want: "delete", apt: true, images: []string{onNoInit},
		before: "apt-get install -y -q --no-install-recommends nginx-light >/dev/null 2>&1; apt-get remove -y -q nginx-light >/dev/null 2>&1",
		play:   []string{`op.package(m, "nginx-common", state = "absent", purge = True)`},
	},
	{
		op: "package", about: "a server, and its service", want: "create update", apt: true, images: []string{onSystemd},
		play: []string{
			`op.package(m, "nginx-light", recommends = False, purge = True)`,
			`op.service(m, "nginx", state = "started", enabled = True)`,
		},
	},
	{
		op: "package", about: "a server, its configuration, its service", want: "create create update", apt: true, images: []string{onSystemd},
		before: "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d", // packages start nothing
		play: []string{
			`op.package(m, "nginx-light", recommends = False)`,
			`op.file(m, "/etc/nginx/conf.d/scene.conf", content = "server_tokens off;\n")`,
			`op.service(m, "nginx", state = "started")`,
		},
	},
	{
		op: "package", about: "without a package manager", images: []string{onBusybox},
		play:    []string{`op.package(m, "hello")`},
		refused: map[string]string{onBusybox: "has no package manager that is known: apt, dnf, yum or apk"},
	},
	{
		op: "repository", want: "create", images: []string{onSystemd, onNoInit},
		play: []string{`op.repository(m, "scene", "http://deb.example.org/debian", ["bookworm"], ["main"], trusted = True, update = False)`},
	},
	{
		op: "repository", about: "without a package manager", images: []string{onBusybox},
		play:    []string{`op.repository(m, "scene", "http://deb.example.org/debian", ["bookworm"], ["main"], trusted = True)`},
		refused: map[string]string{onBusybox: "has no package manager that is known: apt, dnf, yum or apk"},
	},
	{
		op: "service", about: "of systemd", want: "update", images: []string{onSystemd}, before: unit,
		play: []string{`op.service(m, "scene", state = "started", enabled = True)`},
	},
	{
		op: "service", about: "of systemd, stopped", want: "update", images: []string{onSystemd},
		play: []string{`op.service(m, "cron", state = "stopped", enabled = False)`},
	},
	{
		op: "service", about: "a plain process", want: "update", images: []string{onNoInit, onBusybox},
		play: []string{`op.service(m, "scene", state = "started", command = ["sleep", "86400"], user = "deploy", log = "/etc/scene.log")`},
	},
	{
		op: "service", about: "that there is not",
		play:    []string{`op.service(m, "no-such-thing", state = "started")`},
		refused: map[string]string{onSystemd: `has no service "no-such-thing"`, onNoInit: `has no service "no-such-thing"`, onBusybox: `has no service "no-such-thing"`},
	},
	{
		op: "user", about: "new", want: "create",
		play:    []string{`op.user(m, "scene", uid = 4242, groups = ["deploy"], comment = "A scene", shell = "/bin/sh", password_hash = "!")`},
		refused: map[string]string{onBusybox: noAccounts},
	},
	{
		op: "user", about: "changed", want: "update",
		before:  "mkdir -p /srv",
		play:    []string{`op.user(m, "deploy", comment = "Deploys", home = "/srv", password_hash = "*")`},
		refused: map[string]string{onBusybox: noAccounts},
	},
	{
		op: "user", about: "absent", want: "delete",
		play:    []string{`op.user(m, "deploy", state = "absent", remove_home = True)`},
		refused: map[string]string{onBusybox: noAccounts},
	},
	{
		op: "group", about: "new", want: "create",
		play:    []string{`op.group(m, "scene", gid = 4343)`},
		refused: map[string]string{onBusybox: noAccounts},
	},
	{
		op: "group", about: "absent", want: "delete",
		before:  "echo scene:x:777:deploy >>/etc/group; [ ! -e /etc/gshadow ] || echo 'scene:!::deploy' >>/etc/gshadow",
		play:    []string{`op.group(m, "scene", state = "absent")`},
		refused: map[string]string{onBusybox: noAccounts},
	},
	{
		op: "cron", about: "a file", want: "create", images: []string{onSystemd},
		play: []string{`op.cron(m, "scene", "echo hello", "30 3 * * *", env = {"A": "b"})`},
	},
	{
		op: "cron", about: "a crontab", want: "update", images: []string{onSystemd, onBusybox},
		before: "[ -e /var/spool/cron/crontabs ] || mkdir -p /var/spool/cron/crontabs",
		play:   []string{`op.cron(m, "scene", "echo hello", "@daily", user = "deploy", crontab = True)`},
	},
	{
		op: "sysctl", about: "for the next start", want: "create",
		play: []string{`op.sysctl(m, "vm.swappiness", 10, persist_only = True)`},
	},
	{
		op: "sysctl", about: "of the kernel of somebody else",
		play:    []string{`op.sysctl(m, "vm.swappiness", 17)`},
		refused: map[string]string{onSystemd: "vm.swappiness may not be set", onNoInit: "vm.swappiness may not be set", onBusybox: "vm.swappiness may not be set"},
	},
	{
		op: "mount", about: "mounted", want: "update",
		play: []string{`op.mount(m, "/srv/scene", "tmpfs", "tmpfs", options = "size=1m,mode=700")`},
	},
	{
		op: "mount", about: "absent", want: "delete",
		before: "mkdir -p /mnt; echo 'tmpfs /mnt tmpfs size=1m 0 0' >>/etc/fstab; mount -t tmpfs -o size=1m tmpfs /mnt",
		play:   []string{`op.mount(m, "/mnt", state = "absent")`},
	},
	{
		op: "kernel_module", about: "never loaded", want: "delete",
		before: "d=/lib/modules/$(uname -r); mkdir -p $d/kernel; : >$d/kernel/scene.ko; echo 'kernel/scene.ko:' >$d/modules.dep; : >$d/modules.builtin; : >$d/modules.alias",
		play:   []string{`op.kernel_module(m, "scene", state = "blacklisted")`},
	},
	{
		op: "kernel_module", about: "that there is not",
		play:    []string{`op.kernel_module(m, "no_such_module")`},
		refused: map[string]string{onSystemd: "has no module", onNoInit: "has no module", onBusybox: "has no module"},
	},
	{
		op: "command", about: "that knows when it is not needed", want: "update update",
		play: []string{
			`op.command(m, "echo made >/etc/made", creates = "/etc/made", undo = "rm /etc/made")`,
			`op.command(m, ["touch", "/etc/touched"], unless = "test -e /etc/touched", undo = ["rm", "-f", "/etc/touched"])`,
		},
	},
	{
		op: "command", about: "that acts", want: "run", acts: true,
		play: []string{`op.command(m, ["touch", "/etc/touched"])`},
	},
}
