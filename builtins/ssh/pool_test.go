package ssh_test

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/ssh"
)

func TestParseHost(t *testing.T) {
	tests := []struct {
		text, user, address string
		port                int
	}{
		{"web-1", "", "web-1", 0},
		{"deploy@web-1", "deploy", "web-1", 0},
		{"deploy@web-1:2222", "deploy", "web-1", 2222},
		{"a@b@web-1", "a@b", "web-1", 0}, // some directories have such users
		{"10.0.0.7:22", "", "10.0.0.7", 22},
		{"::1", "", "::1", 0},
		{"[::1]", "", "::1", 0},
		{"root@[::1]:22", "root", "::1", 22},
	}
	for _, test := range tests {
		user, address, port, err := ssh.ParseHost(test.text)
		if err != nil || user != test.user || address != test.address || port != test.port {
			t.Errorf("%q is %q, %q, %d, %v", test.text, user, address, port, err)
		}
	}
	for _, text := range []string{"", "@web-1", "web-1:", "web-1:0", "web-1:70000", "web-1:x", "[::1", "[::1]x:22", "-oProxyCommand=x", "web 1", "a@", "x/y"} {
		if user, address, port, err := ssh.ParseHost(text); err == nil {
			t.Errorf("%q is no host, but %q, %q, %d", text, user, address, port)
		}
	}
}

// What is taken for an address never has anything in it that a command line, a
// file name or a log could take for something else.
func FuzzParseHost(f *testing.F) {
	for _, seed := range []string{"web-1", "deploy@web-1:2222", "root@[::1]:22", "[", "@:", "::1%eth0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		user, address, port, err := ssh.ParseHost(text)
		if err != nil {
			return
		}
		if address == "" || address[0] == '-' || strings.ContainsAny(user+address, " \t\r\n\x00/") || port < 0 || port > 65535 {
			t.Errorf("%q: %q, %q, %d", text, user, address, port)
		}
	})
}
