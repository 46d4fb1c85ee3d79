#!/bin/bash
# SPDX-License-Identifier: MIT
# Netlink that loses: so many changes by others that the kernel has no room for what it tells us (ENOBUFS), and requests
# of ours that the kernel has no memory for. What was missed is made good, and what failed is done as a whole later, or
# not at all.
. "$(dirname "$0")/lib.sh"
begin netlink
configure 'gate: {owned: false}'
leave_to_nftables
enroll_everybody
enroll carol pc --factor hmac
start
listen 22
check "a grant" knock 192.0.2.1 anna-robot ssh --lifetime 20m
ctl ban 203.0.113.9 --for 1h --reason 'to stay' >/dev/null
ruleset() { in_srv nft -s list table inet xknock | without_remembered | sed -E 's/ (timeout|expires) [0-9a-z]+//g' | sort; }
before=$(ruleset)
as_before() { [ "$(ruleset)" = "$before" ]; }

say "more changes than the socket for them holds"
# Many small ones in another table, and behind them what matters: it is the part that does not fit.
in_srv nft 'add table ip busy; add set ip busy crowd { type ipv4_addr; }'
python3 -c '
for i in range(60000):
    print(f"add element ip busy crowd {{ 10.{i >> 16}.{(i >> 8) & 255}.{i & 255} }}")' >"$D/crowd"
lost() { awk '$2 == 12 {n += $9} END {print n + 0}' "/proc/$DAEMON/net/netlink"; }
kill -STOP "$DAEMON"
in_srv nft -f "$D/crowd"
in_srv nft delete table inet xknock
[ "$(lost)" -gt 0 ] || fail "everything fitted: the test proves nothing"
say "the kernel dropped $(lost) messages"
check "the table is gone: the port is open to strangers" can_connect "$STR" 198.51.100.1 22
kill -CONT "$DAEMON"
eventually 5 as_before || fail "the ruleset is not as before: $(diff <(printf '%s\n' "$before") <(ruleset))"
say "the daemon has put the table back, with its grant and its ban"
refuse "strangers stay outside" can_connect "$STR" 198.51.100.1 22
check "whoever has a grant gets in" granted
check "and the next knock is served" in_str "$CLIENT" open 198.51.100.1 ssh --profile "$(profile carol-pc)"
ctl close carol >/dev/null

say "a request that the kernel has no memory for"
# without_memory WHICH COMMAND...: while it runs, what xknockd sends by sendto(2) does not arrive: all of it (1+) or the
# first (1). That is what goes to nf_tables, and replies of the control socket.
without_memory() {
	strace -qq -o /dev/null -p "$DAEMON" -e trace=sendto -e "inject=sendto:error=ENOBUFS:when=$1" &
	local tracer=$!
	shift
	eventually 5 grep -q "^TracerPid:[[:space:]]*$tracer$" "/proc/$DAEMON/status" || fail "strace does not attach"
	local code=0
	"$@" || code=$?
	kill -INT "$tracer"
	wait "$tracer" 2>/dev/null || true
	eventually 5 grep -q "^TracerPid:[[:space:]]*0$" "/proc/$DAEMON/status" || fail "strace does not let go"
	return $code
}
as_many_grants() { [ "$(grants)" = "$1" ]; }
log_has() { eventually 5 grep -q "$1" "$D/log" || fail "the log lacks: $1"; }
knock_in_vain() {
	knock_only 192.0.2.1 anna-robot web 2>/dev/null
	log_has "refused anna/robot from 192.0.2.2: firewall"
}
before=$(ruleset) grants=$(grants)
without_memory 1+ knock_in_vain
say "a knock is refused, and the log says by whom"
contains "with the kernel's own reason" "$(grep 'not allowed\|nf_tables' "$D/log")" "No buffer space available"
equal "the book is as it was" "$(grants)" "$grants"
equal "the counter says so" "$(stat refused firewall)" 1
as_before || fail "half of it was done"
say "and so is the ruleset"
knock_only 192.0.2.1 anna-robot web 2>/dev/null
eventually 5 as_many_grants $((grants + 2)) || fail "the next knock does not open"
say "the next one opens both ports of its service"
before=$(ruleset)

refuse "a ban is refused" without_memory 1 ctl ban 198.51.100.66
contains "with the reason" "$(cat "$D/out")" "No buffer space available"
equal "and nobody is banned but who was" "$(ctl bans --json | grep -c prefix)" 1
banned=$(stat filter banned)
as_before || fail "something of the ban is left in the ruleset"
say "neither in nftables"
in_str "$PACKET" send "$D/etc/xknock.yaml" --to 198.51.100.1
eventually 5 at_least filter length 1 || fail "the filter does not see their packets"
equal "nor at the network card" "$(stat filter banned)" "$banned"

flush_in_vain() {
	in_srv nft flush table inet xknock
	log_has "cannot be repaired: .*No buffer space available"
}
without_memory 1+ flush_in_vain
say "a table that was flushed cannot be repaired meanwhile, and the log says so"
eventually 5 as_before || fail "it is not repaired later either: $(diff <(printf '%s\n' "$before") <(ruleset))"
say "it is repaired as soon as that is possible, and nobody has to do anything"
refuse "strangers stay outside" can_connect "$STR" 198.51.100.1 22
check "whoever has a grant gets in" granted
stop
pass
