#!/bin/bash
# SPDX-License-Identifier: MIT
# Ways past rules that look only where packets arrive, or that believe connection tracking: translations, what tunnels unpack,
# other routing tables, expectations, old entries, notrack. Each one is open before xknockd starts and shut with it; who has a
# grant for what they address, or for where they come out, gets in by each; and what only crosses this host is left alone.
. "$(dirname "$0")/lib.sh"
begin ways
IN=xk$$-in
MORE_NS=$IN
ip netns add "$IN"
ip -n "$IN" link set lo up
pair "$SRV" host2 203.0.113.1/24 2001:db8:7::1/64 "$IN" in0 203.0.113.7/24 2001:db8:7::7/64
ip -n "$IN" route add default via 203.0.113.1
ip -n "$IN" -6 route add default via 2001:db8:7::1
in_srv sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
configure
sed -i 's|^services:.*|services:|' "$D/etc/xknock.yaml"
sed -i '/^services:/r /dev/stdin' "$D/etc/xknock.yaml" <<'C'
  ssh: tcp/22
  other: tcp/2022
  one: {ports: tcp/2023, single: true}
  cut: {ports: tcp/2024, after: cut}
  stale: [tcp/2026, tcp/2027]
  range: tcp/6000-6010
  nas: {target: [203.0.113.7, "2001:db8:7::7"], ports: tcp/22}
C
leave_to_nftables
enroll anna robot --factor hmac
listen 22
# Sessions that stay.
for port in 2024 2025 2026; do
	background "$SRV" socat "TCP6-LISTEN:$port,fork,reuseaddr,ipv6only=0" EXEC:cat 2>/dev/null
	eventually 5 listening "$port"
done
for port in 22 2027; do background "$IN" socat "TCP6-LISTEN:$port,fork,reuseaddr,ipv6only=0" EXEC:cat 2>/dev/null; done
mac=$(ip -n "$SRV" -o link show host1 | sed 's/.*link\/ether \([0-9a-f:]*\).*/\1/')

say "the administrator's own translations"
in_srv nft -f - <<-'N'
	table inet own {
	 map moved { type inet_service : inet_service; elements = { 2222 : 22, 2223 : 22 } }
	 chain pre { type nat hook prerouting priority dstnat;
	  tcp dport { 2022, 2023, 6005 } redirect to :22
	  meta l4proto tcp redirect to :tcp dport map @moved
	  tcp dport 2224 dnat ip to 192.0.2.1:22
	  tcp dport 2224 dnat ip6 to [2001:db8::1]:22
	  tcp dport 2225 dnat ip to 203.0.113.7:22
	  tcp dport 2225 dnat ip6 to [2001:db8:7::7]:22
	 }
	}
N
say "a rewrite without connection tracking, at the packet's last hook"
ip -n "$SRV" addr add 198.51.100.4/24 dev host1
in_srv nft 'table inet late { chain in { type filter hook input priority 300; ip daddr 198.51.100.4 tcp dport 2228 tcp dport set 22; };
	chain out { type filter hook output priority raw; ip saddr 198.51.100.4 tcp sport 22 tcp sport set 2228; }; }'
say "an address of another routing table (of IPv4 the stack answers for none there)"
in_srv ip -6 route add local 2001:db8:99::9 dev lo table 100
in_srv ip -6 rule add to 2001:db8:99::9 lookup 100 pref 10
ip -n "$STR" -6 route add 2001:db8:99::9 via 2001:db8:66::1
say "a light-weight tunnel: segment routing unpacks behind prerouting (RFC 8986, End.DX4 and End.DT6)"
in_srv sysctl -qw net.ipv6.conf.all.seg6_enabled=1 net.ipv6.conf.host1.seg6_enabled=1
in_srv ip -6 route add 2001:db8:5::4/128 encap seg6local action End.DX4 nh4 198.51.100.3 dev host1
in_srv ip -6 route add 2001:db8:5::6/128 encap seg6local action End.DT6 table 255 dev host1
ip -n "$SRV" addr add 198.51.100.3/24 dev host1
ip -n "$SRV" addr add 2001:db8:66::3/64 dev host1 nodad
ip -n "$STR" -6 route add 2001:db8:5::/48 via 2001:db8:66::1
ip -n "$STR" route add 198.51.100.3/32 encap seg6 mode encap segs 2001:db8:5::4 dev str0
ip -n "$STR" -6 route add 2001:db8:66::3/128 encap seg6 mode encap segs 2001:db8:5::6 dev str0

WAYS="198.51.100.1:2222 2001:db8:66::1:2222 198.51.100.1:2223 198.51.100.1:2224 2001:db8:66::1:2224 198.51.100.1:2225
	2001:db8:66::1:2225 2001:db8:99::9:22 198.51.100.3:22 2001:db8:66::3:22 198.51.100.4:2228"
go() { can_connect "$STR" "${1%:*}" "${1##*:}"; }
for way in $WAYS; do eventually 5 go "$way" || fail "$way is not open before the start"; done
say "all of them are open before the start"
start
for way in $WAYS 198.51.100.1:22; do refuse "$way" go "$way"; done
open_for() { in_str "$CLIENT" open 198.51.100.1 "$1" --profile "$(profile anna-robot)" --no-wait "${@:2}" 2>/dev/null; }
reached() { eventually 5 go "$1" || fail "$1 is not reached"; }

say "a grant for where it comes out serves"
check "knock" open_for ssh
for way in 198.51.100.1:22 198.51.100.1:2222 198.51.100.1:2224 198.51.100.3:22 198.51.100.4:2228; do
	reached "$way"
	say "$way"
done
refuse "not for the host behind, whose port has the same number" go 198.51.100.1:2225
refuse "nor where that host is addressed itself" can_connect "$STR" 203.0.113.7 22
ctl close anna >/dev/null
say "and so does one for the port that was addressed"
check "knock" open_for other
reached 198.51.100.1:2022
refuse "which is none for the port behind it" go 198.51.100.1:22
refuse "nor for another way to it" go 198.51.100.1:2222
check "a range" open_for range
reached 198.51.100.1:6005
check "and a grant for one connection" open_for one
reached 198.51.100.1:2023
refuse "serves for one" go 198.51.100.1:2023
check "the host behind has grants of its own" in_str "$CLIENT" open 198.51.100.1 nas --profile "$(profile anna-robot)" --no-wait
reached 198.51.100.1:2225
ctl close anna >/dev/null
in_srv nft 'delete table inet own; delete table inet late'

say "an expectation of a helper opens nothing (ftp: the host's own client is led to name its port 22)"
in_srv nft -f - <<-'N'
	table inet helper {
	 ct helper ftp { type "ftp" protocol tcp; l3proto inet; }
	 chain out { type filter hook output priority filter; tcp dport 21 ct helper set "ftp"; }
	}
N
background "$STR" python3 -c '
import socket, sys
s = socket.create_server(("198.51.100.66", 21))
c, _ = s.accept()
for answer in b"220 \r\n", b"331 \r\n", b"200 \r\n":
    c.sendall(answer); c.recv(100)
sys.stdin.read()' < <(sleep 60)
eventually 5 sh -c "ss -N $STR -Hltn 'sport = :21' | grep -q ." || fail "no ftp server"
background "$SRV" python3 -c '
import socket, sys
s = socket.create_connection(("198.51.100.66", 21))
for word in b"USER x\r\n", b"PORT 198,51,100,1,0,22\r\n":
    s.recv(100); s.sendall(word)
s.recv(100); sys.stdin.read()' < <(sleep 60)
expected() { in_srv grep -q 'dport=22 ' /proc/net/nf_conntrack_expect; }
eventually 5 expected || fail "no expectation"
refuse "related, and shut" go 198.51.100.1:22
# The second datagram of a socket is told what came of the first.
hears_of_errors() { [[ $(in_srv sh -c '(echo x; sleep 0.3; echo x) | socat -t 0.3 - UDP:192.0.2.2:9' 2>&1) == *refused* ]]; }
eventually 5 hears_of_errors || fail "nothing tells of errors"
say "what tells of errors passes"
in_srv nft delete table inet helper

say "an old entry of connection tracking, whose socket is gone: of this host, and behind a published port"
in_srv nft 'table inet own { chain pre { type nat hook prerouting priority dstnat; tcp dport 2027 dnat ip to 203.0.113.7:2027; }; }'
in_srv nft 'table inet lose { chain out { type filter hook output priority raw; tcp flags & rst == rst notrack; }; }'
ip netns exec "$IN" nft 'table inet lose { chain out { type filter hook output priority 0; tcp flags & rst == rst drop; }; }'
gone() { [ "$(grants)" = 0 ]; }
syn() { in_str python3 "$E2E/answers.py" str0 "$mac" 198.51.100.66 198.51.100.1 "$1" syn 40022; }
entry() { in_srv grep -q "ESTABLISHED.*sport=40022 dport=$1 .*ASSURED" /proc/net/nf_conntrack; }
check "a grant of a moment" open_for stale --lifetime 2s
eventually 3 sh -c "'$KNOCKCTL' --socket '$D/run/control.sock' grants | grep -q tcp/2027" || fail "no grant"
for port in 2026 2027; do
	background "$STR" socat -u "TCP:198.51.100.1:$port,sourceport=40022,reuseaddr" /dev/null 2>/dev/null
	eventually 3 entry "$port" || fail "no session at $port"
done
in_srv ss -HtnK 'sport = :2026' >/dev/null
ip netns exec "$IN" ss -HtnK 'sport = :2027' >/dev/null
eventually 5 gone || fail "the grant does not end"
for port in 2026 2027; do
	check "the entry of $port is still there" entry "$port"
	equal "a SYN with its ports begins nothing" "$(syn "$port")" silence
done
in_srv nft 'delete table inet lose; delete table inet own'
ip netns exec "$IN" nft delete table inet lose

say "a SYN is said again when its answer is lost, after the grant's end too"
# Nor does the server say its answer again: it has to be the SYN.
in_srv sysctl -qw net.ipv4.tcp_synack_retries=0
for single in '' --single; do
	ip netns exec "$STR" nft 'table inet lose { chain in { type filter hook input priority 0; tcp flags & (syn | ack) == syn | ack drop; }; }'
	check "a grant of a moment $single" open_for ssh --lifetime 2s $single
	eventually 3 sh -c "'$KNOCKCTL' --socket '$D/run/control.sock' grants | grep -q tcp/22" || fail "no grant"
	background "$STR" socat -u TCP:198.51.100.1:22,connect-timeout=20 "OPEN:$D/again$single,creat"
	waiting=$BACKGROUND
	eventually 5 gone || fail "the grant does not end"
	ip netns exec "$STR" nft delete table inet lose
	eventually 15 grep -q hello "$D/again$single" || fail "the connection does not come up"
	kill "$waiting" 2>/dev/null || true
	refuse "while another is not begun" go 198.51.100.1:22
done

say "before connection tracking"
early() { in_srv nft list chain inet xknock early_begin | sed -n 's/.*counter packets \([0-9]*\) .*/\1/p' | sed -n 1p; }
late() { in_srv nft list chain inet xknock shut | sed -n 's/.*counter packets \([0-9]*\) .*/\1/p' | paste -sd' '; }
before=$(early) before_late=$(late)
# With IPv4 options it passes the filter at the NIC in any case.
equal "a SYN that nothing grants is not answered" "$(in_cli "$PROBE" syn --from 192.0.2.2 --to 192.0.2.1)" silence
[ "$(early)" -gt "$before" ] || fail "it was not seen before connection tracking"
equal "and dies before connection tracking" "$(late)" "$before_late"

say "notrack: connection tracking is told to look away"
in_srv nft 'table inet blind { chain pre { type filter hook prerouting priority raw; tcp dport { 22, 2024 } notrack; };
	chain out { type filter hook output priority raw; tcp sport { 22, 2024 } notrack; }; }'
# The service that echoes, on a port that is kept and on one that is cut.
sed -i 's|ssh: tcp/22|ssh: [tcp/22, tcp/2025]|' "$D/etc/xknock.yaml"
in_srv nft 'add rule inet blind pre tcp dport 2025 notrack; add rule inet blind out tcp sport 2025 notrack'
ctl reload >/dev/null
check "grants of a moment" open_for ssh --lifetime 3s
check "of both" open_for cut --lifetime 3s
eventually 3 sh -c "'$KNOCKCTL' --socket '$D/run/control.sock' grants | grep -q tcp/2024" || fail "no grant"
session kept "$STR" 198.51.100.1 2025
session ended "$STR" 198.51.100.1 2024
eventually 6 gone || fail "the grants do not end"
check "a session outlives its grant" talks kept
refuse "but not where the service says so (after: cut)" talks ended
refuse "and nobody begins one" go 198.51.100.1:2025
hang_up kept
hang_up ended
in_srv nft 'add rule inet blind pre ip daddr 203.0.113.7 tcp dport 22 notrack; add rule inet blind pre ip saddr 203.0.113.7 tcp sport 22 notrack'
check "a grant for the host behind" in_str "$CLIENT" open 198.51.100.1 nas --profile "$(profile anna-robot)" --no-wait
eventually 5 can_connect "$STR" 203.0.113.7 22 || fail "the host behind is not reached"
session forwarded "$STR" 203.0.113.7 22
check "a ban" ctl ban 198.51.100.66
refuse "ends a session that connection tracking does not follow" talks forwarded
check "which is not taken up again" ctl unban 198.51.100.66
refuse "when the ban is over" talks forwarded
hang_up forwarded
in_srv nft delete table inet blind

say "what only crosses a bridge of this host is nobody's, whatever routes there are"
ip -n "$SRV" link add br0 type bridge
ip -n "$SRV" link set br0 up
ip link add left0 netns "$SRV" type veth peer name eth0 netns "$STR"
ip link add right0 netns "$SRV" type veth peer name eth0 netns "$IN"
for port in left0 right0; do ip -n "$SRV" link set "$port" master br0 up; done
in_srv sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
for guest in "$STR 2" "$IN 7"; do
	ip -n "${guest% *}" link set eth0 up
	ip -n "${guest% *}" addr add "203.0.112.${guest#* }/24" dev eth0
	ip -n "${guest% *}" addr add "2001:db8:55::${guest#* }/64" dev eth0 nodad
done
for guest in 203.0.112.7 2001:db8:55::7; do
	eventually 5 can_connect "$STR" "$guest" 22 || fail "a guest does not reach $guest"
	say "a guest reaches $guest port 22"
done
background "$IN" socat -u UDP4-RECV:51821,reuseaddr "OPEN:$D/shouted,creat"
sed -i 's|other: tcp/2022|other: [tcp/2022, udp/51821]|' "$D/etc/xknock.yaml"
ctl reload >/dev/null
shouted() {
	echo hello | ip netns exec "$STR" socat -u - UDP4-DATAGRAM:203.0.112.255:51821,broadcast
	grep -q hello "$D/shouted"
}
eventually 5 shouted || fail "broadcasts do not cross the bridge"
say "and so do broadcasts"
stop
pass
