#!/bin/bash
# SPDX-License-Identifier: MIT
# SYNs to protected ports die at the network card, and no SYN does that the rules would let in: of who has a grant of any
# kind, or had one when the connection began, of gate.allow's networks; after reloads, kills, lost transactions, and with
# addresses that come and go. What is forwarded, and what the administrator keeps from the filter, goes on to nftables.
. "$(dirname "$0")/lib.sh"
begin syn_guard
write_config() { # GATE XDP
	cat >"$D/etc/xknock.yaml" <<-C
		interfaces: [host0, host1]
		services:
		  ssh: tcp/22
		  web: [tcp/80, tcp/443]
		  games: tcp/27015-27030
		  once: {ports: tcp/2004, single: true}
		  front: {target: "192.0.2.2:8080", public: tcp/8443}
		  vpn: udp/51820
		process: {user: "$UID_DAEMON", worker_user: "$UID_WORKER"}
		paths: {run: $D/run, state: $D/state, bpf: $D/bpf/xknock}
		gate: ${1:-"{}"}
		xdp: ${2:-"{}"}
	C
}
write_config
enroll anna robot --factor hmac
# What netfilter is given to see, before connection tracking: SYNs, by who sent them.
in_srv nft 'add table inet eyes
	add chain inet eyes first { type filter hook prerouting priority -400; }
	add counter inet eyes client; add counter inet eyes stranger
	add rule inet eyes first tcp flags & (syn|ack) == syn ip saddr 192.0.2.0/24 counter name client
	add rule inet eyes first tcp flags & (syn|ack) == syn ip6 saddr 2001:db8::/64 counter name client
	add rule inet eyes first tcp flags & (syn|ack) == syn ip saddr 198.51.100.0/24 counter name stranger
	add rule inet eyes first tcp flags & (syn|ack) == syn ip6 saddr 2001:db8:66::/64 counter name stranger'
seen() { in_srv nft list counter inet eyes "$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
V4=198.51.100.1 V6=2001:db8:66::1
stranger() { can_connect "$STR" "$1" "$2"; }

# dies DESCRIPTION COMMAND...: no connection, and its SYN is counted by the filter and seen by no rule. is_left: nor
# does it connect, but it was nftables that said so. is_let: it connects.
dies() {
	local syns before
	syns=$(stat filter syn) before=$(seen stranger)
	refuse "$@"
	[ "$(stat filter syn)" -gt "$syns" ] || fail "$1: not by the filter"
	[ "$(seen stranger)" = "$before" ] || fail "$1: nftables saw it"
}
is_left() {
	local syns before
	syns=$(stat filter syn) before=$(seen stranger)
	refuse "$@"
	[ "$(stat filter syn)" = "$syns" ] || fail "$1: by the filter"
	[ "$(seen stranger)" -gt "$before" ] || fail "$1: nftables has not seen it"
}
is_let() {
	local syns
	syns=$(stat filter syn)
	check "$@"
	[ "$(stat filter syn)" = "$syns" ] || fail "$1: a SYN of it was dropped"
}

start
listen 22 80 443 2004 27020 8443 9000
say "without a grant"
for address in $V4 $V6; do
	for port in 22 80 443 2004 27015 27030 8443; do
		dies "a stranger's SYN to tcp/$port of $address dies at the network card" stranger "$address" $port
	done
	is_let "an unprotected port is open" stranger "$address" 9000
	syns=$(stat filter syn)
	refuse "nobody listens next to a range" stranger "$address" 27031
	equal "and that is not for the filter to say" "$(stat filter syn)" "$syns"
done
in_srv sysctl -qw net.ipv4.tcp_ecn=1
in_str sysctl -qw net.ipv4.tcp_ecn=1
dies "with ECN too" stranger $V4 22
refuse "the client's SYN" granted
dies "through another address of the host" stranger 192.0.2.1 22

say "with one"
for address in 192.0.2.1 2001:db8::1; do
	check "a knock opens $address" knock $address anna-robot ssh --lifetime 5m
	is_let "and every SYN goes through" can_connect "$CLI" $address 22
	dies "a stranger stays outside" stranger $V4 22
	check "a range" knock_only $address anna-robot games --lifetime 5m
	eventually 5 can_connect "$CLI" $address 27020 || fail "the range does not open"
	is_let "is open in all of it" can_connect "$CLI" $address 27020
	refuse "a second service of the same client is nftables' affair" can_connect "$CLI" $address 80
done
ctl close anna >/dev/null
for address in 198.51.100.66 2001:db8:66::66; do
	to=$V4
	case $address in *:*) to=$V6 ;; esac
	check "the operator opens for $address" ctl open $address web --for 5m
	is_let "and it is let in" stranger $to 80
	check "for one connection" ctl open $address once --for 5m --single
	is_let "it is let in" stranger $to 2004
	is_left "once; the second time it is nftables that says no" stranger $to 2004
	ctl close $address >/dev/null
	is_left "after the grant nftables is asked for a while" stranger $to 80
done
dies "its neighbour is not known" sh -c "ip -n $STR addr add 198.51.100.67/24 dev str0; nsenter --net=/run/netns/$STR \
	socat -u OPEN:/dev/null TCP:$V4:80,bind=198.51.100.67,connect-timeout=0.5"

say "a connection that begins with its grant, and whose answer is lost"
in_cli nft 'add table inet deaf; add chain inet deaf in { type filter hook input priority 0; }
	add rule inet deaf in tcp sport 22 tcp flags & (syn|ack) == (syn|ack) drop'
check "two seconds" ctl open 192.0.2.2 ssh --for 2s
in_cli socat -u "TCP:192.0.2.1:22,connect-timeout=20" STDOUT >"$D/late" &
late=$!
eventually 10 sh -c "! '$KNOCKCTL' --socket '$D/run/control.sock' grants --json | grep -q '192.0.2.2'" ||
	fail "the grant does not end"
before=$(seen client) syns=$(stat filter syn)
again() { [ "$(seen client)" -gt "$before" ]; }
eventually 10 again || fail "no SYN comes through after the grant"
equal "says its SYN again when the grant is over, and the filter lets it through" "$(stat filter syn)" "$syns"
in_cli nft delete table inet deaf
wait $late || fail "the connection does not come up"
contains "and comes up" "$(cat "$D/late")" hello

say "gate.allow, and reloads"
write_config '{allow: [198.51.100.67, "2001:db8:66::/64"]}'
from_allowed() { in_str socat -u OPEN:/dev/null "TCP:$V4:22,bind=198.51.100.67,connect-timeout=0.5"; }
check "allowed networks" ctl reload
is_let "an allowed address is let in" from_allowed
is_let "a network too" stranger $V6 22
# The stranger's own address is still known for its grants.
ip -n "$STR" addr add 198.51.100.68/24 dev str0
unknown() { in_str socat -u OPEN:/dev/null "TCP:$V4:$1,bind=198.51.100.68,connect-timeout=0.5"; }
dies "another one is not" unknown 22
write_config
sed -i 's/ssh: tcp\/22/ssh: tcp\/9000/' "$D/etc/xknock.yaml"
check "another port, and nobody allowed" ctl reload
dies "who was allowed is not" in_str socat -u OPEN:/dev/null "TCP:$V4:9000,bind=198.51.100.67,connect-timeout=0.5"
dies "the new port is guarded" unknown 9000
is_let "the old one is not" unknown 22
write_config
check "back" ctl reload
is_let "which is open again" unknown 9000
sed 's/host0, host1/host8, host9/' "$D/etc/xknock.yaml" >"$D/bad"
cp "$D/bad" "$D/etc/xknock.yaml"
refuse "a reload that fails" ctl reload
dies "leaves the guard as it was" unknown 22
write_config '{}' '{drop_syn: false}'
check "drop_syn: false" ctl reload
is_left "leaves all of it to nftables" unknown 22
write_config
check "and back" ctl reload

say "addresses that come and go"
ip -n "$SRV" addr add 198.51.100.9/24 dev host1
gone_or_here() { in_str socat -u OPEN:/dev/null TCP:198.51.100.9:22,bind=198.51.100.68,connect-timeout=0.5; }
comes() { local syns; syns=$(stat filter syn); gone_or_here || true; [ "$(stat filter syn)" -gt "$syns" ]; }
eventually 5 comes || fail "a new address is not guarded"
say "a new address is guarded"
# The address moves behind this host: then its packets are transit.
ip -n "$SRV" addr del 198.51.100.9/24 dev host1
ip -n "$CLI" addr add 198.51.100.9/32 dev cli0
ip -n "$SRV" route add 198.51.100.9 via 192.0.2.2
ip -n "$STR" route add 198.51.100.9 via 198.51.100.1
in_srv sysctl -qw net.ipv4.ip_forward=1
background "$CLI" socat -t 10 TCP-LISTEN:22,fork,reuseaddr SYSTEM:'echo hello' 2>/dev/null
eventually 5 gone_or_here || fail "a forwarded SYN does not arrive"
is_let "what is forwarded to it now is not" gone_or_here

say "kill -9"
check "a grant" ctl open 198.51.100.66 ssh --for 5m
restart() {
	kill -KILL "$DAEMON"
	wait "$DAEMON" 2>/dev/null || true
	"$@"
	start
}
while_dead() {
	check "while nobody runs, who has a grant is let in" stranger $V4 22
	refuse "and nobody else" unknown 22
}
restart while_dead
is_let "after it too" stranger $V4 22
dies "and nobody else" unknown 22
# known_for: seconds from now on for which the filter knows the stranger.
known_for() {
	# shellcheck disable=SC2086
	bpftool -j map lookup pinned "$D/bpf/xknock/maps4/known_sources" key hex $KEY | python3 -c '
import json, sys
until = int.from_bytes(bytes(int(b, 16) for b in json.load(sys.stdin)["value"]), "little")
print(int(until / 1e9 - float(open("/proc/uptime").read().split()[0])))'
}
KEY='00 00 00 00 00 00 00 00 00 00 ff ff c6 33 64 42'
[ "$(known_for)" -gt 300 ] || fail "a grant of five minutes is known for $(known_for) s"
check "the grant is closed" ctl close 198.51.100.66
shorter() { [ "$(known_for)" -le 131 ] && [ "$(known_for)" -gt 100 ]; }
eventually 5 shorter || fail "a grant that was closed is known for $(known_for) s"
say "its source is known for as long as a SYN may come again, and no longer"
restart true
is_left "who had a grant is known to the next daemon" stranger $V4 22
# As if that had been long ago.
long_ago() {
	# shellcheck disable=SC2086
	bpftool map update pinned "$D/bpf/xknock/maps4/known_sources" key hex $KEY value hex 01 00 00 00 00 00 00 00 ||
		fail "the source is not in the map"
}
restart long_ago
dies "and no more when it is long over" stranger $V4 22

say "a transaction that fails"
# Everything that xknockd sends by sendto(2) fails: each second it may ask for sessions and set elements, and if only the
# first message failed, that could be one of these in the place of the transaction.
without_memory() {
	strace -qq -o /dev/null -p "$DAEMON" -e trace=sendto -e "inject=sendto:error=ENOBUFS" &
	local tracer=$!
	eventually 5 grep -q "^TracerPid:[[:space:]]*$tracer$" "/proc/$DAEMON/status" || fail "strace does not attach"
	"$@"
	kill -INT "$tracer"
	wait "$tracer" 2>/dev/null || true
	eventually 5 grep -q "^TracerPid:[[:space:]]*0$" "/proc/$DAEMON/status" || fail "strace does not let go"
}
in_vain() {
	in_str "$CLIENT" open $V4 web --profile "$(profile anna-robot)" --no-wait 2>/dev/null
	eventually 5 grep -q "refused anna/robot from 198.51.100.66: firewall" "$D/log" || fail "the transaction went through"
}
without_memory in_vain
is_left "opens nothing: nftables says no" stranger $V4 80
check "the next knock does" in_str "$CLIENT" open $V4 web --profile "$(profile anna-robot)"
is_let "and every SYN goes through" stranger $V4 80

say "panic, gate mode external, dry run, trial, and the end"
check "panic" ctl panic
dies "closes for strangers" unknown 22
check "and is over by its own word" ctl panic --over
stop
refuse "the ruleset stays when it stops" unknown 22
check "xknockd --remove" daemon_command --remove
check "opens everything" unknown 22
in_srv nft 'add table inet mine
	add set inet mine set4 { type ipv4_addr . inet_proto . inet_service; flags timeout; }
	add set inet mine set6 { type ipv6_addr . inet_proto . inet_service; flags timeout; }'
cp "$D/etc/xknock.yaml" "$D/good.yaml"
sed -i 's/-27030//; s/once:.*/once: tcp\/2004/; s/front:.*/front: tcp\/8443/; s/^gate:.*/gate: {mode: external, external: {table: mine, set4: set4, set6: set6}}/' \
	"$D/etc/xknock.yaml"
start
check "in gate mode external it is the administrator's rules that decide, and there are none" unknown 22
stop
daemon_command --remove >/dev/null
cp "$D/good.yaml" "$D/etc/xknock.yaml"
start_with --dry-run
check "a dry run drops nothing" unknown 22
stop
start_with --try 20m
dies "a trial is as good as the gate" unknown 22
stop
check "and at its end everything is open" unknown 22
pass
