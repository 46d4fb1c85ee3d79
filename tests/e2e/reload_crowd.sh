#!/bin/bash
# SPDX-License-Identifier: MIT
# Many devices, the descriptors that systemd gives, knocks all the while, and ten reloads of which some meet the change of a
# slot: both processes live on, no knock is lost, none is late by more than a reload takes, and the worker stays small.
. "$(dirname "$0")/lib.sh"
begin reload-crowd
ulimit -n 1024
configure
PROFILES=()
for i in 1 2 3 4 5 6; do
	enroll "user$i" key --factor hmac
	printf 'binding: explicit\nlifetime: 10s\n' >>"$D/etc/users/user$i.yaml"
	PROFILES+=(--profile "$(profile "user$i-key")")
done
NOTIFY=$D/notify
socat -u "UNIX-RECV:$NOTIFY" "OPEN:$D/notified,creat,append" &
eventually 5 test -S "$NOTIFY"
chmod 666 "$NOTIFY"
# A sanitizer has memory of its own.
plain() { ! nm -D "$WORKER" | matches __asan_init; }
# memory WHAT MIB: the most that the worker ever had.
memory() {
	local most
	most=$(($(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$WORKER_PID/status") / 1024))
	say "$1 the worker has had $most MiB at most"
	plain && [ "$most" -gt "$2" ] && fail "the worker had more than $2 MiB"
	return 0
}
now() { date +%s%3N; }
slot() { echo $(($(date +%s) / 30)); }
longest=0
reload() {
	local from took
	from=$(now)
	ctl reload >"$D/out" 2>&1 || fail "a reload does not end well: $(cat "$D/out")"
	took=$(($(now) - from))
	[ "$took" -le "$longest" ] || longest=$took
}
# Each knock has its line in the log, none later than the longest reload took; a second is for a busy machine.
judge_times() {
	python3 - "$D/sent" "$D/log" $((longest + 1000)) <<-'P'
		import datetime, re, sys
		sent = dict(reversed(line.split()) for line in open(sys.argv[1]) if " " in line)
		granted = {}
		for time, address in re.findall(r"^(\S+)Z xknockd info: granted \S+ ssh from (\S+) ", open(sys.argv[2]).read(), re.M):
		    moment = datetime.datetime.fromisoformat(time).replace(tzinfo=datetime.timezone.utc)
		    granted.setdefault(address, moment.timestamp() * 1000)
		lost = [a for a in sent if a not in granted]
		late = max(granted[a] - int(t) for a, t in sent.items() if a in granted)
		print(f"-- {len(sent)} knocks, {len(lost)} lost, the latest after {late:.0f} ms; the longest reload took {int(sys.argv[3]) - 1000} ms")
		sys.exit(bool(lost) or late > int(sys.argv[3]))
	P
}
# reloads FIRST_ADDRESS [slot]: ten of them, under knocks; with "slot" more, until a slot has changed during one.
reloads() {
	local n before wanted=${2:-}
	longest=0
	exec 8> >(exec nsenter --net="/run/netns/$CLI" "$STREAM" --to 192.0.2.1 "${PROFILES[@]}" --times \
		--first "$1" --interval-us 130000 >"$D/sent")
	for ((n = 0; n < 10 || ${#wanted} > 0; ++n)); do
		before=$(slot)
		reload
		[ "$(slot)" = "$before" ] || wanted=
	done
	exec 8>&-
	eventually 10 grep -qx '[0-9]*' "$D/sent" || fail "the knocks do not end"
	say "$n reloads${2:+, a slot changed during one}"
	kill -0 "$DAEMON" || fail "the daemon is gone"
	eventually 10 judge_times || { judge_times >&2 || fail "knocks were lost or late"; }
	judge_times
}

python3 "$E2E/devices.py" 600 "$D/etc" "$UID_DAEMON"
START_TIME=60
export NOTIFY_SOCKET=$NOTIFY WATCHDOG_USEC=10000000
start
unset NOTIFY_SOCKET WATCHDOG_USEC
WORKER_PID=$(worker_pid)
equal "the worker may have few descriptors" "$(sed -n 's/^Max open files *\([0-9]*\) .*/\1/p' "/proc/$WORKER_PID/limits")" 128
descriptors=$(find "/proc/$WORKER_PID/fd" -mindepth 1 | wc -l)
say "606 devices"
reloads 2001:db8:7::
contains "systemd is asked for more time meanwhile" "$(cat "$D/notified")" "RELOADING=1
WATCHDOG_USEC=120000000"
contains "and for no more of it afterwards" "$(cat "$D/notified")" "READY=1
WATCHDOG_USEC=10000000"

many=10000
plain || many=2000 # which takes as long with a sanitizer
say "$many devices, a reload from the one number to the other"
python3 "$E2E/devices.py" $((many - 6)) "$D/etc" "$UID_DAEMON"
reload
contains "there they are" "$(cat "$D/log")" ": $many credentials"
reloads 2001:db8:8:: slot
memory "after all of these" 64
equal "it has no more descriptors open than at its start" "$(find "/proc/$WORKER_PID/fd" -mindepth 1 | wc -l)" "$descriptors"
stop
pass
