package sshtest

// FakeSudo is a script that behaves as sudo does for a user who has to give a
// password: "" needs none, and "-" stands for a user who may not use sudo. It
// runs commands as the current user.
func FakeSudo(password string) string {
	return `#!/bin/sh
# It understands what is asked of it: -n, -S, -p PROMPT, -u USER, --.
password='` + password + `'
prompt='[sudo] password: '
while :; do
	case $1 in
	-n) never=1; shift ;;
	-S) stdin=1; shift ;;
	-p) prompt=$2; shift 2 ;;
	-u) shift 2 ;;
	--) shift; break ;;
	*) break ;;
	esac
done
if [ "$password" = - ]; then
	echo "sudo: $(id -un) is not in the sudoers file." >&2
	exit 1
fi
if [ -n "$password" ]; then
	if [ -n "$never" ] || [ -z "$stdin" ]; then
		echo 'sudo: a password is required' >&2
		exit 1
	fi
	printf %s "$prompt" >&2
	# Byte by byte, as sudo does: what follows belongs to the command.
	IFS= read -r given
	if [ "$given" != "$password" ]; then
		echo 'Sorry, try again.' >&2
		echo 'sudo: no password was provided' >&2
		echo 'sudo: 1 incorrect password attempt' >&2
		exit 1
	fi
fi
exec "$@"
`
}
