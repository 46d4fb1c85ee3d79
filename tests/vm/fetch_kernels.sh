#!/bin/bash
# SPDX-License-Identifier: MIT
# Kernels for the tests in virtual machines: Debian's own packages, unpacked and never installed.
#
#   fetch_kernels.sh NAME...   debian12 (6.1), floor (5.10, Debian 11), backports (6.12)
#
# Each lands in $XK_VM_CACHE/NAME (build/vm-cache without it): version, vmlinuz, lib/modules. What is there stays as it
# is; remove the directory for a newer one. The mirror is the one that this machine's apt uses. Exit 77: there is no way
# to get a kernel here.
set -euo pipefail

TOP=$(cd "$(dirname "$0")/../.." && pwd)
CACHE=${XK_VM_CACHE:-$TOP/build/vm-cache}

skip() {
	printf '%s\n' "SKIPPED: $*" >&2
	exit 77
}

suite_of() {
	case $1 in
	debian12) echo bookworm ;;
	floor) echo bullseye ;;
	backports) echo bookworm-backports ;;
	*) printf '%s\n' "fetch_kernels.sh: '$1' is not a kernel of ours" >&2 && exit 2 ;;
	esac
}

# Where this machine's own packages come from, as apt names it (also "mirror+file:..."): the first archive that says it is
# Debian's main one.
mirror() {
	apt-get indextargets --format "\$(ORIGIN)/\$(LABEL) \$(REPO_URI)" 'Created-By: Packages' 2>/dev/null |
		sed -n "s#^Debian/Debian ##p" | sed -n 1p | grep .
}

# fetch NAME: with lists and packages of its own, so that the machine's apt stays untouched.
fetch() {
	local name=$1 suite site package version
	suite=$(suite_of "$name")
	site=$(mirror) || skip "apt knows no Debian mirror"
	W=$(mktemp -d "$CACHE/.$name.XXXXXX")
	mkdir -p "$W/lists/partial" "$W/cache/archives/partial" "$W/tree"
	local key=/usr/share/keyrings/debian-archive-keyring.gpg options=
	[ ! -e $key ] || options="[signed-by=$key] "
	printf '%s\n' "deb $options$site $suite main" >"$W/sources.list"
	local apt=(-qq -o "Dir::Etc::sourcelist=$W/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$W/lists"
		-o "Dir::Cache=$W/cache" -o APT::Sandbox::User=root)
	apt-get "${apt[@]}" update >&2 || skip "suite $suite cannot be reached"
	# The metapackage names the current kernel.
	package=$(apt-cache "${apt[@]}" show linux-image-cloud-amd64 |
		sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | sed -n 1p)
	[ -n "$package" ] || skip "suite $suite has no cloud kernel"
	(cd "$W" && apt-get "${apt[@]}" download "$package" >&2) || skip "$package cannot be fetched"
	dpkg-deb -x "$W"/linux-image-*.deb "$W/tree"
	version=${package#linux-image-}
	local out=$W/out
	mkdir -p "$out/lib"
	mv "$W/tree/boot/vmlinuz-$version" "$out/vmlinuz"
	mv "$W/tree/lib/modules" "$out/lib/modules"
	depmod -b "$out" "$version"
	printf '%s\n' "$version" >"$out/version"
	rm -rf "${CACHE:?}/$name"
	mv "$out" "$CACHE/$name" # whole or not at all
	rm -rf "$W"
	W=
}

[ $# -gt 0 ] || { sed -n '3,5s/^# //p' "$0" >&2 && exit 2; }
mkdir -p "$CACHE"
CACHE=$(cd "$CACHE" && pwd)
W=
trap 'rm -rf "$W"' EXIT
exec {lock}>"$CACHE/.lock"
flock "$lock" # tests may run side by side
for kernel in "$@"; do
	suite_of "$kernel" >/dev/null
	[ -s "$CACHE/$kernel/version" ] || fetch "$kernel"
done
