#!/bin/bash
# SPDX-License-Identifier: MIT
# A pair: two hosts with a copy of one configuration, an address that VRRP gives to one of them, and a real keepalived on
# both. What the first has accepted opens nothing at the second, before and after it takes over, and a new knock does.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
command -v keepalived >/dev/null || skip "there is no keepalived"
begin pair

# One segment: the hosts "one" and "two", which is the server's namespace of lib.sh and another, the client, a stranger.
ONE=$SRV TWO=xk$$-two SWITCH=xk$$-switch MORE_NS="xk$$-two xk$$-switch" VIRTUAL=203.0.113.1
ip netns add $TWO
ip netns add $SWITCH
ip -n $TWO link set lo up
ip -n $SWITCH link add bridge type bridge forward_delay 0
ip -n $SWITCH link set bridge up
plug() { # NS ADDRESS
	ip -n $SWITCH link add "port$2" type veth peer name lan0 netns "$1"
	ip -n $SWITCH link set "port$2" master bridge up
	ip -n "$1" addr add "203.0.113.$2/24" dev lan0
	ip -n "$1" link set lan0 up
}
plug "$ONE" 11
plug $TWO 12
plug "$CLI" 2
plug "$STR" 66

say "one configuration, two machines"
cat >"$D/etc/xknock.yaml" <<-C
	interfaces: [lan0]
	services: {ssh: tcp/22}
	clock_skew: 10s
	xdp: {local_addresses: [$VIRTUAL]}
	process: {user: "$UID_DAEMON", worker_user: "$UID_WORKER"}
	paths: {run: $D/run, state: $D/state, bpf: $D/bpf/one}
C
echo 11111111111111111111111111111111 >"$D/machine-one"
echo 22222222222222222222222222222222 >"$D/machine-two"
# on NS NUMBER COMMAND...: as that machine.
on() {
	# shellcheck disable=SC2016  # for the other shell
	nsenter --net="/run/netns/$1" unshare -m --propagation private sh -c \
		'mount --bind "$0" /etc/machine-id && exec "$@"' "$D/machine-$2" "${@:3}"
}
ENROLL_HOST=$VIRTUAL
KEYGEN=$KNOCKCTL
KNOCKCTL=on_one
on_one() { on "$ONE" one "$KEYGEN" "$@"; }
enroll anna laptop --factor totp
enroll anna robot --factor hmac
echo 'binding: any' >>"$D/etc/users/anna.yaml"
KNOCKCTL=$KEYGEN
cp -a "$D/etc" "$D/etc-two"
cp -a "$D/state" "$D/first-copy"
sed -i "s#^paths:.*#paths: {run: $D/run-two, state: $D/state-two, bpf: $D/bpf/two}#" "$D/etc-two/xknock.yaml"

# begin_on NS NUMBER CONFIGURATION LOG. The shell becomes the daemon.
begin_on() {
	# shellcheck disable=SC2016  # for the other shell
	background "$1" unshare -m --propagation private sh -c 'mount --bind "$0" /etc/machine-id && exec "$@"' \
		"$D/machine-$2" "$XKNOCKD" -v -c "$3/xknock.yaml" --worker "$WORKER" --hooks "$HOOKS" >>"$4" 2>&1
}
begin_one() {
	begin_on "$ONE" one "$D/etc" "$D/log"
	eventually 20 grep -q 'ready:' "$D/log" || fail "the first host does not come up"
}
begin_two() {
	: >"$D/log-two"
	begin_on $TWO two "$D/etc-two" "$D/log-two"
	PID_TWO=$BACKGROUND
	eventually 20 grep -q 'ready:' "$D/log-two" || fail "the second host does not come up: $(cat "$D/log-two")"
}
ctl_two() { "$KNOCKCTL" --socket "$D/run-two/control.sock" "$@"; }
stat_two() { ctl_two stats --json | sed -n "/\"$1\": {/,/}/s/ *\"$2\": \\([0-9]*\\),*/\\1/p"; }
is_at_two() { [ "$(stat_two "$1" "$2")" -ge "$3" ]; }
begin_one
lacks "the first host carries its own identity" "$(cat "$D/log")" "another machine"
begin_two
contains "the second one has a copy, and says so" "$(cat "$D/log-two")" "identity was made for another machine"
contains "in the status too" "$(ctl_two status)" "COPIED from another machine"
lacks "which the first has not" "$(ctl status)" "COPIED"
check "it may carry it" on $TWO two "$KNOCKCTL" identity keep -c "$D/etc-two/xknock.yaml"
lacks "at once" "$(ctl_two status)" "COPIED"
kill -TERM "$PID_TWO"
wait "$PID_TWO"
# A new boot of it, with the copy of a clean stop: no horizon but that of the takeover will stand in a knock's way.
rm -r "$D/run-two" "$D/state-two"
cp -a "$D/first-copy" "$D/state-two"
begin_two
lacks "and from then on" "$(cat "$D/log-two")" "another machine"
cp "$D/etc-two/machines" "$D/etc/machines"
lacks "so may the first, with the same file" "$(ctl status)" "COPIED"

say "VRRP gives the address to the first"
cat >"$D/takeover" <<-S
	#!/bin/sh
	exec $KNOCKCTL --socket "\$1/control.sock" takeover >>$D/notified 2>&1
S
chmod 755 "$D/takeover"
# vrrp NS PRIORITY RUN NAME
vrrp() {
	cat >"$D/$4.conf" <<-K
		global_defs {
			vrrp_version 3
			enable_script_security
			script_user root
		}
		vrrp_instance pair {
			state BACKUP
			interface lan0
			virtual_router_id 51
			priority $2
			advert_int 0.2
			virtual_ipaddress {
				$VIRTUAL/24
			}
			notify_master "$D/takeover $3"
		}
	K
	background "$1" keepalived -n -l -G -f "$D/$4.conf" -p "$D/$4.pid" -r "$D/$4.vrrp.pid" >"$D/$4.log" 2>&1
}
has_it() { ip -n "$1" -4 -o addr show dev lan0 | matches "$VIRTUAL/"; }
vrrp "$ONE" 150 "$D/run" vrrp-one
eventually 15 has_it "$ONE" || fail "the first host does not get the address: $(cat "$D/vrrp-one.log")"
eventually 5 grep -q refused "$D/notified" || fail "its script was not run"
vrrp $TWO 100 "$D/run-two" vrrp-two
serve() {
	background "$1" socat -t 10 TCP4-LISTEN:22,fork,reuseaddr SYSTEM:'echo hello'
}
serve "$ONE"
serve $TWO

# A person's knock and a machine's, of clients whose clocks are ahead; somebody records both. They are for whoever sends
# them: a stranger can send them from their own address.
make() { "$PACKET" make --profile "$(profile "anna-$1")" --mode 0 "${@:3}" >"$D/$2"; }
code() { oathtool --totp -b "$(cat "$D/etc/credentials/anna.laptop.otp")"; }
send_from() { nsenter --net="/run/netns/$1" "$PACKET" send "$D/$2" --to "${3:-$VIRTUAL}"; }
used_at_first() { # FILE DEVICE OPTIONS: made anew until the horizon of the takeover has fallen
	local before
	before=$(stat accepted open)
	make "$2" "$1" "${@:3}"
	send_from "$CLI" "$1"
	eventually 1 at_least accepted open $((before + 1))
}
eventually 20 used_at_first robot-knock robot --clock 5 || fail "the machine's knock is not accepted"
make laptop laptop-knock --clock 5 --code "$(code)"
before=$(stat accepted open)
send_from "$CLI" laptop-knock
reaches accepted open $((before + 1))
opened() { can_connect "$CLI" $VIRTUAL 22; }
check "both are accepted by the first host, and its port is open" opened
refuse "for nobody else" can_connect "$STR" $VIRTUAL 22

say "the recorded knocks, at the second host's own address"
before=$(stat_two filter transit)
for file in robot-knock laptop-knock; do send_from "$STR" $file 203.0.113.12; done
eventually 5 is_at_two filter transit $((before + 2)) || fail "they did not arrive"
equal "are none for it: knocks go to the address that is shared" "$(stat_two accepted open)" 0

say "the first host is gone"
: >"$D/notified"
ip -n "$ONE" link set lan0 down
eventually 15 has_it $TWO || fail "the second host does not take over: $(cat "$D/vrrp-two.log")"
eventually 5 grep -q refused "$D/notified" || fail "its script was not run"
contains "the second one takes over and its script says so" "$(cat "$D/log-two")" "taken over by the operator"
before=$(stat_two refused horizon)
for file in robot-knock laptop-knock; do send_from "$STR" $file; done
eventually 5 is_at_two refused horizon $((before + 2)) || fail "the recorded knocks are not refused by the horizon: $(tail -n 5 "$D/log-two")"
equal "the recorded knocks open nothing" "$(stat_two accepted open)" 0
refuse "and the stranger stays outside" can_connect "$STR" $VIRTUAL 22
opens_new() {
	make robot new
	send_from "$CLI" new
	eventually 1 opened
}
eventually 20 opens_new || fail "a new knock does not open"
say "a new knock opens"

say "or a clone becomes a machine of its own"
old=$(cat "$D/etc-two/server_id")
check "identity new" on $TWO two "$KNOCKCTL" identity new -c "$D/etc-two/xknock.yaml"
contains "names whose profiles are to be changed" "$(cat "$D/out")" "anna/robot"
new=$(cat "$D/etc-two/server_id")
[ "$new" != "$old" ] || fail "the identity is the same"
contains "and with what line" "$(cat "$D/out")" "server_id: \"$new\""
ctl_two close anna >/dev/null
kill -TERM "$PID_TWO"
wait "$PID_TWO"
begin_two
lacks "it is no copy" "$(ctl_two status)" "COPIED"
before=$(stat_two filter tag)
make robot other
send_from "$CLI" other
eventually 5 is_at_two filter tag $((before + 1)) || fail "a knock at the old identity does not end at the filter"
say "a knock at the old identity is none here"
sed -i "s/^server_id:.*/server_id: \"$new\"/" "$D/profiles/anna-robot.yaml"
eventually 20 opens_new || fail "a profile with the new identity does not open"
say "a profile with that line opens"
pass
