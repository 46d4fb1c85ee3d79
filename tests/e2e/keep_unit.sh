#!/bin/bash
# SPDX-License-Identifier: MIT
# The unit of knock-client keep under a real user manager, in a booted systemd (systemd-nspawn): it starts, keeps, waits for
# a network that comes later, comes back with the next login, and stops when told.
. "$(dirname "$0")/lib.sh"
begin keep_unit
configure
ENROLL_HOST=192.0.2.1 enroll anna robot --factor hmac
ENROLL_HOST=192.0.2.1 enroll anna laptop --factor totp
start
READS=yes listen 22

say "boot"
mkdir "$D/stage"
cp "$CLIENT" "$XK_BUILD/systemd/knock-client-keep@.service" "$D/profiles/anna-robot.yaml" "$D/stage/"
sed '/otp_secret/d' "$(profile anna-laptop)" >"$D/stage/person.yaml"
boot "$CLI" "$D/stage"
# As "cmake --install" puts them, at the path that the unit names.
program=$(inside sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' '/opt/stage/knock-client-keep@.service')
inside install -D -m 755 /opt/stage/knock-client "$program"
inside install -D -m 644 '/opt/stage/knock-client-keep@.service' '/usr/lib/systemd/user/knock-client-keep@.service'
inside useradd -m keeper
USER_ID=$(inside id -u keeper)
inside install -d -m 700 -o keeper -g keeper /home/keeper/.config /home/keeper/.config/xknock
for name in anna-robot person; do
	inside install -m 600 -o keeper -g keeper /opt/stage/$name.yaml /home/keeper/.config/xknock/$name.yaml
done
inside systemctl start "user@$USER_ID" || fail "no user manager: $(inside journalctl -q -n 8 --no-pager)"
as_user() { inside runuser -u keeper -- env XDG_RUNTIME_DIR="/run/user/$USER_ID" "$@"; }
U=knock-client-keep@anna\\x2drobot
show() { as_user systemctl --user show -p "$1" --value "${2:-$U}"; }
journal() { inside journalctl -q --no-pager -o cat "_UID=$USER_ID" "_SYSTEMD_USER_UNIT=$U.service"; }
shut_now() { [ "$(grants)" = 0 ]; }
check "the unit is well-formed" as_user systemd-analyze verify --user --man=no "$U.service"

say "a network that comes later"
ip -n "$CLI" link set cli0 down
check "enable --now" as_user systemctl --user enable --now "$U"
lost() { journal | matches "Network is unreachable"; }
check "it says what it lacks" eventually 20 lost
equal "and runs on" "$(show ActiveState) $(show NRestarts)" "active 0"
ip -n "$CLI" link set cli0 up
ip -n "$CLI" addr replace 2001:db8::2/64 dev cli0 nodad
ip -n "$CLI" route replace default via 192.0.2.1
check "the network's coming is enough" eventually 30 granted
equal "in one and the same process" "$(show NRestarts)" 0

say "it keeps"
contains "the grant is the device's" "$(ctl grants)" anna/robot
ctl close 0.0.0.0/0 >/dev/null
refuse "shut by the operator" granted
check "the next knock opens it again" eventually 30 granted
inside kill -KILL "$(show MainPID)"
restarted() { [ "$(show NRestarts)" -ge 1 ] && [ "$(show ActiveState)" = active ]; }
check "killed, it is started again" eventually 20 restarted

say "it stops when told"
as_user systemctl --user stop "$U" || fail "the stop: $(journal | tail -4)"
check "and closes what it opened" eventually 5 shut_now
equal "which is no failure" "$(show Result) $(show ExecMainStatus)" "success 0"

say "the next login"
inside systemctl restart "user@$USER_ID"
check "starts it" eventually 20 granted
check "a logout" inside systemctl stop "user@$USER_ID"
check "ends it, and the grant" eventually 5 shut_now

say "a profile that asks a person"
inside systemctl start "user@$USER_ID"
as_user systemctl --user stop "$U"
as_user systemctl --user start knock-client-keep@person
refused() { [ "$(show ActiveState knock-client-keep@person)" = failed ]; }
check "is refused" eventually 10 refused
equal "with the code of a configuration, and not tried again" \
	"$(show ExecMainStatus knock-client-keep@person) $(show NRestarts knock-client-keep@person)" "78 0"
# By the user alone: systemd-journald names the unit of a process only where it still finds the process.
reason() { inside journalctl -q --no-pager -o cat "_UID=$USER_ID" | matches "needs a factor that answers by itself"; }
check "the journal has the reason" eventually 10 reason
stop
pass
