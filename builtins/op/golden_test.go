package op

import (
	goflag "flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var update = goflag.Bool("update", false, "rewrite what the golden tests compare with")

// was is a regular file with a content.
func was(content string) fact.FileState {
	return withContent(fact.FileState{Type: "file", Mode: 0o644, Owner: "root", Group: "root", UID: "0", GID: "0"}, []byte(content))
}

func dir() fact.FileState {
	return fact.FileState{Type: "directory", Mode: 0o755, Owner: "root", Group: "root", UID: "0", GID: "0"}
}

// coming is what a write that is only planned will make, with an unknown content.
func coming(kind string) fact.FileState {
	return fact.FileState{Type: kind, Mode: 0o644, Planned: true}
}

const goldenKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJDQLkPfIwVLCkXwAhg+9qfzUvGHcIMnXsAoW7iLRwSj a"

// TestGolden is what operations do, computed from facts, without any machine: the
// difference, the script, what the script reads, and the undo, or the error.
func TestGolden(t *testing.T) {
	edited := func(create bool) Edited { return Edited{Path: "/etc/app", Create: create} }
	none := fact.FileState{}
	for name, c := range map[string]struct {
		do    operation.Operation
		known map[fact.Fact]any
	}{
		"file-new":        {present("/etc/app", "a\n"), known("/etc/app", none)},
		"file-same":       {present("/etc/app", "a\n"), known("/etc/app", was("a\n"))},
		"file-changed":    {&file{Path: "/etc/app", Content: ptr([]byte("b\n")), Attributes: Attributes{Mode: ptr(0o600), Owner: ptr("app")}, Check: "app -t %s", Backup: true, State: "present"}, known("/etc/app", was("a\n"))},
		"file-mode":       {&file{Path: "/etc/app", Attributes: Attributes{Mode: ptr(0o600)}, State: "present"}, known("/etc/app", was("a\n"))},
		"file-absent":     {&file{Path: "/etc/app", State: "absent"}, known("/etc/app", was("a\n"))},
		"file-link":       {present("/etc/app", ""), known("/etc/app", fact.FileState{Type: "link", Target: "x"})},
		"directory-new":   {&directory{Path: "/srv/a/b", Attributes: Attributes{Mode: ptr(0o700), Owner: ptr("app")}, Parents: true, State: "present"}, both(known("/srv/a/b", none), known("/srv/a", none), known("/srv", dir()))},
		"directory-gone":  {&directory{Path: "/srv/a", State: "absent"}, both(known("/srv/a", dir()), map[fact.Fact]any{fact.Tree.Of("/srv/a"): fact.TreeState{Sum: "5", Entries: []fact.Entry{{Path: "/srv/a", FileState: dir()}, {Path: "/srv/a/b", FileState: was("")}}}})},
		"directory-all":   {&directory{Path: "/srv/a", Attributes: Attributes{Owner: ptr("app")}, Recursive: true, State: "present"}, both(known("/srv/a", dir()), known("/srv", dir()), map[fact.Fact]any{fact.Tree.Of("/srv/a"): fact.TreeState{Entries: []fact.Entry{{Path: "/srv/a", FileState: dir()}, {Path: "/srv/a/b", FileState: was("")}}}})},
		"link-new":        {&link{Path: "/srv/l", To: "a", State: "present"}, known("/srv/l", none)},
		"link-other":      {&link{Path: "/srv/l", To: "a", State: "present"}, known("/srv/l", fact.FileState{Type: "link", Target: "b"})},
		"link-file":       {&link{Path: "/srv/l", To: "a", State: "present"}, known("/srv/l", was("x"))},
		"link-hard":       {&link{Path: "/srv/l", To: "/srv/a", Hard: true, State: "present"}, both(known("/srv/l", none), known("/srv/a", was("x")))},
		"line-replaced":   {&line{Edited: edited(false), Line: "a = 2", Match: "^a =", State: "present"}, known("/etc/app", was("a = 1\nb\n"))},
		"line-missing":    {&line{Edited: edited(false), Line: "a = 2", State: "present"}, known("/etc/app", none)},
		"line-created":    {&line{Edited: edited(true), Line: "a = 2", State: "present"}, known("/etc/app", none)},
		"line-absent":     {&line{Edited: edited(false), Match: "^a", State: "absent"}, known("/etc/app", was("a\nb\n"))},
		"block-new":       {&block{Edited: edited(false), Content: "x\n", Name: "n", Comment: "; %s", State: "present"}, known("/etc/app", was("a\n"))},
		"block-broken":    {&block{Edited: edited(false), Content: "x\n", Name: "n", Comment: "# %s", State: "present"}, known("/etc/app", was("# BEGIN n\n"))},
		"hosts":           {&hostsEntry{Address: "10.0.0.1", Names: []string{"db"}, Path: "/etc/hosts", State: "present"}, known("/etc/hosts", was("10.0.0.2 db\n"))},
		"key-new":         {&sshKey{User: "app", Key: goldenKey, State: "present"}, map[fact.Fact]any{fact.AuthorizedKeys.Of("app"): fact.KeysState{Home: "/home/app", UID: "1000", GID: "1000", Place: dir()}}},
		"key-no-user":     {&sshKey{User: "app", Key: goldenKey, State: "present"}, map[fact.Fact]any{fact.AuthorizedKeys.Of("app"): fact.KeysState{}}},
		"template":        {&template{Path: "/etc/app", content: []byte("new\n"), secret: true}, known("/etc/app", was("old\n"))},
		"archive":         {&archive{Directory: "/opt/a", Path: "/tmp/a.tgz", Strip: 1, State: "unpacked"}, both(known("/opt/a", dir()), known("/opt/a/.provisioning-unpack", none), known("/tmp/a.tgz", was("x")), known("/opt/a/.a.tgz.unpacked", none))},
		"archive-coming":  {&archive{Directory: "/opt/a", Path: "/tmp/a.tgz", State: "unpacked"}, both(known("/opt/a", none), known("/opt/a/.provisioning-unpack", none), known("/tmp/a.tgz", coming("file")), known("/opt/a/.a.tgz.unpacked", none))},
		"archive-other":   {&archive{Directory: "/opt/a", Path: "/tmp/a.tgz", State: "unpacked"}, both(known("/opt/a", dir()), known("/opt/a/.provisioning-unpack", none), known("/tmp/a.tgz", coming("other")), known("/opt/a/.a.tgz.unpacked", was("x\n")))},
		"archive-came":    {&archive{Directory: "/opt/a", Path: "/tmp/a.tgz", State: "unpacked"}, both(known("/opt/a", dir()), known("/opt/a/.provisioning-unpack", none), known("/tmp/a.tgz", coming("file")), known("/opt/a/.a.tgz.unpacked", coming("file")))},
		"archive-onto":    {&archive{Directory: "/opt/a", Path: "/tmp/a.tgz", State: "unpacked"}, both(known("/opt/a", coming("other")), known("/opt/a/.provisioning-unpack", none), known("/tmp/a.tgz", was("x")), known("/opt/a/.a.tgz.unpacked", none))},
		"archive-made":    {&archive{Directory: "/opt/a", Path: "/tmp/a.tgz", Creates: "bin", State: "unpacked"}, both(known("/opt/a", dir()), known("/opt/a/.provisioning-unpack", none), known("/tmp/a.tgz", coming("file")), known("/opt/a/bin", coming("other")))},
		"pack-coming":     {&archive{Directory: "/opt/a", Path: "/tmp/a.tgz", State: "packed"}, both(known("/opt/a", dir()), known("/tmp/a.tgz", none), known("/tmp/.a.tgz.packed", none), map[fact.Fact]any{fact.Tree.Of("/opt/a"): fact.TreeState{Planned: true}})},
		"line-coming":     {&line{Edited: Edited{Path: "/etc/app", Attributes: Attributes{Mode: ptr(0o600)}}, Line: "a = 2", State: "present"}, known("/etc/app", coming("file"))},
		"file-over":       {present("/etc/app", "b\n"), known("/etc/app", coming("file"))},
		"file-attribute":  {&file{Path: "/etc/app", Attributes: Attributes{Mode: ptr(0o600)}, State: "present"}, known("/etc/app", coming("file"))},
		"file-gone":       {&file{Path: "/etc/app", State: "absent"}, known("/etc/app", coming("file"))},
		"directory-onto":  {&directory{Path: "/srv/a", State: "present"}, both(known("/srv/a", coming("other")), known("/srv", dir()))},
		"directory-grown": {&directory{Path: "/srv/a", Attributes: Attributes{Owner: ptr("app")}, Recursive: true, State: "present"}, both(known("/srv/a", dir()), known("/srv", dir()), known("/srv/a/b", was("")), known("/srv/a/c", none), map[fact.Fact]any{fact.Tree.Of("/srv/a"): fact.TreeState{Entries: []fact.Entry{{Path: "/srv/a", FileState: dir()}, {Path: "/srv/a/c", FileState: was("")}}}})},
		"directory-fills": {&directory{Path: "/srv/a", Attributes: Attributes{Owner: ptr("app")}, Recursive: true, State: "present"}, both(known("/srv/a", dir()), known("/srv", dir()), map[fact.Fact]any{fact.Tree.Of("/srv/a"): fact.TreeState{Planned: true}})},
		"git-onto":        {&git{Repository: "https://example.com/a.git", Path: "/srv/a", Ref: strings.Repeat("1", 40)}, both(known("/srv/a", coming("other")), map[fact.Fact]any{fact.Git.Of("/srv/a"): fact.GitState{}})},
		"crontab-coming":  {&cron{Name: "own", Command: "date", Schedule: "@daily", User: "root", Crontab: true, State: "present"}, map[fact.Fact]any{fact.Crontab.Of("root"): fact.CrontabState{}, fact.PlannedPackage.Of("*"): ""}},
		"crontab-none":    {&cron{Name: "own", Command: "date", Schedule: "@daily", User: "root", Crontab: true, State: "present"}, map[fact.Fact]any{fact.Crontab.Of("root"): fact.CrontabState{}}},
		"download":        {&download{URL: "https://example.com/x", Path: "/opt/x", Checksum: "sha256:" + strings.Repeat("0", 64)}, known("/opt/x", none)},
		"git-clone":       {&git{Repository: "https://u:p@example.com/a.git", Path: "/srv/a", Ref: "main", Update: true}, gitFacts(none, fact.GitState{})},
		"git-update":      {&git{Repository: "https://u:p@example.com/a.git", Path: "/srv/a", Ref: "main", Update: true}, gitFacts(dir(), fact.GitState{Commit: "0", Branch: "main", Remote: "https://example.com/a.git"})},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, c.do, worldOf(c.known)) })
	}
}

func both(all ...map[fact.Fact]any) map[fact.Fact]any {
	sum := map[fact.Fact]any{}
	for _, m := range all {
		for f, v := range m {
			sum[f] = v
		}
	}
	return sum
}

func gitFacts(there fact.FileState, now fact.GitState) map[fact.Fact]any {
	ref := fact.GitRef("https://example.com/a.git", "main", "Authorization: Basic dTpw")
	return both(known("/srv/a", there), map[fact.Fact]any{
		fact.Git.Of("/srv/a"): now, fact.GitRemote.Of(ref): fact.GitTarget{Commit: "1", Name: "refs/heads/main"},
	})
}

func golden(t *testing.T, name string, do operation.Operation, w *fact.World) {
	setBase(do)
	if missing := w.Missing(do.Facts()); len(missing) > 0 {
		t.Fatalf("it also asks about %v", missing)
	}
	got := shown(do.Plan(w))
	file := "testdata/golden/" + name + ".txt"
	if *update {
		write(t, file, got)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("it plans\n%s\nand the file has\n%s", got, want)
	}
}

func shown(c *operation.Change, err error) string {
	switch {
	case err != nil:
		return "error: " + err.Error() + "\n"
	case c == nil:
		return "nothing to do\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "-- change: %s --\n%s", c.Kind, c.Diff)
	if c.Unsure != "" {
		fmt.Fprintf(&b, "-- depends on %s --\n", c.Unsure)
	}
	fmt.Fprintf(&b, "-- script, hidden: %t --\n%s-- its input --\n%s", c.Hidden, c.Script, c.Stdin)
	if c.Undo == nil {
		return b.String() + "-- no undo --\n"
	}
	fmt.Fprintf(&b, "-- undo --\n%s-- its input --\n%s", c.Undo.Script, c.Undo.Stdin)
	return b.String()
}

// setBase gives an operation its machine.
func setBase(do operation.Operation) {
	b := here()
	switch o := do.(type) {
	case *file:
		o.Base = b
	case *directory:
		o.Base = b
	case *link:
		o.Base = b
	case *line:
		o.Base = b
	case *block:
		o.Base = b
	case *hostsEntry:
		o.Base = b
	case *sshKey:
		o.Base = b
	case *template:
		o.Base = b
	case *archive:
		o.Base = b
	case *download:
		o.Base = b
	case *git:
		o.Base = b
	case *cron:
		o.Base = b
	}
}

// worldOf is a machine of which that is known.
func worldOf(known map[fact.Fact]any) *fact.World {
	w := &fact.World{}
	for f, v := range known {
		w.Set(f, v)
	}
	return w
}
