package op

import (
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var (
	everywhere = []string{systemdImage, plainImage, busyboxImage}
	debians    = []string{systemdImage, plainImage}
	withInit   = []string{systemdImage}
	bare       = []string{plainImage, busyboxImage}
)

func ptr[T any](v T) *T { return &v }

func words(list ...string) starlark.Value {
	var elems []starlark.Value
	for _, w := range list {
		elems = append(elems, starlark.String(w))
	}
	return starlark.NewList(elems)
}

// unitFile makes a service of systemd.
const unitFile = `printf '[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/napping.service
`

// initScript makes a service of a script in init.d.
const initScript = `cat >/etc/init.d/idle <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides: idle
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
case $1 in start) : >/run/idle ;; stop) rm -f /run/idle ;; status) [ -e /run/idle ] ;; esac
END
chmod 755 /etc/init.d/idle
update-rc.d idle defaults
update-rc.d idle disable
`

// plays are what TestMachines does, in this order on each machine.
func plays() []play {
	return append(append(accountPlays(), servicePlays()...), systemPlays()...)
}

func accountPlays() []play {
	return []play{
		{
			name: "group", images: debians, do: &group{Base: here(), Name: "crew", State: "present", GID: ptr(4242)},
			kind: effect.Create, diff: "group crew: created with the number 4242", after: "grep -q '^crew:x:4242:' /etc/group",
			undone: "! grep -q '^crew:' /etc/group",
		},
		{
			name: "group with another number", images: debians, before: "groupadd -g 4300 movers",
			do:   &group{Base: here(), Name: "movers", State: "present", GID: ptr(4301)},
			kind: effect.Update, diff: "4300 -> 4301", after: "grep -q '^movers:x:4301:' /etc/group",
		},
		{
			name: "group that goes", images: debians, before: "groupadd -g 4400 leavers; useradd -M lena; usermod -aG leavers lena",
			do:   &group{Base: here(), Name: "leavers", State: "absent"},
			kind: effect.Delete, diff: "removed", after: "! grep -q '^leavers:' /etc/group", undone: "grep -q '^leavers:x:4400:lena$' /etc/group",
		},
		{
			name: "user", images: debians,
			do: &user{
				Base: here(), Name: "rosa", State: "present", Groups: ptr([]string{"users", "mail"}), Append: true, CreateHome: true,
				Shell: ptr("/bin/sh"), Comment: ptr("Rosa O'Hara"), PasswordHash: ptr("$6$salt$hash"),
			},
			kind: effect.Create, diff: "user rosa: created",
			after:  "[ -d /home/rosa ] && id -nG rosa | grep -q mail && grep -q '^rosa:\\$6\\$salt\\$hash:' /etc/shadow && grep -q \"Rosa O'Hara\" /etc/passwd",
			undone: "! id rosa 2>/dev/null && [ ! -e /home/rosa ]",
		},
		{
			name: "user whose home is older", images: debians, before: "mkdir -p /srv/old; echo precious >/srv/old/file",
			do:   &user{Base: here(), Name: "olga", State: "present", Home: ptr("/srv/old"), CreateHome: true},
			kind: effect.Create, after: "grep -q '^olga:.*:/srv/old:' /etc/passwd", undone: "! id olga 2>/dev/null && grep -q precious /srv/old/file",
		},
		{
			name: "user who changes", images: debians, before: "useradd -M -u 5000 -s /bin/false ina; usermod -aG mail,games ina",
			do: &user{
				Base: here(), Name: "ina", State: "present", UID: ptr(5001), Shell: ptr("/bin/bash"), Groups: ptr([]string{"mail", "users"}),
				PasswordHash: ptr("$6$x$y"),
			},
			kind: effect.Update, diff: "groups games,mail -> mail,users",
			after:  "id ina | grep -q uid=5001 && id -nG ina | grep -q users && ! id -nG ina | grep -q games",
			undone: "id ina | grep -q uid=5000 && id -nG ina | grep -q games && grep -q '^ina:!' /etc/shadow",
		},
		{
			name: "user who leaves", images: debians, before: "useradd -m -u 5100 -G games gone; echo hello >/home/gone/note; chown gone: /home/gone/note; usermod -p '$6$a$b' gone",
			do:   &user{Base: here(), Name: "gone", State: "absent", RemoveHome: true},
			kind: effect.Delete, diff: "/home/gone: removed", after: "! id gone 2>/dev/null && [ ! -e /home/gone ]",
			undone: "id gone | grep -q 5100 && grep -q hello /home/gone/note && [ \"$(stat -c %U /home/gone/note)\" = gone ] && grep -q '^gone:\\$6\\$a\\$b:' /etc/shadow",
		},
		{
			name: "cron", images: everywhere, before: "mkdir -p /etc/cron.d",
			do: &cron{Base: here(), Name: "nightly", Command: "echo 'it''s late' >/dev/null", Schedule: "30 3 * * *", User: "root",
				Env: map[string]string{"PATH": "/bin"}, State: "present"},
			kind: effect.Create, diff: "+30 3 * * * root", after: "grep -q '^30 3 ' /etc/cron.d/nightly", undone: "[ ! -e /etc/cron.d/nightly ]",
		},
		{
			name: "crontab", images: withInit, before: "printf '# mine\\n0 1 * * * true\\n' | crontab -",
			do:   &cron{Base: here(), Name: "own", Command: "date", Schedule: "@daily", User: "root", Crontab: true, State: "present"},
			kind: effect.Update, diff: "+@daily date", after: "crontab -l | grep -q '^@daily date$' && crontab -l | grep -q '# mine'",
			undone: "! crontab -l | grep -q daily && crontab -l | grep -q '# mine'",
		},
		{
			name: "crontab that becomes empty", images: withInit,
			before: "printf '# provisioning: own\\n@daily date\\n' | crontab -",
			do:     &cron{Base: here(), Name: "own", User: "root", Crontab: true, State: "absent"},
			kind:   effect.Update, after: "! crontab -l 2>/dev/null", undone: "crontab -l | grep -q '^@daily date$'",
		},
	}
}

func servicePlays() []play {
	nap := []string{"sleep", "12345"}
	return []play{
		{
			name: "service", images: withInit, before: unitFile,
			do:   &service{Base: here(), Name: "napping", State: ptr("started"), Enabled: ptr(true)},
			kind: effect.Update, diff: "stopped -> started", after: "systemctl is-active napping && systemctl is-enabled napping",
			undone: "! systemctl is-active napping && ! systemctl is-enabled napping",
		},
		{
			name: "service with a newer unit file", images: withInit,
			before: unitFile + "systemctl daemon-reload; systemctl start napping; sleep 1.1; echo '#' >>/etc/systemd/system/napping.service; touch /etc/systemd/system/napping.service",
			do:     &service{Base: here(), Name: "napping", State: ptr("started")},
			kind:   effect.Update, diff: "reload the units", after: "systemctl show -p NeedDaemonReload napping | grep -q no",
		},
		{
			name: "service that restarts", images: withInit, before: unitFile + "systemctl daemon-reload; systemctl start napping; systemctl show -p MainPID napping >/tmp/pid",
			do:   &service{Base: here(), Name: "napping", State: ptr("restarted")},
			kind: effect.Act, diff: "restarted", after: "systemctl is-active napping && ! systemctl show -p MainPID napping | cmp -s - /tmp/pid",
		},
		{
			name: "service that stops", images: withInit, before: unitFile + "systemctl daemon-reload; systemctl -q enable --now napping",
			do:   &service{Base: here(), Name: "napping", State: ptr("stopped"), Enabled: ptr(false)},
			kind: effect.Update, after: "! systemctl is-active napping", undone: "systemctl is-active napping && systemctl is-enabled napping",
		},
		{
			name: "script in init.d", images: []string{plainImage}, before: initScript,
			do:   &service{Base: here(), Name: "idle", State: ptr("started"), Enabled: ptr(true)},
			kind: effect.Update, after: "/etc/init.d/idle status && ls /etc/rc3.d/S??idle", undone: "! /etc/init.d/idle status && ! ls /etc/rc3.d/S??idle",
		},
		{
			name: "script in init.d that systemd runs", images: withInit, before: initScript + "systemctl daemon-reload",
			do:   &service{Base: here(), Name: "idle", Enabled: ptr(true)},
			kind: effect.Update, diff: "disabled -> enabled", after: "ls /etc/rc3.d/S??idle", undone: "! ls /etc/rc3.d/S??idle",
		},
		{
			name: "plain process", images: bare,
			do:   &service{Base: here(), Name: "nap", State: ptr("started"), Command: nap, Pidfile: "/tmp/nap.pid", StopTimeout: 5 * time.Second},
			kind: effect.Update, after: "kill -0 $(head -n 1 /tmp/nap.pid) && [ $(ps -e -o args= 2>/dev/null | grep -c '^sleep 12345') -le 1 ]",
			undone: "[ ! -e /tmp/nap.pid ]",
		},
		{
			name: "plain process that prints as somebody", images: []string{plainImage}, before: "useradd -M napper",
			do: &service{
				Base: here(), Name: "who", State: ptr("started"), Command: []string{"sh", "-c", "id -un; exec sleep 777"},
				Pidfile: "/tmp/who.pid", Log: "/tmp/who.log", User: "napper", StopTimeout: 5 * time.Second,
			},
			kind: effect.Update, after: "grep -qx napper /tmp/who.log && grep -qs napper /proc/$(head -n 1 /tmp/who.pid)/environ || [ $(stat -c %U /proc/$(head -n 1 /tmp/who.pid)) = napper ]",
		},
		{
			name: "plain process that does not stop", images: bare,
			before: "sh -c 'trap \"\" TERM; echo $$ >/tmp/stubborn.pid; while :; do sleep 1; done' >/dev/null 2>&1 </dev/null & until [ -s /tmp/stubborn.pid ]; do sleep 0.1; done",
			do:     &service{Base: here(), Name: "stubborn", State: ptr("stopped"), Command: nap, Pidfile: "/tmp/stubborn.pid", StopTimeout: time.Second},
			kind:   effect.Update, after: "[ ! -e /tmp/stubborn.pid ]",
		},
	}
}

func systemPlays() []play {
	return []play{
		{
			name: "sysctl of a machine that may not set it", images: everywhere,
			do:   &sysctl{Base: here(), Key: "vm.swappiness", Value: starlark.MakeInt(7), State: "present", PersistOnly: true},
			kind: effect.Create, diff: "+vm.swappiness = 7", after: "grep -qx 'vm.swappiness = 7' /etc/sysctl.d/99-zz-vm.swappiness.conf",
			undone: "[ ! -e /etc/sysctl.d/99-zz-vm.swappiness.conf ]",
		},
		{
			name: "kernel module that is not loaded", images: everywhere, before: "mkdir -p /etc/modprobe.d",
			do:   &kernelModule{Base: here(), Name: "floppy_of_old", State: "blacklisted", Options: ptr("slow=1")},
			kind: effect.Delete, diff: "+blacklist floppy_of_old", after: "grep -qx 'options floppy_of_old slow=1' /etc/modprobe.d/floppy_of_old.conf",
			undone: "[ ! -e /etc/modprobe.d/floppy_of_old.conf ]",
		},
		{
			name: "mount", images: withInit, before: "touch /etc/fstab",
			do:   &mount{Base: here(), Path: "/srv/a b", Source: "tmpfs", Type: "tmpfs", Options: "size=1m", State: "mounted"},
			kind: effect.Update, diff: "not mounted -> mounted", after: "grep -q '^tmpfs /srv/a\\\\040b tmpfs' /proc/self/mounts && grep -q 'size=1m' /etc/fstab",
			undone: "! grep -q '/srv/a' /proc/self/mounts && [ ! -e '/srv/a b' ]",
		},
		{
			name: "mount with other options", images: withInit, before: "mkdir -p /srv/b; echo 'tmpfs /srv/b tmpfs size=1m 0 0' >>/etc/fstab; mount /srv/b",
			do:   &mount{Base: here(), Path: "/srv/b", Source: "tmpfs", Type: "tmpfs", Options: "size=2m", State: "mounted"},
			kind: effect.Update, diff: "mounted anew", after: "grep -q '/srv/b .*size=2048k' /proc/self/mounts",
		},
		{
			name: "mount that goes", images: withInit, before: "mkdir -p /srv/c; echo 'tmpfs /srv/c tmpfs size=1m 0 0' >>/etc/fstab; mount /srv/c",
			do:   &mount{Base: here(), Path: "/srv/c", State: "absent"},
			kind: effect.Delete, diff: "mounted -> not mounted", after: "! grep -q /srv/c /proc/self/mounts /etc/fstab",
			undone: "grep -q '/srv/c .*size=1024k' /proc/self/mounts && grep -q /srv/c /etc/fstab",
		},
		{
			name: "command that creates", images: everywhere,
			do: &command{Base: here(), Command: starlark.String("false\necho \"$(cat)\" >/tmp/made"), Stdin: []byte("it's\nin"), Creates: "/tmp/made",
				Undoing: words("rm", "-f", "/tmp/made"), Codes: []int{0}},
			kind: effect.Update, diff: "run false", after: "grep -q \"it's\" /tmp/made", undone: "[ ! -e /tmp/made ]",
		},
		{
			name: "command that removes", images: everywhere, before: "touch /tmp/left",
			do:   &command{Base: here(), Command: words("rm", "-f", "/tmp/left"), Removes: "/tmp/left"},
			kind: effect.Update, diff: "run rm -f /tmp/left",
		},
		{
			name: "command that is asked about", images: everywhere, before: "rm -f /tmp/count",
			do:   &command{Base: here(), Command: starlark.String("echo 1 >/tmp/count"), Unless: "[ \"$(cat /tmp/count)\" = 1 ]", OnlyIf: "exit 0"},
			kind: effect.Update,
		},
	}
}
