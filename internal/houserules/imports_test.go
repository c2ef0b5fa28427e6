package houserules_test

import (
	"path"
	"strings"
	"testing"
)

// row is a row of the design's table "Who may import whom".
type row struct {
	from string   // packages within this directory
	may  []string // what they may import of ours, besides their own subpackages
	why  string
}

// rows are looked through in order: the first that fits counts. An entry that
// ends in "/..." allows what lies below it too.
var rows = []row{
	{"internal/houserules", []string{"builtins", "runtime/..."}, "the rules have to see what they check"},
	{"internal/torture", []string{"builtins", "runtime/...", "internal/..."}, "the crash tests run whole workflows"},
	{"internal/scenes", []string{"builtins", "builtins/...", "runtime/...", "internal/..."}, "the scenes run whole plays on real machines"},
	{"internal", []string{"internal/..."}, "internal/* serves everybody, so it may know nobody"},
	{"runtime", []string{"runtime/...", "internal/..."}, "the runtime declares what it needs from outside as small interfaces, which cmd wires"},
	{"providers/script", []string{"providers", "internal/...", "runtime/..."}, "the adapter runs scripts; it knows the contract and no other provider"},
	{"providers", []string{"providers", "internal/..."}, "a provider knows the contract and no other provider, so that each can be read and left out by itself"},
	{"builtins/builtintest", []string{"runtime/...", "internal/..."}, "every builtin's tests use it"},
	{"builtins/", []string{"runtime/...", "internal/...", "providers"}, "a builtin never imports another: what two need goes to internal"},
	{"builtins", []string{"builtins/...", "runtime/...", "internal/...", "providers"}, "builtins.go lists the modules and does nothing else"},
	{"platform", []string{"platform/...", "builtins/...", "providers/...", "runtime/...", "internal/...", "stdlib", "clusters", "taskservs", "templates"}, "services are thin HTTP over the engines and never reach into cmd"},
	{"stdlib", nil, "it is data, and knows builtins only by name"},
	{"clusters", nil, "they are data, and know builtins only by name"},
	{"taskservs", nil, "they are data, and know builtins only by name"},
	{"templates", nil, "they are data, and know builtins only by name"},
	{"scripts", nil, "they are data, and know builtins only by name"},
	{"docs", nil, "they are data"},
	{"images", nil, "they are recipes"},
	{"deploy", nil, "they are recipes; their tests are modules of their own"},
	{"cmd", []string{"..."}, "cmd wires everything"},
}

// forTests may be imported by every test: suites and fixtures are made for it.
var forTests = []string{"builtins/builtintest", "providers/providertest"}

// forTestsOf may be imported by the tests of a package: those of an engine run whole
// scripts, as the crash tests do.
var forTestsOf = map[string]string{"runtime/temporal": "builtins"}

func TestImports(t *testing.T) {
	for _, f := range theTree(t).gos {
		r := rowOf(f.dir)
		if r == nil {
			t.Errorf("%s: no row of the table says what %q may import; add one here and to the design, section Tree", f.path, f.dir)
			continue
		}
		for _, to := range f.imports() {
			if why := forbidden(r, f, to); why != "" {
				t.Errorf("%s may not import %s: %s", f.path, to, why)
			}
		}
	}
}

func rowOf(dir string) *row {
	for i := range rows {
		r := &rows[i]
		if strings.HasSuffix(r.from, "/") && strings.HasPrefix(dir, r.from) || within(dir, r.from) {
			return r
		}
	}
	return nil
}

// forbidden says why f may not import the package to; "" when it may.
func forbidden(r *row, f *goFile, to string) string {
	if to == f.dir || within(to, family(f.dir)) {
		return ""
	}
	if within(to, "cmd") {
		return "nobody imports cmd: what is needed elsewhere too belongs into a package"
	}
	if f.test && forTestsOf[f.dir] == to {
		return ""
	}
	if f.test {
		for _, allowed := range forTests {
			if to == allowed {
				return ""
			}
		}
	}
	for _, pattern := range r.may {
		if below, ok := strings.CutSuffix(pattern, "..."); ok && strings.HasPrefix(to+"/", below) || to == pattern {
			return ""
		}
	}
	return r.why
}

// family is the directory whose packages are one thing: builtins/ssh for
// builtins/ssh/agent, and the package itself where nothing is nested.
func family(dir string) string {
	parts := strings.Split(dir, "/")
	if len(parts) < 2 {
		return dir + "/-" // a root, such as builtins: its children are not its own
	}
	return path.Join(parts[0], parts[1])
}

// TestImportTable sees that the table says what the design says.
func TestImportTable(t *testing.T) {
	for _, c := range []struct {
		from, to string
		test, ok bool
	}{
		{"internal/fault", "internal/spell", false, true},
		{"internal/fault", "runtime/value", false, false},
		{"runtime/lint", "internal/fault", false, true},
		{"runtime/lint", "builtins/fs", false, false},
		{"runtime/lint", "builtins/builtintest", true, true},
		{"builtins/fs", "builtins/http", false, false},
		{"builtins/fs", "builtins/fs/inner", false, true},
		{"builtins/fs", "builtins/builtintest", true, true},
		{"builtins/fs", "builtins/builtintest", false, false},
		{"builtins/fs", "builtins", false, false},
		{"builtins/fs", "runtime/effect", false, true},
		{"builtins/provider", "providers", false, true},
		{"builtins/provider", "providers/aws", false, false},
		{"builtins", "builtins/fs", false, true},
		{"providers/aws", "runtime/value", false, false},
		{"providers/aws", "providers", false, true},
		{"providers/aws", "providers/upcloud", false, false},
		{"providers/script", "runtime/script", false, true},
		{"platform/api", "builtins", false, true},
		{"platform/api", "cmd/provisioning", false, false},
		{"stdlib", "internal/fault", false, false},
		{"cmd/provisioning", "platform/api", false, true},
	} {
		f := &goFile{dir: c.from, test: c.test}
		if why := forbidden(rowOf(c.from), f, c.to); (why == "") != c.ok {
			t.Errorf("%s imports %s: %q, want allowed = %v", c.from, c.to, why, c.ok)
		}
	}
	if rowOf("helpers") != nil {
		t.Error("an unknown directory has a row")
	}
}
