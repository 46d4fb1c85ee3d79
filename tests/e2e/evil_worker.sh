#!/bin/bash
# SPDX-License-Identifier: MIT
# A worker that was taken over gets nothing from xknockd that no user could have got: every grant that it asks for is judged
# by the configuration that xknockd read itself, and a message that makes no sense ends it.
. "$(dirname "$0")/lib.sh"
begin evil-worker
configure
enroll_everybody
enroll eve pc --factor none
sed -i '$ a enabled: false' "$D/etc/users/eve.yaml"
# right USER YAML: a user with this rule
right() {
	enroll "$1" pc --factor none
	sed -i "\$ a $2" "$D/etc/users/$1.yaml"
}
right hal "hours: [$(LC_ALL=C date -d '+3 days' +%a | tr "[:upper:]" "[:lower:]")]"
right fay "valid_from: $(date -d '+3 days' +%F)"
right pat "valid_until: $(date -d '-3 days' +%F)"
right ned 'networks: [198.51.100.0/24]'
right del 'binding: explicit\nnetworks: [198.51.100.0/24]\nexplicit_networks: [203.0.113.0/24]'
listen 22 80 8022
start
ctl ban 203.0.113.9 >/dev/null
stop

WORKER=$XK_BUILD/tests/tool/xk-evil-worker
export XK_EVIL=grants
start
eventually 20 grep -q 'evil: the end' "$D/log" || fail "the worker does not end its attack"
answers() { sed -n "s/^evil: $1: //p" "$D/log" | sort | uniq -c | tr -s ' ' | paste -sd';'; }
refused() { equal "$1: $2" "$(answers "$1")" " 1 $2"; }
refused "a port of no service" refused
refused "a service of somebody else" refused
refused "of another configuration" refused
refused "a user who is disabled" refused
for what in "outside of the hours" "before the first day" "after the last day" "outside of the networks" "for whom it may not"; do
	refused "$what" refused
done
refused "a credential of nobody" refused
refused "the operator's own" refused
refused "an address of this host" own-address
refused "an address that is banned" banned
for address in 0.0.0.0 127.0.0.1 224.0.0.1 255.255.255.255 :: ::1 ff02::1; do refused $address refused; done
refused "close all of nobody" refused
refused "for a year" "done"
contains "is cut to the longest that the user may have" "$(ctl grants | grep '203.0.113.1 ' | tr -s ' ')" " 1h "
equal "a credential gets 64 grants" "$(answers 'one of 64')" " 63 done"
equal "and no more" "$(answers 'one more')" " 15 limit"
equal "the kernel has those, and nothing else" "$(grants) $(in_srv nft list set inet xknock grants4 | grep -c expires)" "64 64"
refuse "nobody got in by it" can_connect "$CLI" 192.0.2.1 22
contains "the operator is told" "$(cat "$D/log")" "error: the worker asked for a grant that is not allowed: anna/robot"
contains "also of what it says to come from before a reload" "$(cat "$D/log")" "error: the worker asked for a grant that is not allowed: bob/phone from 192.0.2.3"
ctl close anna >/dev/null
stop

for attack in many-tags tag-of-nobody short unknown descriptors verb bool protocol notice pong notices messages \
	late-ready report horizon xknockds-own changed scope other-generation outcomes suppressed outcome nothing-suppressed; do
	export XK_EVIL=$attack
	# With sanitizers xknockd is too slow, beside a load, to take more of the large messages in a second than are allowed.
	if [ $attack = messages ]; then XKNOCKD=${XK_RELEASE:-$XK_BUILD}/daemon/xknockd start; else start; fi
	code=0
	wait "$DAEMON" || code=$?
	equal "$attack: xknockd gives this worker up" "$code" 1
	contains "and says why" "$(tail -n 2 "$D/log")" "xknock-worker "
	refuse "the ruleset stands" can_connect "$CLI" 192.0.2.1 22
	contains "the filter is attached" "$(in_srv ip link show host0)" xdp
	case $attack in
	late-ready) contains "it is the phase" "$(tail -n 2 "$D/log")" "in the wrong phase" ;;
	report | horizon | pong) contains "it was not asked" "$(tail -n 2 "$D/log")" "that nobody asked for" ;;
	xknockds-own) contains "it is the direction" "$(tail -n 2 "$D/log")" "in the wrong direction" ;;
	esac
	case $attack in notices | messages | outcomes | suppressed) contains "it is the budget" "$(tail -n 2 "$D/log")" "says more than it can" ;; esac
done
for attack in begin all-read early-tags early-request early-notice; do
	export XK_EVIL=$attack
	code=0
	daemon_command >"$D/log" 2>&1 || code=$?
	equal "$attack: the start ends" "$code" 1
	contains "and says why" "$(cat "$D/log")" "xknock-worker said something that makes no sense"
	case $attack in early-*) contains "it is the phase" "$(cat "$D/log")" "in the wrong phase" ;; esac
done

say "one that asks without a pause"
export XK_EVIL=busy
start
asks() { [ "$(grants)" -ge 1 ]; }
eventually 20 asks || fail "it does not ask"
for _ in 1 2 3 4 5; do
	check "the operator is answered meanwhile" timeout 20 "$KNOCKCTL" --socket "$D/run/control.sock" status
done
kill -TERM "$DAEMON"
stopped() { ! kill -0 "$DAEMON" 2>/dev/null || grep -qs '^State:.Z' "/proc/$DAEMON/status"; }
eventually 20 stopped || fail "the signal that ends the daemon is not seen"
wait "$DAEMON" || true
say "and so is the signal that ends it"
DAEMON=
WORKER=$XK_BUILD/daemon/xknock-worker
start
check "with an honest worker a knock opens" knock 192.0.2.1 anna-robot
stop
pass
