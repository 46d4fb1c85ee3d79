#!/bin/bash
# SPDX-License-Identifier: MIT
# The server's address is on a bridge, with bridge-nf-call-iptables and ip6tables as Docker and Kubernetes set them, and
# without: the rules see a bridged packet before the filter of the bridge does. Knocks are heard on the bridge, or on its
# port; what must not pass does not.
. "$(dirname "$0")/lib.sh"
begin bridge
configure "xdp: {allow_generic: true}"
ENROLL_HOST=192.0.2.1 enroll anna robot --factor hmac
ip -n "$SRV" link add br0 type bridge
in_srv sysctl -qw net.ipv6.conf.br0.accept_dad=0
ip -n "$SRV" link set br0 up
for address in 192.0.2.1/24 2001:db8::1/64; do
	ip -n "$SRV" addr del "$address" dev host0
	ip -n "$SRV" addr add "$address" dev br0
done
ip -n "$SRV" link set host0 master br0
in_cli ip neigh flush dev cli0
listen 22 7777
eventually 10 can_connect "$CLI" 192.0.2.1 7777 || fail "the bridge does not forward"
in_srv sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1 ||
	fail "this kernel has no br_netfilter"

knocks_open() { # WHAT
	local address
	for address in 192.0.2.1 2001:db8::1; do
		ctl close anna >/dev/null
		refuse "$1: $address is shut" can_connect "$CLI" "$address" 22
		check "$1: a knock opens it" knock "$address" anna-robot ssh
	done
	ctl close anna >/dev/null
}
# dropped CHAIN: how many packets to the knock port this chain has dropped.
dropped() { in_srv nft list chain inet xknock "$1" | sed -n 's/.*udp dport 62201.* packets \([0-9]*\) .*/\1/p'; }

# The kernel takes no program below a bridge that has one: a restart from one to the other takes the old one away first.
for named in br0 host0; do
	sed -i "s/^interfaces:.*/interfaces: [$named, host1]/" "$D/etc/xknock.yaml"
	start
	contains "the filter is on it" "$(ctl status)" "$named ($([ $named = br0 ] && echo generic || echo native))"
	for called in 1 0; do
		in_srv sysctl -qw net.bridge.bridge-nf-call-iptables=$called net.bridge.bridge-nf-call-ip6tables=$called
		knocks_open "$named, bridge-nf-call=$called"
	done
	in_srv sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
	if [ $named = br0 ]; then
		say "what the filter does not understand dies where it is delivered, and nobody is answered"
		before=$(dropped delivered)
		# IPv4 with an option: no operation, three times, and the end of the list.
		in_cli python3 - <<-'P' >"$D/out" 2>&1 || fail "the knock port answered: $(cat "$D/out")"
			import socket
			s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
			s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\1\1\1\0")
			s.settimeout(0.5)
			s.connect(("192.0.2.1", 62201))
			s.send(b"x" * 192)
			try:
			    s.recv(100)
			except socket.timeout:
			    raise SystemExit(0)
			raise SystemExit(1)
		P
		equal "one packet" "$(dropped delivered)" $((before + 1))
	fi
	stop
done
daemon_command --remove 2>/dev/null

say "the doctor"
sed -i 's/^interfaces:.*/interfaces: [br0, host1]/' "$D/etc/xknock.yaml"
doctor() { in_srv "$KNOCKCTL" --socket "$D/run/control.sock" doctor -c "$D/etc/xknock.yaml" 2>&1 || true; }
contains "names the ports of a bridge" "$(doctor)" "what it is made of may have the filter in native mode: host0"
pass
