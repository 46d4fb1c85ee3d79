#!/bin/bash
# SPDX-License-Identifier: MIT
# What is full: gate.max_grants, and the filter's maps of bans. Who comes then is refused with a reason, nothing is half
# done, and as soon as there is room again they get in. So it is with descriptors for clients of the control socket.
. "$(dirname "$0")/lib.sh"
# As it is shipped: the sanitizer needs descriptors itself, and takes minutes for full maps.
begin limits
configure 'gate: {max_grants: 2}'
enroll_everybody
enroll carol pc --factor hmac

say "more clients than the daemon has descriptors"
most=$(ulimit -S -n)
ulimit -S -n 128
start
ulimit -S -n "$most"
background "$SRV" python3 -c 'import socket, sys, time
held = [socket.socket(socket.AF_UNIX) for _ in range(160)]
for one in held:
    one.connect(sys.argv[1])
time.sleep(60)' "$D/run/control.sock"
crowd=$BACKGROUND
is_full() { grep -q "accepting a client of the control socket: Too many open files" "$D/log"; }
eventually 10 is_full || fail "the log does not say it"
ctl status >"$D/late" &
client=$!
spent() { awk '{ print $14 + $15 }' "/proc/$DAEMON/stat"; }
before=$(spent)
sleep 2 # what the daemon does meanwhile is what is looked at
after=$(spent)
[ $((after - before)) -lt 40 ] || fail "it spins: $((after - before)) ticks of two seconds"
say "the daemon does not spin"
kill "$crowd"
wait "$client" || fail "a client that waited gets no reply"
contains "who waits is served when there is one" "$(cat "$D/late")" "knock port"
stop

start
listen 22 80

say "as many grants as there may be"
check "the first of two" knock 192.0.2.1 bob-phone ssh
full=$(ruleset)
knock_only 192.0.2.1 anna-robot web 2>/dev/null
reaches refused limit 1
say "a service of two ports finds room for one, and is refused"
eventually 5 grep -q 'refused anna/robot from 192.0.2.2: limit' "$D/log" || fail "the log does not say so"
say "the log says so"
equal "none of its ports was opened" "$(ctl grants | grep -c 'tcp/80\|tcp/443' || true)" 0
refuse "nor in the kernel" granted 80
equal "the ruleset is as it was" "$(ruleset)" "$full"
check "one port of it has room" knock 192.0.2.1 anna-robot tcp/80
refuse "for the operator there is no more either" ctl open 192.0.2.2 tcp/443 --for 1m
contains "and they are told what to change" "$(cat "$D/out")" "gate.max_grants"
check "who has a grant may knock again" knock_only 192.0.2.1 bob-phone ssh
reaches accepted open 3
knock_only 192.0.2.1 carol-pc ssh 2>/dev/null
reaches accepted open 4
say "and another may share it"
knock_only 192.0.2.1 carol-pc web 2>/dev/null
reaches refused limit 2
say "but not have one more"
ctl close bob >/dev/null
ctl close carol >/dev/null
ctl close anna >/dev/null
check "when grants were closed there is room for both" knock_only 192.0.2.1 anna-robot web
reaches accepted open 5
equal "and both are open" "$(grants)" 2

say "as many bans as there may be"
# list KIND COUNT: addresses or networks, none of them inside another.
list() {
	python3 - "$@" <<-'P'
		import sys
		for i in range(int(sys.argv[2])):
		    print(f"2001:db8:{0x1000 + (i >> 16):x}:{i & 65535:x}::" + ("/64" if sys.argv[1] == "networks" else "1"))
	P
}
limit() { sed -n "s/^#define $1[[:space:]]*//p" "$TOP/bpf/abi.h"; }
bans() { ctl status --json | sed -n 's/ *"bans": \([0-9]*\).*/\1/p'; }
# full KIND LIMIT SET ONE ANOTHER: all but one in one go, then one list with ONE and ANOTHER in it, and ANOTHER alone.
full() {
	local kind=$1 most=$2 set=$3 one=$4 another=$5 code=0
	list "$kind" $((most - 1)) | ctl ban --stdin --reason many >"$D/out" || fail "banning $kind: $(cat "$D/out")"
	printf '%s\n' "$one" "$another" "$one" | ctl ban --stdin >"$D/out" 2>"$D/err" || code=$?
	equal "$kind: a list with one too many: exit code" "$code" 1
	equal "$kind: what had room is banned" "$(cat "$D/out")" "banned 2" # one of them twice
	contains "$kind: what had none is named" "$(cat "$D/err")" "$another: no more than $most $kind can be banned"
	code=0
	ctl ban "$another" >"$D/out" 2>&1 || code=$?
	equal "$kind: one too many: exit code" "$code" 1
	contains "$kind: with a hint" "$(cat "$D/out")" "unban some"
	lacks "$kind: it is not in the list" "$(ctl bans)" "$another"
	lacks "$kind: it is not in nftables" "$(in_srv nft list set inet xknock "$set")" "$another"
	check "$kind: who is banned already can be banned anew" ctl ban "$one" --for 1h
	check "$kind: when one goes" ctl unban "$one"
	check "$kind: another has room" ctl ban "$another"
	ctl unban "$another" >/dev/null
}
full networks "$(limit XK_MAX_BANNED_NETWORKS)" banned_networks4 203.0.113.32/27 203.0.113.64/27
full addresses "$(limit XK_MAX_BANNED_ADDRESSES)" banned4 198.51.100.66 198.51.100.67
equal "all others are still banned" "$(bans)" $(($(limit XK_MAX_BANNED_NETWORKS) + $(limit XK_MAX_BANNED_ADDRESSES) - 2))
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
START_TIME=120 start
equal "also after a kill" "$(bans)" $(($(limit XK_MAX_BANNED_NETWORKS) + $(limit XK_MAX_BANNED_ADDRESSES) - 2))
ctl close 0.0.0.0/0 >/dev/null # max_grants is not what this is about
check "and knocks are served" knock 192.0.2.1 bob-phone ssh
stop
pass
