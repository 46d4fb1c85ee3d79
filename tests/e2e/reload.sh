#!/bin/bash
# SPDX-License-Identifier: MIT
# SIGHUP and "knockctl reload" take over a good configuration as a whole, and of a bad one nothing; every fault is said
# with its place.
. "$(dirname "$0")/lib.sh"
begin reload
configure
enroll_everybody
start
listen 22 80
knock 192.0.2.1 anna-robot 2>/dev/null
knock_only 192.0.2.1 bob-phone 2>/dev/null
eventually 5 sh -c "'$KNOCKCTL' --socket '$D/run/control.sock' grants | grep -q 'robot.*bob\|bob.*robot'" ||
	fail "two users behind one address do not share the grant"
say "two users behind one address share one grant"
equal "it is one element" "$(in_srv nft list set inet xknock grants4 | grep -c 'tcp . 22')" 1

say "a bad configuration changes nothing, and every fault is said"
before=$(ruleset)
cp "$D/etc/xknock.yaml" "$D/good.yaml"
{ sed 's/host1/host9/; s/vpn: udp\/51820/vpn: tcp\/22/' "$D/good.yaml"; echo 'prot: 1'; } >"$D/etc/xknock.yaml"
echo 'name: anna' >"$D/etc/users/twin.yaml"
code=0
ctl reload >"$D/out" 2>&1 || code=$?
equal "the exit code says configuration" "$code" 78
contains "the overlapping port, with its place" "$(cat "$D/out")" "$D/etc/xknock.yaml:2:"
contains "the unknown key" "$(cat "$D/out")" "xknock.yaml:6:1: unknown key \"prot\" (did you mean \"port\"?)"
contains "the missing key of a user" "$(cat "$D/out")" "users/twin.yaml:1:1: \"services\" is missing"
contains "the user who is there twice" "$(cat "$D/out")" "user \"anna\" is there twice"
rm "$D/etc/users/twin.yaml"
sed 's/host0, host1/host8, host9/' "$D/good.yaml" >"$D/etc/xknock.yaml"
refuse "interfaces of which none exists: found before anything changes" ctl reload
contains "they are named, with those that do" "$(cat "$D/out")" 'there is no interface "host8", "host9"'
contains "the ones that do" "$(cat "$D/out")" "host1"
sed 's/paths: {run: /&\/elsewhere/' "$D/good.yaml" >"$D/etc/xknock.yaml"
refuse "what only a restart can change is refused" ctl reload
contains "and said, by its key" "$(cat "$D/out")" "paths.run takes effect with a restart only"
cp "$D/good.yaml" "$D/etc/xknock.yaml"
printf 'not a key\n' >"$D/key"
cp "$D/etc/credentials/bob.phone.key" "$D/bob.key"
cp "$D/key" "$D/etc/credentials/bob.phone.key"
refuse "a key that is none" ctl reload
contains "is named" "$(cat "$D/out")" "bob.phone.key: is not a key"
chmod 644 "$D/etc/credentials/anna.robot.key"
refuse "a key that others can read" ctl reload
contains "is named with the remedy" "$(cat "$D/out")" "can be read by others (mode 0644)"
chmod 640 "$D/etc/credentials/anna.robot.key"
cp "$D/bob.key" "$D/etc/credentials/bob.phone.key"
equal "through all of this the rules stayed" "$(ruleset)" "$before"
check "and the daemon judges by the old configuration" in_str "$CLIENT" open 198.51.100.1 --profile "$(profile bob-phone)" ssh
equal "with the grants as they were, and the new one" "$(grants)" 2

say "SIGHUP does the same and says so in the log"
echo 'interfaces: [' >"$D/etc/xknock.yaml"
kill -HUP "$DAEMON"
eventually 5 grep -q "error: $D/etc/xknock.yaml:" "$D/log" || fail "SIGHUP with a bad file is not logged"
cp "$D/good.yaml" "$D/etc/xknock.yaml"
kill -HUP "$DAEMON"
eventually 5 grep -q 'reloaded' "$D/log" || fail "SIGHUP does not reload"

say "a new device counts at once, a user who is gone counts no more"
enroll carl pc --factor hmac --service web
rm "$D"/etc/credentials/bob.phone.* "$D/etc/users/bob.yaml"
check "reload" ctl reload
check "the new device knocks" knock 192.0.2.1 carl-pc web
lacks "grants of the user who is gone are closed" "$(ctl grants)" bob
contains "grants of others stay" "$(ctl grants)" "anna/robot"
refuse "their address is shut out" can_connect "$STR" 198.51.100.1 22
before=$(stat filter tag)
in_str "$CLIENT" open 198.51.100.1 --profile "$(profile bob-phone)" ssh --no-wait 2>/dev/null
reaches filter tag $((before + 1))
say "their knocks are dropped at the NIC"

say "a reload that takes a service away while knocks for it come"
RACERS=()
for i in $(seq 16); do
	enroll "racer$i" key --factor none
	printf 'binding: explicit\n' >>"$D/etc/users/racer$i.yaml"
	RACERS+=(--profile "$(profile "racer$i-key")")
done
check "reload" ctl reload
exec 8> >(exec nsenter --net="/run/netns/$CLI" "$STREAM" --to 192.0.2.1 "${RACERS[@]}" --service ssh --interval-us 5000 >"$D/sent")
raced() { grep -q 'refused racer.*: the configuration that was loaded meanwhile does not allow it' "$D/log"; }
for try in $(seq 10); do
	if [ $((try % 2)) = 1 ]; then now=web; else now=ssh; fi
	sed -i "s/^services:.*/services: [$now]/" "$D"/etc/users/racer*.yaml
	ctl reload
	if raced; then break; fi
done
exec 8>&-
check "a knock that was judged before it and asked for after it is refused as that" raced
lacks "and the worker is not taken for a bad one" "$(cat "$D/log")" "the worker asked for a grant"
rm "$D"/etc/credentials/racer* "$D"/etc/users/racer*
check "reload" ctl reload

say "other ports, other allowed networks, another knock port"
sed -i 's/web: \[tcp\/80, tcp\/443\]/web: tcp\/8080/; $ a port: 4242\ngate: {allow: [198.51.100.0/24]}' "$D/etc/xknock.yaml"
check "reload" ctl reload
check "a port that is protected no more is open" can_connect "$STR" 198.51.100.1 80
check "an allowed network passes" can_connect "$STR" 198.51.100.1 22
sed -i 's/^knock_port:.*/knock_port: 4242/' "$D/profiles/anna-robot.yaml"
ctl close anna >/dev/null
check "knocks at the new port count" knock 192.0.2.1 anna-robot ssh
sed -i 's/interfaces: \[host0, host1\]/interfaces: [host0]/' "$D/etc/xknock.yaml"
check "reload" ctl reload
lacks "an interface that is not named any more has no filter" "$(in_srv ip link show host1)" xdp
contains "the other one has" "$(in_srv ip link show host0)" xdp
stop
pass
