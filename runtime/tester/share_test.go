package tester

import (
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

// TestInWorld: what counts is where an effect writes, not what.
func TestInWorld(t *testing.T) {
	const root = "/tmp/world/workspace"
	local, web := target.Make("local", "local", nil), target.Make("ssh", "web", nil)
	for _, c := range []struct {
		kind string
		on   starlark.Value
		args map[string]string
		want bool
	}{
		{"op.file", local, map[string]string{"path": root + "/there", "content": "x"}, true},
		{"op.file", local, map[string]string{"path": root + "/there", "content": "/etc/passwd"}, true},
		{"op.directory", local, map[string]string{"path": root}, true},
		{"op.link", local, map[string]string{"path": root + "/there", "to": "/usr/bin/env"}, true},
		{"op.file", web, map[string]string{"path": root + "/there"}, false},
		{"op.file", local, map[string]string{"path": "/etc/cron.d/x", "content": "cd " + root}, false},
		{"op.file", local, map[string]string{"path": "/etc/cron.d/x", "content": root + "/there"}, false},
		{"op.file", local, map[string]string{"path": root + "/../../x"}, false},
		{"op.file", local, map[string]string{"path": root + "-2/there"}, false},
		{"op.archive", local, map[string]string{"directory": "/opt/app", "path": root + "/app.tar"}, false},
		{"op.archive", local, map[string]string{"directory": root + "/app", "path": root + "/app.tar"}, true},
		{"op.cron", local, map[string]string{"name": "x", "command": root + "/backup.sh"}, false},
		{"op.user", local, map[string]string{"name": "x", "home": root + "/home"}, false},
		{"op.mount", local, map[string]string{"path": root + "/there", "source": "tmpfs"}, false},
		{"target.script", local, map[string]string{"path": root + "/there.sh"}, false},
	} {
		args := starlark.NewDict(0)
		check(t, args.SetKey(starlark.String("target"), c.on))
		for name, text := range c.args {
			check(t, args.SetKey(starlark.String(name), starlark.String(text)))
		}
		data, err := new(codec.Codec).Encode(args)
		check(t, err)
		if got := inWorld(&journal.Effect{Kind: c.kind, Args: data}, root); got != c.want {
			t.Errorf("%s(%s, %v): %v, want %v", c.kind, c.on, c.args, got, c.want)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
