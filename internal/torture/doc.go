// Package torture holds no code, only the tests that break the runtime on
// purpose. What they prove:
//
//   - TestTorture: a process that is killed at any point of any effect — after the
//     intent, before acting, after acting, after the result — loses nothing and
//     does nothing twice. The run is resumed, and killed again, until it completes
//     or waits for a person, who answers by what the world shows. Then every effect
//     has happened exactly once, the files are those of an undisturbed run, the
//     journal replays, and nothing is left open.
//   - TestRollbackTorture: a rollback that is killed at any point, of a run that
//     was itself killed at some point, brings the world back to its beginning.
//   - TestPowerLoss: what the program relies on is on the disk. A run is recorded
//     by strace; from the record, the directories are put together as they may look
//     after the power fails at some system call: without what was not synced, with
//     it, or with a random part of it. The run is resumed from there.
//
// The normal suite takes a seeded sample. TORTURE=full takes every point, which
// takes some tens of minutes; TORTURE_SEED repeats a sample; REQUIRE=strace makes it an
// error that there is no strace.
package torture
