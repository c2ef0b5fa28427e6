package fact

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// TestPackageManagers has the scripts read what package managers say, which are stood
// in for by scripts: the ones for real are in the tests of package op.
func TestPackageManagers(t *testing.T) {
	const rpm = `for a; do case $a in nginx) echo 'is nginx x86_64 1.20.1-1.el9' ;; esac; done`
	for _, c := range []struct {
		name, program, says string
		others              map[string]string
		word                string
		installed           map[string]string
		moves               []Move
		problem             string
	}{
		{
			name: "dnf", program: "dnf", word: "nginx=1.2*", others: map[string]string{"rpm": rpm},
			installed: map[string]string{"nginx": "1.20.1-1.el9", "nginx:x86_64": "1.20.1-1.el9"},
			moves:     nil,
		},
		{
			name: "dnf that would install", program: "dnf", word: "tool", others: map[string]string{"rpm": rpm},
			says: `================================================
 Package   Architecture Version  Repository  Size
================================================
Installing:
 tool      x86_64  1:2.0-3.el9   appstream  36 k
Upgrading:
 nginx     x86_64  1.22.1-1.el9  appstream  1.1 M
Installing dependencies:
 a-library-with-a-very-long-name-indeed
           noarch  0.5-1.el9     baseos     12 k
Removing:
 old       x86_64  9-1           @System    1 M

Transaction Summary
================================================
Install  2 Packages`,
			installed: map[string]string{},
			moves: []Move{
				{"tool", "", "2.0-3.el9"}, {"nginx", "1.20.1-1.el9", "1.22.1-1.el9"}, {"a-library-with-a-very-long-name-indeed", "", "0.5-1.el9"}, {"old", "9-1", ""},
			},
		},
		{
			// Sizes below a thousand have no unit, the lines after a section are none of it, and
			// dnf of Debian complains.
			name: "dnf with small packages", program: "dnf", word: "tool", others: map[string]string{"rpm": rpm},
			says: `Unable to detect release version (use '--releasever' to specify release version)
Last metadata expiration check: 0:00:33 ago on Sat Nov 21 16:45:37 2026.
Dependencies resolved.
================================================================================
 Package            Architecture      Version            Repository        Size
================================================================================
Removing:
 greeter            noarch            1.0-1              @ours              4  
Removing dependent packages:
 tool               noarch            2.0-1              @ours              4  
Skipping packages with conflicts:
 other              noarch            1.0-1              ours               4  

Transaction Summary
================================================================================
Remove  2 Packages

Freed space: 8  
Operation aborted.`,
			installed: map[string]string{}, moves: []Move{{"greeter", "1.0-1", ""}, {"tool", "2.0-1", ""}},
		},
		{
			name: "dnf that cannot, and says why on the next line", program: "dnf", word: "tool", others: map[string]string{"rpm": rpm},
			says:      "Error: \n Problem: conflicting requests\n  - nothing provides lib needed by tool-1.0-1.noarch from ours",
			installed: map[string]string{}, problem: "Problem: conflicting requests",
		},
		{
			name: "dnf that cannot", program: "dnf", word: "tool", others: map[string]string{"rpm": rpm},
			says: "Error: Unable to find a match: tool", installed: map[string]string{}, problem: "Error: Unable to find a match: tool",
		},
		{
			name: "apk", program: "apk", word: "tool",
			says: `(1/3) Upgrading musl (1.2.3-r0 -> 1.2.4-r1)
(2/3) Installing tool (2.0-r0)
(3/3) Purging old (1.0-r5)
OK: 8 MiB in 18 packages`,
			installed: map[string]string{}, moves: []Move{{"musl", "1.2.3-r0", "1.2.4-r1"}, {"tool", "", "2.0-r0"}, {"old", "1.0-r5", ""}},
		},
		{
			name: "apk that cannot", program: "apk", word: "tool", says: "ERROR: unable to select packages:\n  tool (no such package):",
			installed: map[string]string{}, problem: "unable to select packages:",
		},
		{
			name: "apt", program: "apt-get", word: "tool", others: map[string]string{"dpkg-query": "echo 'ii  nginx amd64 1.2'; echo 'rc  gone amd64 1'; echo 'iU  half amd64 3'", "dpkg": ":"},
			says: `NOTE: This is only a simulation!
Inst libssl3 [3.0.1] (3.0.2 Debian:12 [amd64]) []
Inst tool (2.0 Debian:12 [all])
Remv old [1.0]
Conf tool (2.0 Debian:12 [all])`,
			installed: map[string]string{"nginx": "1.2", "nginx:amd64": "1.2"},
			moves:     []Move{{"libssl3", "3.0.1", "3.0.2"}, {"tool", "", "2.0"}, {"old", "1.0", ""}},
		},
		{
			name: "apt that cannot", program: "apt-get", word: "tool", others: map[string]string{"dpkg-query": ":", "dpkg": ":"},
			says: "Reading package lists...\nE: Unable to locate package tool", installed: map[string]string{}, problem: "Unable to locate package tool",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bin := t.TempDir()
			if err := os.WriteFile(filepath.Join(bin, "said"), []byte(c.says+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			programs := map[string]string{c.program: "cat " + bin + "/said"}
			if c.program == "dnf" { // with -q it does not show the table
				programs[c.program] = "case $1 in -q) ;; *) cat " + bin + "/said ;; esac"
			}
			for name, script := range c.others {
				programs[name] = script
			}
			for name, script := range programs {
				if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			// The package manager of this machine must not be found.
			find := "_pm=" + map[bool]string{true: "apt", false: c.program}[c.program == "apt-get"] + "\n"
			f := PackageDemand("present", []string{c.word})
			script := packageScript([]string{f.Arg})
			script = "PATH=" + bin + ":$PATH\n" + find + script[len(findManager):]
			var out, errs bytes.Buffer
			if _, err := (machine.Local{}).Exec(t.Context(), script, machine.Streams{Stdout: &out, Stderr: &errs}); err != nil {
				t.Fatal(err)
			}
			values, err := parsePackages([]string{f.Arg}, out.String())
			if err != nil {
				t.Fatalf("%v: %s%s", err, out.String(), errs.String())
			}
			s := values[0].(PackageState)
			if !reflect.DeepEqual(s.Installed, c.installed) || !reflect.DeepEqual(s.Moves, c.moves) || s.Problem != c.problem {
				t.Errorf("%+v\n%s%s", s, out.String(), errs.String())
			}
		})
	}
}

func TestServicesOfSystemd(t *testing.T) {
	const text = `systemd
LoadState=loaded
ActiveState=active
UnitFileState=enabled
NeedDaemonReload=yes

LoadState=not-found
ActiveState=inactive
UnitFileState=
NeedDaemonReload=no

LoadState=loaded
ActiveState=failed
UnitFileState=static
NeedDaemonReload=no
`
	got, err := parseServices([]string{"a", "b", "c"}, text)
	want := []any{
		ServiceState{Init: "systemd", Exists: true, Running: true, Enabled: "enabled", Stale: true},
		ServiceState{Init: "systemd", Enabled: "disabled"},
		ServiceState{Init: "systemd", Exists: true, Enabled: "static"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := parseServices([]string{"a"}, text); err == nil {
		t.Error("three units answer for one")
	}
}

// TestServicesOfScripts has systemd run scripts in init.d: of their units it says that
// they are generated, whether they start with the machine or not.
func TestServicesOfScripts(t *testing.T) {
	const unit = "LoadState=loaded\nActiveState=inactive\nUnitFileState=generated\nNeedDaemonReload=no\n"
	got, err := parseServices([]string{"a", "b"}, "systemd\nstarts b\n"+unit+"\n"+unit)
	want := []any{ServiceState{Init: "systemd", Exists: true, Enabled: "disabled"}, ServiceState{Init: "systemd", Exists: true, Enabled: "enabled"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzAnswers reads what machines may say: nothing of it may end the program, and each
// question has one answer or there is an error.
func FuzzAnswers(f *testing.F) {
	f.Add("manager apt\nis a amd64 1\ndemand 0\nmove a|1|2\nproblem x\ndemand 1\n")
	f.Add("systemd\nLoadState=loaded\n\nLoadState=x\n")
	f.Add("tool shadow\ngroup a:x:1:b,c\nuser a:x:1:2:c:/h:/s\nshadow a:!\nhome a\n")
	f.Add("uname x y\nnet eth0 up 0:1\nip 2: eth0: <UP>\nip     inet 1.2.3.4/8\nif eth0  Link\nif   inet addr:1.2.3.4 Mask:255.0.0.0\nmount ext4 /dev/x /\ndf /dev/x 1 2 3 4% /\n")
	f.Add("yes\nno\n/dev/x /a\\040b ext4 rw 0 0\n")
	args := []string{"present a", "present b"}
	kinds := []*Kind{Packages, Service, Process, User, Group, Sysctl, KernelModule, Mount, Crontab, Test, System, Manager, Init}
	f.Fuzz(func(t *testing.T, text string) {
		for _, k := range kinds {
			values, err := k.Parse(args, text)
			if err == nil && len(values) != len(args) {
				t.Errorf("%s: %d answers to %d questions", k.Name, len(values), len(args))
			}
		}
	})
}
