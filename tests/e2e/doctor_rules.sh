#!/bin/bash
# SPDX-License-Identifier: MIT
# The doctor's judgement of other people's rules, beside the kernel's: each rule is loaded, a client with a grant tries to
# connect over IPv4 and IPv6, and what the doctor says of tcp/22 must fit. A problem must be one for the kernel too, and
# where the doctor says nothing the client must get in.
. "$(dirname "$0")/lib.sh"
begin doctor_rules
configure 'gate: {allow: [192.0.2.0/24, "2001:db8::/64"]}' # a grant without an end
enroll anna robot --factor hmac
listen 22 8022
start

doctor() { in_srv "$KNOCKCTL" --socket "$D/run/control.sock" doctor -c "$D/etc/xknock.yaml" --json; }
# said FAMILY: what the doctor says of tcp/22 on host0 in this family.
said() {
	python3 - "$D/found" "$1" <<-'P'
		import json, re, sys
		worst = "nothing"
		for f in json.load(open(sys.argv[1]))["findings"]:
		    where = re.search(r"\(([^()]*)\)$", f["message"])
		    if f["check"] == "firewall" and f["message"].startswith("tcp/22 ") and sys.argv[2] in where[1] and "host0" in where[1]:
		        worst = f["severity"]
		print(worst)
	P
}
# judge WHAT WANTED4 [WANTED6]: of the rules that are loaded now.
judge() {
	local what=$1 family address wanted got
	doctor >"$D/found" || true
	for family in IPv4 IPv6; do
		if [ $family = IPv4 ]; then address=192.0.2.1 wanted=$2; else address=2001:db8::1 wanted=${3:-$2}; fi
		got=$(said $family)
		[ "$got" = "$wanted" ] || fail "$what, $family: the doctor says $got, wanted $wanted: $(cat "$D/found")"
		case $got in
		problem) ! can_connect "$CLI" $address 22 || fail "$what, $family: the doctor sees a problem, and the kernel lets it in" ;;
		nothing) can_connect "$CLI" $address 22 || fail "$what, $family: the doctor sees nothing, and the kernel shuts it" ;;
		esac
	done
	say "$what: ${*:2}"
}
table() { in_srv nft -f - <<<"table inet t { $1"$'\n'"}" || fail "nft does not take: $1"; }
# rules WANTED4/WANTED6 POLICY RULES: the rules of a chain at input.
rules() {
	local policy=$2
	table "set empty { type ipv4_addr; }
		set ports { type inet_service; flags interval; elements = { 20-25, 80 }; }
		set pairs { type inet_proto . inet_service; elements = { tcp . 22 }; }
		set here { type ifname; elements = { \"host0\" }; }
		map verdicts { type inet_service : verdict; elements = { 22 : drop, 80 : accept }; }
		chain other { tcp dport 22 drop; }
		chain back { tcp dport 22 return; drop; }
		chain nothing { tcp dport 80 drop; }
		chain input { type filter hook input priority 0; policy $policy;
			meta l4proto { icmp, ipv6-icmp } accept
			$3
		}"
	judge "policy $policy: $3" "${1%/*}" "${1#*/}"
	in_srv nft delete table inet t
}
P=problem N=nothing A=advice
rules $P/$P drop ''
rules $N/$N accept ''
rules $N/$N drop 'tcp dport 22 accept'
rules $P/$P drop 'udp dport 22 accept'
rules $P/$P accept 'tcp dport 20-30 drop'
rules $N/$N accept 'tcp dport != 22 drop'
rules $P/$P accept 'tcp dport { 20-30, 80 } drop'
rules $N/$N accept 'tcp dport < 22 drop'
rules $P/$P accept 'tcp dport <= 22 drop'
rules $P/$P accept 'tcp dport @ports drop'
rules $P/$P accept 'meta l4proto . th dport @pairs drop'
rules $N/$N accept 'ip saddr @empty drop'
rules $P/$N accept 'ip protocol tcp tcp dport 22 reject'
rules $N/$P accept 'ip6 nexthdr tcp reject with icmpv6 admin-prohibited'
rules $P/$N accept 'meta nfproto ipv4 tcp dport 22 reject with icmp admin-prohibited'
rules $P/$P accept 'tcp dport 22 reject with tcp reset'
rules $N/$P accept 'meta protocol ip6 tcp dport 22 drop'
rules $P/$P accept 'iifname "host0" tcp dport 22 drop'
rules $N/$N accept 'iifname "host1" tcp dport 22 drop'
rules $P/$P accept 'iifname "host*" tcp dport 22 drop'
rules $N/$N accept 'iifname != "host0" drop'
rules $P/$P accept 'iifname @here tcp dport 22 drop'
rules $N/$N accept 'ct state established,related drop'
rules $P/$P accept 'ct state new tcp dport 22 drop'
rules $N/$N drop 'ct state { established, new } accept'
rules $P/$P drop 'ct state vmap { established : accept, related : accept, invalid : drop }'
rules $N/$N accept 'tcp flags & (fin|syn|rst|ack) != syn ct state new drop'
rules $P/$P accept 'tcp flags & (fin|syn|rst|ack) == syn tcp dport 22 drop'
rules $N/$N accept 'tcp flags & (fin|syn) == (fin|syn) drop'
rules $P/$P accept 'tcp flags syn tcp dport 22 drop'
rules $N/$N accept 'tcp flags rst drop'
rules $P/$P accept 'tcp dport 22 jump other'
rules $P/$P accept 'tcp dport 22 goto other'
rules $P/$P drop 'jump back'
rules $N/$N drop 'jump back; accept'
rules $P/$P drop 'goto back; accept'
rules $N/$N drop 'jump nothing; tcp dport 22 accept'
rules $P/$P accept 'tcp dport vmap { 22 : jump other, 80 : accept }'
rules $P/$P accept 'tcp dport vmap @verdicts'
rules $N/$N accept 'fib daddr type != local drop'
rules $P/$P accept 'fib daddr type local tcp dport 22 drop'
rules $N/$N accept 'fib saddr . iif oif missing drop'
rules $P/$N accept 'ip daddr { 192.0.2.1, 198.51.100.1 } tcp dport 22 drop'
rules $N/$N accept 'ip daddr 203.0.113.9 drop'
rules $A/$N accept 'ip daddr 192.0.2.1 tcp dport 22 drop'
rules $A/$P drop 'ip saddr 192.0.2.0/24 tcp dport 22 accept'
rules $A/$N accept 'ip saddr 203.0.113.7 drop'
rules $N/$P drop 'ip saddr 0.0.0.0/0 accept'
rules $N/$N accept 'ip saddr 127.0.0.0/8 iif != lo drop; ip6 saddr fe80::/10 tcp dport 22 drop'
rules $A/$A drop 'tcp dport 22 limit rate 10/minute accept'
rules $A/$A accept 'meta mark 7 drop'
rules $N/$N accept 'counter; log prefix "x"; meta mark set 3; ct mark set 4'
rules $N/$N accept 'exthdr frag exists drop'
rules $N/$N accept 'ct status dnat drop; ct direction reply drop'

say "other hooks and families"
at() { # WHAT WANTED TABLE-AND-CHAIN
	in_srv nft -f - <<<"$3" || fail "nft does not take: $3"
	judge "$1" "${2%/*}" "${2#*/}"
	in_srv nft delete table "$(head -n 1 <<<"$3" | cut -d' ' -f2)" t
}
at "prerouting" $P/$P 'table inet t { chain c { type filter hook prerouting priority raw; tcp dport 22 drop; }; }'
at "a table of IPv4" $P/$N 'table ip t { chain c { type filter hook input priority 0; policy drop; }; }'
at "a table of IPv6" $N/$P 'table ip6 t { chain c { type filter hook input priority 0; ip6 daddr 2000::/3 tcp dport 22 drop; }; }'
at "ingress of this interface" $P/$P 'table netdev t { chain c { type filter hook ingress device host0 priority 0; tcp dport 22 drop; }; }'
at "ingress of another" $N/$N 'table netdev t { chain c { type filter hook ingress device host1 priority 0; tcp dport 22 drop; }; }'
at "forward and output are not on the way in" $N/$N 'table inet t { chain f { type filter hook forward priority 0; policy drop; }; }'
at "an accept in one chain does not save from the next" $P/$P 'table inet t {
	chain a { type filter hook input priority 0; tcp dport 22 accept; }; chain b { type filter hook input priority 1; tcp dport 22 drop; }; }'
at "a redirect changes the port for those behind it" $N/$N 'table inet t {
	chain p { type nat hook prerouting priority -100; tcp dport 22 redirect to :8022; };
	chain i { type filter hook input priority 0; tcp dport 22 drop; }; }'
at "which they may shut" $P/$P 'table inet t {
	chain p { type nat hook prerouting priority -100; tcp dport 22 redirect to :8022; };
	chain i { type filter hook input priority 0; tcp dport 8022 drop; }; }'

say "iptables, with the modules that firewalls use"
# ipt WANTED4 POLICY RULE...: a rule each; the policy is INPUT's.
ipt() {
	local wanted=$1 policy=$2 rule
	shift 2
	in_srv iptables -P INPUT "$policy"
	for rule in "$@"; do
		# shellcheck disable=SC2086  # words
		in_srv iptables -A INPUT $rule || fail "iptables does not take: $rule"
	done
	judge "iptables $policy: $*" "$wanted" $N
	in_srv iptables -F
	in_srv iptables -P INPUT ACCEPT
}
ipt $P DROP
ipt $N DROP '-p tcp --dport 22 -j ACCEPT'
ipt $P ACCEPT '-p tcp --dport 22 -j REJECT'
ipt $N DROP '-m conntrack --ctstate INVALID -j DROP' '-p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT'
ipt $P DROP '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'
ipt $N DROP '-m state --state NEW,RELATED -j ACCEPT'
ipt $P ACCEPT '-p tcp --dport 22 -m conntrack ! --ctstate ESTABLISHED -j DROP'
ipt $N DROP '-p tcp -m multiport --dports 20:25,443 -j ACCEPT'
ipt $P DROP '-p tcp -m multiport --dports 80,443 -j ACCEPT'
ipt $P ACCEPT '-p tcp -m multiport ! --dports 80,443 -j DROP'
ipt $N ACCEPT '-m addrtype ! --dst-type LOCAL -j DROP' '-m comment --comment hello -j ACCEPT'
ipt $P ACCEPT '-m addrtype --dst-type LOCAL -p tcp --dport 22 -j DROP'
ipt $N ACCEPT '-p tcp ! --syn -m conntrack --ctstate NEW -j DROP' '-p tcp --tcp-flags ALL NONE -j DROP'
ipt $N ACCEPT '-m pkttype --pkt-type broadcast -j DROP' '-f -j DROP'
ipt $A ACCEPT '-p tcp --dport 22 -m recent --name seen --set' '-p tcp --dport 22 -m recent --name seen --rcheck --hitcount 9 -j DROP'
ipt $A DROP '-s 192.0.2.0/24 -p tcp --dport 22 -j ACCEPT'
ipt $N ACCEPT '-p tcp --dport 22 -j LOG' '-p tcp --dport 22 -j ACCEPT' '-j DROP'
in_srv iptables -t mangle -A PREROUTING -m rpfilter --invert -j DROP
ipt $N ACCEPT '-i host1 -j DROP'
in_srv iptables -t mangle -F

say "what to do is said in the words of whoever shut the port"
in_srv iptables -P INPUT DROP
doctor >"$D/found" || true
contains "iptables" "$(cat "$D/found")" "iptables -I INPUT -p tcp --dport 22 -j ACCEPT"
in_srv iptables -P INPUT ACCEPT
stop
pass
