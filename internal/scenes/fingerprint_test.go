package scenes

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// fingerprint is all that is compared about a machine: by what it is about, such as
// "file /etc/motd" or "package hello", how that is.
type fingerprint map[string]string

// script prints the fingerprint, with a tab after each field: what the line is
// about, which one, and how it is.
//
// Files that have not changed since the container was made are those of its image: their
// content need not be read again, which would take longer than all else together. The
// find of busybox cannot tell; its images are small. Services show as processes, and
// units that are enabled as links: systemctl takes seconds to say so.
const script = `
export LC_ALL=C
set -f
skipped='-path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log -o -path /var/cache'
# What only packages change, and their lines tell: half of all files.
skipped="$skipped -o -path /usr/share/perl -o -path /usr/share/perl5 -o -path /usr/share/zoneinfo -o -path /var/lib/dpkg/info -o -path /usr/lib/*/perl* -o -path /usr/lib/*/gconv"
if find / -maxdepth 0 -printf '' 2>/dev/null; then
  find / -xdev \( $skipped \) -prune -o \( -type f -newerct @$1 -fprint0 /tmp/changed , -true \) -printf 'file\t%p\t%y %m %u %g %l\n'
  xargs -0 -r sha256sum </tmp/changed | sed 's/^\([0-9a-f]*\)  \(.*\)/sum\t\2\t\1/'
  rm -f /tmp/changed
else
  find / -xdev \( $skipped \) -prune -o -exec stat -c 'file	%n	%f %U %G' {} +
  find / -xdev \( $skipped \) -prune -o -type f -exec sha256sum {} + | sed 's/^\([0-9a-f]*\)  \(.*\)/sum	\2	\1/'
  find / -xdev \( $skipped \) -prune -o -type l -exec sh -c 'for l; do printf "sum\t%s\t%s\n" "$l" "$(readlink "$l")"; done' sh {} +
fi
command -v dpkg-query >/dev/null && dpkg-query -W -f 'package\t${Package}\t${Version} ${db:Status-Status}\n'
[ ! -e /var/lib/apt/extended_states ] || awk '/^Package:/ { p = $2 } /^Auto-Installed:/ { print "auto\t" p "\t" $2 }' /var/lib/apt/extended_states
command -v rpm >/dev/null && rpm -qa --qf 'package\t%{NAME}\t%{VERSION}\n'
{ ps -eo args 2>/dev/null || ps -o args; } | sed 's/.*/process\t&\tyes/'
awk -F: '{ print "shadow\t" $1 "\t" $2 ":" $4 ":" $5 ":" $6 ":" $7 ":" $8 }' /etc/shadow # without the day of the last change
set +f
for f in /var/spool/cron/crontabs/*; do
  [ -f "$f" ] && printf 'crontab\t%s\t%s\n' "$f" "$(grep -v '^# (' "$f" | sha256sum)" # without the time that crontab notes
done
awk '{ print "mount\t" $2 "\t" $1 " " $3 " " $4 }' /proc/mounts
`

// fingerprint takes that of a box.
func (b *box) fingerprint(more string) fingerprint {
	b.t.Helper()
	out := b.sh(fmt.Sprintf("set -- %d; %s\n%s", b.created.Unix(), script, more))
	f := fingerprint{}
	for line := range strings.Lines(out) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		if len(fields) != 3 {
			b.t.Fatalf("the fingerprint has the line %q", line)
		}
		if ofTheTest(fields[0], fields[1]) {
			continue
		}
		f[fields[0]+" "+fields[1]] = fields[2]
	}
	if len(f) < 100 {
		b.t.Fatalf("the fingerprint has %d lines:\n%s", len(f), out)
	}
	return f
}

// ofTheTest are things that change by themselves, or because the test looks.
func ofTheTest(what, name string) bool {
	switch what {
	case "process":
		return slices.ContainsFunc(passing, func(p string) bool { return strings.HasPrefix(name, p) })
	case "sum":
		return notedInside.MatchString(name) || ofTheTest("file", name)
	case "file", "crontab":
		return slices.ContainsFunc(bySelves, func(p string) bool { return name == p || strings.HasPrefix(name, p+"/") })
	}
	return false
}

// passing are processes that come and go: those of the script, of sshd, and what
// systemd starts by itself.
var passing = []string{"ps ", "sed ", "{exe} ", "COMMAND", "sh -c", "/bin/sh -c ", "{ps}", "{sh}", "sshd: ", "/lib/systemd/", "(sd-pam)", "[", "/usr/bin/dbus-daemon --system"}

// notedInside are files whose content has times in it, or was that of another file
// before: the lines crontab and shadow tell what matters of them.
var notedInside = regexp.MustCompile(`^(/var/spool/cron/.*|/etc/shadow|/etc/(passwd|shadow|group|gshadow|subuid|subgid)-|.*/\.git/(index|logs/.*))$`)

// bySelves are files whose bytes say nothing about the state of a machine: what the
// lines about packages tell better, and what programs note for themselves.
var bySelves = []string{
	"/var/lib/dpkg/status", "/var/lib/dpkg/status-old", "/var/lib/dpkg/available", "/var/lib/dpkg/lock", "/var/lib/dpkg/lock-frontend",
	"/var/lib/rpm", "/var/lib/dnf", "/var/lib/dpkg/triggers", "/var/lib/dpkg/updates", "/var/lib/systemd", "/var/spool/cron/crontabs/cron.update", "/var/lib/apt/periodic", "/var/lib/apt/extended_states",
}

// differences are the keys in which two fingerprints differ. A file whose content was
// read only once is looked up in an untouched machine.
func differences(before, after fingerprint, pristine func(paths []string) map[string]string) []string {
	unread := map[string]bool{}
	for key := range after {
		path, isSum := strings.CutPrefix(key, "sum ")
		if _, known := before[key]; isSum && !known && before["file "+path] != "" {
			unread[path] = true
		}
	}
	sums := map[string]string{}
	if len(unread) > 0 {
		sums = pristine(slices.Sorted(maps.Keys(unread)))
	}
	var differ []string
	for key, is := range after {
		was, known := before[key]
		if path, isSum := strings.CutPrefix(key, "sum "); isSum && !known {
			was, known = sums[path]
			if !known && before["file "+path] == "" {
				continue // the line of the file says that it is new
			}
		}
		if !known || was != is {
			differ = append(differ, key)
		}
	}
	for key := range before {
		_, there := after[key]
		if !there && !strings.HasPrefix(key, "sum ") { // a content that is gone went with its file
			differ = append(differ, key)
		}
	}
	slices.Sort(differ)
	return differ
}

// sums returns the SHA-256 of files of the box.
func (b *box) sums(paths []string) map[string]string {
	b.t.Helper()
	var quoted strings.Builder
	for _, p := range paths {
		quoted.WriteString(" '" + strings.ReplaceAll(p, "'", `'\''`) + "'")
	}
	sums := map[string]string{}
	out, _ := b.try("sha256sum" + quoted.String()) // some may be no files of the image
	for line := range strings.Lines(out) {
		if sum, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  "); ok {
			sums[path] = sum
		}
	}
	return sums
}

// explain is what a difference is, for people.
func (f fingerprint) explain(key string) string {
	if v, ok := f[key]; ok {
		return v
	}
	return "-"
}
