# shellcheck shell=bash disable=SC2016,SC2317  # formats of dpkg-query; functions that "eventually" calls
# SPDX-License-Identifier: MIT
# Debian's packages on the release that they are for: installed by apt in a tree that systemd runs as PID 1, used, upgraded
# under a grant, a ban, a session and clients that knock, removed, and purged. Sourced by package_bookworm.sh and the like;
# $XK_PACKAGES is where tools/package put the packages.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=SCRIPTDIR/../../tools/packages.sh
. "$TOP/tools/packages.sh"
# shellcheck source=SCRIPTDIR/../../tools/trees.sh
. "$TOP/tools/trees.sh"

: "${XK_PACKAGES:=$XK_BUILD/packages}"

# stage RELEASE: the packages, and the same ones of a higher version, in $D/stage.
stage() {
	local package file suffix
	suffix="~deb$(release_of_debian "$1")_$(dpkg --print-architecture).deb"
	mkdir -p "$D/stage/next"
	for package in xknock knock-client; do
		file=$(find "$XK_PACKAGES" -name "${package}_*$suffix")
		[ -s "$file" ] || fail "there is no package $package for $1 in $XK_PACKAGES: tools/package --out $XK_PACKAGES"
		cp "$file" "$D/stage/$package.deb"
		dpkg-deb -R "$file" "$D/raised"
		sed -i 's/^Version: .*/&+next/' "$D/raised/DEBIAN/control"
		dpkg-deb --root-owner-group -Znone -b "$D/raised" "$D/stage/next/$package.deb" >/dev/null
		rm -r "$D/raised"
	done
}
# fetch_dependencies: into the tree, whose machine has no way to a mirror.
fetch_dependencies() {
	flock "$TREE.lock" apt-get -qq -o "Dir=$TREE" -o "Dir::State::status=$TREE/var/lib/dpkg/status" \
		-o APT::Sandbox::User=root -o Acquire::Retries=3 install -y --no-install-recommends --download-only \
		"$D/stage/xknock.deb" "$D/stage/knock-client.deb" >"$D/out" 2>&1 || fail "$(tail -n 5 "$D/out")"
}
# apt LOG ARGUMENTS...: inside, with nobody to ask.
apt() {
	inside env DEBIAN_FRONTEND="${FRONTEND:-noninteractive}" apt-get -qq -o APT::Sandbox::User=root -y --no-install-recommends "${@:2}" \
		>"$D/$1" 2>&1 </dev/null || fail "apt-get ${*:2}: $(tail -n 12 "$D/$1")"
}
installed() { inside dpkg-query -W -f '${binary:Package}\n' | sort; }
show() { inside systemctl show -p "$1" --value xknockd; }
journal() { inside journalctl -q -u xknockd --no-pager -o cat; }
# The client of the package, in the client's network.
as_client() { nsenter -t "$LEADER" -m -u -i -p "-n/run/netns/$CLI" -- "$@"; }
knocks() { as_client knock-client open 192.0.2.1 --profiles /root/profiles 2>"$D/err"; }
open_to_all() { can_connect "$STR" 198.51.100.1 22; }
traces() {
	in_srv nft list tables
	in_srv ip -o link show | grep -o 'xdp[^ ]* ' || true
	inside find /run/xknock /sys/fs/bpf -mindepth 1 ! -name '*.debug' 2>/dev/null || true # the kernel's own two files
	inside pgrep -a xknock || true
}
nothing_runs() {
	equal "$1: nothing runs, and nothing begins to at boot" "$(show ActiveState) $(inside systemctl is-enabled xknockd || true)" \
		"inactive disabled"
	equal "$1: no rule, no filter, no pin" "$(traces | grep -v '^/sys/fs/bpf/xknock$' || true)" ""
	check "$1: no port is shut" open_to_all
}
# files_of_ours: whatever has our name, but for apt's and dpkg's own books.
files_of_ours() {
	inside find /etc /usr /var /run /sys/fs/bpf /root -xdev -name '*knock*' ! -path '/var/lib/dpkg/*' ! -path '/var/cache/apt/*' \
		! -path '/var/log/*' ! -path '/root/profiles*' | sort
}

installation() {
	say "an installation"
	local before
	before=$(installed)
	apt client install /opt/stage/knock-client.deb
	equal "knock-client needs nothing that a small system lacks" "$(comm -13 <(echo "$before") <(installed))" knock-client
	check "and runs" as_client knock-client --version
	FILES_BEFORE=$(files_of_ours)
	apt install install /opt/stage/xknock.deb
	nothing_runs "after the installation"
	contains "it says the next step" "$(cat "$D/install")" "The next step: sudo knockctl setup"
	equal "the files are those of the packages" "$(inside dpkg --verify xknock knock-client)" ""
	check "the unit is well-formed" inside systemd-analyze verify --man=no xknockd.service
	check "its users are there" inside id xknock xknock-worker
	equal "and its directory for pins" "$(inside stat -c '%a %U' /sys/fs/bpf/xknock /etc/xknock)" $'700 xknock\n755 root'
	"$TOP/tests/lint/hardening.sh" --installed "/proc/$LEADER/root" || fail "the programs are not hardened"
	say "the programs are hardened"
}

use() {
	say "in use"
	inside cp /usr/share/doc/xknock/examples/xknock.yaml /etc/xknock/xknock.yaml
	inside sed -i 's/^interfaces: .*/interfaces: [host0, host1]/' /etc/xknock/xknock.yaml
	inside mkdir -m 700 /root/profiles
	check "keygen" inside knockctl keygen anna --device laptop --factor hmac --host 192.0.2.1 --out /root/profiles/anna.yaml
	inside sed -i 's/^# lifetime:.*/lifetime: 1h/' /etc/xknock/users/anna.yaml
	check "enable --now" inside systemctl enable --quiet --now xknockd
	refuse "the port is shut to strangers" open_to_all
	refuse "and to the client" granted
	check "a knock" knocks
	check "opens it" granted
}

# knock_on: knocks until told, not more often than the filter's budget for a device allows; the first one that opens nothing
# ends it.
knock_on() {
	while [ -e "$D/knocking" ]; do
		knocks || { cp "$D/err" "$D/knock-failed" && return; }
		echo >>"$D/knocks"
		sleep 0.6
	done
}
upgrade() {
	say "an upgrade"
	local before knocking
	session old "$CLI" 192.0.2.1 22
	inside knockctl ban 203.0.113.9 >/dev/null
	inside knockctl open 203.0.113.1 ssh --for 1h >/dev/null
	before=$(show MainPID)
	: >"$D/knocking"
	knock_on &
	knocking=$!
	eventually 10 test -s "$D/knocks" || fail "nobody knocks: $(cat "$D/err")"
	apt upgrade install /opt/stage/next/xknock.deb /opt/stage/next/knock-client.deb
	local during
	during=$(wc -l <"$D/knocks")
	more_knocks() { [ "$(wc -l <"$D/knocks")" -gt $((during + 1)) ] || [ -e "$D/knock-failed" ]; }
	eventually 20 more_knocks || fail "no knock after the upgrade"
	rm "$D/knocking"
	wait $knocking
	[ ! -e "$D/knock-failed" ] || fail "a knock meanwhile: $(cat "$D/knock-failed")"
	# The grant was open all the time, so a client cannot know whether its knock was judged. The daemon counts over restarts.
	judged() { [ "$(inside knockctl stats --json | sed -n '/"accepted": {/,/}/s/ *"open": \([0-9]*\),*/\1/p')" -ge $(($1 + 1)) ]; }
	eventually 10 judged "$(wc -l <"$D/knocks")" || fail "a knock meanwhile was lost: $(inside knockctl stats)"
	say "all knocks meanwhile were judged: $during of them"
	[ "$(show MainPID)" != "$before" ] || fail "the daemon was not restarted"
	equal "the new release runs" "$(show ActiveState) $(inside dpkg-query -W -f '${Version}' xknock | grep -c '+next$')" "active 1"
	contains "it goes on with its memory" "$(journal | grep 'judgement begins' | tail -n 1)" "the memory of this boot"
	contains "with the grant" "$(inside knockctl grants)" 203.0.113.1
	contains "with the ban" "$(inside knockctl bans)" 203.0.113.9
	check "and the session" talks old
	refuse "the ports are shut to strangers" open_to_all
	lacks "nothing is said to be done" "$(cat "$D/upgrade")" "next step"

	before=$(show MainPID)
	inside sed -i 's/^services:/servces:/' /etc/xknock/xknock.yaml
	apt upgrade install --reinstall /opt/stage/next/xknock.deb
	contains "a configuration that the new release cannot read is told" "$(cat "$D/upgrade")" 'unknown key "servces"'
	contains "with what to do" "$(cat "$D/upgrade")" "systemctl restart xknockd"
	equal "the daemon before goes on" "$(show ActiveState) $(show MainPID)" "active $before"
	check "and lets in who knocks" knocks
	inside sed -i 's/^servces:/services:/' /etc/xknock/xknock.yaml
	hang_up old
}

removal() {
	say "a removal"
	apt remove remove xknock
	contains "says that the ports are open" "$(cat "$D/remove")" "the ports are open again"
	equal "and leaves no trace: rules, filter, pins, sockets, processes" "$(traces)" ""
	check "the ports are open" open_to_all
	equal "nothing in /run, and /sys/fs/bpf as it was" "$(inside sh -c '[ ! -e /run/xknock ] && stat -c %a /sys/fs/bpf')" 700
	equal "nothing begins to run at boot" "$(inside find /etc/systemd -name '*xknock*')" ""
	check "the keys stay" inside test -s /etc/xknock/xknock.yaml -a -s /etc/xknock/server_id -a -d /var/lib/xknock

	say "an installation after that"
	apt again install /opt/stage/next/xknock.deb
	nothing_runs "with the configuration of before"
	check "start" inside systemctl start xknockd
	check "the profile of before opens" knocks
}

purge() {
	say "a purge"
	apt purge purge xknock
	contains "with nobody to ask the keys stay, which is told" "$(cat "$D/purge")" "stay in /etc/xknock /var/lib/xknock"
	check "they do" inside test -s /etc/xknock/server_id
	apt again install /opt/stage/next/xknock.deb
	# The terminal is script's.
	answer() { inside sh -c "echo $1 | DEBIAN_FRONTEND=teletype script -qec 'dpkg --purge xknock' /dev/null" >"$D/asked" 2>&1; }
	check "asked, and told no" answer no
	contains "it asks" "$(cat "$D/asked")" "Delete the keys and the users of xknock?"
	check "they stay" inside test -s /etc/xknock/server_id
	apt again install /opt/stage/next/xknock.deb
	check "asked, and told yes" answer yes
	equal "no file of ours is left" "$(files_of_ours)" "$FILES_BEFORE"
	apt client purge knock-client
	equal "nor of the client's" "$(files_of_ours)" ""
}

# package_test RELEASE
package_test() {
	begin "package-$1"
	cd "$TOP"
	TREE=$(tree "$1" try "${PACKAGES_IN_TRY_TREE[@]}") || fail "no tree of $1"
	stage "$1"
	fetch_dependencies
	say "boot"
	boot "$SRV" "$D/stage" "$TREE"
	# PID 1 of a machine mounts it, like this; that of a container may not.
	inside mountpoint -q /sys/fs/bpf || inside mount -t bpf -o mode=700 bpf /sys/fs/bpf
	background "$SRV" socat TCP6-LISTEN:22,fork,reuseaddr,ipv6only=0 EXEC:cat
	eventually 5 listening 22 || fail "nothing listens"
	installation
	use
	upgrade
	removal
	purge
	pass
}
