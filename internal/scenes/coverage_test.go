package scenes

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/undo-coverage.md")

const coverageFile = "../../docs/undo-coverage.md"

// stays explains what rollback leaves: things by the pattern of their key. Whatever
// is not explained here fails the test.
var stays = []struct{ pattern, why string }{
	{"file /var/lib/provisioning(/undo)?", "the empty directory in which undo has kept what is too large for the journal"},
	{"file /etc/(sysctl.d|modprobe.d|modules-load.d)", "an empty directory for configuration, where the machine had none"},
	{"file /etc/(passwd|shadow|group|gshadow|subuid|subgid)-", "the copies that the programs for accounts make of the files before"},
	{"(file|sum|package) .*nginx.*|file /var/www(/.*)?|file /etc/ufw(/.*)?", "configuration and data of packages: they are removed, not purged"},
	{"file .*/.git/(FETCH_HEAD|ORIG_HEAD)", "what git notes about its last fetch"},
	{"file /srv", "the empty directory above a mount point, where there was none"},
	{"file /etc/scene.log", "what a process has printed"},
	{"restarted .*", "that a service was restarted"},
	{"file /etc/touched", "what a command has done that has no undo"},
}

// keptForUndo begins the keys of what operations keep for undo. It is no part of what
// they do, and has a name of its own in every run.
const keptForUndo = "file /var/lib/provisioning/undo/"

// coverage is what the scenes have found out about undo.
var coverage covered

type covered struct {
	mu   sync.Mutex
	rows []row
}

// row is one scene on one machine.
type row struct {
	op, scene, image string
	made, left       int      // things that the run has changed; of them, and beside them, those that stay
	why              []string // they stay
	refused          string
}

// add takes what a run has changed, and what of it is still different after rollback. It
// returns what nothing explains.
func (c *covered) add(s scene, i image, made, left []string) (unexplained []string) {
	kept := func(key string) bool { return strings.HasPrefix(key, keptForUndo) }
	made = slices.DeleteFunc(slices.Clone(made), kept)
	r := row{op: s.op, scene: s.about, image: i.name, made: len(made), left: len(left)}
	for _, key := range left {
		why := explained(key)
		if why == "" {
			unexplained = append(unexplained, key)
			why = "not explained: " + key
		}
		if !slices.Contains(r.why, why) {
			r.why = append(r.why, why)
		}
	}
	slices.Sort(r.why)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = append(c.rows, r)
	return unexplained
}

func (c *covered) refused(s scene, i image, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = append(c.rows, row{op: s.op, scene: s.about, image: i.name, refused: reason})
}

func explained(key string) string {
	for _, s := range stays {
		if regexp.MustCompile("^(?:" + s.pattern + ")$").MatchString(key) {
			return s.why
		}
	}
	return ""
}

// undone is how much of what a run has changed rollback has brought back.
func (r row) undone() string {
	switch {
	case r.refused != "":
		return "-"
	case r.left == 0:
		return "100 %"
	case r.left >= r.made:
		return "0 %"
	}
	return fmt.Sprintf("%d %%", min(99, 100*(r.made-r.left)/r.made)) // 100 is for all
}

func (r row) remark() string {
	if r.refused != "" {
		return "refused: " + r.refused
	}
	return strings.Join(r.why, "; ")
}

// report prints the table, and compares it with the documentation when all scenes
// were played.
func (c *covered) report(t *testing.T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortFunc(c.rows, func(a, b row) int {
		return strings.Compare(a.op+"\x00"+a.scene+"\x00"+a.image, b.op+"\x00"+b.scene+"\x00"+b.image)
	})
	made, left := 0, 0
	var table strings.Builder
	table.WriteString("| operation | scene | machine | undone | left behind |\n|---|---|---|---|---|\n")
	for _, r := range c.rows {
		made, left = made+r.made, left+min(r.left, r.made)
		fmt.Fprintf(&table, "| `op.%s` | %s | %s | %s | %s |\n", r.op, r.scene, r.image, r.undone(), r.remark())
	}
	if made == 0 {
		return
	}
	t.Logf("undo has brought back %d of %d things (%.1f %%)\n%s", made-left, made, 100*float64(made-left)/float64(made), table.String())
	if t.Failed() || len(c.rows) != everything() {
		return
	}
	page := coverageHead + table.String()
	if *update {
		if err := os.WriteFile(coverageFile, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(coverageFile)
	if err != nil {
		t.Fatal(err)
	}
	// How many files a package has is a matter of its version.
	if numbers.ReplaceAllString(string(have), "N %") != numbers.ReplaceAllString(page, "N %") {
		t.Errorf("%s is not what the scenes show; go test ./internal/scenes -update writes it. They show\n%s", coverageFile, page)
	}
}

var numbers = regexp.MustCompile(`\b[1-9]?\d %`)

// everything is how many rows there are when nothing is left out.
func everything() int {
	n := 0
	for _, i := range images {
		for _, s := range scenes() {
			if s.on(i) {
				n++
			}
		}
	}
	return n
}

const coverageHead = `# What rollback brings back

Every operation is played on real machines: a container with systemd, one without an init
system, one of busybox; and where it matters, one with dnf, one with OpenRC, one with runit. Before the run and after its rollback all files are compared (type,
mode, owner, content, where links lead), packages, units, services, processes and mounts. Of
the things that the run has changed, the table says how many rollback has brought back,
and why the others stay. Not compared: caches, logs, and what programs note for themselves.

The table is written by the tests: ` + "`go test ./internal/scenes -update`" + `.

`
