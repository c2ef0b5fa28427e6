package scenes

// fileScenes are those of operations on files.
var fileScenes = []scene{
	{
		op: "file", about: "new", want: "create",
		play: []string{`op.file(m, "/etc/motd.d-new", content = "Welcome.\n", mode = 0o640, owner = "deploy", group = "deploy")`},
	},
	{
		op: "file", about: "other content and mode", want: "update update",
		before: "mkdir -p /srv; printf 'old\\n' >/srv/a; chmod 600 /srv/a; chown deploy /srv/a; echo kept >/srv/b",
		play: []string{
			`op.file(m, "/srv/a", content = "new\n", mode = 0o4755)`,
			`op.file(m, "/srv/b", owner = "deploy", mode = 0o400)`,
		},
	},
	{
		op: "file", about: "absent, large", want: "delete delete",
		before: "mkdir -p /srv; echo old >/srv/a; head -c 3000000 /dev/urandom >/srv/large; chmod 640 /srv/large; chown deploy /srv/large",
		play: []string{
			`op.file(m, "/srv/a", state = "absent")`,
			`op.file(m, "/srv/large", state = "absent")`,
		},
	},
}
