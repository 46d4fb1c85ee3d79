#!/bin/bash
# SPDX-License-Identifier: MIT
# Beside others: ufw, firewalld, an administrator's own nftables rules, and published ports as Docker makes them. With each
# of them a port is reachable where both agree: the other firewall's rules allow it, and xknock has a grant for it. Their
# reload changes nothing of ours, and after --remove their ruleset is what it was, byte for byte.
. "$(dirname "$0")/lib.sh"
begin beside
configure
enroll anna robot --factor hmac
in_srv sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

# knock_from NS ADDRESS SERVICE: and the grant is there. An address of each family has grants of its own.
knock_from() {
	local grants
	grants=$(grants)
	nsenter --net="/run/netns/$1" "$CLIENT" open "$2" --profile "$(profile anna-robot)" "$3" --no-wait 2>/dev/null
	eventually 5 more_grants "$grants" || fail "no grant of $3 at $2"
}
more_grants() { [ "$(grants)" -gt "$1" ]; }
close_all() { ctl close anna >/dev/null; }
# server NS: its two addresses as this namespace sees them.
server() { if [ "$1" = "$CLI" ]; then echo 192.0.2.1 2001:db8::1; else echo 198.51.100.1 2001:db8:66::1; fi; }
# open_to NS PORT / shut_to NS PORT: over IPv4 and over IPv6.
open_to() {
	local address
	for address in $(server "$1"); do can_connect "$1" "$address" "$2" || return 1; done
}
shut_to() {
	local address pid pids=()
	for address in $(server "$1"); do # both at once: each waits for an answer that must not come
		can_connect "$1" "$address" "$2" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do ! wait "$pid" || return 1; done
}
grant() { # NS SERVICE: over both families
	local address
	for address in $(server "$1"); do knock_from "$1" "$address" "$2"; done
}

# What each firewall of a host allows here: 22 and 2222 to all, 443 to the stranger's networks only, 80 to nobody.
# guarded NAME HINT RELOAD...: with that firewall up and answering; HINT is how the doctor says to open 80.
guarded() {
	local name=$1 hint=$2 before
	shift 2
	check "$name loads its rules" "$@" # ufw's first reload adds a few of its own
	check "$name alone: 22 is open" open_to "$CLI" 22
	check "$name alone: 443 is open to one network" open_to "$STR" 443
	check "$name alone: and not to the other" shut_to "$CLI" 443
	check "$name alone: 80 is shut" shut_to "$CLI" 80
	before=$(ruleset 2>/dev/null) # nft warns of what iptables made
	start
	check "$name: without a grant 22 is shut" shut_to "$CLI" 22
	check "$name: and 443, to whom the firewall allows it" shut_to "$STR" 443
	check "$name: a port that is not protected is as before" open_to "$CLI" 2222
	doctor_knows "$name" "$hint"
	for service in ssh web; do grant "$CLI" $service; done
	check "$name: a grant opens 22" open_to "$CLI" 22
	check "$name: to nobody else" shut_to "$STR" 22
	check "$name: a grant does not open what the firewall shuts for all" shut_to "$CLI" 80
	check "$name: nor what it shuts for this source" shut_to "$CLI" 443
	grant "$STR" web
	check "$name: and opens what it allows to the other" open_to "$STR" 443
	check "$name: still not 80" shut_to "$STR" 80
	check "$name is loaded anew" "$@"
	check "$name: the grants stand" open_to "$CLI" 22
	check "$name: all of them" open_to "$STR" 443
	check "$name: and so does the ruleset" shut_to "$STR" 22
	close_all
	check "$name: without the grants all is shut again" shut_to "$CLI" 22
	leave "$name" "$before"
	check "$name alone again: 22 is open" open_to "$CLI" 22
}
# The doctor says of each port what the firewall does to it: nothing of 22, of 443 that it depends, of 80 that it is shut.
doctor_knows() {
	in_srv "$KNOCKCTL" --socket "$D/run/control.sock" doctor -c "$D/etc/xknock.yaml" >"$D/found" 2>&1 || true
	lacks "$1: the doctor has nothing against 22" "$(grep '  *firewall:' "$D/found")" "tcp/22 "
	check "$1: it says that 80 is shut" grep 'problem *firewall: tcp/80 (web) is dropped all the same' "$D/found"
	check "$1: and that 443 depends" grep 'advice *firewall: tcp/443 (web) may be dropped' "$D/found"
	check "$1: and says what to do in its words" grep "hint: $2" "$D/found"
	local ways
	ways=$(grep 'firewall: tcp/80' "$D/found")
	contains "$1: over IPv4" "$ways" IPv4
	contains "$1: over IPv6" "$ways" IPv6
	check "$1: the ruleset is well" grep "ok *ruleset" "$D/found"
}
# leave NAME RULESET: xknock goes, and the ruleset is that one.
leave() {
	stop
	daemon_command --remove 2>/dev/null
	printf '%s\n' "$2" >"$D/before"
	ruleset >"$D/after" 2>/dev/null
	cmp "$D/before" "$D/after" >/dev/null || fail "$1: something is left: $(diff "$D/before" "$D/after")"
	say "$1: after --remove its ruleset is what it was, byte for byte"
}

listen 22 80 443 2222

say "ufw"
# With files of its own: the machine's are covered up in a mount namespace of each call.
mkdir "$D/ufw" "$D/ufw/run"
cp -a /etc/ufw "$D/ufw/etc"
cp -a /etc/default/ufw "$D/ufw/default"
cp -a /lib/ufw "$D/ufw/lib"
ours_of_ufw() { find /etc/ufw /etc/default/ufw /lib/ufw -type f -exec sha256sum {} + | sort; }
machine=$(ours_of_ufw)
# shellcheck disable=SC2016  # for the other shell
ufw_here() {
	in_srv unshare -m --propagation private sh -c 'mount --bind "$0/etc" /etc/ufw &&
		mount --bind "$0/default" /etc/default/ufw && mount --bind "$0/lib" /lib/ufw && mount --bind "$0/run" /run && exec ufw "$@"' "$D/ufw" "$@"
}
check "ufw comes up" ufw_here --force enable
for rule in '22/tcp' '2222/tcp' 'from 198.51.100.0/24 to any port 443 proto tcp' \
	'from 2001:db8:66::/64 to any port 443 proto tcp'; do
	# shellcheck disable=SC2086  # words
	ufw_here allow $rule >/dev/null
done
contains "and is active" "$(ufw_here status verbose)" "Default: deny (incoming)"
guarded ufw 'ufw allow 80/tcp' ufw_here reload
ufw_here --force disable >/dev/null
in_srv nft flush ruleset
equal "the machine's own ufw is untouched" "$(ours_of_ufw)" "$machine"

say "firewalld"
# On a bus of its own, with files of its own.
mkdir "$D/firewalld"
cp -a /etc/firewalld "$D/firewalld/etc"
cat >"$D/firewalld/bus.conf" <<-C
	<busconfig>
	<type>system</type>
	<listen>unix:path=$D/firewalld/bus</listen>
	<auth>EXTERNAL</auth>
	<policy context="default"><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
	</busconfig>
C
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$D/firewalld/bus
background "$SRV" dbus-daemon --config-file="$D/firewalld/bus.conf" --nofork --nopidfile 2>"$D/firewalld/bus.log"
BUS=$BACKGROUND
eventually 10 test -S "$D/firewalld/bus" || fail "no bus: $(cat "$D/firewalld/bus.log")"
# shellcheck disable=SC2016  # for the other shell
background "$SRV" unshare -m --propagation private sh -c 'mount --bind "$0/etc" /etc/firewalld && mount -t tmpfs none /run &&
	mount -t tmpfs none /var/log && exec firewalld --nofork --nopid --log-target console' "$D/firewalld" >"$D/firewalld/log" 2>&1
FIREWALLD=$BACKGROUND
eventually 30 firewall-cmd -q --state || fail "firewalld does not come up: $(tail -n 5 "$D/firewalld/log")"
for dev in host0 host1; do firewall-cmd -q --permanent --zone=public --add-interface=$dev; done
firewall-cmd -q --permanent --zone=public --add-port=2222/tcp
for net in 'ipv4" source address="198.51.100.0/24' 'ipv6" source address="2001:db8:66::/64'; do
	firewall-cmd -q --permanent --zone=public --add-rich-rule="rule family=\"$net\" port port=443 protocol=tcp accept"
done
check "firewalld takes its rules" firewall-cmd --reload
contains "in an active zone" "$(firewall-cmd --get-active-zones)" "interfaces: host0 host1"
guarded firewalld 'firewall-cmd --permanent --add-port=80/tcp' firewall-cmd --complete-reload
kill "$FIREWALLD"
wait "$FIREWALLD" 2>/dev/null || true
kill "$BUS"
wait "$BUS" 2>/dev/null || true
unset DBUS_SYSTEM_BUS_ADDRESS
in_srv nft flush ruleset

say "an administrator's own nftables.conf, which begins with a flush as Debian's does"
cat >"$D/nftables.conf" <<-'N'
	flush ruleset
	table inet filter {
	 set here4 { type ipv4_addr; flags interval; elements = { 198.51.100.0/24 }; }
	 chain input { type filter hook input priority filter; policy drop;
	  ct state vmap { established : accept, related : accept, invalid : drop }
	  iif lo accept
	  meta l4proto { icmp, ipv6-icmp } accept
	  tcp dport { 22, 2222 } accept
	  ip saddr @here4 tcp dport 443 accept
	  ip6 saddr 2001:db8:66::/64 tcp dport 443 accept
	  reject with icmpx admin-prohibited
	 }
	}
N
in_srv nft -f "$D/nftables.conf"
guarded nftables 'let tcp dport 80 pass' in_srv nft -f "$D/nftables.conf"
in_srv nft flush ruleset

say "published ports, with the rules that Docker writes"
CTR=xk$$-ctr
MORE_NS=$CTR
ip netns add "$CTR"
ip -n "$SRV" link add br0 type bridge
pair "$SRV" port0 203.0.113.254/32 2001:db8:c::fe/128 "$CTR" eth0 203.0.113.2/24 2001:db8:c::2/64
ip -n "$SRV" addr flush dev port0
ip -n "$SRV" link set port0 master br0
ip -n "$SRV" addr add 203.0.113.1/24 dev br0
ip -n "$SRV" addr add 2001:db8:c::1/64 dev br0 nodad
ip -n "$SRV" link set br0 up
ip -n "$CTR" link set lo up
ip -n "$CTR" route add default via 203.0.113.1
ip -n "$CTR" -6 route add default via 2001:db8:c::1
background "$CTR" socat TCP6-LISTEN:8080,fork,reuseaddr,ipv6only=0 SYSTEM:'echo container' 2>/dev/null
# publish IPTABLES CONTAINER PORT...: each port of the host goes to the container's 8080.
publish() {
	local ipt=$1 container=$2 to=$2 port
	shift 2
	case $container in *:*) to="[$container]" ;; esac
	in_srv "$ipt" -t nat -N DOCKER
	in_srv "$ipt" -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
	for port in "$@"; do
		in_srv "$ipt" -t nat -A DOCKER ! -i br0 -p tcp --dport "$port" -j DNAT --to-destination "$to:8080"
	done
	in_srv "$ipt" -P FORWARD DROP
	in_srv "$ipt" -N DOCKER
	in_srv "$ipt" -A FORWARD -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	in_srv "$ipt" -A FORWARD -o br0 -j DOCKER
	in_srv "$ipt" -A FORWARD -i br0 ! -o br0 -j ACCEPT
	in_srv "$ipt" -A DOCKER -d "$container" ! -i br0 -o br0 -p tcp --dport 8080 -j ACCEPT
}
# 80 is of the service web; 8088 is none of ours. 443 goes to a port of the container that its chain does not accept.
publish iptables 203.0.113.2 80 8088
publish ip6tables 2001:db8:c::2 80 8088
in_srv iptables -t nat -A DOCKER ! -i br0 -p tcp --dport 443 -j DNAT --to-destination 203.0.113.2:22
in_srv ip6tables -t nat -A DOCKER ! -i br0 -p tcp --dport 443 -j DNAT --to-destination '[2001:db8:c::2]:22'
background "$CTR" socat TCP6-LISTEN:22,fork,reuseaddr,ipv6only=0 SYSTEM:'echo container' 2>/dev/null
eventually 5 can_connect "$CTR" 2001:db8:c::2 8080 || fail "the container does not listen"
eventually 5 can_connect "$CTR" 2001:db8:c::2 22 || fail "the container does not listen"
# A new bridge's own neighbours need a moment.
eventually 10 can_connect "$SRV" 2001:db8:c::2 8080 || fail "the bridge does not carry IPv6"
words() { nsenter --net="/run/netns/$1" socat -u "TCP:$2:80,connect-timeout=2" -; }
equal "the published port leads to the container" \
	"$(words "$STR" 198.51.100.1) $(words "$STR" '[2001:db8:66::1]')" "container container"
check "on every published port" open_to "$STR" 8088
check "as far as the forward chain accepts" shut_to "$STR" 443
before=$(ruleset 2>/dev/null) # nft warns of what iptables made
start
check "without a grant the published port of a service is shut" shut_to "$STR" 80
check "one that is no service's is as before" open_to "$STR" 8088
background "$STR" socat TCP6-LISTEN:80,fork,reuseaddr,ipv6only=0 SYSTEM:'echo world' 2>/dev/null
eventually 5 can_connect "$STR" 127.0.0.1 80 || fail "the world does not listen"
equal "the container reaches such a port elsewhere" \
	"$(words "$CTR" 198.51.100.66) $(words "$CTR" '[2001:db8:66::66]')" "world world"
in_srv "$KNOCKCTL" --socket "$D/run/control.sock" doctor -c "$D/etc/xknock.yaml" >"$D/found" 2>&1 || true
lacks "the doctor has nothing against a published port" "$(grep -E 'firewall:|listeners:' "$D/found")" tcp/80
grant "$STR" web
equal "a grant leads to the container" "$(words "$STR" 198.51.100.1) $(words "$STR" '[2001:db8:66::1]')" "container container"
check "nobody else gets there" shut_to "$CLI" 80
check "and nobody where the forward chain accepts nothing" shut_to "$STR" 443
close_all
check "without the grant it is shut again" shut_to "$STR" 80
leave Docker "$before"
check "and the published port is open as it was" open_to "$STR" 80
pass
