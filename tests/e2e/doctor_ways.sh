#!/bin/bash
# SPDX-License-Identifier: MIT
# Ways to a protected port that do not begin there: each is made for real, the doctor must list it, and it must be shut to
# a stranger, as the doctor says.
#
#   stranger 198.51.100.66 -- 198.51.100.1 server 203.0.113.1 -- 203.0.113.7 a host behind it
. "$(dirname "$0")/lib.sh"
begin doctor_ways
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
  web: [tcp/80, tcp/443, tcp/9000-9010]
  nas: {target: [203.0.113.7, "2001:db8:7::7"], ports: tcp/22}
  once: {ports: tcp/2004, single: true}
  few: {ports: tcp/2005, max_connections: 1}
  idle: {ports: tcp/2006, after: idle, idle: 60s}
C
enroll anna robot --factor hmac
listen 22 9005 7000
background "$IN" socat TCP6-LISTEN:22,fork,reuseaddr,ipv6only=0 SYSTEM:'echo inside' 2>/dev/null
inside_listens() { nsenter --net="/run/netns/$IN" ss -Hltn "sport = :22" | grep . >/dev/null; }
eventually 5 inside_listens
# Who looks for a neighbour for the first time takes longer than a refusal is waited for.
for address in 203.0.113.7 2001:db8:7::7; do eventually 5 can_connect "$SRV" $address 22 || fail "$address does not answer"; done
start

doctor() { in_srv "$KNOCKCTL" --socket "$D/run/control.sock" doctor -c "$D/etc/xknock.yaml" >"$D/found" 2>&1 || true; }
# lists SEVERITY TEXT...: one line of the doctor's has all of them.
lists() {
	local severity=$1 text lines
	shift
	lines=$(grep -E "^$severity +ways: " "$D/found" || true)
	for text in "$@"; do
		lines=$(grep -F -- "$text" <<<"$lines") || fail "not listed ($severity): $*: $(cat "$D/found")"
	done
	say "$severity: $*"
}
no_way() {
	doctor
	lists ok "no rule, route or table leads to a service's port from elsewhere"
}
reaches_through() { nsenter --net="/run/netns/$STR" socat -u "TCP:$1,connect-timeout=0.5" - 2>/dev/null | grep -E 'hello|inside' >/dev/null; }
# ways_are_shut: with the ruleset strangers get through none of them. All at once: each waits for an answer that does not come.
ways_are_shut() {
	local address pids=() i=0
	for address in "${TO_PROVE[@]}"; do
		reaches_through "$address" &
		pids+=($!)
	done
	for address in "${TO_PROVE[@]}"; do
		! wait "${pids[i]}" || fail "a stranger gets in by $address"
		i=$((i + 1))
	done
	say "and strangers get through none of them: ${TO_PROVE[*]}"
}
# way TEXT ADDRESS:PORT... : of the ruleset that is loaded now: listed as shut; the addresses are to be tried.
TO_PROVE=()
way() {
	lists ok "$1" "shut without a grant"
	TO_PROVE+=("${@:2}")
}
# Without the ruleset each of them is a way, or that it is shut with it would say nothing.
they_lead() {
	local address
	stop
	daemon_command --remove 2>/dev/null
	for address in "${TO_PROVE[@]}"; do
		eventually 3 reaches_through "$address" || fail "the way by $address leads nowhere, ruleset or no ruleset"
	done
	say "without the ruleset strangers get through each of them"
}

say "no way at first"
no_way

say "rules of nftables"
in_srv nft -f - <<-'N'
	table inet admin {
	 map ports { type inet_service : inet_service; elements = { 3001 : 22 } }
	 map hosts { type inet_service : ipv4_addr . inet_service; elements = { 3002 : 203.0.113.7 . 22 } }
	 set some { type inet_service; flags interval; elements = { 3010-3019 } }
	 chain more { meta l4proto tcp redirect to :22
	 }
	 chain pre { type nat hook prerouting priority dstnat
	  iifname "host1" tcp dport 2222 redirect to :22
	  tcp dport { 3003, 3030-3039 } redirect to :22
	  meta l4proto tcp redirect to :tcp dport map { 3000 : 22, 7001 : 7000 }
	  meta l4proto tcp redirect to :tcp dport map @ports
	  tcp dport @some redirect to :22
	  tcp dport 9105-9106 redirect to :9005-9006
	  dnat ip to tcp dport map @hosts
	  tcp dport 3004 dnat ip6 to [2001:db8:7::7]:22
	  tcp dport 3005 dnat ip to 198.51.100.1:22
	  tcp dport vmap { 3006 : jump more, 3007 : accept }
	  meta l4proto { tcp, udp } th dport 3008 dnat ip to 203.0.113.5-203.0.113.9:22
	  ip daddr 203.0.113.99 tcp dport 22 redirect
	  tcp dport 7002 redirect to :7000
	 }
	}
	table ip six { chain pre { type nat hook prerouting priority -99; tcp dport 2223 redirect to :22; }; }
	table ip6 six { chain pre { type nat hook prerouting priority -99; tcp dport 2223 redirect to :22; }; }
N
ip -n "$STR" route add 203.0.113.99 via 198.51.100.1
doctor
way 'tcp/2222 leads to tcp/22 (ssh), by "iifname "host1" tcp dport 2222 redirect to :22" in chain pre of table inet admin (handle ' \
	198.51.100.1:2222 '[2001:db8:66::1]:2222'
lists ok "tcp/2222 leads to" "(IPv4 and IPv6, host1)"
way 'tcp/3003, 3030-3039 leads to tcp/22 (ssh)' 198.51.100.1:3003 '[2001:db8:66::1]:3035'
way 'tcp/3000 leads to tcp/22 (ssh)' 198.51.100.1:3000
way 'tcp/3001 leads to tcp/22 (ssh)' '[2001:db8:66::1]:3001'
way 'tcp/3010-3019 leads to tcp/22 (ssh)' 198.51.100.1:3012
way 'tcp/9105-9106 leads to tcp/9000-9010 (web)' 198.51.100.1:9105
way 'tcp/3002 leads to tcp/22 of 203.0.113.7 (nas)' 198.51.100.1:3002
way 'tcp/3004 leads to tcp/22 of 2001:db8:7::7 (nas)' '[2001:db8:66::1]:3004'
way 'tcp/3005 leads to tcp/22 (ssh)' 198.51.100.1:3005
way 'tcp/3006 leads to tcp/22 (ssh), by "meta l4proto tcp redirect to :22" in chain more of table inet admin' 198.51.100.1:3006
way 'tcp/3008 leads to tcp/22 of 203.0.113.7 (nas)'
way 'tcp/22 at 203.0.113.99 leads to tcp/22 (ssh)' 203.0.113.99:22
way 'tcp/2223 leads to tcp/22 (ssh), by "tcp dport 2223 redirect to :22" in chain pre of table ip six' 198.51.100.1:2223
way 'tcp/2223 leads to tcp/22 (ssh), by "tcp dport 2223 redirect to :22" in chain pre of table ip6 six' '[2001:db8:66::1]:2223'
! grep -E 'ways: tcp/(7001|7002|3007) ' "$D/found" || fail "a way to no service's port"
check "and that one is open" reaches_through 198.51.100.1:7002

ways_are_shut
they_lead
doctor
lists problem "tcp/2222 leads to tcp/22 (ssh)" "open to strangers"
start
in_srv nft delete table inet admin
in_srv nft delete table ip six
in_srv nft delete table ip6 six
TO_PROVE=()

say "rules that keep connection tracking away"
in_srv nft 'table inet admin { chain raw { type filter hook prerouting priority raw; tcp dport { 22, 2004, 2005, 2006 } notrack; }; }'
doctor
lists ok "tcp/22 (ssh) is not tracked, by"
lists advice "tcp/2004 (once) is not tracked" "the service has single use, which asks connection tracking"
lists advice "tcp/2005 (few) is not tracked" "the service has max_connections"
lists advice "tcp/2006 (idle) is not tracked" "the service has after: idle"
in_srv nft delete table inet admin

say "rules of iptables, today's and the old"
ways_of() { # IPTABLES IP6TABLES PORT
	in_srv "$1" -t nat -N WEB
	in_srv "$1" -t nat -A PREROUTING -i host1 -m addrtype --dst-type LOCAL -j WEB
	in_srv "$1" -t nat -A WEB -p tcp -m multiport --dports "$3,4010:4019" -m comment --comment "a -p udp" -j REDIRECT --to-ports 22
	in_srv "$1" -t nat -A WEB ! -i lo -p tcp -m tcp --dport 4001 -j DNAT --to-destination 203.0.113.7:22
	in_srv "$1" -t raw -A PREROUTING -p tcp --dport 2004 -j CT --notrack
	in_srv "$2" -t nat -A PREROUTING -p tcp --dport "$3" -j REDIRECT --to-ports 22
	in_srv "$2" -t nat -A PREROUTING -p tcp --dport 4001 -j DNAT --to-destination '[2001:db8:7::7]:22'
}
for kind in nft legacy; do
	ways_of iptables-$kind ip6tables-$kind 4000
	doctor
	way "tcp/4000, 4010-4019 leads to tcp/22 (ssh)" 198.51.100.1:4000 198.51.100.1:4015
	way "tcp/4001 leads to tcp/22 of 203.0.113.7 (nas)" 198.51.100.1:4001
	way "tcp/4000 leads to tcp/22 (ssh)" '[2001:db8:66::1]:4000'
	way "tcp/4001 leads to tcp/22 of 2001:db8:7::7 (nas)" '[2001:db8:66::1]:4001'
	if [ $kind = nft ]; then
		lists ok "tcp/4001 leads to tcp/22 of 203.0.113.7 (nas)" "in chain WEB of table ip nat (handle "
	else
		lists ok "tcp/4001 leads to tcp/22 of 203.0.113.7 (nas)" "in chain WEB of the old iptables, table nat"
	fi
	lists advice "tcp/2004 (once) is not tracked"
	ways_are_shut
	they_lead
	TO_PROVE=()
	start
	for table in nat raw; do in_srv iptables-$kind -t $table -F && in_srv iptables-$kind -t $table -X; done
	in_srv ip6tables-$kind -t nat -F
done
no_way

say "published ports, as Docker makes them"
in_srv iptables -t nat -N DOCKER
in_srv iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
in_srv iptables -t nat -A DOCKER ! -i host2 -p tcp -m tcp --dport 443 -j DNAT --to-destination 203.0.113.7:8080
in_srv iptables -t nat -A DOCKER ! -i host2 -p tcp -m tcp --dport 5000 -j DNAT --to-destination 203.0.113.7:22
in_srv iptables -t nat -A DOCKER ! -i host2 -p tcp -m tcp --dport 5001 -j DNAT --to-destination 203.0.113.7:8080
background "$IN" socat TCP6-LISTEN:8080,fork,reuseaddr,ipv6only=0 SYSTEM:'echo inside' 2>/dev/null
doctor
way 'tcp/443 (web) is published, and leads to 203.0.113.7 port 8080, by "-A DOCKER' 198.51.100.1:443
way 'tcp/5000 leads to tcp/22 of 203.0.113.7 (nas)' 198.51.100.1:5000
ways_are_shut
TO_PROVE=()
# Where protected ports answer, they do so before they are translated.
echo 'gate: {stealth: closed}' >>"$D/etc/xknock.yaml"
ctl reload >/dev/null
doctor
way 'tcp/443 (web) is published, and leads to 203.0.113.7 port 8080' 198.51.100.1:443
way 'tcp/5000 leads to tcp/22 of 203.0.113.7 (nas)' 198.51.100.1:5000
ways_are_shut
TO_PROVE=()
sed -i '/^gate:/d' "$D/etc/xknock.yaml"
ctl reload >/dev/null
! grep 'ways: .*5001' "$D/found" || fail "a container's port that is no service's"
eventually 5 reaches_through 198.51.100.1:5001 || fail "which is open"
in_srv iptables -t nat -F
in_srv iptables -t nat -X

say "a local address in another routing table"
ip -n "$SRV" addr add 203.0.113.200/32 dev host1
ip -n "$SRV" route del local 203.0.113.200 table local
ip -n "$SRV" route add local 203.0.113.200 dev host1 table 100
ip -n "$SRV" rule add from 198.51.100.0/24 lookup 100
ip -n "$STR" route add 203.0.113.200 via 198.51.100.1
ip -n "$SRV" -6 route add local 2001:db8:200::/64 dev lo table 101
ip -n "$SRV" -6 rule add iif host1 lookup 101
doctor
way "what is for 203.0.113.200, which routing table 100 (ip rule: from 198.51.100.0/24) delivers here, leads to tcp/22 (ssh)" \
	203.0.113.200:22
way "what is for 2001:db8:200::/64, which routing table 101 (ip rule: iif host1) delivers here" \
	'[2001:db8:200::5]:22'
ways_are_shut
TO_PROVE=()
check "and a port of no service is open there" reaches_through 203.0.113.200:7000
check "over IPv6 too" reaches_through '[2001:db8:200::5]:7000'
ip -n "$SRV" rule del from 198.51.100.0/24 lookup 100
ip -n "$SRV" -6 rule del iif host1 lookup 101
no_way # tables that no rule looks into
ip -n "$SRV" addr del 203.0.113.200/32 dev host1
ip -n "$SRV" route flush table 100
ip -n "$SRV" -6 route flush table 101

say "a lightweight tunnel, which unpacks behind prerouting"
in_srv sysctl -qw net.ipv6.conf.all.seg6_enabled=1 net.ipv6.conf.host1.seg6_enabled=1
ip -n "$SRV" -6 route add 2001:db8:5e6::1 encap seg6local action End.DT6 table local dev host1
ip -n "$STR" -6 route add 2001:db8:5e6::1 via 2001:db8:66::1
ip -n "$STR" -6 route add 2001:db8::1 encap seg6 mode encap segs 2001:db8:5e6::1 dev str0
doctor
way "what a route unpacks behind prerouting (seg6local, 2001:db8:5e6::1) leads to tcp/22 (ssh)" '[2001:db8::1]:22'
ways_are_shut
TO_PROVE=()
check "and a port of no service is open there" reaches_through '[2001:db8::1]:7000'
ip -n "$SRV" -6 route del 2001:db8:5e6::1
ip -n "$STR" -6 route del 2001:db8::1

say "translated without connection tracking, at the last hook"
in_srv nft 'table inet admin { chain late { type filter hook input priority 300; tcp dport 2222 tcp dport set 22; }; }'
doctor
lists ok 'tcp/2222 leads to tcp/22 (ssh), by "tcp dport 2222 tcp dport set 22"' "shut without a grant"
lacks "what is delivered goes to no host behind" "$(cat "$D/found")" "leads to tcp/22 of"
in_srv nft delete table inet admin
say "what no rule can shut is no secret: later than the last look, by transparent sockets, by BPF"
in_srv nft 'table inet admin { chain late { type filter hook input priority 2147483647; tcp dport 2222 tcp dport set 22; }; }'
doctor
lists problem 'tcp/2222 leads to tcp/22 (ssh), by "tcp dport 2222 tcp dport set 22"' "open to strangers"
in_srv nft delete table inet admin
in_srv nft 'table inet admin { chain pre { type filter hook prerouting priority mangle; tcp dport 2222 tproxy to :22; }; }'
doctor
lists advice "tcp/2222 leads to tcp/22 (ssh)" "takes transparent connections (IP_TRANSPARENT)"
in_srv nft delete table inet admin
cat >"$D/steer.c" <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_SOCKMAP); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } sockets SEC(".maps");
SEC("sk_lookup") int steer(struct bpf_sk_lookup *c) {
	__u32 zero = 0;
	struct bpf_sock *socket = c->local_port == 2222 ? bpf_map_lookup_elem(&sockets, &zero) : 0;
	if (socket) {
		bpf_sk_assign(c, socket, 0);
		bpf_sk_release(socket);
	}
	return SK_PASS;
}
char l[] SEC("license") = "GPL";
C
clang-14 -O2 -g -target bpf -I"/usr/include/$(uname -m)-linux-gnu" -c "$D/steer.c" -o "$D/steer.o"
bpftool prog load "$D/steer.o" "$D/bpf/steer" type sk_lookup 2>/dev/null
bpftool map pin id "$(bpftool prog show pinned "$D/bpf/steer" | sed -n 's/.*map_ids \([0-9]*\).*/\1/p')" "$D/bpf/sockets"
# It listens on a protected port, and takes what the program sends it.
cat >"$D/steer.py" <<'P'
import ctypes, os, platform, socket, struct, sys
call = ctypes.CDLL(None, use_errno=True).syscall
def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 128)
    result = call({"x86_64": 321, "aarch64": 280}[platform.machine()], command, buffer, 128)
    if result < 0:
        sys.exit("bpf(%d): %s" % (command, os.strerror(ctypes.get_errno())))
    return result
def pinned(path):
    name = ctypes.create_string_buffer(path.encode())
    return bpf(7, struct.pack("QII", ctypes.addressof(name), 0, 0))  # BPF_OBJ_GET
listener = socket.create_server(("0.0.0.0", 2004))
key, value = ctypes.create_string_buffer(4), ctypes.create_string_buffer(struct.pack("Q", listener.fileno()))
bpf(2, struct.pack("IxxxxQQQ", pinned(sys.argv[2]), ctypes.addressof(key), ctypes.addressof(value), 0))  # BPF_MAP_UPDATE_ELEM
link = bpf(28, struct.pack("IIII", pinned(sys.argv[1]), os.open("/proc/self/ns/net", os.O_RDONLY), 36, 0))  # BPF_SK_LOOKUP
while True:
    listener.accept()[0].sendall(b"hello\n")
P
background "$SRV" python3 "$D/steer.py" "$D/bpf/steer" "$D/bpf/sockets"
eventually 5 reaches_through 198.51.100.1:2222 || fail "the program leads nowhere"
! reaches_through 198.51.100.1:2004 || fail "and it is open without it"
doctor
lists advice "BPF program steer (link " "decides which socket a connection gets: where it leads to a protected port, no rule sees it"
kill "$BACKGROUND"
stop
pass
