# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# What "knockctl doctor" finds in a machine of its own: a clock that nobody set, a full table of connections, a VRF, and
# cards whose offloads keep native XDP away. The faults of e2e.doctor need no machine.

# finds SEVERITY WHAT / lacks WHAT
finds() {
	knockctl doctor >"$OUT" 2>&1
	grep -F -- "$2" "$OUT" | grep "^$1" >/dev/null || fail "not found: $1 ... $2: $(cat "$OUT")"
	say "$1: $2"
}
lacks() {
	knockctl doctor >"$OUT" 2>&1
	grep "^ok *config" "$OUT" >/dev/null || fail "the doctor says nothing: $(cat "$OUT")"
	! grep -F -- "$1" "$OUT" || fail "still found: $1: $(cat "$OUT")"
	say "not any more: $1"
}
# card DRIVER: the name of its interface.
card() {
	local name
	modprobe "$1" || fail "this kernel has no $1"
	for name in /sys/class/net/*; do
		case $(readlink "$name/device/driver") in */"$1") echo "${name##*/}" ;; esac
	done
}

network
configure
enroll
listen 22
start

finds problem "the clock is not synchronised"

finds ok "nothing of its switches and tables is in the way"
max=$(cat /proc/sys/net/netfilter/nf_conntrack_max)
check "a knock and a session" knock 192.0.2.1 laptop
count=$(cat /proc/sys/net/netfilter/nf_conntrack_count)
[ "$count" -gt 0 ] || fail "nothing is tracked"
echo "$count" >/proc/sys/net/netfilter/nf_conntrack_max
finds problem "the table of connections is nearly full ($count of $count)"
echo "$max" >/proc/sys/net/netfilter/nf_conntrack_max
lacks "the table of connections"

modprobe vrf || fail "this kernel has no vrf"
refuse "a stranger does not get in" can_connect str 198.51.100.1 22
ip link add vrf1 type vrf table 10
ip link set vrf1 up
ip link set host1 master vrf1
sysctl -q -w net.ipv4.tcp_l3mdev_accept=1
finds ok "host1 belongs to a VRF (vrf1), whose addresses are in a table of its own: it leads to tcp/22 (ssh)"
refuse "nor there" can_connect str 198.51.100.1 22
ip link set host1 nomaster
ip addr add 2001:db8:66::1/64 dev host1 nodad 2>/dev/null
lacks "VRF"
refuse "and they stay outside again" can_connect str 198.51.100.1 22

modprobe virtio_pci || fail "this kernel has no virtio_pci"
lro=$(card vmxnet3) gro=$(card virtio_net)
[ -n "$lro" ] || fail "no card with LRO"
[ -n "$gro" ] || fail "no card with hardware GRO"
stop
xknockd -c "$CONFIG" --remove
sed -i "s/^interfaces:.*/interfaces: [$lro, $gro]/" "$CONFIG"
ethtool -K "$lro" lro on || fail "the card has no LRO"
finds advice "$lro: LRO is on, with which many drivers refuse native XDP"
ethtool -K "$lro" lro off
lacks "LRO is on"
finds advice "$gro: hardware GRO is on, with which many drivers refuse native XDP"
ethtool -K "$gro" rx-gro-hw off || fail "hardware GRO stays on"
lacks "hardware GRO is on"
