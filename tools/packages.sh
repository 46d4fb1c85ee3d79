# shellcheck shell=bash disable=SC2034  # the lists are for who sources this
# SPDX-License-Identifier: MIT
# What tools/quickstart and tools/run-tests need of Debian 12, and how they come to it. docs/dependencies.md says why each.

PACKAGES_BUILD=(cmake ninja-build pkg-config g++-12 gcc-12 clang-14 bpftool linux-libc-dev libbpf-dev libxdp-dev
	libsodium-dev libnftnl-dev libmnl-dev libnetfilter-conntrack-dev libyaml-cpp-dev libfmt-dev libspdlog-dev doctest-dev
	liboath-dev libqrencode-dev libpng-dev libssl-dev libseccomp-dev libcap-ng-dev libcli11-dev nlohmann-json3-dev lowdown)
PACKAGES_DEMO=(iproute2 nftables openssh-server openssh-client nmap procps socat)
PACKAGES_TEST=("${PACKAGES_DEMO[@]}" git python3 python3-systemd libclang-rt-14-dev lld-14 clang-format-14 clang-tidy-14 shellcheck binutils oathtool tmux strace
	tcpdump ethtool iptables ufw firewalld dbus fail2ban systemd systemd-container qemu-system-x86
	ipvsadm keepalived tayga coturn dnsmasq-base qemu-user busybox-static cpio kmod e2fsprogs xdp-tools fwknop-client
	python3-cryptography qrencode zbar-tools fish zsh tcsh man-db)
# What tools/package needs of the machine, and in the trees in which it builds: there by the names of Debian 12 and 13.
PACKAGES_PACKAGE=(git mmdebstrap debian-archive-keyring)
PACKAGES_IN_BUILD_TREE=(build-essential debhelper po-debconf lintian ccache faketime rpm cmake ninja-build pkgconf clang
	bpftool libbpf-dev libxdp-dev libsodium-dev libnftnl-dev libmnl-dev libnetfilter-conntrack-dev libyaml-cpp-dev
	libfmt-dev libspdlog-dev liboath-dev libqrencode-dev libpng-dev libssl-dev libseccomp-dev libcap-ng-dev libcli11-dev
	nlohmann-json3-dev lowdown)
# With systemd as PID 1: what a server has that somebody installs the packages on (tests/e2e/package_ground.sh).
PACKAGES_IN_TRY_TREE=(systemd systemd-sysv dbus iproute2 procps kmod openssh-server openssh-client sudo)
# What tools/static-client needs of the machine, and what it links of each architecture.
PACKAGES_STATIC=(cmake ninja-build pkg-config)
PACKAGES_STATIC_LINKED=(libc6-dev linux-libc-dev libsodium-dev liboath-dev libyaml-cpp-dev libcli11-dev nlohmann-json3-dev
	doctest-dev)
# Services that these packages bring: they are not to run because somebody looked at xknock.
PACKAGES_SERVICES=(ssh fail2ban ufw firewalld ipvsadm keepalived tayga coturn)

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# need_packages PACKAGE...: installs those that are missing, and starts nothing.
need_packages() {
	local package missing=()
	for package in "$@"; do is_installed "$package" || missing+=("$package"); done
	[ ${#missing[@]} -gt 0 ] || return 0
	if ! [ -e /etc/debian_version ] || ! command -v apt-get >/dev/null; then
		printf '%s\n' "${0##*/}: this is not Debian; install what corresponds to: ${missing[*]}" >&2
		return 1
	fi
	printf '%s\n' "== installing ${#missing[@]} packages: ${missing[*]}"
	local service strangers=() policy=/usr/sbin/policy-rc.d ours=
	for service in "${PACKAGES_SERVICES[@]}"; do
		[ -e "/lib/systemd/system/$service.service" ] || strangers+=("$service")
	done
	# Debian's way to forbid that a package starts its service (invoke-rc.d(8)). One of ours may be left over from a run
	# that was killed.
	if ! [ -e $policy ] || grep -q 'xknock: while packages are installed' $policy; then
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
		trap 'exit 1' HUP INT TERM
		printf '#!/bin/sh\n# xknock: while packages are installed\nexit 101\n' >$policy
		chmod 755 $policy
		ours=yes
	fi
	local code=0 apt=(apt-get -qq -o DPkg::Lock::Timeout=300)
	{ "${apt[@]}" update && DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } \
		</dev/null >"${PACKAGES_LOG:=$(mktemp)}" 2>&1 || code=$?
	if [ -n "$ours" ]; then
		rm -f $policy
		trap - EXIT HUP INT TERM
	fi
	if [ $code -ne 0 ]; then
		tail -n 20 "$PACKAGES_LOG" >&2
		printf '%s\n' "${0##*/}: the packages could not be installed" >&2
	fi
	rm -f "$PACKAGES_LOG"
	for service in "${strangers[@]}"; do
		[ ! -e "/lib/systemd/system/$service.service" ] || systemctl disable --quiet "$service" 2>/dev/null || true
	done
	return $code
}

need_root() {
	[ "$(id -u)" = 0 ] || {
		printf '%s\n' "${0##*/}: needs root, for packages, network namespaces and BPF: sudo $0" >&2
		exit 1
	}
}

# build PRESET [target...]: quiet when all goes well.
build() {
	local preset=$1 log
	shift
	log=$(mktemp)
	printf '%s\n' "== building: $preset"
	if ! { cmake --preset "$preset" "${BUILD_OPTIONS[@]}" && cmake --build --preset "$preset" ${1:+--target "$@"}; } >"$log" 2>&1; then
		tail -n 60 "$log" >&2
		rm -f "$log"
		printf '%s\n' "${0##*/}: the build failed" >&2
		return 1
	fi
	rm -f "$log"
	# Whoever called sudo goes on to build there.
	[ -z "${SUDO_UID:-}" ] || chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" build
}
