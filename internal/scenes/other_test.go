package scenes

// rpms makes the repository of the image known: hello, in two versions, and greeter, which
// it needs.
const rpms = `mkdir -p /etc/yum.repos.d
printf '[scene]\nname=scene\nbaseurl=file:/srv/rpm\nenabled=1\ngpgcheck=0\n' >/etc/yum.repos.d/scene.repo
`

// wanted are the packages that dnf would not remove with what has needed them.
const wanted = `dnf -q repoquery --userinstalled --qf '%{name}' 2>/dev/null | sed 's/.*/wanted\t&\tyes/'`

// openrcService is a service of OpenRC.
const openrcService = `cat >/etc/init.d/scene <<'END'
#!/sbin/openrc-run
command=/bin/sleep
command_args=86400
command_background=yes
pidfile=/run/scene.pid
END
chmod 755 /etc/init.d/scene
rc-status >/dev/null 2>&1 # which has it read all scripts anew
`

// runitService is a service of runit, as packages of Debian have them.
const runitService = `mkdir -p /etc/sv/scene
printf '#!/bin/sh\nexec sleep 86400\n' >/etc/sv/scene/run
chmod 755 /etc/sv/scene/run
ln -s /run/runit/supervise/scene /etc/sv/scene/supervise
`

// runitStarted has it run.
const runitStarted = `ln -s /etc/sv/scene /etc/service/scene
until sv status scene 2>/dev/null | grep -q ^run:; do sleep 0.1; done
`

// restarted tells whether the process of a service is another one than in the beginning.
const restarted = `cmp -s $PID /tmp/first && echo 'restarted	scene	no' || echo 'restarted	scene	yes'`

// otherScenes are those of package managers and init systems that Debian has, but
// does not use by itself.
var otherScenes = []scene{
	{
		op: "repository", about: "of dnf", want: "create", images: []string{onDNF},
		before: "mkdir -p /etc/yum.repos.d /etc/pki/rpm-gpg",
		play:   []string{`op.repository(m, "scene", "file:/srv/rpm", trusted = True)`},
	},
	{
		op: "package", about: "of dnf", want: "create", images: []string{onDNF}, before: rpms, more: wanted,
		play: []string{`op.package(m, "hello")`},
	},
	{
		op: "package", about: "of dnf, a version", want: "create", images: []string{onDNF}, before: rpms, more: wanted,
		play: []string{`op.package(m, "hello=1.*")`},
	},
	{
		op: "package", about: "of dnf, an older version", want: "update", images: []string{onDNF}, more: wanted,
		before: rpms + "dnf -q -y install hello >/dev/null 2>&1",
		play:   []string{`op.package(m, "hello=1.*")`},
	},
	{
		op: "package", about: "of dnf, the latest", want: "update", images: []string{onDNF}, more: wanted,
		before: rpms + "dnf -q -y install hello-1.0 >/dev/null 2>&1",
		play:   []string{`op.package(m, "hello", state = "latest")`},
	},
	{
		op: "package", about: "of dnf, absent", want: "delete", images: []string{onDNF}, more: wanted,
		before: rpms + "dnf -q -y install hello >/dev/null 2>&1",
		play:   []string{`op.package(m, "greeter", state = "absent")`},
	},
	{
		op: "service", about: "of OpenRC", want: "update", images: []string{onOpenRC}, before: openrcService,
		play: []string{`op.service(m, "scene", state = "started", enabled = True)`},
	},
	{
		op: "service", about: "of OpenRC, stopped", want: "update", images: []string{onOpenRC},
		before: openrcService + "rc-update -q add scene boot; rc-service -q scene start",
		play:   []string{`op.service(m, "scene", state = "stopped", enabled = False)`},
	},
	{
		op: "service", about: "of OpenRC, restarted", want: "run", acts: true, images: []string{onOpenRC},
		before: openrcService + "rc-service -q scene start; cp /run/scene.pid /tmp/first",
		play:   []string{`op.service(m, "scene", state = "restarted")`},
		more:   "PID=/run/scene.pid\n" + restarted,
	},
	{
		op: "service", about: "of runit", want: "update", images: []string{onRunit}, before: runitService,
		play: []string{`op.service(m, "scene", state = "started", enabled = True)`},
	},
	{
		op: "service", about: "of runit, stopped", want: "update", images: []string{onRunit},
		before: runitService + runitStarted,
		play:   []string{`op.service(m, "scene", state = "stopped")`},
	},
	{
		op: "service", about: "of runit, disabled", want: "update", images: []string{onRunit},
		before: runitService + runitStarted,
		play:   []string{`op.service(m, "scene", state = "stopped", enabled = False)`},
	},
	{
		op: "service", about: "of runit, restarted", want: "run", acts: true, images: []string{onRunit},
		before: runitService + runitStarted + "cp /etc/sv/scene/supervise/pid /tmp/first",
		play:   []string{`op.service(m, "scene", state = "restarted")`},
		more:   "PID=/etc/sv/scene/supervise/pid\n" + restarted,
	},
}
