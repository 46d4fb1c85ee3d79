#!/bin/bash
# SPDX-License-Identifier: MIT
# The whole file system of a guest: the programs under test from $XK_BUILD, what the guest scripts call, the libraries
# of both, and the kernel modules that they need.
#
#   make_initrd.sh KERNEL OUT [CACHE]    KERNEL as fetch_kernels.sh leaves it; with CACHE systemd too, see add_systemd.sh
#
# Not compressed: a guest without KVM unpacks slower than the host copies.
set -euo pipefail

: "${XK_BUILD:?the build directory}"
KERNEL=$1 OUT=$2
HERE=$(cd "$(dirname "$0")" && pwd)
VERSION=$(cat "$KERNEL/version")

# Of these only veth and the disk's are loaded by the guest script; the rest is here for the kernel to load by itself,
# as on any server, when xknockd installs the ruleset.
MODULES="veth virtio_blk virtio_pci nf_tables nft_ct nft_counter nft_fib_inet nf_conntrack nf_conntrack_netlink
	nft_connlimit nft_chain_nat nft_nat vrf 8021q bonding virtio_net vmxnet3 ip_vs ip_vs_rr nft_redir nft_reject_inet
	wireguard ip_gre"
PROGRAMS="/bin/dash /sbin/ethtool /sbin/ip /usr/sbin/nft /sbin/modprobe /usr/bin/socat /usr/bin/setpriv
	/usr/sbin/xdp-loader /usr/sbin/xdp-filter /usr/sbin/ipvsadm /usr/bin/tcpdump /usr/bin/fwknop"
PRODUCT="daemon/xknockd daemon/xknock-worker client/knock-client tools/knockctl tools/knockctl-host"
TOOLS="tests/tool/xk-packet tests/tool/xk-probe tests/vm/xk-old-kernel tests/vm/xk-wireguard tests/unit/unit_landlock"

R=$(mktemp -d)
trap 'rm -rf "$R"' EXIT
chmod 755 "$R" # it becomes the root directory, which the daemon walks as a user of its own
mkdir -p "$R"/{bin,dev,etc,proc,run,sys,tmp,var/lib,usr/lib,lib/modules}
ln -s bin "$R/sbin"

cp /bin/busybox "$R/bin/busybox"
for applet in $(/bin/busybox --list); do
	case $applet in
	busybox | ip | modprobe | sh | ash) ;; # the real ones below
	*) ln -s busybox "$R/bin/$applet" ;;
	esac
done

# add FILE [strip]: to /bin, with its libraries where it looks for them.
add() {
	local to
	to=$R/bin/$(basename "$1")
	rm -f "$to"
	cp -L "$1" "$to"
	[ "${2:-}" != strip ] || strip "$to" # as a package would
	ldd "$1" 2>/dev/null | grep -oE '/[^ ]+' | while read -r library; do
		[ ! -e "$R$library" ] || continue
		mkdir -p "$R$(dirname "$library")"
		cp -L "$library" "$R$library"
	done
}
for program in $PROGRAMS; do add "$program"; done
for program in $PRODUCT $TOOLS; do add "$XK_BUILD/$program" strip; done
ln -s dash "$R/bin/sh"

# What libxdp and its tools load, from where they look for it.
for object in /usr/lib/*/bpf; do
	mkdir -p "$R$object"
	cp "$object"/xdp-dispatcher.o "$object"/xdpfilt_*.o "$R$object/"
done

mkdir -p "$R/lib/modules/$VERSION"
for module in $MODULES; do
	# A module may be built in, or not exist any more: then nothing is to be copied.
	modprobe -d "$KERNEL" -S "$VERSION" --show-depends "$module" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p' || true
done | sort -u | while read -r file; do
	relative=lib/modules/$VERSION/${file#*"/lib/modules/$VERSION/"}
	mkdir -p "$R/$(dirname "$relative")"
	cp "$file" "$R/$relative"
done
cp "$KERNEL/lib/modules/$VERSION"/modules.{order,builtin,builtin.modinfo} "$R/lib/modules/$VERSION/"
depmod -b "$R" "$VERSION"

mkdir "$R/test"
cp "$HERE"/init/*.sh "$R/test/"
cat >"$R/init" <<-'I'
	#!/bin/sh
	exec /bin/sh /test/init.sh
I
chmod +x "$R/init"
[ -z "${3:-}" ] || "$HERE/add_systemd.sh" "$R" "$3"
(cd "$R" && find . | cpio -o -H newc -R 0:0 --quiet) >"$OUT"
