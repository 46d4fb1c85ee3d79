# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# From power-on a stranger sends a SYN every 10 ms to each of three addresses of the server, at which something listens all
# the while. systemd boots the server, networkd gives it its addresses. Before systemd begins this prepares the boot; what
# is to be seen is in boot_seen.sh. Three boots with one disk:
#   1  the first start of all, with a good configuration
#   2  a bad one
#   3  a good one, of an interface that is there, one that udev gives another name, and one that comes late
boot=$(word boot)
modprobe virtio_pci
modprobe virtio_blk
eventually 5 test -b /dev/vda || fail "no disk"
mkdir -p /disk /var/lib/xknock /etc/xknock
mount -t ext4 /dev/vda /disk || fail "the disk cannot be mounted"
mkdir -p /disk/lib /disk/etc
mount -o bind /disk/lib /var/lib/xknock || fail "mount"
mount -o bind /disk/etc /etc/xknock || fail "mount"

modprobe veth || fail "this kernel has no veth"
sysctl -qw net.ipv6.conf.default.disable_ipv6=1 net.ipv4.ip_unprivileged_port_start=0
ip link set lo up
ip netns add str
ip -n str link set lo up
# shellcheck source=/dev/null
. /test/wire.sh
wire host0 02:00:00:00:00:01 str0 192.0.2.1
wire eth7 02:00:00:00:00:02 str1 198.51.100.1
for network in host0:192.0.2.1 wan0:198.51.100.1 late0:203.0.113.1; do
	printf '%s\n' "[Match]" "Name=${network%:*}" "[Network]" "Address=${network#*:}/24" LinkLocalAddressing=no \
		>"/etc/systemd/network/${network%:*}.network"
done
printf '%s\n' "[Match]" MACAddress=02:00:00:00:00:02 "[Link]" Name=wan0 >/etc/systemd/network/10-wan.link
# unit NAME COMMAND
unit() {
	printf '%s\n' "[Unit]" "After=network.target" "[Service]" "ExecStart=/bin/sh /test/$2" "[Install]" \
		>"/etc/systemd/system/$1.service"
	ln -s "../$1.service" "/etc/systemd/system/multi-user.target.wants/$1.service"
}
mkdir -p /etc/systemd/system/multi-user.target.wants
unit seen boot_seen.sh
[ "$boot" != 3 ] || unit late boot_late.sh
for service in xknockd:/etc systemd-networkd:/lib; do
	ln -s "${service#*:}/systemd/system/${service%:*}.service" /etc/systemd/system/multi-user.target.wants/
done
echo 'systemd-network:x:998:' >>/etc/group
echo 'systemd-network:x:998:998::/:/bin/false' >>/etc/passwd
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id

case $boot in
1)
	configure
	sed -i 's/^interfaces:.*/interfaces: [host0]/' "$CONFIG"
	chown xknock /var/lib/xknock # as the unit makes it
	PROFILES=/etc/xknock enroll_device robot --factor hmac --host 192.0.2.1
	;;
2) echo 'stealht: closed' >>"$CONFIG" ;;
3)
	sed -i '/stealht/d' "$CONFIG"
	sed -i 's/^interfaces:.*/interfaces: [host0, wan0, late0]/' "$CONFIG"
	;;
esac
listen 22
# The stranger goes on until the other end of his pipe is closed.
mkfifo /run/storm
sleep 100000 >/run/storm &
echo $! >/run/storm.pid
for address in 192.0.2.1 198.51.100.1 203.0.113.1; do
	ip netns exec str xk-probe storm --interval-us 10000 --to $address </run/storm >/run/storm.$address &
done
