#!/bin/bash
# SPDX-License-Identifier: MIT
# A fault in the file of one user or of one device disables that one, loudly, and the others are judged. A reload lets in
# no new fault, and goes on beside those that are known. What two files claim is nobody's.
. "$(dirname "$0")/lib.sh"
begin user-faults
configure
enroll_everybody
enroll carl pc --factor hmac --service ssh
listen 22
cp -a "$D/etc" "$D/etc.good"
mend() {
	rm -rf "${D:?}/etc"
	cp -a "$D/etc.good" "$D/etc"
}
etc=$D/etc
# known: the users of whom a credential counts, each once.
known() { ctl users --json | python3 -c 'import json, sys; print(*sorted({c["user"] for c in json.load(sys.stdin)["users"]}))'; }
# out WHO WHAT PART: the daemon starts; WHO/phone is no credential of it, the others are.
out() {
	start
	contains "$1: is said with its place" "$(cat "$D/log")" "error: $2"
	contains "$1: as what it does" "$(cat "$D/log")" "whom it describes is disabled until it is mended"
	contains "$1: and counted" "$(grep 'ready:' "$D/log" | tail -1)" "credentials (disabled by faults: "
	contains "$1: the others are known" "$(known)" anna
	lacks "$1: nobody of that name may knock" "$(known)" "$3"
	check "$1: the others are let in" knock 192.0.2.1 anna-robot
	in_str "$CLIENT" open 198.51.100.1 --profile "$(profile bob-phone)" ssh --no-wait 2>/dev/null
	refuse "$1: they are not" can_connect "$STR" 198.51.100.1 22
	stop
	: >"$D/log"
	mend
}

say "who may hold a grant now, and not after the next start"
start
check "bob opens" in_str "$CLIENT" open 198.51.100.1 --profile "$(profile bob-phone)" ssh
stop
check "the grant outlives the daemon" can_connect "$STR" 198.51.100.1 22
echo 'lifetme: 30s' >>"$etc/users/bob.yaml"
line=$(wc -l <"$etc/users/bob.yaml")
out "a typing error in a user's file" "$etc/users/bob.yaml:$line:1: unknown key \"lifetme\"" bob

say "every kind of fault"
chmod 644 "$etc/credentials/bob.phone.key"
out "a key that others can read" "$etc/credentials/bob.phone.key: can be read by others (mode 0644)" bob
echo garbage >"$etc/credentials/bob.phone.key"
out "a key that is none" "$etc/credentials/bob.phone.key: is not a key" bob
rm "$etc/credentials/bob.phone.key"
out "a key that is missing" "$etc/credentials/bob.phone.key: No such file" bob
echo '[' >"$etc/users/bob.yaml"
out "a file that is no YAML" "$etc/users/bob.yaml:" bob
chmod 600 "$etc/users/bob.yaml"
out "a file that our own user cannot read" "$etc/users/bob.yaml: Permission denied" bob
sed -i 's/^services:.*/services: [shh]/' "$etc/users/bob.yaml"
out "a service that does not exist" "$etc/users/bob.yaml:" bob
echo 'networks: []' >>"$etc/users/bob.yaml"
out "networks that are none" "$etc/users/bob.yaml:" bob
sed -i "s/^id:.*/id: $(sed -n 's/^id: *//p' "$etc/credentials/carl.pc.yaml")/" "$etc/credentials/bob.phone.yaml"
out "an id that two devices have" "$etc/credentials/bob.phone.yaml:" bob
sed -i "s/^id:.*/id: $(sed -n 's/^id: *//p' "$etc/credentials/carl.pc.yaml")/" "$etc/credentials/bob.phone.yaml"
out "which disables the other one too" "$etc/credentials/carl.pc.yaml:" carl
cp "$etc/users/bob.yaml" "$etc/users/robert.yaml"
out "a user who is there twice" "$etc/users/robert.yaml:" bob

say "who asks is told"
echo garbage >"$etc/credentials/bob.phone.key"
echo 'lifetme: 30s' >>"$etc/users/carl.yaml"
start
contains "knockctl status" "$(ctl status)" "bob.phone.key: is not a key"
contains "in JSON by file" "$(ctl status --json | tr -d ' \n')" "\"disabled\":[{\"faults\":[\"$etc/users/carl.yaml:"
contains "knockctl users" "$(ctl users)" "$etc/users/carl.yaml:"
doctor() { in_srv "$KNOCKCTL" --socket "$D/run/control.sock" doctor -c "$etc/xknock.yaml" || true; }
contains "doctor: by the file" "$(doctor)" "problem  config: $etc/users/carl.yaml:"
contains "doctor: by the daemon" "$(doctor)" "problem  daemon: $etc/credentials/bob.phone.key: is not a key"
contains "and looks at the rest" "$(doctor)" "firewall:"
code=0
"$KNOCKCTL" check "$etc/xknock.yaml" >"$D/refused" 2>&1 || code=$?
equal "knockctl check refuses it" "$code" 78
refuse "and so does xknockd --check" daemon_command --check
contains "for the same" "$(cat "$D/out")" 'unknown key "lifetme"'

say "a reload"
sed -i 's/binding.*//' "$etc/users/anna.yaml"
check "beside the faults that are known takes over the others" ctl reload
contains "and says them again" "$(cat "$D/out")" "$etc/users/carl.yaml:"
echo 'lifetme: 30s' >>"$etc/users/anna.yaml"
code=0
ctl reload >"$D/refused" 2>&1 || code=$?
equal "a new one is refused" "$code" 78
contains "with its place" "$(cat "$D/refused")" "$etc/users/anna.yaml:"
lacks "and nobody else's" "$(cat "$D/refused")" "carl"
check "nobody is thrown out by it" knock 192.0.2.1 anna-robot
sed -i '/lifetme/d' "$etc/users/anna.yaml" "$etc/users/carl.yaml"
echo garbage >"$etc/credentials/anna.robot.key"
refuse "nor by a key" ctl reload
contains "that is none" "$(cat "$D/out")" "anna.robot.key: is not a key"
cp -p "$D/etc.good/credentials/anna.robot.key" "$D/etc.good/credentials/bob.phone.key" "$etc/credentials/"
check "what is mended" ctl reload
check "counts: bob" in_str "$CLIENT" open 198.51.100.1 --profile "$(profile bob-phone)" ssh
check "and carl" knock 192.0.2.1 carl-pc
lacks "nothing is left of it" "$(ctl status)" "by a fault"
stop
pass
