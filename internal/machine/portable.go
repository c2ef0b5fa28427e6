package machine

import "strings"

// Portable returns a line that every POSIX shell reads as sh reads the given one, if
// there is one: for a program and its arguments as [Quote] writes them, also with what
// [RunHeld] puts around them. There is no builtin in it, which is another one in every
// shell, nothing to expand, and no function of a start-up file that would come first.
func Portable(line string) (portable string, ok bool) {
	if program, held := strings.CutPrefix(line, heldBefore); held {
		program = strings.TrimSuffix(program, heldAfter)
		return heldBefore + "exec " + program + heldAfter, isProgram(program)
	}
	return "exec " + line, isProgram(line)
}

func isProgram(line string) bool {
	name, _, _ := strings.Cut(line, " ")
	if name == "" || strings.ContainsAny(name, "'=") || ofShells[name] {
		return false
	}
	quoted := false
	for i := range len(line) {
		switch c := line[i]; {
		case c == '\'':
			quoted = !quoted
		case c == '\n', !quoted && strings.IndexByte(unquoted, c) < 0:
			return false
		}
	}
	return !quoted
}

// unquoted are the characters that mean themselves to all shells, and what is between words.
const unquoted = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,+@% "

// ofShells are the words that a shell does not look for on its PATH: reserved words,
// and the builtins of POSIX, dash, bash, ksh and busybox.
var ofShells = set(`
	if then else elif fi do done case esac while until for in select function time coproc
	. : [ alias autoload bg bind break builtin caller cd chdir command compgen complete compopt continue declare
	dirs disown echo enable eval exec exit export false fc fg functions getopts hash help history integer jobs kill
	let local logout mapfile newgrp nohup popd print printf pushd pwd r read readarray readonly return
	set shift shopt sleep source stop suspend test times trap true type typeset ulimit umask unalias unset
	wait whence`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		m[word] = true
	}
	return m
}
