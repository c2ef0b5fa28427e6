package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/temporal/temporaltest"
)

// TestTutorial runs every command of the tutorial, in its order, and looks for
// the lines that the tutorial shows in what they print.
func TestTutorial(t *testing.T) { runGuide(t, filepath.Join("..", "..", "docs", "tutorial.md")) }

// TestTestingGuide does the same with the guide to tests.
func TestTestingGuide(t *testing.T) { runGuide(t, filepath.Join("..", "..", "docs", "testing.md")) }

// TestSessionGuide does the same with the guide from a session to a script, and
// TestDebuggingGuide with that to debugging.
func TestSessionGuide(t *testing.T) {
	runGuide(t, filepath.Join("..", "..", "docs", "from-session-to-script.md"))
}

func TestDebuggingGuide(t *testing.T) { runGuide(t, filepath.Join("..", "..", "docs", "debugging.md")) }

// TestClusterGuide does the same with the guide to clusters, for which there is a server.
func TestClusterGuide(t *testing.T) {
	runGuideIn(t, filepath.Join("..", "..", "docs", "cluster.md"), func(g *guide) {
		g.env = append(g.env, "PROVISIONING_ENGINE_TEMPORAL_ADDRESS="+temporaltest.Start(t).Address)
	})
}

var (
	scriptBlock  = regexp.MustCompile("(?s)`((?:[a-z_]+\\.star|config/provisioning\\.toml))`:\n\n```(?:python|toml)\n(.*?)```")
	commandBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
)

// runGuide executes a guide: it writes the files that the text names, and runs
// the blocks of commands. A command that ends with "# fails" has to fail, one
// with "# waits" has to end with 6, and one that ends with "&" goes on until the guide
// has ended. The lines that begin with a prompt, "> " or "(0#1) ", are typed.
func runGuide(t *testing.T, file string) { runGuideIn(t, file, func(*guide) {}) }

// runGuideIn is runGuide for one that needs something to be there.
func runGuideIn(t *testing.T, file string, prepare func(*guide)) {
	t.Parallel()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g := newGuide(t)
	prepare(g)
	for _, m := range scriptBlock.FindAllStringSubmatch(string(data), -1) {
		g.files[m[1]] = m[2]
	}
	blocks := commandBlock.FindAllStringSubmatchIndex(string(data), -1)
	if len(blocks) < 2 {
		t.Fatalf("only %d blocks of commands in %s", len(blocks), file)
	}
	for _, at := range blocks {
		g.writeFilesBefore(string(data[:at[0]]))
		g.block(string(data[at[2]:at[3]]))
	}
}

type guide struct {
	t     *testing.T
	dir   string
	home  string
	env   []string
	files map[string]string
}

func newGuide(t *testing.T) *guide {
	dir, home, bin := t.TempDir(), t.TempDir(), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "provisioning")); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME=", "XDG_CACHE_HOME=", "XDG_STATE_HOME=",
		"PROVISIONING_HOME=", "PATH="+bin+":"+os.Getenv("PATH"))
	return &guide{t: t, dir: dir, home: home, env: env, files: map[string]string{}}
}

// writeFilesBefore puts the files into the workspace that the text has named.
func (g *guide) writeFilesBefore(text string) {
	for name, content := range g.files {
		if !strings.Contains(text, "`"+name+"`:\n") {
			continue
		}
		g.file(name, content)
		delete(g.files, name)
	}
}

func (g *guide) block(text string) {
	for _, part := range strings.Split("\n"+text, "\n$ ")[1:] {
		command, expected, _ := strings.Cut(part, "\n")
		command, note, _ := strings.Cut(command, "   # ")
		if command, ok := strings.CutSuffix(command, " &"); ok {
			g.begin(command, expected)
			continue
		}
		input, expected := typedLines(expected)
		output, code := g.run(command, input)
		want := map[string]int{"": 0, "fails": 1, "waits": 6}[note]
		if code != want && !(note == "fails" && code != 0) {
			g.t.Errorf("$ %s\nended with %d, not %d:\n%s", command, code, want, output)
		}
		for line := range strings.Lines(expected) {
			if line = strings.TrimSpace(line); line != "" && !shows(output, line) {
				g.t.Errorf("$ %s\ndoes not print %q, but\n%s", command, line, output)
			}
		}
	}
}

var promptText = regexp.MustCompile(`^(> |\([^ ()]+(, what if)?\) )`)

// typedLines splits the lines behind a command into those that are typed, and those
// that are shown.
func typedLines(lines string) (input, shown string) {
	for line := range strings.Lines(lines) {
		if prompt := promptText.FindString(line); prompt != "" {
			input += strings.TrimPrefix(line, prompt)
		} else {
			shown += line
		}
	}
	return input, shown
}

func (g *guide) run(command, input string) (output string, code int) {
	cmd := exec.Command("sh", "-c", command)
	cmd.Stdin = strings.NewReader(input)
	cmd.Dir, cmd.Env = g.dir, g.env
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		g.t.Fatalf("$ %s: %v", command, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// must runs a command that has to succeed.
func (g *guide) must(command string) string {
	g.t.Helper()
	out, code := g.run(command, "")
	if code != 0 {
		g.t.Fatalf("$ %s\nended with %d:\n%s", command, code, out)
	}
	return out
}

// file writes a file of the workspace.
func (g *guide) file(name, content string) {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

// begin starts a command that goes on beside those that follow, once it has shown the
// expected lines, and is interrupted at the end.
func (g *guide) begin(command, expected string) {
	out := new(said)
	cmd := exec.Command("sh", "-c", "exec "+command)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = g.dir, g.env, out, out
	if err := cmd.Start(); err != nil {
		g.t.Fatalf("$ %s: %v", command, err)
	}
	g.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may be gone
		if err := cmd.Wait(); err != nil {
			g.t.Errorf("$ %s\nended with %v:\n%s", command, err, out)
		}
	})
	for line := range strings.Lines(expected) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		for began := time.Now(); !shows(out.String(), line); time.Sleep(pollInterval) {
			if time.Since(began) > pollDeadline {
				g.t.Fatalf("$ %s\ndoes not print %q, but\n%s", command, line, out)
			}
		}
	}
}

// said is what a command has said so far.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// shows reports whether a line of output has the words of want in their order;
// "…" stands for anything.
func shows(output, want string) bool {
	var pattern strings.Builder
	for _, word := range strings.Fields(want) {
		parts := strings.Split(word, "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		pattern.WriteString(`\s*` + strings.Join(parts, ".*"))
	}
	return regexp.MustCompile(pattern.String()).MatchString(output)
}
