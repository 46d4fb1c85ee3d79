#!/bin/bash
# SPDX-License-Identifier: MIT
# The ruleset among other rules: it only ever drops, covers every shape of header, published container ports and every
# address of the host, leaves transit alone, and opens nothing that the admin's own rules close.
. "$(dirname "$0")/lib.sh"
begin gate
configure 'gate: {allow: [198.51.100.200, "2001:db8:66::200"]}'
leave_to_nftables
enroll_everybody
listen 22 2222
in_srv sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$STR" addr add 198.51.100.200/24 dev str0
ip -n "$STR" addr add 2001:db8:66::200/64 dev str0 nodad

syn() { in_str "$PROBE" syn --from "${3:-2001:db8:66::66}" --to 2001:db8:66::1 --port "$1" --headers "$2" "${@:4}"; }
CHAINS="dst hop route frag dst,frag hop,dst,route,frag hop,route,dst frag,dst"
for chain in "" $CHAINS; do
	equal "before: a SYN behind [$chain] is answered" "$(syn 22 "$chain")" syn-ack
done
equal "before: a SYN behind IPv4 options is answered" \
	"$(in_str "$PROBE" syn --from 198.51.100.66 --to 198.51.100.1)" syn-ack
# In two fragments. The first one of IPv4 has the ports and not the flags; IPv6 wants all of TCP's header in it.
split4() { in_str "$PROBE" syn --from 198.51.100.66 --to 198.51.100.1 --port "$1" --split "${@:2}"; }
split6() { syn "$1" "$2" 2001:db8:66::66 "${@:3}"; }
# each_fragmented DESCRIPTION PORT ANSWER CHAIN...: also with the second fragment before the first.
each_fragmented() {
	local order chain
	for order in '' --last-first; do
		equal "$1: a SYN in fragments of IPv4 $order" "$(split4 "$2" 8 $order)" "$3"
		for chain in "${@:4}"; do
			equal "$1: a SYN in fragments of IPv6 behind [$chain] $order" "$(split6 "$2" "$chain" --split 24 $order)" "$3"
		done
	done
}
each_fragmented before 22 syn-ack "" dst hop,dst,route
# A UDP service hears what is sent to the router's anycast address (RFC 4291 2.6.1) and to the broadcast address.
background "$SRV" socat -u UDP6-RECV:51820,ipv6only=0 "OPEN:$D/heard,creat,append"
hearer=$BACKGROUND
shout() {
	echo "$1" | in_str socat -u - 'UDP6-SENDTO:[2001:db8:66::]:51820,bind=[2001:db8:66::66]'
	echo "$1" | in_str socat -u - UDP4-DATAGRAM:198.51.100.255:51820,broadcast,bind=198.51.100.66
}
heard() { [ "$(grep -c "$1" "$D/heard")" = 2 ]; }
eventually 5 sh -c "ss -N $SRV -Hlun 'sport = :51820' | grep -q ." || fail "no UDP service"
shout before
eventually 5 heard before || fail "before: anycast and broadcast do not reach the service"
# A session from before: nothing here has used connection tracking yet, so the kernel does not know it.
printf '%s\n' 'while sleep 0.1; do echo tick; done &' 'exec cat' >"$D/service.sh"
background "$SRV" socat TCP-LISTEN:443,reuseaddr "EXEC:sh $D/service.sh" 2>/dev/null
eventually 5 listening 443
mkfifo "$D/words"
exec {words}<>"$D/words"
nsenter --net="/run/netns/$STR" socat - TCP:198.51.100.1:443 <&"$words" >"$D/session" 2>/dev/null &
echo one >&"$words"
eventually 5 grep -q one "$D/session" || fail "no session"
start
# The server speaks, and the kernel adopts the session.
ticks() { [ "$(grep -c tick "$D/session")" -ge "$1" ]; }
eventually 5 ticks $(($(grep -c tick "$D/session" || true) + 2)) || fail "the server is not heard any more"
echo two >&"$words"
eventually 5 grep -q two "$D/session" || fail "a session from before the first start hangs"
say "a session from before the first start goes on"
refuse "while the same stranger begins none" can_connect "$STR" 198.51.100.1 443
exec {words}>&-
shout behind
for chain in "" $CHAINS; do
	equal "a SYN behind [$chain] meets the ruleset" "$(syn 22 "$chain")" silence
done
equal "a SYN behind IPv4 options meets the ruleset" \
	"$(in_str "$PROBE" syn --from 198.51.100.66 --to 198.51.100.1)" silence
each_fragmented "behind the ruleset" 22 silence "" dst hop,dst,route
each_fragmented "another port, behind the ruleset" 2222 syn-ack ""
# Not with a fragment header behind another one: that the kernel's own connection tracking discards, on every port.
for chain in dst hop route frag hop,route,dst frag,dst; do
	equal "another port answers as before, behind [$chain] too" "$(syn 2222 "$chain")" syn-ack
done
refuse "the other addresses of the host are covered" can_connect "$STR" 192.0.2.1 22
equal "and so are anycast and broadcast" "$(grep -c behind "$D/heard")" 0
kill "$hearer"
check "loopback passes" can_connect "$SRV" 127.0.0.1 22
check "and so does the host's own address from inside" can_connect "$SRV" 192.0.2.1 22

connect_from() { in_str socat -u OPEN:/dev/null "TCP:$2:22,bind=$1,connect-timeout=0.5"; }
check "an allowed network passes" connect_from 198.51.100.200 198.51.100.1
check "also over IPv6" connect_from '[2001:db8:66::200]' '[2001:db8:66::1]'
refuse "its neighbour does not" connect_from 198.51.100.66 198.51.100.1

say "transit is not ours"
background "$CLI" socat TCP6-LISTEN:22,fork,reuseaddr,ipv6only=0 SYSTEM:'echo hello' 2>/dev/null
eventually 5 can_connect "$CLI" 127.0.0.1 22
check "a host behind this one is reached on the same port" can_connect "$STR" 192.0.2.2 22
check "also over IPv6" can_connect "$STR" 2001:db8::2 22

say "a published port, as Docker does it: DNAT of the host's port 80 to a container"
background "$CLI" socat TCP-LISTEN:8080,fork,reuseaddr SYSTEM:'echo container' 2>/dev/null
in_srv nft -f - <<-N
	table ip docker {
	 chain prerouting { type nat hook prerouting priority dstnat;
	  fib daddr type local tcp dport 80 dnat to 192.0.2.2:8080
	 }
	}
N
refuse "is covered, since it is a protected port of this host" can_connect "$STR" 198.51.100.1 80
in_str "$CLIENT" open 198.51.100.1 --profile "$(profile anna-robot)" web --no-wait 2>/dev/null
eventually 5 can_connect "$STR" 198.51.100.1 80 || fail "a grant does not open the published port"
equal "a grant opens it, all the way to the container" \
	"$(in_str socat -u TCP:198.51.100.1:80 -)" container
check "the second port of the service came with it" grep -q '443' <(ctl grants)

say "the admin's own rules close what they close"
in_srv nft 'table inet admin { chain input { type filter hook input priority 0; policy accept; tcp dport 22 drop; }; }'
in_str "$CLIENT" open 198.51.100.1 --profile "$(profile anna-robot)" ssh --no-wait 2>/dev/null
eventually 5 sh -c "'$KNOCKCTL' --socket '$D/run/control.sock' grants | grep -q '198.51.100.66.*tcp/22'"
refuse "a grant does not open what an own rule drops" can_connect "$STR" 198.51.100.1 22
in_srv nft delete table inet admin
check "without that rule it does" can_connect "$STR" 198.51.100.1 22

say "the same for UDP"
background "$SRV" socat UDP6-LISTEN:51820,fork,ipv6only=0 SYSTEM:'echo vpn' 2>/dev/null
ask_vpn() { [ "$(echo x | in_cli socat -t 0.4 - UDP:192.0.2.1:51820 2>/dev/null)" = vpn ]; }
refuse "a protected UDP port is silent" ask_vpn
knock_only 192.0.2.1 anna-robot vpn 2>/dev/null
eventually 5 ask_vpn || fail "a grant does not open a UDP port"
say "and open after a knock"

say "knocks in a shape that the filter does not take meet the ruleset too"
dropped() { in_srv nft list chain inet xknock decide | sed -n 's/.*62201.*packets \([0-9]*\) .*/\1/p'; }
count=$(dropped)
# IPv4 options: the filter passes it, the ruleset drops it, and no ICMP says that the port differs from others.
in_cli socat -u - UDP:192.0.2.1:62201,ipoptions=x01010101 <<<junk
dropped_more() { [ "$(dropped)" -gt "$count" ]; }
eventually 5 dropped_more || fail "the ruleset did not see the packet"
stop

say "removing is complete"
daemon_command --remove
equal "only the tables of others are left" "$(in_srv nft list tables)" "table ip docker"

say "external: the admin's own table and sets, and nothing else"
sed -i '/^gate:/d' "$D/etc/xknock.yaml"
echo 'gate: {mode: external, external: {table: mine, set4: knock4, set6: knock6}}' >>"$D/etc/xknock.yaml"
code=0
daemon_command >"$D/out" 2>&1 || code=$?
equal "without the sets it does not start" "$code" 78
contains "and says how to make them" "$(cat "$D/out")" \
	"nft 'add set inet mine knock4 { type ipv4_addr . inet_proto . inet_service; flags timeout; }'"
in_srv nft -f - <<-N
	table inet mine {
	 set knock4 { type ipv4_addr . inet_proto . inet_service; flags timeout; }
	 set knock6 { type ipv6_addr . inet_proto . inet_service; flags timeout; }
	 chain input { type filter hook input priority 0; policy accept;
	  iif lo accept
	  ct state established,related accept
	  ip saddr . meta l4proto . th dport @knock4 accept
	  ip6 saddr . meta l4proto . th dport @knock6 accept
	  tcp dport 22 drop
	 }
	}
N
mine=$(ruleset)
start
equal "starting changes no rule" "$(ruleset)" "$mine"
refuse "the port is shut by the admin's own rule" granted
knock 192.0.2.1 anna-robot ssh 2>/dev/null
check "a knock puts an element into their set, and the port opens" granted
contains "with the user's name" "$(in_srv nft list set inet mine knock4)" 'comment "anna/robot"'
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
start
equal "a restart finds it again" "$(ctl grants | grep -c anna/robot)" 1
check "closing takes it out" ctl close anna
lacks "it is gone" "$(in_srv nft list set inet mine knock4)" elements
stop
pass
