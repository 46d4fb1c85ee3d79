#!/bin/bash
# SPDX-License-Identifier: MIT
# gate.stealth: closed. Where a host's other ports answer, a silent one stands out. Protected ports then answer what the
# stack says of a closed port, byte for byte, to every packet that a scanner sends, and open for whoever has a grant.
. "$(dirname "$0")/lib.sh"
begin closed
configure 'gate: {stealth: closed}'
sed -i 's|vpn: udp/51820|vpn: [udp/51820, tcp/6000-6010]|' "$D/etc/xknock.yaml"
enroll_everybody
listen 22 80 6005
background "$SRV" socat UDP6-LISTEN:51820,fork,ipv6only=0 SYSTEM:'echo vpn' 2>/dev/null
start
# The answers are compared, not the limits of the kernel for them, which a few packets use up. Those come below.
in_srv sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000
in_str socat -u - UDP:198.51.100.1:9 <<<x
in_str socat -u - 'UDP6:[2001:db8:66::1]:9' <<<x
mac=$(ip -n "$SRV" -o link show host1 | sed 's/.*link\/ether \([0-9a-f:]*\).*/\1/')
answers() { in_str python3 "$E2E/answers.py" str0 "$mac" "$1" "$2" "${@:3}"; }
each() { answers 198.51.100.66 198.51.100.1 "$1" >"$D/v4-$1"; answers 2001:db8:66::66 2001:db8:66::1 "$1" >"$D/v6-$1"; }
pids=()
for port in 22 80 6005 51820 2222; do
	each "$port" &
	pids+=($!)
done
wait "${pids[@]}"
contains "a closed port answers a SYN" "$(head -n 1 "$D/v4-2222")" "tcp 0000000011223345"
contains "and a datagram" "$(grep '^udp' "$D/v6-2222")" "icmp 1 4"
# To what neither begins nor belongs to anything nftables answers, which leaves IPv6's flow label 0, where the stack has a
# hash (docs/security.md says so): of these the label is not compared.
tcp() { grep -v '^udp' "$D/$1" | sed -E '/^(syn fin|syn ack|fin|null|xmas|fin ack) /s/label [a-z]+/label/'; }
for family in v4 v6; do
	for port in 22 80 6005; do
		equal "$family: tcp/$port answers all TCP as tcp/2222 does" "$(tcp "$family-$port")" "$(tcp "$family-2222")"
	done
	equal "$family: udp/51820 answers all UDP as udp/2222 does" "$(grep udp "$D/$family-51820")" "$(grep udp "$D/$family-2222")"
done
equal "nmap calls it closed" "$(in_str nmap -n -Pn -sS -p 22,80,2222 198.51.100.1 | grep -c '^[0-9]*/tcp *closed')" 3

say "under the limits that the kernel has for such answers"
in_srv sysctl -qw net.ipv4.icmp_ratelimit=100
# The kernel's allowance for answers to one host, six at most, grows by one each 100 ms.
count() { sleep 0.8; answers 198.51.100.66 198.51.100.1 "$1" count 40; }
other=$(count 2222) ours=$(count 51820)
if [ "$other" -lt 1 ] || [ "$other" -gt 20 ]; then fail "udp/2222 answers $other of 40"; fi
if [ $((ours - other)) -lt -1 ] || [ $((ours - other)) -gt 1 ]; then fail "udp/51820 answers $ours of 40, udp/2222 $other"; fi
say "udp/51820 answers as often as udp/2222"
in_srv sysctl -qw net.ipv4.icmp_ratelimit=0

say "a grant opens"
refuse "not before" granted
ask_vpn() { [ "$(echo x | in_cli socat -t 0.4 - UDP:192.0.2.1:51820,sourceport=40000 2>/dev/null)" = vpn ]; }
refuse "UDP neither" ask_vpn
check "a knock" knock 192.0.2.1 anna-robot ssh
check "the port" granted
refuse "not for others" can_connect "$STR" 198.51.100.1 22
check "a knock for UDP" knock_only 192.0.2.1 anna-robot vpn
# The very flow that was refused before: nothing of that is remembered.
eventually 5 ask_vpn || fail "the flow that was refused before does not get through"
check "a range" granted 6005
ctl close anna >/dev/null
eventually 5 sh -c "! nsenter --net=/run/netns/$CLI socat -u OPEN:/dev/null TCP:192.0.2.1:22,connect-timeout=0.5" || fail "it is still open"
contains "afterwards it is closed, and says so at once" \
	"$(in_cli socat -u OPEN:/dev/null TCP:192.0.2.1:22,connect-timeout=2 2>&1)" "Connection refused"
contains "over IPv6 too" "$(in_cli socat -u OPEN:/dev/null 'TCP:[2001:db8::1]:22,connect-timeout=2' 2>&1)" "Connection refused"

say "what comes by another way is refused too"
in_srv nft 'table inet own { chain pre { type nat hook prerouting priority dstnat; tcp dport 2022 redirect to :22; }; }'
contains "a redirect" "$(in_str socat -u OPEN:/dev/null TCP:198.51.100.1:2022,connect-timeout=2 2>&1)" "Connection refused"
in_srv nft delete table inet own
say "and back"
sed -i 's/stealth: closed/stealth: drop/' "$D/etc/xknock.yaml"
ctl reload >/dev/null
contains "drop: silence again" "$(in_str socat -u OPEN:/dev/null TCP:198.51.100.1:22,connect-timeout=0.5 2>&1)" "timed out"
stop
pass
