#!/bin/sh
# Shows on the sample workflow what the program is for: plan, run, kill -9,
# resume, replay, roll back. `make run` runs it.
set -eu

bin=$(pwd)/$1
cd "$(dirname "$0")"
out=out/tour
rm -rf out
trap 'rm -rf out' EXIT

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
show() { printf '$ provisioning %s\n' "$*"; "$bin" "$@"; }

say "1. What would quickstart.star do? (check mode changes nothing)"
show run quickstart.star --check | tail -n 1

say "2. Do it: twelve services in parallel branches, real commands, a real web server"
show run quickstart.star
show rollback last --quiet

say "3. The same, slowly, and kill -9 in the middle"
"$bin" run quickstart.star --to "$out" --pause 300ms --at-once 3 -q >/dev/null 2>&1 &
pid=$!
until [ "$(ls "$out" 2>/dev/null | grep -c stamp)" -ge 4 ]; do
	kill -0 "$pid" 2>/dev/null || { echo "the run ended too early"; exit 1; }
	sleep 0.05
done
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
show runs list --limit 1
echo "stamped so far: $(cat "$out"/*.stamp | wc -l) of 12"

say "4. Resume: what happened is not done again"
show resume last
echo "services: $(ls "$out"/*.stamp | wc -l), stamps: $(cat "$out"/*.stamp | wc -l)"
test "$(cat "$out"/*.stamp | wc -l)" -eq 12

say "5. Replay: the script follows its journal, acting on nothing"
show replay last

say "6. Roll back: newest first"
show rollback last --quiet
test ! -e "$out"
say "Your turn"
echo "  cd scripts                            # a workspace: its journal is in .provisioning"
echo "  ../$1 run quickstart.star   # run it yourself"
echo "  ../$1 repl                  # play"
echo "  ../$1 docs                  # what scripts can do"
