# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# VLAN and bond devices: on which of them the filter hears the knocks of which.
#
#   client  cli0  192.0.2.2       --  host0  192.0.2.1       server, untagged
#           cli0.100 203.0.113.2  --  host0.100 203.0.113.1  in VLAN 100
say "kernel $(uname -r)"
network
modprobe 8021q || fail "this kernel has no VLAN"
modprobe bonding max_bonds=0 || fail "this kernel has no bonding"
vlan() { # NS-COMMAND DEV ADDRESS
	$1 ip link add link "$2" name "$2.100" type vlan id 100
	$1 ip addr add "$3" dev "$2.100"
	$1 ip link set "$2.100" up
}
vlan "" host0 203.0.113.1/24
vlan in_cli cli0 203.0.113.2/24
configure
enroll
listen 22
with() { # INTERFACES MORE
	cat >"$CONFIG" <<-C
		interfaces: [$1]
		services: {ssh: tcp/22}
		${2:-}
	C
}
opens() { # WHAT ADDRESS
	knockctl close anna >"$OUT" 2>&1
	refuse "$1: shut" can_connect cli "$2" 22
	out=$(knock "$2" robot ssh 2>&1) || fail "$1: $out"
	contains "$1: a knock opens" "$out" "after the knock"
}
deaf() { # WHAT ADDRESS
	knockctl close anna >"$OUT" 2>&1
	knock "$2" robot ssh --no-wait >"$OUT" 2>&1
	sleep 1 # a knock that nobody hears leaves nothing to wait for
	refuse "$1: no knock is heard" can_connect cli "$2" 22
}
# The tag is beside the packet, where a card with VLAN offload puts it, or in it.
offload() {
	ethtool -K host0 rxvlan "$1" txvlan "$1" >"$OUT" 2>&1
	ip netns exec cli ethtool -K cli0 rxvlan "$1" txvlan "$1" >"$OUT" 2>&1
}

say "the filter is on the device below"
with host0
start
for state in on off; do
	offload $state
	opens "tags by the card $state: untagged" 192.0.2.1
	opens "tags by the card $state: in the VLAN" 203.0.113.1
done
stop
xknockd -c "$CONFIG" --remove

say "the filter is on the VLAN's device"
with host0.100
xknockd -c "$CONFIG" --worker /bin/xknock-worker >"$OUT" 2>&1 && fail "a VLAN's device has no native XDP"
contains "it has no native XDP, which is said" "$(cat "$OUT")" 'attaching to "host0.100" in native mode'
with host0.100 'xdp: {allow_generic: true}'
start
contains "in generic mode" "$(knockctl status)" "host0.100 (generic)"
for state in on off; do
	offload $state
	opens "tags by the card $state: in the VLAN" 203.0.113.1
done
deaf "untagged" 192.0.2.1
stop
xknockd -c "$CONFIG" --remove

# Both ends of a cable that is doubled.
say "a bond"
ip link add name slave1 type veth peer name end1 netns cli
ip link add name slave2 type veth peer name end2 netns cli
bond() { # NS-COMMAND DEV ADDRESS SLAVES
	$1 ip link add "$2" type bond mode active-backup miimon 100
	for slave in $4; do $1 ip link set "$slave" master "$2"; done
	$1 ip addr add "$3" dev "$2"
	$1 ip link set "$2" up
	for slave in $4; do $1 ip link set "$slave" up; done
}
bond "" bond0 203.0.112.1/24 "slave1 slave2"
bond in_cli bond1 203.0.112.2/24 "end1 end2"
eventually 10 can_connect cli 203.0.112.1 22 || fail "the bond does not work"
with bond0
case $(uname -r) in
5.*)
	xknockd -c "$CONFIG" --worker /bin/xknock-worker >"$OUT" 2>&1 && fail "a bond has no native XDP before Linux 5.15"
	contains "before Linux 5.15 it has no native XDP, which is said" "$(cat "$OUT")" 'attaching to "bond0" in native mode'
	contains "with what to name in its place" "$(cat "$OUT")" "slave1, slave2"
	with bond0 'xdp: {allow_generic: true}'
	MODE=generic
	;;
*) MODE=native ;;
esac
start
contains "$MODE" "$(knockctl status)" "bond0 ($MODE)"
opens "by the first slave" 203.0.112.1
ip link set slave1 down
in_cli ip link set end1 down
opens "by the second one, when the first is down" 203.0.112.1
ip link set slave1 up
in_cli ip link set end1 up
stop
xknockd -c "$CONFIG" --remove

say "the slaves of a bond"
with "slave1, slave2"
start
contains "native" "$(knockctl status)" "slave1 (native), slave2 (native)"
opens "by one slave" 203.0.112.1
ip link set slave2 down
in_cli ip link set end2 down
opens "by the other" 203.0.112.1
stop
xknockd -c "$CONFIG" --remove
