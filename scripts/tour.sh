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

# The real thing, where there are machines to be had.
missing=""
if ! docker version >/dev/null 2>&1; then
	missing="Docker does not answer"
elif ! docker image inspect provisioning/debian:12 >/dev/null 2>&1; then
	missing="there is no image provisioning/debian:12 (make images)"
elif ! docker run --rm provisioning/debian:12 sh -c 'apt-get -qq -o Acquire::Retries=0 -o Acquire::http::Timeout=10 update' >/dev/null 2>&1; then
	missing="containers do not reach the mirrors of Debian, where the package comes from"
fi
say "7. Three servers on a private network, with a web server on each, over SSH"
if [ -n "$missing" ]; then
	echo "skipped: $missing"
else
	trap 'rm -rf out; "$bin" server list "web-[123]" -q >/dev/null 2>&1 && "$bin" server delete "web-[123]" --force --yes -q >/dev/null' EXIT
	show run three-servers.star
	say "8. Once more: nothing is left to do"
	show run three-servers.star
	show server exec 'web-*' -- systemctl is-active lighttpd
	say "9. Redis as a taskserv: a primary and two replicas, from one command"
	show taskserv create redis --servers web-1,web-2,web-3
	show taskserv status redis --servers web-1,web-2,web-3 --quiet
	auth='export REDISCLI_AUTH=$(cat /etc/redis/provisioning.password)'
	show server exec web-1 --quiet -- sh -c "$auth; redis-cli set greeting hello"
	show server exec web-3 --quiet -- sh -c "$auth; "'for i in $(seq 50); do test "$(redis-cli get greeting)" = hello && exit; sleep 0.1; done; exit 1'
	say "10. Clean up"
	show server delete 'web-*' --force --yes
fi

say "Your turn"
echo "  cd scripts                            # a workspace: its journal is in .provisioning"
echo "  ../$1 run quickstart.star   # run it yourself"
echo "  ../$1 repl                  # play"
echo "  ../$1 docs                  # what scripts can do"
