# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Ways past rules that look only where packets arrive, which need what a container's kernel may not have: IPVS, and a VRF.
# Also here: "stealth: closed", whose rules ask more of a kernel than the others do.
say "kernel $(uname -r)"
network
configure
sed -i 's|services:.*|services: {ssh: tcp/22, alt: tcp/8022, behind: {target: "192.0.2.2:2222"}}|' "$CONFIG"
enroll
listen 22
sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
listed() {
	knockctl doctor >"$OUT" 2>&1
	grep "^ok" "$OUT" | grep -F "$1" | grep "shut without a grant" >/dev/null || fail "doctor: $1: $(cat "$OUT")"
	say "and the doctor says so"
}

# A virtual service whose real server is this host's own protected port (masquerading), and one whose real server is a host
# behind: to that one IPVS sends by the output hook.
modprobe ip_vs || fail "this kernel has no ip_vs"
ipvsadm -A -t 192.0.2.1:8080 -s rr || fail "no virtual service"
ipvsadm -a -t 192.0.2.1:8080 -r 192.0.2.1:22 -m || fail "no real server"
ipvsadm -A -t 198.51.100.1:8081 -s rr || fail "no virtual service"
ipvsadm -a -t 198.51.100.1:8081 -r 192.0.2.2:2222 -m || fail "no real server"
in_cli socat TCP6-LISTEN:2222,fork,reuseaddr,ipv6only=0 SYSTEM:'echo hello' &
ip -n cli route add 198.51.100.0/24 via 192.0.2.1
check "before the start: IPVS" eventually 5 can_connect cli 192.0.2.1 8080
check "IPVS, to a host behind" eventually 5 can_connect str 198.51.100.1 8081
start
refuse "with it: IPVS" can_connect cli 192.0.2.1 8080
listed 'tcp/8080 at 192.0.2.1 leads to tcp/22 (ssh), by "TCP C0000201:1F90 rr" in IPVS'
refuse "IPVS, to a host behind" can_connect str 198.51.100.1 8081
listed 'tcp/8081 at 198.51.100.1 leads to tcp/2222 of 192.0.2.2 (behind)'
knockctl open 192.0.2.2 ssh --for 10m >"$OUT" || fail "open"
check "a grant serves through IPVS, for where it comes out" can_connect cli 192.0.2.1 8080
knockctl close 192.0.2.2 >"$OUT"
knockctl open 198.51.100.66 behind --for 10m >"$OUT" || fail "open"
check "to the host behind, too" can_connect str 198.51.100.1 8081
knockctl close 198.51.100.66 >"$OUT"
ipvsadm -C
stop
xknockd -c "$CONFIG" --remove 2>"$OUT"

# A VRF: its addresses stand in a routing table of its own, where "fib daddr type" does not look.
modprobe vrf || fail "this kernel has no vrf"
ip link add red type vrf table 10
ip link set red up
ip link set host1 master red
ip addr add 2001:db8:66::1/64 dev host1 nodad # the move took it away
sysctl -q -w net.ipv4.tcp_l3mdev_accept=1
check "before the start: a VRF" eventually 5 can_connect str 198.51.100.1 22
check "over IPv6" eventually 5 can_connect str 2001:db8:66::1 22
# The filter at the NIC would have the SYNs before the rules.
echo 'xdp: {drop_syn: false}' >>"$CONFIG"
start
refuse "with it: the VRF" can_connect str 198.51.100.1 22
refuse "over IPv6" can_connect str 2001:db8:66::1 22
listed 'host1 belongs to a VRF (red)'
dropped() { nft list chain inet xknock shut | sed -n 's/.*iif type local.*packets \([0-9]*\) .*/\1/p'; }
[ "$(dropped)" -gt 0 ] || fail "the VRF's addresses are not known where the packets arrive"
say "in a VRF packets are dropped where they arrive"
knockctl open 198.51.100.66 ssh --for 10m >"$OUT" || fail "open"
check "a grant serves in the VRF" can_connect str 198.51.100.1 22
knockctl close 198.51.100.66 >"$OUT"

echo 'gate: {stealth: closed}' >>"$CONFIG"
knockctl reload >"$OUT" || fail "reload: $(cat "$OUT")"
connect() { ip netns exec "$1" socat -u OPEN:/dev/null "TCP:$2,connect-timeout=2" 2>&1; }
contains "stealth: closed answers" "$(connect cli 192.0.2.1:22)" "Connection refused"
contains "over IPv6" "$(connect cli '[2001:db8::1]:22')" "Connection refused"
contains "in a VRF" "$(connect str 198.51.100.1:22)" "Connection refused"
knockctl open 192.0.2.2 ssh --for 10m >"$OUT" || fail "open"
check "and a grant opens" granted
stop
