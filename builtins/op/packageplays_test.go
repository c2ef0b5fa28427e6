package op

import (
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// debRepository makes packages, and a repository of them, without the tools that
// Debian has for that: hello 1.0 and 2.0, which need greeter.
const debRepository = `rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*
mkdir -p /srv/deb /var/lib/apt/lists/partial
deb() {
  _d=$(mktemp -d); mkdir -p $_d/DEBIAN $_d/etc; chmod 755 $_d
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Nobody <nobody@example.com>\nDescription: test\n%s' "$1" "$2" "$3" >$_d/DEBIAN/control
  echo "$2" >$_d/etc/$1.conf
  echo /etc/$1.conf >$_d/DEBIAN/conffiles
  [ -z "${4-}" ] || { printf '#!/bin/sh\n%s\n' "$4" >$_d/DEBIAN/postrm; chmod 755 $_d/DEBIAN/postrm; }
  _f=/srv/deb/$1_$2_all.deb
  dpkg-deb --build --root-owner-group $_d $_f >/dev/null
  { cat $_d/DEBIAN/control; echo "Filename: ./$1_$2_all.deb"; echo "Size: $(stat -c %s $_f)"; echo "SHA256: $(sha256sum <$_f | cut -d ' ' -f 1)"; echo; } >>/srv/deb/Packages
  rm -rf $_d
}
deb greeter 1.0 ''
deb hello 1.0 'Depends: greeter
'
deb hello 2.0 'Depends: greeter
'
deb broken 1.0 ''
deb tool 1.0 'Provides: virtual-tool
'
deb keeper 1.0 '' 'case $1 in purge) rm -rf /var/lib/keeper ;; esac'
`

// lockFrontend has another program hold the lock of dpkg for two seconds.
const lockFrontend = `perl -MFcntl -e '
  open F, ">>/var/lib/dpkg/lock-frontend"; $l = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $l) or die;
  open G, ">/tmp/locked"; close G; sleep 2' >/dev/null 2>&1 </dev/null &
for _ in $(seq 50); do if [ -e /tmp/locked ]; then break; fi; sleep 0.1; done
rm /tmp/locked
`

// TestPackages plays with the packages of a repository of its own.
func TestPackages(t *testing.T) {
	if testing.Short() {
		t.Skip("real machines take a while")
	}
	t.Parallel() // with the other machines: mostly it waits for apt
	m := startMachine(t, plainImage)
	m.sh(debRepository)
	demand := func(state string, names ...string) *packages {
		return &packages{Base: here(), Name: words(names...), State: state, Recommends: true, LockTimeout: 20 * time.Second}
	}
	purging := func(state string, names ...string) *packages {
		p := demand(state, names...)
		p.Purge = true
		return p
	}
	for _, p := range []play{
		{
			name: "repository",
			do: &repository{
				Base: here(), Name: "ours", URL: "file:/srv/deb", Suites: []string{"./"}, Trusted: true, State: "present", Update: true,
			},
			kind: effect.Create, diff: "+Trusted: yes", after: "apt-cache policy hello | grep -q 2.0", undone: "[ ! -e /etc/apt/sources.list.d/ours.sources ]",
		},
		{
			name: "newest", before: "printf 'deb [trusted=yes] file:/srv/deb ./\n' >/etc/apt/sources.list; apt-get -q update",
			do:   demand("present", "hello"),
			kind: effect.Create, diff: "greeter: not installed -> 1.0\nhello: not installed -> 2.0\n",
			after: "dpkg -s hello | grep -q 'Version: 2.0'", undone: "! dpkg -s hello greeter 2>/dev/null && [ ! -e /etc/hello.conf ] && [ ! -e /etc/greeter.conf ]",
		},
		{
			name: "what was left before stays", before: "apt-get -q -y install greeter; apt-get -q -y remove greeter",
			do:   demand("present", "hello"),
			kind: effect.Create, undone: "! dpkg -s hello 2>/dev/null && [ -e /etc/greeter.conf ]",
		},
		{
			name: "a script that purges", before: "rm -rf " + undoDir + "; apt-get -q -y purge greeter",
			do:   demand("present", "keeper"),
			kind: effect.Create, undone: "dpkg -s keeper | grep -q 'deinstall ok config-files' && [ -e /etc/keeper.conf ]",
		},
		{
			name: "a script that purges, and shall", before: "apt-get -q -y purge keeper",
			do:   purging("present", "keeper"),
			kind: effect.Create, undone: "! dpkg -s keeper 2>/dev/null && [ ! -e /etc/keeper.conf ]",
		},
		{
			name: "purged", before: "apt-get -q -y install hello; echo mine >/etc/hello.conf", do: purging("absent", "hello"),
			kind: effect.Delete, diff: "hello: 2.0 -> removed\n", after: "! dpkg -s hello 2>/dev/null && [ ! -e /etc/hello.conf ]",
			undone: "dpkg -s hello | grep -q 'ok installed' && [ -e /etc/hello.conf ]",
		},
		{
			name: "purged, what was left", before: "apt-get -q -y remove hello", do: purging("absent", "hello"),
			kind: effect.Delete, diff: "hello: what is left -> removed\n", after: "! dpkg -s hello 2>/dev/null", keeps: true,
		},
		{
			name: "lists that there are not", before: "apt-get -q -y purge hello greeter; rm -rf /var/lib/apt/lists/*; mkdir -p /var/lib/apt/lists/partial",
			do:   demand("present", "hello"),
			kind: effect.Create, diff: "hello: not installed -> the newest version\nthe package lists are fetched first\n",
			after: "dpkg -s hello | grep -q 'Version: 2.0'", undone: "! dpkg -s greeter 2>/dev/null | grep -q 'ok installed'",
		},
		{
			name: "version", do: demand("present", "hello=1.*"),
			kind: effect.Create, diff: "hello: not installed -> 1.0\n", after: "dpkg -s hello | grep -q 'Version: 1.0'", undone: "! dpkg -s hello 2>/dev/null | grep -q 'ok installed'",
		},
		{
			name: "latest", before: "apt-get -q -y --allow-downgrades install hello=1.0", do: demand("latest", "hello"),
			kind: effect.Update, diff: "hello: 1.0 -> 2.0\n", after: "dpkg -s hello | grep -q 'Version: 2.0'", undone: "dpkg -s hello | grep -q 'Version: 1.0'",
		},
		{
			name: "older version, and a configuration that was edited", before: "apt-get -q -y install hello=2.0; echo mine >/etc/hello.conf",
			do: demand("present", "hello=1.0"), kind: effect.Update, diff: "hello: 2.0 -> 1.0\n",
			after: "dpkg -s hello | grep -q 'Version: 1.0' && grep -q mine /etc/hello.conf", undone: "dpkg -s hello | grep -q 'Version: 2.0'",
		},
		{
			name: "absent, with what needs it", before: "apt-mark auto greeter", do: demand("absent", "greeter"),
			kind: effect.Delete, diff: "hello: 2.0 -> removed\n", after: "! dpkg -s hello 2>/dev/null | grep -q 'ok installed'",
			undone: "dpkg -s hello | grep -q 'ok installed' && dpkg -s greeter | grep -q 'ok installed' && [ \"$(apt-mark showauto greeter hello)\" = greeter ]",
		},
		{
			name: "interrupted dpkg", before: "dpkg --unpack /srv/deb/broken_1.0_all.deb",
			do: demand("present", "broken", "tool"), kind: effect.Create, diff: "tool: not installed -> ",
			after: "dpkg -s broken | grep -q 'ok installed' && [ -z \"$(dpkg --audit)\" ]",
			keeps: true, // what was unpacked is installed now
		},
		{
			name:   "lock of somebody else",
			before: "apt-get -q -y purge tool\n" + lockFrontend,
			do:     demand("present", "tool"), kind: effect.Create, after: "dpkg -s tool | grep -q 'ok installed'",
		},
	} {
		t.Run(p.name, func(t *testing.T) { p.run(&testMachine{t, m.conn}) })
	}
	t.Run("no such package", func(t *testing.T) {
		p := demand("present", "nothing-of-that-name")
		p.UpdateCache = ptr(time.Hour)
		_, err := p.Plan(m.world(p.Facts()))
		if err == nil || err.Error() != "nothing-of-that-name cannot be installed on web: Unable to locate package nothing-of-that-name" {
			t.Fatal(err)
		}
	})
	t.Run("provided by another one", func(t *testing.T) {
		m := &testMachine{t, m.conn}
		m.sh("apt-get -q -y install tool")
		p := demand("present", "virtual-tool")
		if c, err := p.Plan(m.world(p.Facts())); c != nil || err != nil {
			t.Fatalf("%+v, %v", c, err)
		}
	})
	t.Run("undo spares what others need by now", func(t *testing.T) {
		m := &testMachine{t, m.conn}
		m.sh("apt-get -q -y purge hello greeter; rm -rf " + undoDir)
		p := demand("present", "greeter")
		c, err := p.Plan(m.world(p.Facts()))
		if err != nil || c == nil {
			t.Fatal(c, err)
		}
		m.step(c.Step)
		m.sh("apt-get -q -y install hello")
		said := m.sh("sh -c " + quoted([]string{"set -e\n" + c.Undo.Script})[1:] + " 2>&1 && exit 1 || exit 0")
		if said != "hello is still needed, and needs what was installed\n" {
			t.Errorf("undo says %q", said)
		}
	})
	t.Run("undo spares a configuration that was edited", func(t *testing.T) {
		m := &testMachine{t, m.conn}
		m.sh("apt-get -q -y purge hello greeter; rm -rf " + undoDir)
		p := demand("present", "hello")
		c, err := p.Plan(m.world(p.Facts()))
		if err != nil || c == nil {
			t.Fatal(c, err)
		}
		m.step(c.Step)
		m.sh("echo mine >/etc/hello.conf")
		m.step(*c.Undo)
		m.sh("grep -q mine /etc/hello.conf; [ ! -e /etc/greeter.conf ]; ! dpkg -s hello | grep -q 'ok installed'")
	})
	t.Run("service of a package that is only planned", func(t *testing.T) {
		s := &service{Base: here(), Name: "hello", State: ptr("started"), Enabled: ptr(true)}
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		w := m.world(s.Facts())
		if _, err := s.Plan(w); err == nil {
			t.Error("there is a service")
		}
		w.Set(fact.PlannedPackage.Of("*"), "")
		if c, err := s.Plan(w); err != nil || c.Unsure == "" || c.Diff != "hello: as its package leaves it -> enabled\nhello: as its package leaves it -> started\n" {
			t.Errorf("%+v, %v", c, err)
		}
	})
}
