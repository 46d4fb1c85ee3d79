# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# A unit of the guest that boot.sh prepared: what the stranger has seen.
exec 3>/dev/ttyS1
# shellcheck source=/dev/null
. /test/lib.sh
word() { sed -n "s/.*xk\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
show() { systemctl show -p "$1" --value xknockd; }
journal() { journalctl -q -u xknockd --no-pager -o cat; }
has_address() { ip -br addr show "$1" | grep -q "$2/24"; }
is_active() { [ "$(show ActiveState)" = active ]; }
is_failed() { [ "$(show ActiveState)" = failed ]; }
ended() { ! pidof xk-probe; }
by_stranger() { can_connect str "$1" 22; }
# never_answered ADDRESS...
never_answered() {
	local address tried opened
	kill "$(cat /run/storm.pid)"
	eventually 5 ended || fail "the stranger does not stop"
	for address in "$@"; do
		read -r tried opened <"/run/storm.$address"
		[ "$tried" -gt 500 ] || fail "only $tried SYNs to $address"
		equal "of $tried SYNs to $address since power-on none was answered" "$opened" 0
	done
}
# Knocks of before the judgement began, plus the skew, are refused where there may have been some: not at the first start.
opens() {
	ip netns exec str knock-client open "$1" --profile /etc/xknock/robot.yaml --no-wait
	eventually 2 by_stranger "$1"
}

seen() {
	eventually 60 has_address host0 192.0.2.1 || fail "networkd gives no address: $(systemctl status systemd-networkd)"
	case $(word boot) in
	1)
		eventually 30 is_active || fail "xknockd is $(show ActiveState): $(journal | tail -n 5)"
		sleep 2 # the strangers, who try all the time, go on a little longer; likewise below
		never_answered 192.0.2.1
		check "the daemon judges: a knock opens" opens 192.0.2.1
		check "what a start that fails puts up is on the disk" test -s /var/lib/xknock/last_good
		;;
	2)
		eventually 30 is_failed || fail "xknockd is $(show ActiveState)"
		sleep 2
		never_answered 192.0.2.1
		equal "the exit code is that of a configuration" "$(show ExecMainStatus)" 78
		contains "the unit's status" "$(show StatusText)" "shut, judging nothing: $CONFIG:"
		contains "and its log" "$(journal)" "shut, judging nothing"
		cp -p /var/lib/xknock/last_good /tmp/ # the next boot needs it
		xknockd --remove >"$OUT" 2>&1 || fail "$(cat "$OUT")"
		check "the way out opens the port" by_stranger 192.0.2.1
		mv /tmp/last_good /var/lib/xknock/
		;;
	3)
		eventually 60 has_address late0 203.0.113.1 || fail "no late interface"
		has_address wan0 198.51.100.1 || fail "udev gives no other name: $(ip -br link)"
		eventually 30 is_active || fail "xknockd is $(show ActiveState): $(journal | tail -n 5)"
		sleep 2
		never_answered 192.0.2.1 198.51.100.1 203.0.113.1
		say "the daemon judges"
		systemctl stop xknockd
		xknockd --remove >"$OUT" 2>&1 || fail "$(cat "$OUT")"
		for address in 192.0.2.1 198.51.100.1 203.0.113.1; do
			check "taken away, $address answers" by_stranger $address
		done
		;;
	esac
}
if (seen); then
	sync
	echo "RESULT passed $(date +%s)" >&3
else
	echo "RESULT failed" >&3
fi
