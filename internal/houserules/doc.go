// Package houserules holds the rules of this repository as tests: who may
// import whom, what has to be documented, how large a file may be. It has no
// code of its own. Each failing test says why the rule is there; a rule that
// no longer makes sense is changed here and in the design at once.
package houserules
