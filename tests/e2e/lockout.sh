#!/bin/bash
# SPDX-License-Identifier: MIT
# A gate on trial goes by itself: at its time, over kill -9, restart, sleep and reboot, and whenever nobody would be there
# to take it away, unless somebody confirmed it. And the log says who may not knock, or soon may not.
. "$(dirname "$0")/lib.sh"
begin lockout
configure
enroll_everybody
listen 22
open_to_all() { can_connect "$STR" 198.51.100.1 22; }
nothing_stands() {
	equal "no table" "$(in_srv nft list tables)" ""
	equal "no pins" "$(ls -A "$D/bpf/xknock")" ""
	lacks "no program at the interface" "$(in_srv ip link show host0)" xdp
	check "the port is open to everybody" open_to_all
}
# ended CODE: the daemon ended by itself.
gone() { ! kill -0 "$DAEMON" 2>/dev/null; }
ended() {
	local code=0
	eventually 20 gone || fail "the daemon does not end"
	wait "$DAEMON" || code=$?
	DAEMON=
	equal "it ends with $1" "$code" "$1"
}
left() { ctl status --json | sed -n 's/.*"trial_ends_in_s": \([a-z0-9]*\).*/\1/p'; }
# once: a daemon that is to end by itself at its start, in $D/once.
once() {
	local code=0
	: >"$D/once"
	in_srv timeout -s KILL 30 "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$WORKER" >"$D/once" 2>&1 || code=$?
	CODE=$code
}

# later SECONDS: the same, with boot time ahead.
later() {
	CODE=0
	in_srv timeout -s KILL 30 unshare --time --boottime "$1" --fork --kill-child "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$WORKER" >"$D/once" 2>&1 || CODE=$?
}

say "a trial that nobody confirms"
start_with --try 10s
refuse "the gate stands" open_to_all
contains "status says it" "$(ctl status)" 'unless "knockctl confirm" comes before'
check "a knock opens" knock 192.0.2.1 anna-robot ssh
ended 79
contains "the log is loud" "$(cat "$D/log")" "critical: the trial is over and nobody confirmed it"
nothing_stands
start
contains "judgement forgot nothing" "$(grep 'judgement begins' "$D/log" | tail -n 1)" "the memory of this boot"
equal "the next start is none on trial" "$(left)" null
refuse "and the gate stands" open_to_all

say "a daemon that runs is put on trial, and confirmed"
for time in 0s 8d; do
	refuse "not for $time" ctl try $time
	contains "which is no time for one" "$(cat "$D/out")" "a trial lasts from 1s to 7d"
done
refuse "there is nothing to confirm yet" ctl confirm
contains "which is said" "$(cat "$D/out")" "the gate is not on trial"
check "try" ctl try 1h
contains "it says what to do" "$(cat "$D/out")" "knockctl confirm"
[ "$(left)" -gt 3500 ] || fail "an hour is $(left) seconds"
check "another end" ctl try 5s
[ "$(left)" -le 5 ] || fail "five seconds are $(left)"
check "confirm" ctl confirm
equal "no trial" "$(left)" null
sleep 6 # its five seconds are of boot time, which nobody can move under a daemon that runs
refuse "the gate stands after its time" open_to_all
check "and its daemon lives" ctl status
stop
refuse "a stop leaves it standing, as ever" open_to_all

say "kill -9, and the time goes on"
start_with --try 1h
kill -KILL "$DAEMON"
wait "$DAEMON" || true
refuse "nobody lives, and the gate stands" open_to_all
start
case $(left) in null | 0) fail "the next daemon knows of no trial" ;; esac
say "the next daemon is on trial too"
check "with another end" ctl try 5s
kill -KILL "$DAEMON"
wait "$DAEMON" || true
refuse "nobody is there to see its end" open_to_all
later 6
equal "the next start ends" "$CODE" 79
contains "and says why" "$(cat "$D/once")" "the trial is over"
nothing_stands

say "sleep counts: boot time goes on, and no other clock"
start_with --try 1h
kill -KILL "$DAEMON"
wait "$DAEMON" || true
later 3700
equal "an hour later it is over" "$CODE" 79
nothing_stands

say "a reboot is no confirmation"
start_with --try 1h
kill -KILL "$DAEMON"
wait "$DAEMON" || true
sed -i 's/^[0-9a-f]*/00000000/' "$D/state/trial"
once
equal "a trial of another boot is over" "$CODE" 79
nothing_stands
start_with --try 1h
kill -KILL "$DAEMON"
wait "$DAEMON" || true
echo nonsense >"$D/state/trial"
once
equal "and so is one that cannot be read" "$CODE" 79
nothing_stands

say "nobody there to take it away: then it does not stand"
start_with --try 1h
stop
contains "a stop says so" "$(tail -n 3 "$D/log")" "stopped while on trial"
nothing_stands
start
refuse "a start goes on with it" open_to_all
case $(left) in null | 0) fail "the trial is forgotten" ;; esac
kill -KILL "$DAEMON"
wait "$DAEMON" || true
cp -p "$D/etc/server_id" "$D/id"
echo garbage >"$D/etc/server_id"
once
equal "an identity that became none" "$CODE" 78
check "opens the ports, because nobody starts it again" open_to_all
cp -p "$D/id" "$D/etc/server_id"
start
kill -KILL "$DAEMON"
wait "$DAEMON" || true
sed -i 's/host0, host1/hosd0, hosd1/' "$D/etc/xknock.yaml"
once
equal "interfaces that are away" "$CODE" 1
check "and that too" open_to_all
sed -i 's/hosd0, hosd1/host0, host1/' "$D/etc/xknock.yaml"
start
worker=$(worker_pid)
kill -KILL "$worker"
ended 1
check "a worker that died opens them too, until the next start" open_to_all
start
refuse "which shuts them" open_to_all
check "confirmed" ctl confirm
kill -KILL "$DAEMON"
wait "$DAEMON" || true
start
equal "is confirmed for good" "$(left)" null
check "and on trial again" ctl try 1h
stop
check "until --remove" daemon_command --remove
start
equal "which ends the trial too" "$(left)" null
stop
daemon_command --remove >"$D/out" 2>&1

say "gate mode external: of the sets of others only what is ours"
in_srv nft -f - <<'N'
table inet mine {
	set knock4 { type ipv4_addr . inet_proto . inet_service; flags timeout; }
	set knock6 { type ipv6_addr . inet_proto . inet_service; flags timeout; }
}
N
in_srv nft 'add element inet mine knock4 { 203.0.113.5 . tcp . 22 timeout 1h comment "his" }'
before=$(ruleset)
echo 'gate: {mode: external, external: {table: mine, set4: knock4, set6: knock6}}' >>"$D/etc/xknock.yaml"
start_with --try 1h
check "a grant" ctl open 192.0.2.2 ssh --for 1h
check "grants of IPv6" ctl open 2001:db8::2 web --for 1h
contains "are in them" "$(ruleset)" "192.0.2.2 . tcp . 22"
check "the time comes" ctl try 1s
ended 79
equal "his is left, ours are not" "$(ruleset)" "$before"
start_with --try 1h
check "a grant" ctl open 192.0.2.2 ssh --for 1h
kill -KILL "$DAEMON"
wait "$DAEMON" || true
sed -i 's/ [0-9]*$/ 1/' "$D/state/trial"
once
equal "over while nobody lived" "$CODE" 79
equal "the same" "$(ruleset)" "$before"

say "who may not knock"
configure
user() { sed -i "$2" "$D/etc/users/$1.yaml"; }
soon=$(date -u -d '+3 days' +%Y-%m-%d)
for n in $(seq 10); do enroll "guest$n" phone --factor none; done
for n in $(seq 9); do user "guest$n" '$ a enabled: false'; done
user guest10 '$ a valid_until: 2026-01-02'
user bob '$ a valid_from: 2126-01-02'
user anna "\$ a valid_until: $soon"
start
log=$(cat "$D/log")
contains "the disabled, not all of them by name" "$log" \
	"may not knock, disabled: guest1/phone, guest2/phone, guest3/phone, guest4/phone, guest5/phone, guest6/phone, guest7/phone, guest8/phone and 1 more"
contains "the expired" "$log" "may not knock, expired: guest10/phone"
contains "those of later" "$log" "may not knock, not yet valid: bob/phone"
contains "those whose time ends soon" "$log" "valid for less than 7 days more: anna/laptop (${soon}T00:00:00Z), anna/robot (${soon}T00:00:00Z)"
lacks "and nobody of whom there is nothing to say" "$log" "may not knock, locked"
user guest1 's/enabled: false/enabled: true/'
user bob '/valid_from/d'
user anna '/valid_until/d'
: >"$D/log"
check "a reload" ctl reload
log=$(cat "$D/log")
contains "says it anew" "$log" "may not knock, disabled: guest2/phone"
lacks "of those of whom it is still true" "$log" "guest1/phone"
lacks "nor later" "$log" "not yet valid"
lacks "nor soon" "$log" "7 days"
# Six wrong codes lock for half a minute.
for n in $(seq 6); do
	knock_only 192.0.2.1 anna-laptop ssh --otp "00000$n" >"$D/out" 2>&1
done
locked() { ctl users | grep 'anna/laptop' | grep locked; }
eventually 10 locked || fail "no lock: $(ctl users)"
check "a reload" ctl reload
contains "says who is locked" "$(tail -n 5 "$D/log")" "may not knock, locked for a while: anna/laptop"
stop
pass
