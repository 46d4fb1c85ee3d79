#!/bin/bash
# SPDX-License-Identifier: MIT
# kill -9 of either process, again and again, while knocks come and a stranger tries the port all the time: no grant is
# lost, no packet counts twice, no knock that was sent meanwhile is missed, and the port is never open to the stranger.
. "$(dirname "$0")/lib.sh"
begin crash
configure
leave_to_nftables
for i in 1 2 3 4; do enroll "user$i" key --factor hmac; done
start
listen 22
make() { "$PACKET" make --profile "$(profile "$1")" "${@:2}" >"$D/packet"; }
send() { in_cli "$PACKET" send "$D/packet" --to 192.0.2.1 "$@"; }

# A connection is tried every millisecond, until the end.
exec 9> >(exec nsenter --net="/run/netns/$STR" "$PROBE" storm --to 198.51.100.1 >"$D/storm")

# What is started from here on must not hold the storm's input open.
restart() { start 9>&-; }

# The daemon is gone at once, whatever it was doing; where only the worker is killed, the daemon gives up by itself.
kill_it() {
	kill -KILL "$1"
	wait "$DAEMON" 2>/dev/null || true
}
expires() { ctl grants --json | sed -n 's/.*"expires_in_s": \([0-9]*\).*/\1/p' | sed -n 1p; }

say "a grant survives"
make user1-key --address 192.0.2.2 --mode 1
sed -i 's/^# lifetime:.*/lifetime: 1h/' "$D"/etc/users/*.yaml
check "an hour's lifetime" ctl reload
send
eventually 5 granted || fail "the knock does not open"
left=$(expires)
kill_it "$DAEMON"
check "while nobody runs, the kernel keeps the grant open" granted
refuse "and shut for others" can_connect "$STR" 198.51.100.1 22
say "a knock that is sent while nobody runs"
make user2-key --endpoint tcp/80
send
cp "$D/packet" "$D/replay"
restart
reaches accepted open 2
say "waits in the ring and is served by the next daemon"
equal "the grant before is known again, with its holder" "$(ctl grants | grep -c 'tcp/22 .* user1/key')" 1
[ "$(expires)" -le "$left" ] || fail "the grant became longer"
before=$(stat accepted open)
send --count 3
reaches filter seen 3
equal "its replay is none" "$(stat accepted open)" "$before"

say "a replay that the filter has forgotten is refused by the memory of judgement"
stop
rm "$D/bpf/xknock/maps4/seen"
restart
cp "$D/replay" "$D/packet"
before=$(stat refused replay)
send
reaches refused replay $((before + 1))

say "a memory of another size knows it as well, and it takes a restart"
size=$(wc -c <"$D/run/state")
for entries in 131072 4096; do
	sed -i '/^gate: {replay_entries/d' "$D/etc/xknock.yaml"
	echo "gate: {replay_entries: $entries}" >>"$D/etc/xknock.yaml"
	refuse "a reload" ctl reload
	contains "says so" "$(cat "$D/out")" "gate.replay_entries"
	stop
	rm "$D/bpf/xknock/maps4/seen"
	restart
	before=$(stat refused replay)
	send
	reaches refused replay $((before + 1))
	equal "nothing that it has is taken away" "$(wc -c <"$D/run/state")" $((size + 65536 * 64))
done
sed -i '/^gate: {replay_entries/d' "$D/etc/xknock.yaml"

say "fifty kills at random moments, a knock before each"
lost=0
for i in $(seq 50); do
	user=user$((i % 4 + 1))
	make $user-key --endpoint "tcp/$(echo 22 80 443 | cut -d' ' -f$((i % 3 + 1)))"
	before=$(stat accepted open)
	send
	# Within the next two milliseconds: before, in, or behind its judgement.
	sleep "0.000$((RANDOM % 20 * 100))"
	if [ $((i % 2)) = 0 ]; then kill_it "$DAEMON"; else kill_it "$(worker_pid)"; fi
	restart
	eventually 5 at_least accepted open $((before + 1)) || lost=$((lost + 1))
	[ "$(stat accepted open)" -le $((before + 1)) ] || fail "knock $i counted twice"
done
equal "no knock was lost" "$lost" 0

say "a disk that takes nothing any more"
before=$(stat filter candidate)
kill_it "$DAEMON"
chmod 500 "$D/state"
restart
contains "is told, with what it means" "$(cat "$D/log")" "the copy of judgement's memory cannot be written"
make user3-key --endpoint tcp/22
counted=$(stat accepted open)
send
reaches accepted open $((counted + 1))
say "and knocks are let in all the same"
[ "$(stat filter candidate)" -ge "$before" ] || fail "the filter's counters began anew"
say "the filter's counters went on"
chmod 700 "$D/state"
stop
chmod 500 "$D/state"
refuse "but a copy that says clean, and cannot be revoked, stops the start" daemon_command
chmod 700 "$D/state"
restart
make user4-key --endpoint tcp/22
send
written() { find "$D/state/state" -newer "$D/packet" | matches .; }
eventually 30 written || fail "the first knock of a slot does not go to the disk at once"
say "the first knock of a slot goes to the disk at once, for the horizon after a power cut"

exec 9>&-
eventually 5 test -s "$D/storm"
say "the stranger tried $(cut -d' ' -f1 "$D/storm") times"
equal "and never got in" "$(cut -d' ' -f2 "$D/storm")" 0

say "a worker that was stopped is ended by the next daemon"
hung=$(worker_pid)
kill -STOP "$hung"
kill_it "$DAEMON"
restart
refuse "it is gone" grep -qs '^State:.[^Z]' "/proc/$hung/status"
equal "and there is one worker" "$(pgrep -x -c xknock-worker -P "$DAEMON")" 1

say "a worker that hangs is noticed"
kill -STOP "$(worker_pid)"
code=0
wait "$DAEMON" || code=$?
equal "the daemon gives up" "$code" 1
contains "and says why" "$(tail -2 "$D/log")" "does not answer"
restart
refuse "two daemons do not run at once" daemon_command
contains "and the second says so" "$(cat "$D/out")" "another xknockd runs already"
code=0
daemon_command >/dev/null 2>&1 || code=$?
equal "with exit code 75" "$code" 75

say "without any memory the freshness limit stands in for it"
before=$(stat accepted open)
make user1-key --endpoint tcp/443
send
eventually 5 at_least accepted open $((before + 1))
kill_it "$DAEMON"
rm "$D/run/state" "$D/state/state" "$D/bpf/xknock/maps4/seen"
restart
contains "it is said" "$(cat "$D/log")" "judgement begins with nothing; knocks of before are refused"
send
reaches refused horizon 1
equal "and none is accepted" "$(stat accepted open)" 0
stop

say "a lock on the state file that is nobody's worker's: nobody is ended, and the fault is named"
# lock.py FILE KIND [NAME UID]: KIND 37 is an open file description's lock (F_OFD_SETLK), which F_GETLK says is of pid -1.
cat >"$D/lock.py" <<-'P'
	import ctypes, fcntl, os, struct, sys, time
	file = os.open(sys.argv[1], os.O_RDWR)
	fcntl.fcntl(file, int(sys.argv[2]), struct.pack("hhlli4x", fcntl.F_WRLCK, 0, 0, 0, 0))
	if len(sys.argv) > 3:
	    ctypes.CDLL(None).prctl(15, sys.argv[3].encode(), 0, 0, 0)
	    os.setresuid(*[int(sys.argv[4])] * 3)
	print("locked", flush=True)
	time.sleep(60)
P
# In a PID namespace of its own, where kill(-1) would end what is there and nothing else: a process that only looks on, one
# that holds the lock as given, and xknockd. Says how it ended and who lives.
# shellcheck disable=SC2016  # for the shell inside
cat >"$D/namespace.sh" <<-'S'
	mount -t proc proc /proc
	rm -f "$D/locked"
	sleep 60 &
	bystander=$!
	python3 "$D/lock.py" "$D/run/state" "$@" >"$D/locked" &
	holder=$!
	for _ in $(seq 400); do ! grep -qs locked "$D/locked" || break; sleep 0.05; done
	code=0
	timeout 20 nsenter --net="/run/netns/$SRV" "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$WORKER" --hooks "$HOOKS" >"$D/out" 2>&1 || code=$?
	lives() { kill -0 "$1" 2>/dev/null && echo lives || echo ended; }
	echo "code $code, bystander $(lives $bystander), holder $(lives $holder)"
S
export D SRV XKNOCKD WORKER HOOKS
among() { unshare --pid --fork --kill-child --mount bash "$D/namespace.sh" "$@"; }
equal "an open file description's lock" "$(among 37)" "code 75, bystander lives, holder lives"
contains "the process cannot be named, and the error says so" "$(cat "$D/out")" "a process that cannot be identified holds a lock on \"$D/run/state\""
equal "a process that is no worker" "$(among 6)" "code 75, bystander lives, holder lives"
contains "it is named" "$(cat "$D/out")" "holds a lock on \"$D/run/state\" and is no worker of xknockd"
equal "one of another user, by a worker's name" "$(among 6 xknock-worker 65534)" "code 75, bystander lives, holder lives"
equal "one of the worker's user, by another name" "$(among 6 somebody "$UID_WORKER")" "code 75, bystander lives, holder lives"
pass
