#!/bin/bash
# SPDX-License-Identifier: MIT
# Interfaces that are no plain Ethernet of 1,500 bytes: a tunnel whose packets begin with the IP header, and an MTU above a
# page. WireGuard, tunnels of other kinds and kernels that know no fragments are in vm.debian12 and vm.floor.
. "$(dirname "$0")/lib.sh"
begin links
configure
# As ppp0, tun0 and wg0 look to XDP. (Not connected sockets: the first packet may come before the other end listens.)
tunnel() { # NS OWN PEER ADDRESS
	background "$1" socat "UDP-DATAGRAM:$3:9999,bind=$2:9999" "TUN:$4/24,tun-name=ppp0,iff-no-pi,iff-up,tun-type=tun" 2>/dev/null
	eventually 5 ip -n "$1" link show ppp0 || fail "no tunnel"
}
tunnel "$SRV" 192.0.2.1 192.0.2.2 203.0.113.1
tunnel "$CLI" 192.0.2.2 192.0.2.1 203.0.113.2
ip -n "$SRV" addr add 2001:db8:7::1/64 dev ppp0 nodad
ip -n "$CLI" addr add 2001:db8:7::2/64 dev ppp0 nodad
sed -i 's/^interfaces:.*/interfaces: [host0, host1, ppp0]/' "$D/etc/xknock.yaml"
enroll anna robot --factor hmac --host 203.0.113.1
listen 22
for address in 203.0.113.1 2001:db8:7::1; do check "$address before" can_connect "$CLI" $address 22; done

say "packets without an Ethernet header"
start
contains "the tunnel is in generic mode, without leave, because it has no other" "$(ctl status)" "host1 (native), ppp0 (generic)"
for address in 203.0.113.1 2001:db8:7::1; do
	before=$(stat filter syn)
	refuse "$address is shut" can_connect "$CLI" $address 22
	[ "$(stat filter syn)" -gt "$before" ] || fail "the filter has not dropped the SYN"
	before=$(stat filter candidate)
	check "a knock opens it" knock $address anna-robot
	[ "$(stat filter candidate)" -gt "$before" ] || fail "the filter has not heard the knock"
	check "TCP passes" can_connect "$CLI" $address 22
done
contains "more than one packet of it" "$(in_cli socat -t 10 - 'TCP:[2001:db8:7::1]:22' </dev/null)" hello
ctl close anna >/dev/null
before=$(stat filter banned)
check "a ban" ctl ban 203.0.113.2
refuse "ends there too" can_connect "$CLI" 203.0.113.1 7
[ "$(stat filter banned)" -gt "$before" ] || fail "the filter has not dropped it"
check "and not any more" ctl unban 203.0.113.2
check "a reload exchanges both programs" ctl reload
check "and a knock opens" knock 203.0.113.1 anna-robot
ctl close anna >/dev/null
say "kill -9, and the next daemon takes over"
links=$(ls "$D/bpf/xknock")
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
start
equal "the same pins" "$(ls "$D/bpf/xknock")" "$links"
check "a knock opens" knock 203.0.113.1 anna-robot
check "another over Ethernet" knock 192.0.2.1 anna-robot
ctl close anna >/dev/null

say "an MTU above a page"
# The peer of a veth has the packets that come in. Linux 5.18 and later.
background "$SRV" socat -b 9000 UDP-RECVFROM:7,fork EXEC:cat 2>/dev/null
udp_listens() { in_srv ss -Hlun 'sport = :7' | grep .; }
eventually 5 udp_listens || fail "nobody listens on udp/7"
head -c 8000 /dev/urandom >"$D/large"
large() { cmp "$D/large" <(in_cli socat -b 9000 -t 2 - UDP:192.0.2.1:7 <"$D/large"); }
jumbo() { ip -n "$CLI" link set cli0 mtu 9001 && ip -n "$SRV" link set host0 mtu 9001; }
check "raised while the filter is attached, as a DHCP lease does it" jumbo
check "packets of 8,000 bytes pass" large
stop
daemon_command --remove 2>/dev/null
start
contains "a start with it attaches in native mode" "$(ctl status)" "host0 (native)"
check "packets of 8,000 bytes pass" large
check "a knock is heard" knock 192.0.2.1 anna-robot
ctl close anna >/dev/null
stop
daemon_command --remove 2>/dev/null

say "what a driver refuses is said in its own words"
ip -n "$SRV" link add host2 numrxqueues 1 numtxqueues 1 type veth peer name str2 netns "$STR" numtxqueues 2
ip -n "$SRV" link set host2 up mtu 9001
sed -i 's/^interfaces:.*/interfaces: [host2]/' "$D/etc/xknock.yaml"
code=0
in_srv timeout 10 "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$WORKER" >"$D/out" 2>&1 || code=$?
equal "no start" "$code" 1
contains "the driver's words" "$(cat "$D/out")" "rx queues"
contains "the MTU, which may be the reason too" "$(cat "$D/out")" "its MTU is 9001"
contains "and the largest that fits" "$(cat "$D/out")" "ip link set dev host2 mtu 3498"
pass
