package ssh

import (
	"bytes"
	"os/exec"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
)

// TestLoginShells has a line read by every shell there is that may be that of a
// login.
func TestLoginShells(t *testing.T) {
	lines := []string{
		"printf '%s\\n' 'a!b' \"c\\\\d\" '\\' 'it'\\''s' '$HOME' '\\\\'\\'",
		"for i in 1 2; do\n  echo \"$i!\" \\\n    more\ndone\ncat <<'E'\n\\0012 $x `y`\nE\n",
		"echo 'ends with a backslash\\'",
		"env printf '%s\\n' 'a!b' '$HOME' '*' ~x",
		"env printf '%s %s\\n' a:b@c 'it has  spaces' 'back\\slash'",
	}
	for _, shell := range []string{"sh", "bash", "dash", "busybox", "zsh", "ksh", "fish", "tcsh", "csh"} {
		program, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		argv := []string{program, "-c"}
		if shell == "busybox" {
			argv = []string{program, "sh", "-c"}
		}
		for _, line := range lines {
			want, err := exec.Command("/bin/sh", "-c", line).Output()
			if err != nil {
				t.Fatal(err)
			}
			for _, kind := range []int32{unknownShell, kindOf(shell)} {
				wrapped, ok := wrap("", line, kind)
				got, err := exec.Command(argv[0], append(argv[1:], wrapped)...).Output()
				_, rest, begun := bytes.Cut(bytes.TrimPrefix(got, []byte(beganMark)), []byte("\n"))
				if !ok || err != nil || !begun || !bytes.HasPrefix(got, []byte(beganMark)) || !bytes.Equal(rest, want) {
					t.Errorf("%s, as kind %d, %q: %v, got %q, want %q", shell, kind, line, err, got, want)
				}
			}
		}
	}
}

// TestProgramsOfLogin runs programs again and again: from the second time on the shell of
// the login may start them itself.
func TestProgramsOfLogin(t *testing.T) {
	c := dial(t, hostOf(sshtest.Start(t, sshtest.Options{})))
	for range 3 {
		for code, argv := range map[int][]string{0: {"env", "printf", "%s", "a $b"}, 3: {"env", "sh", "-c", "printf 'a $b'; exit 3"}, 127: {"no-such-program"}} {
			var out bytes.Buffer
			exit, stopped, err := machine.RunHeld(t.Context(), c, machine.Command{Argv: argv}, "", machine.Streams{Stdout: &out})
			if err != nil || stopped || exit.Code != code || code == 0 && out.String() != "a $b" {
				t.Errorf("%q: %+v, stopped %t, error %v, output %q", argv, exit, stopped, err, &out)
			}
		}
	}
}
