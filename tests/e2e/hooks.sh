#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs that run when a service opens for somebody and when it closes again: which events there are and what a hook is
# told, what it may not do, and that no hook, however it hangs, fails or dies, keeps anybody out or ends the daemon.
# shellcheck disable=SC2016  # a dollar in an argument is to stay one
. "$(dirname "$0")/lib.sh"
begin hooks

mkdir -m 777 "$D/seen"
# A hook writes a line of what it was told, and its environment. printf and not echo: what it is told is written as it is.
cat >"$D/tell" <<-C
	#!/bin/sh
	tr '\0' '\n' </proc/\$\$/environ >"$D/seen/environment.\$XKNOCK_EVENT"
	printf '%s\n' "\$XKNOCK_EVENT \$XKNOCK_USER/\$XKNOCK_DEVICE \$XKNOCK_SOURCE \$XKNOCK_SERVICE \$XKNOCK_LIFETIME \$*" >>"$D/seen/events"
C
# This one says its number, and then nothing for a quarter of an hour, nor does its child.
cat >"$D/hang" <<-C
	#!/bin/sh
	sleep 900 2>/dev/null &
	echo "\$\$ \$!" >>"$D/seen/hanging"
	wait
C
cat >"$D/fail" <<-C
	#!/bin/sh
	printf 'no \033[31mroute\nmore\n' >&2
	exit 3
C
# What it must not be able to do; each line says what came of it.
cat >"$D/try" <<-C
	#!/bin/sh
	cat "$D/etc/credentials/anna.robot.key" && echo "read a key"
	"$KNOCKCTL" --socket "$D/run/control.sock" ban 203.0.113.5 && echo "banned"
	"$KNOCKCTL" --socket "$D/run/control.sock" status && echo "looked"
	kill -CONT "$$" && echo "sent a signal to others"
	echo "as \$(id -u) \$(id -g) \$(id -G)"
C
sed -i "1a exec >>'$D/seen/tried' 2>\&1" "$D/try"
chmod 755 "$D"/{tell,hang,fail,try}

# hooks SSH WEB [MORE]: the hooks of two services, and of the main file.
hooks() {
	configure "hooks: {user: \"$UID_HOOKS\"${3:-}}"
	sed -i "s|^services:.*|services: {ssh: {ports: tcp/22, $1}, web: {ports: [tcp/80, tcp/443], $2}, vpn: udp/51820}|" \
		"$D/etc/xknock.yaml"
}
tell="on_open: [$D/tell, \"a b\", \"\$HOME;*\"], on_close: [$D/tell, closed]"
hang="on_open: [$D/hang], on_close: [$D/hang]"
events() { wc -l <"$D/seen/events" 2>/dev/null || echo 0; }
# event NUMBER WANTED: the event of this number is this one.
at_event() { [ "$(events)" -ge "$1" ]; }
event() {
	eventually 10 at_event "$1" || fail "event $1 does not come: $2"
	equal "event $1: $2" "$(sed -n "$1p" "$D/seen/events")" "$2"
}
# status_is NAME NUMBER: a count of hooks in the daemon's status gets there.
hook_count() { ctl status --json | sed -n "/\"hooks\": {/,/}/s/ *\"$1\": \\([0-9a-z]*\\),*/\\1/p"; }
is_count() { [ "$(hook_count "$1")" = "$2" ]; }
counts() { eventually 20 is_count "$1" "$2" || fail "hooks $1: $(hook_count "$1"), not $2"; }
supervisor() { pgrep -P "$DAEMON" -x xknock-hooks; }
gone() { ! grep -qs '^State:.[^Z]' "/proc/$1/status"; }
logged() { grep -qF -e "$1" "$D/log"; }
makes() { eventually 10 logged "$2" || fail "$1: '$2' is not in the log"; say "$1"; }

hooks "$tell" "$tell"
enroll_everybody
for i in 1 2 3 4 5 6 7 8; do
	enroll "many$i" key --factor none
	echo 'binding: explicit' >>"$D/etc/users/many$i.yaml"
done
listen 22 80 443
start
contains "status has them" "$(ctl status)" "hooks        0 done, 0 failed, 0 dropped"

say "events"
check "a knock" knock 192.0.2.1 anna-robot ssh
event 1 'open anna/robot 192.0.2.2 ssh 30 a b $HOME;*'
equal "and that is all it is told" "$(sort "$D/seen/environment.open" | tr '\n' ' ')" \
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin XKNOCK_DEVICE=robot XKNOCK_EVENT=open XKNOCK_LIFETIME=30 \
XKNOCK_SERVICE=ssh XKNOCK_SOURCE=192.0.2.2 XKNOCK_USER=anna "
check "a knock for longer is none" knock_only 192.0.2.1 anna-robot ssh --lifetime 10m
check "another device of the same address is one" knock_only 192.0.2.1 bob-phone ssh --lifetime 10m
event 2 'open bob/phone 192.0.2.2 ssh 600 a b $HOME;*'
check "another family too" knock 2001:db8::1 anna-robot ssh --lifetime 10m
event 3 'open anna/robot 2001:db8::2 ssh 600 a b $HOME;*'
check "closing" in_cli "$CLIENT" close 192.0.2.1 ssh --profile "$(profile anna-robot)"
event 4 'close anna/robot 192.0.2.2 ssh 0 closed'
contains "with its environment" "$(cat "$D/seen/environment.close")" XKNOCK_EVENT=close
check "one port of a service" knock 192.0.2.1 anna-robot tcp/80 --lifetime 10m
event 5 'open anna/robot 192.0.2.2 web 600 a b $HOME;*'
check "and another one: no event" knock 192.0.2.1 anna-robot tcp/443 --lifetime 10m
check "for a second" knock_only 192.0.2.1 anna-laptop ssh --lifetime 1s
event 6 'open anna/laptop 192.0.2.2 ssh 1 a b $HOME;*'
event 7 'close anna/laptop 192.0.2.2 ssh 0 closed'
check "a ban" ctl ban 2001:db8::2
event 8 'close anna/robot 2001:db8::2 ssh 0 closed'
echo 'enabled: false' >>"$D/etc/users/bob.yaml"
check "a reload that shuts somebody out" ctl reload
event 9 'close bob/phone 192.0.2.2 ssh 0 closed'
check "the operator" ctl open 203.0.113.1 ssh --for 10m
event 10 'open operator/ 203.0.113.1 ssh 600 a b $HOME;*'
check "closing two ports of one service" ctl close 192.0.2.2
event 11 'close anna/robot 192.0.2.2 web 0 closed'
ctl close 203.0.113.1 >/dev/null
event 12 'close operator/ 203.0.113.1 ssh 0 closed'
check "a knock, and the daemon is killed" knock 192.0.2.1 anna-robot ssh --lifetime 10m
event 13 'open anna/robot 192.0.2.2 ssh 600 a b $HOME;*'
process=$(supervisor) runner=$(pgrep -P "$(supervisor)")
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
eventually 5 gone "$process" || fail "xknock-hooks outlives the daemon"
eventually 5 gone "$runner" || fail "the runner outlives the daemon"
start
check "what it granted has opened already" ctl close 192.0.2.2
event 14 'close anna/robot 192.0.2.2 ssh 0 closed'
equal "there was no other event" "$(events)" 14
counts "done" 1
sed -i '/^enabled: false/d' "$D/etc/users/bob.yaml"

say "what a hook is, and may not"
for pid in $(supervisor) $(pgrep -P "$(supervisor)"); do
	state_of() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status" | tr -s '\t' ' '; }
	equal "its parents are its user" "$(state_of Uid)" "$UID_HOOKS $UID_HOOKS $UID_HOOKS $UID_HOOKS"
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do equal "$set" "$(state_of $set)" 0000000000000000; done
	equal "without new privileges" "$(state_of NoNewPrivs)" 1
	equal "and groups" "$(state_of Groups)" ""
done
hooks "on_open: $D/try, on_close: [$D/tell, changed]" "on_open: $D/fail"
check "a reload takes the new lists" ctl reload
check "a knock" knock 192.0.2.1 anna-robot ssh
tried() { grep -qs "^as " "$D/seen/tried"; }
eventually 20 tried || fail "the hook does not run"
tried=$(cat "$D/seen/tried")
contains "it runs as its user alone" "$tried" "as $UID_HOOKS $UID_HOOKS $UID_HOOKS"
contains "it cannot read a key" "$tried" "anna.robot.key: Permission denied"
lacks "not one" "$tried" "read a key"
contains "it has no role at the control socket" "$tried" "you may not talk to xknockd"
lacks "and does nothing there" "$tried" "banned"
lacks "nor look" "$tried" "looked"
lacks "nor reach other processes" "$tried" "sent a signal"
ctl close anna >/dev/null
event 15 'close anna/robot 192.0.2.2 ssh 0 changed'
check "a hook that fails" knock 192.0.2.1 anna-robot tcp/80
makes "is in the log, with what it said, made harmless" \
	'the hook on_open of web for anna/robot from 192.0.2.2 ended with code 3: no \x1b[31mroute'
lacks "its first line alone" "$(grep 'the hook on_open of web' "$D/log")" more
equal "and is counted" "$(hook_count failed)" 1
ctl close anna >/dev/null

say "a hook that hangs"
hooks "$hang" "on_open: $D/hang" ", time_limit: 5m"
check "reload" ctl reload
check "the grant is there" knock 192.0.2.1 anna-robot ssh
eventually 10 test -s "$D/seen/hanging" || fail "the hook does not run"
read -r hook child <"$D/seen/hanging"
check "the port is open" granted
check "while the hook still runs" kill -0 "$hook" "$child"
hooks "$hang" "on_open: $D/hang" ", time_limit: 1s"
check "reload" ctl reload
check "a limit of a second" knock 192.0.2.1 anna-robot web
makes "is kept" "the hook on_open of web for anna/robot from 192.0.2.2 was killed at hooks.time_limit"
read -r other grandchild < <(sed -n 2p "$D/seen/hanging")
check "the hook is gone" gone "$other"
eventually 5 gone "$grandchild" || fail "its child lives on"
say "and so is its child"
check "a hook with the limit of before goes on" kill -0 "$hook" "$child"

say "the runner is killed"
runner=$(pgrep -P "$(supervisor)")
kill -KILL "$runner"
makes "it is said" "the runner of xknock-hooks ended by signal 9"
eventually 5 gone "$hook" || fail "its hook lives on"
eventually 5 gone "$child" || fail "its hook's child lives on"
say "what it ran is gone"
check "a knock meanwhile" knock_only 192.0.2.1 bob-phone ssh
again() { [ "$(pgrep -P "$(supervisor)" | grep -vx "$runner" | grep -c .)" = 1 ]; }
eventually 10 again || fail "no runner again"
makes "and hooks run again" "the hook on_open of ssh for bob/phone from 192.0.2.2 was killed at hooks.time_limit"

say "two hundred grants, and hooks that hang"
ctl close 192.0.2.2 >/dev/null
stop
hooks "$hang" "on_open: $D/hang" ", time_limit: 5m"
start
for i in 1 2 3 4 5 6 7 8; do
	for j in $(seq 25); do
		knock_only 192.0.2.1 "many$i-key" ssh --for "203.0.113.$((i * 25 + j))" --lifetime 10m >/dev/null 2>&1
	done
done
all_there() { [ "$(ctl grants --json | grep -c '"address": "203')" = 200 ]; }
eventually 20 all_there || fail "only $(ctl grants --json | grep -c '"address": "203') are granted"
say "all are granted"
counts dropped 128
say "8 hooks run, 64 wait, and the others are counted"
contains "and logged" "$(cat "$D/log")" "was dropped: too many wait"
kill -STOP "$(pgrep -P "$(supervisor)")"
dropped=$(hook_count dropped)
check "a runner that takes nothing holds nobody" ctl close 203.0.113.0/24
check "neither knocks" knock 192.0.2.1 anna-robot web
[ "$(hook_count dropped)" -gt "$dropped" ] || fail "none was dropped: the test does not fill the channel"
say "what the channel does not take is counted: $(hook_count dropped)"

say "xknock-hooks is killed"
process=$(supervisor)
kill -KILL "$process"
kill -CONT "$(pgrep -P "$process" || pgrep -u $UID_HOOKS -x xknock-hooks)" 2>/dev/null || true
makes "it is said" "xknock-hooks is gone; no hook runs until xknockd is restarted"
contains "and status says so" "$(ctl status)" "GONE until a restart of xknockd"
ctl close anna >/dev/null
check "grants go on" knock 192.0.2.1 anna-robot ssh
check "and the daemon lives" kill -0 "$DAEMON"
nobody() { ! pgrep -u $UID_HOOKS >/dev/null; }
eventually 5 nobody || fail "of the hooks is left: $(ps -u $UID_HOOKS -o pid,args)"
say "no hook is left"
stop

say "start and reload"
configure
start
equal "without a hook there is no such process" "$(supervisor)" ""
contains "status" "$(ctl status)" "hooks        none"
hooks "$tell" "on_open: $D/fail"
refuse "the first hook" ctl reload
contains "takes effect with a restart" "$(cat "$D/out")" "restart"
stop
start
hooks "$tell" "on_open: $D/fail"
sed -i "s/user: \"$UID_HOOKS\"/user: \"2000062204\"/" "$D/etc/xknock.yaml"
refuse "so does another user" ctl reload
contains "for the same reason" "$(cat "$D/out")" "another user for hooks, take effect with a restart only"
configure
check "a reload without any hook" ctl reload
hooks "$tell" "on_open: $D/fail"
check "and with hooks of the same user again" ctl reload
stop
HOOKS=/bin/false
refuse "an xknock-hooks that ends at once is an error at start" daemon_command
contains "that says so" "$(cat "$D/out")" "xknock-hooks does not come up"
HOOKS=/nowhere
refuse "and so is one that is not there" daemon_command
contains "by its name" "$(cat "$D/out")" '"/nowhere": No such file'
pass
