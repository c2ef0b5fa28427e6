// Package scenes holds no code, only the tests that play every operation on real
// machines: containers of Debian with systemd, of Debian without an init system, and
// of busybox. A scene is a small play. What is proven of each:
//
//   - check mode changes nothing, and names exactly what the run then changes, with
//     the same differences;
//   - a second run changes nothing, and its check names nothing;
//   - rollback brings the machine back to what it was: every file with its mode and
//     owner, packages, accounts, units, mounts, processes. What stays is explained in
//     a table, or the test fails; docs/undo-coverage.md shows all of it;
//   - a run whose script is killed on the way is resumed, and ends where an undisturbed
//     one does.
//
// Each scene is played on one of the machines that it is for, and on all of them with
// TORTURE=full, as make torture does. An operation without a scene fails the test. Scenes that install packages need the
// archive of Debian: they are skipped where it cannot be reached, or fail where REQUIRE
// has apt in it. REQUIRE=docker makes it an error that there is no engine, or no image
// (make images). SCENES_SEED repeats the choice of where scripts are killed.
package scenes
