#!/bin/bash
# SPDX-License-Identifier: MIT
# "knockctl user": each verb with a daemon that runs and a client that knocks; each wrong word; two operators at once; and
# a kill at any moment, after which nothing half done is left.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
begin user-verbs
configure
user() { "$KNOCKCTL" user "$@"; }
# of VERB ARGUMENTS...: with this test's configuration.
of() { (cd "$D" && user "$1" -c "$D/etc/xknock.yaml" "${@:2}"); }
files() { (cd "$D/etc" && find . -type f -printf '%m %U:%G %p %s\n' | LC_ALL=C sort -k3); }
content() { (cd "$D/etc" && find . -type f | LC_ALL=C sort | xargs -d '\n' sha256sum); }
# refused CODE PART VERB ARGUMENTS...: ends with this code and this message, and changes nothing.
refused() {
	local wanted=$1 part=$2 got=0 before
	shift 2
	before=$(content)
	of "$@" >"$D/out" 2>"$D/err" </dev/null || got=$?
	contains "user $*: it is said" "$(cat "$D/err")" "$part"
	equal "user $*: the exit code" "$got" "$wanted"
	equal "user $*: nothing is written" "$(content)" "$before"
	lacks "user $*: nothing is left" "$(ls -A "$D/etc")" .change
}
# opens PROFILE [SERVICE]: a knock lets the client in. PROFILE is a file.
opens() { in_cli "$CLIENT" open 192.0.2.1 --profile "$1" "${@:2}" 2>>"$D/client"; }
shut_again() { ctl close 192.0.2.2 >/dev/null; }
# is_refused PROFILE: the knock does not open the port.
is_refused() {
	in_cli "$CLIENT" open 192.0.2.1 --profile "$1" --no-wait 2>/dev/null || true
	sleep 0.2
	! granted
}
field() { python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
listen 22 80
of add first --factor none --no-qr --out "$D/first.yaml" >"$D/out" # a daemon needs an identity
contains "without a daemon it is said" "$(cat "$D/out")" "xknockd was not told"
start_with -v
LOG=$D/log

say "add: a device that knocks at once, without a reload by hand"
of add anna --device robot --factor hmac --host 192.0.2.1 --out "$D/robot.yaml" >"$D/out"
contains "the file is named" "$(cat "$D/out")" "wrote $D/robot.yaml"
lacks "and the daemon knows it" "$(cat "$D/out")" "was not told"
equal "its services are all" "$(sed -n 's/^services: //p' "$D/etc/users/anna.yaml")" all
check "it knocks" opens "$D/robot.yaml"
check "the port is open" granted
shut_again
contains "the log says who did what" "$(cat "$LOG")" 'the operator (uid 0, root) says "reload anna: device robot added"'
contains "and that one device is new" "$(cat "$LOG")" "1 credentials added"
of add bob --device phone --factor none --host 192.0.2.1 --out "$D/bob.yaml" --json >"$D/json"
equal "as JSON" "$(field 'd["reloaded"], d["profile"] == "'"$D"'/bob.yaml", len(d["files"])' <"$D/json")" "(True, True, 4)"

say "a user is read alone: other files may be anything meanwhile"
cp "$D/etc/users/bob.yaml" "$D/bob.users"
echo 'lifetme: 1s' >>"$D/etc/users/bob.yaml"
before=$(grep -c "reloaded" "$LOG" || true)
check "disable" of disable anna
cp "$D/bob.users" "$D/etc/users/bob.yaml"
equal "the daemon took it over" "$(grep -c "reloaded" "$LOG")" $((before + 1))
check "the knock is refused at once" is_refused "$D/robot.yaml"
contains "comments of the file stay" "$(cat "$D/etc/users/anna.yaml")" "# max_lifetime: 1h"
of disable anna >"$D/out"
contains "twice is no error" "$(cat "$D/out")" "anna was disabled already"
equal "show says it" "$(of show anna --json | field 'd["status"], d["enabled"], d["devices"][0]["status"]')" "('disabled', False, 'disabled')"
check "enable" of enable anna
check "and it knocks again" opens "$D/robot.yaml"
shut_again
check "a device alone" of disable anna/robot
check "is refused too" is_refused "$D/robot.yaml"
check "enable the device" of enable anna/robot
check "and let in again" opens "$D/robot.yaml"
check "open" granted

say "rename: the profile goes on to work, and so does what is remembered"
knocks=$(of show anna --json | field 'd["devices"][0]["knocks"]')
id=$(of show anna --json | field 'd["devices"][0]["id"]')
check "rename the user" of rename anna annika
contains "it is in the log" "$(cat "$LOG")" "anna renamed to annika"
equal "the id stays" "$(of show annika --json | field 'd["devices"][0]["id"]')" "$id"
equal "and the count of knocks" "$(of show annika --json | field 'd["devices"][0]["knocks"]')" "$knocks"
shut_again
check "it knocks" opens "$D/robot.yaml"
contains "under its new name" "$(ctl grants)" "annika/robot"
refused 1 'there is no user "anna"' show anna
refused 1 'did you mean "annika"?' show anika
check "rename the device" of rename annika/robot engine
shut_again
check "it knocks" opens "$D/robot.yaml"
contains "under its new name" "$(ctl grants)" "annika/engine"
shut_again
check "knockctl finds nothing wrong" in_srv "$KNOCKCTL" check "$D/etc/xknock.yaml"
refused 1 'user "bob" exists' rename annika bob
refused 2 "has this name already" rename annika annika
check "back again" of rename annika anna
check "and the device" of rename anna/engine robot
check "it knocks" opens "$D/robot.yaml"
shut_again

say "rotate: the old profile ends, the new one works"
check "rotate" of rotate anna/robot --out "$D/robot2.yaml"
check "the old profile is refused" is_refused "$D/robot.yaml"
check "the new one is let in" opens "$D/robot2.yaml"
contains "it knows the host of before" "$(cat "$D/robot2.yaml")" "192.0.2.1"
shut_again
equal "no secret of before is left" "$(find "$D/etc/credentials" -name 'anna.robot*' | wc -l)" 3
of add anna --device phone --host 192.0.2.1 --no-qr --out "$D/phone.yaml" >"$D/out"
secret() { sed -n 's/.*[?]secret=\([A-Z2-7]*\).*/\1/p' "$1"; }
with_code() { in_cli "$CLIENT" open 192.0.2.1 --profile "$1" --otp "$(oathtool --totp -b "$2")" 2>>"$D/client"; }
old_secret=$(secret "$D/out")
of rotate anna/phone --code-only --no-qr >"$D/out"
new_secret=$(secret "$D/out")
refuse "a code of the old secret" with_code "$D/phone.yaml" "$old_secret" --no-wait
check "a code of the new secret, with the profile of before" with_code "$D/phone.yaml" "$new_secret"
shut_again
equal "qr shows it again" "$(of qr anna/phone --no-qr | sed -n 's/.*[?]secret=\([A-Z2-7]*\).*/\1/p')" "$new_secret"
refused 2 "has no code" rotate anna/robot --code-only
refused 2 "makes no profile" rotate anna/phone --code-only --host 192.0.2.1

say "profile: the same again, without the code's secret"
check "write it" of profile anna/phone --out "$D/phone2.yaml"
equal "it is the same" "$(cat "$D/phone2.yaml")" "$(cat "$D/phone.yaml")"
lacks "without the secret" "$(cat "$D/phone2.yaml")" "$new_secret"
equal "for its owner alone" "$(command stat -c %a "$D/phone2.yaml")" 600
refused 1 "File exists" profile anna/phone --out "$D/phone2.yaml"
refused 2 "has several devices: anna/phone, anna/robot" profile anna

say "qr: as text for 80 columns and 24 lines, and as pictures for their owner alone"
of qr anna/phone >"$D/out"
equal "no line is longer than 80" "$(grep '[█▀▄]' "$D/out" | python3 -c 'import sys; print(max(len(l.rstrip("\n")) for l in sys.stdin) <= 80)')" True
check "nor are there more than 24" test "$(grep -c '[█▀▄]' "$D/out")" -le 24
check "pictures" of qr anna/phone --png "$D/code.png" --svg "$D/code.svg"
equal "their modes" "$(command stat -c %a "$D/code.png" "$D/code.svg" | tr '\n' ' ')" "600 600 "
equal "a PNG" "$(head -c 8 "$D/code.png" | od -An -tx1 | tr -d ' \n')" 89504e470d0a1a0a
contains "an SVG" "$(head -2 "$D/code.svg")" "<svg"
refused 1 "File exists" qr anna/phone --png "$D/code.png"
refused 2 "has no code" qr anna/robot

say "a user with all services reaches one that is added later"
sed -i 's/^services: {/services: {late: tcp\/8022, /' "$D/etc/xknock.yaml"
listen 8022
check "reload" ctl reload
check "it is shut" test "$(can_connect "$CLI" 192.0.2.1 8022 >/dev/null 2>&1; echo $?)" != 0
check "its profile is written again" of profile anna/robot --out "$D/late.yaml"
check "a knock opens it" opens "$D/late.yaml" late
check "the port is open" granted 8022
shut_again
check "set their services" of set anna services=ssh,web lifetime=20s
equal "they are there" "$(of show anna --json | field 'd["services"]')" "['ssh', 'web']"
in_cli "$CLIENT" open 192.0.2.1 --profile "$D/late.yaml" late --no-wait 2>/dev/null || true
sleep 0.2
refuse "the new one is theirs no more" granted 8022
check "all again" of set anna services=all lifetime=
lacks "and the key is out" "$(cat "$D/etc/users/anna.yaml")" "lifetime: 20s"
check "a date of a device" of set anna/robot valid_until=2100-01-01
equal "is shown" "$(of show anna/robot --json | field 'd["devices"][0]["valid_until"]')" 2100-01-01T00:00:00Z

say "disable --now ends the sessions too"
check "open" opens "$D/robot2.yaml" web
background "$SRV" socat "TCP-LISTEN:443,fork,reuseaddr" EXEC:cat
eventually 5 listening 443
session web "$CLI" 192.0.2.1 443
of disable anna --now >"$D/out"
contains "it says so" "$(cat "$D/out")" "the grants of anna are closed, and their sessions are over"
refuse "the session is over" talks web
equal "no grant is left" "$(grants)" 0
check "enable" of enable anna
hang_up web

say "list and show"
of list >"$D/out"
contains "every device is there" "$(cat "$D/out")" "anna/phone"
contains "with its last knock" "$(cat "$D/out")" "192.0.2.2"
equal "as JSON" "$(of list --json | field '[u["user"] for u in d["users"]], d["live"]')" "(['anna', 'bob', 'first'], True)"
contains "unlock" "$(ctl user unlock anna)" "unlocked 2 devices"

say "a bundle, and a tar with the client"
printf 'correct horse battery\n' >"$D/passphrase"
of add carl --device pad --host 192.0.2.1 --bundle --passphrase-file "$D/passphrase" --no-qr >"$D/carl"
bundle=$(grep -o 'xknock1:[A-Za-z0-9_=-]*' "$D/carl")
check "there is one line" test -n "$bundle"
check "the code is shown beside it" test "$(secret "$D/carl")" = "$(cat "$D/etc/credentials/carl.pad.otp")"
refused 2 "holds key and factor in one" add carl --device r2 --factor hmac --bundle --passphrase-file "$D/passphrase"
printf 'short\n' >"$D/short"
refused 2 "the passphrase is too short" add carl --device r3 --bundle --passphrase-file "$D/short"
refused 2 "there is no terminal" add carl --device r3 --bundle
check "a machine's" of add carl --device r4 --machine --bundle --passphrase-file "$D/passphrase" --host 192.0.2.1 --out "$D/r4.bundle"
equal "in a file for its owner alone" "$(command stat -c %a "$D/r4.bundle")" 600
of add carl --device old --factor none --host 192.0.2.1 --portable --out "$D/old.tar" >"$D/out"
mkdir "$D/untarred"
tar -xf "$D/old.tar" -C "$D/untarred"
equal "the tar has both" "$(cd "$D/untarred" && find . -type f -printf '%m %p\n' | LC_ALL=C sort)" "600 ./xknock-carl-old/profile.yaml
755 ./xknock-carl-old/xknock.py"
in_cli python3 "$D/untarred/xknock-carl-old/xknock.py" open 192.0.2.1 ssh --profile "$D/untarred/xknock-carl-old/profile.yaml" 2>"$D/err" || fail "xknock.py: $(cat "$D/err")"
check "and it knocks" granted
shut_again

say "the spool"
check "keep it for a login" of add carl --device home --login nobody --spool "$D/spool" --no-qr --host 192.0.2.1
equal "owners and modes" "$(cd "$D/spool" && find . -printf '%m %u %p\n' | LC_ALL=C sort -k3)" "711 root .
700 nobody ./nobody
600 nobody ./nobody/home.yaml"
refused 2 'this host has no login "nobodyy"' add carl --device x --login nobodyy --spool "$D/spool"
refused 1 "waits there already" add bob --device home --login nobody --spool "$D/spool" --no-qr

say "one code for two servers"
of add carl --device second --same-code-as carl/pad --host 192.0.2.1 --no-qr --out "$D/second.yaml" >"$D/out"
equal "it is the same" "$(cat "$D/etc/credentials/carl.second.otp")" "$(cat "$D/etc/credentials/carl.pad.otp")"
contains "with what it costs" "$(cat "$D/out")" "can use it at the other"
check "of standard input" of add carl --device third --same-code-as - --host 192.0.2.1 --no-qr --out "$D/third.yaml" <"$D/etc/credentials/carl.pad.otp"
equal "it is the same too" "$(cat "$D/etc/credentials/carl.third.otp")" "$(cat "$D/etc/credentials/carl.pad.otp")"
refused 2 "is for factor totp" add carl --device x --factor hotp --same-code-as carl/pad
refused 1 'has no device "pat"' add carl --device x --same-code-as carl/pat
refused 2 "its factor is none" add carl --device x --same-code-as carl/old
refused 2 "there is no code's secret in it" add carl --device x --same-code-as "$D/passphrase"

say "remove"
refused 2 "nobody can be asked" remove bob
check "a device" of remove carl/old --yes
check "a user" of remove bob --yes
refuse "no file is left" sh -c "ls '$D'/etc/*/bob.*"
check "the knock is refused" is_refused "$D/bob.yaml"
check "open for one" opens "$D/robot2.yaml" web
session gone "$CLI" 192.0.2.1 443
of remove anna --yes --now >"$D/out"
contains "it says what it removed" "$(cat "$D/out")" "removed $D/etc/users/anna.yaml"
refuse "the session is over" talks gone
check "knockctl finds nothing wrong" in_srv "$KNOCKCTL" check "$D/etc/xknock.yaml"

say "wrong words"
refused 2 "there is a line end in it" add $'an\nna'
refused 2 'there is a "/" in it' add an/na
refused 2 "is too long for a user" add aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
refused 2 'is not the name of a device' add carl --device 'a b'
refused 2 "the name of the user is empty" add ''
refused 1 'device "carl/pad" exists' add carl --device pad
refused 2 'is no second factor' add carl --device x --factor sms
refused 2 "a code has 6 or 8 digits" add carl --device x --digits 7
refused 2 'there is no service "shh"' add dora --service shh
contains "and the nearest is named" "$(cat "$D/err")" 'did you mean "ssh"?'
refused 2 "is an URL" add carl --device x --host https://server.example.net/
contains "and what to write" "$(cat "$D/err")" "write server.example.net"
refused 2 "has a port" add carl --device x --host server.example.net:22
refused 2 "has blanks in it" add carl --device x --host 'a b'
refused 2 "names a login too" add carl --device x --host anna@server.example.net
refused 2 "is a network" add carl --device x --host 192.0.2.0/24
refused 2 "is not an address" add carl --device x --host 192.0.2.300
refused 2 "goes one way" add carl --device x --bundle --portable
refused 2 "is for --login" add carl --device x --spool "$D/spool"
refused 2 "is not KEY=VALUE" set carl lifetime
refused 2 'there is no key "lifetme"' set carl lifetme=3s
contains "and the nearest is named" "$(cat "$D/err")" 'did you mean "lifetime"?'
refused 78 '"soon" is not' set carl lifetime=soon
refused 2 "knockctl user rename" set carl name=otto
refused 2 "is a right of the user" set carl/pad services=ssh
refused 2 'there is no service "wep"' set carl services=wep
refused 2 "is there twice" set carl lifetime=3s lifetime=4s
refused 1 'there is no user "karl"' disable karl
contains "and the nearest is named" "$(cat "$D/err")" 'did you mean "carl"?'
refused 1 'has no device "pat"' enable carl/pat
code=0
setpriv --reuid=65534 --regid=65534 --clear-groups "$KNOCKCTL" user disable carl -c "$D/etc/xknock.yaml" 2>"$D/err" || code=$?
equal "somebody else than root: the exit code" "$code" 1
contains "and what it says" "$(cat "$D/err")" "only root works with the files of users"

say "links, a full disk, another file system"
mv "$D/etc/users/carl.yaml" "$D/carl.yaml"
ln -s "$D/carl.yaml" "$D/etc/users/carl.yaml"
refused 78 "is a symbolic link" disable carl
rm "$D/etc/users/carl.yaml"
mv "$D/carl.yaml" "$D/etc/users/carl.yaml"
ln -s /etc/hostname "$D/etc/credentials/carl.new.key"
refused 1 "carl.new.key\" exists" add carl --device new
rm "$D/etc/credentials/carl.new.key"
code=0
# shellcheck disable=SC2016  # for the inner shell
unshare -m sh -c 'mount -t tmpfs -o size=4k,nr_inodes=3 none "$1/etc/users" && shift && exec "$@"' _ "$D" \
	"$KNOCKCTL" user add emil --no-qr -c "$D/etc/xknock.yaml" --out "$D/emil.yaml" --no-reload >"$D/out" 2>"$D/err" || code=$?
equal "users/ on another file system: the exit code" "$code" 1
contains "it is said" "$(cat "$D/err")" "is on another file system"
refuse "no profile is left" test -e "$D/emil.yaml"
refuse "nor a file of emil's" sh -c "ls '$D'/etc/*/emil.*"
mkdir "$D/full"
cp -a "$D/etc/." "$D/full.etc"
code=0
# shellcheck disable=SC2016  # for the inner shell
unshare -m sh -c 'mount -t tmpfs -o size=192k none "$1/full" && cp -a "$1/full.etc/." "$1/full/" && (dd if=/dev/zero of="$1/full/ballast" bs=4k 2>/dev/null || :) &&
	before=$(cd "$1/full" && find . -type f | sort | xargs sha256sum) && { "$2" user add emil --no-qr -c "$1/full/xknock.yaml" --no-reload --out "$1/emil.yaml" && exit 9
		after=$(cd "$1/full" && find . -type f | sort | xargs sha256sum) && [ "$before" = "$after" ]; }' _ "$D" "$KNOCKCTL" >"$D/out" 2>"$D/err" || code=$?
equal "a full disk: nothing is changed" "$code" 0
contains "it is said" "$(cat "$D/err")" "No space left on device"
refuse "no profile is left" test -e "$D/emil.yaml"

say "what the daemon refuses is taken back"
sed -i 's/late: tcp\/8022, //' "$D/etc/xknock.yaml" # not reloaded: the daemon still has "late"
check "a service that the daemon knows, and the file does not" test "$(of set carl services=late >/dev/null 2>&1; echo $?)" = 2
sed -i 's/^services: {/services: {soon: tcp\/8023, /' "$D/etc/xknock.yaml"
refused 78 'there is no service "soon"' set carl services=soon
check "reload" ctl reload

say "two operators at the same moment"
ADDERS=()
for i in $(seq 8); do
	of add "twin$((i % 2))" --device "d$i" --factor none --no-qr --out "$D/twin$i.yaml" >"$D/twin.out$i" 2>&1 &
	ADDERS+=($!)
done
for pid in "${ADDERS[@]}"; do wait "$pid" || fail "one of eight failed: $(cat "$D"/twin.out*)"; done
refuse "no change is left" test -e "$D/etc/.change"
check "knockctl finds nothing wrong" in_srv "$KNOCKCTL" check "$D/etc/xknock.yaml"
equal "all eight are in the daemon" "$(ctl users --json | grep -c '"user": "twin')" 8
(flock 9 && sleep 2) 9<"$D/etc" &
locker=$!
sleep 0.3
before=$(date +%s%N)
check "a lock is waited for" of disable twin0
check "as long as it is held" test $((($(date +%s%N) - before) / 1000000)) -gt 500
wait "$locker"

say "kill -9 at any moment leaves nothing half done"
# Each verb dies before its first, its second ... call that changes a file, until it comes through.
kills=0
calls=mkdir,rmdir,openat,renameat,renameat2,linkat,unlink,unlinkat,fsync,fchmod,fchown,sendto,connect
whole() { in_srv "$KNOCKCTL" check "$D/etc/xknock.yaml" >"$D/out" 2>&1 || fail "$1: $(cat "$D/out")"; }
killed_everywhere() {
	local n code
	for n in $(seq 1 3 400); do
		code=0
		# The profile of an attempt that came through is not in the next one's way.
		rm -f "$D/killed.yaml"
		(cd "$D" && exec strace -f -o /dev/null -e trace=$calls -e "inject=$calls:signal=SIGKILL:when=$n" \
			"$KNOCKCTL" user "$1" -c "$D/etc/xknock.yaml" "${@:2}") >/dev/null 2>"$D/err" || code=$?
		[ "$code" -ge 128 ] || break
		kills=$((kills + 1))
		whole "killed before call $n of $*"
	done
	[ "$n" -gt 10 ] || fail "$* was not killed often: $n, $code: $(cat "$D/err")"
	say "$1: killed up to call $n"
}
killed_everywhere add victim --device a --factor none --no-qr --out "$D/killed.yaml"
killed_everywhere rotate carl/pad --out "$D/killed.yaml" --no-qr
killed_everywhere rename twin0 other
killed_everywhere set carl lifetime=7s
killed_everywhere remove twin1 --yes
say "$kills were killed"
check "the next verb clears up" of disable carl
check "and the daemon can be told all" ctl reload
refuse "no change is left" test -e "$D/etc/.change"
check "knockctl finds nothing wrong" in_srv "$KNOCKCTL" check "$D/etc/xknock.yaml"
python3 - "$D" <<'P' || fail "something half done is left"
import os, re, sys
top = sys.argv[1]
c = f"{top}/etc/credentials"
named = set()
for f in os.listdir(c):
    if f.endswith(".yaml"):
        text = open(f"{c}/{f}").read()
        stem = re.search(r'^secrets: "?([^"\n]*)"?$', text, re.M)
        stem = stem.group(1) if stem else f[:-5]
        named |= {f, stem + ".key"} | (set() if "factor: none" in text else {stem + ".otp"})
left = set(os.listdir(c)) - named
missing = named - set(os.listdir(c))
ids = {re.search(r'^id: "?([0-9a-f]+)', open(f"{c}/{f}").read(), re.M).group(1) for f in os.listdir(c) if f.endswith(".yaml")}
profiles = []
for f in os.listdir(top):
    if f.startswith("killed.yaml"):
        if f != "killed.yaml" or re.search(r'credential: "?([0-9a-f]+)', open(f"{top}/{f}").read()).group(1) not in ids:
            profiles.append(f)
print("left", left, "missing", missing, "profiles of nobody", profiles)
sys.exit(bool(left or missing or profiles))
P
stop

say "without a daemon"
of enable carl >"$D/out"
contains "it is said" "$(cat "$D/out")" "xknockd was not told"
echo 'lifetme: 3s' >>"$D/etc/users/carl.yaml"
refused 78 'unknown key "lifetme"' disable carl
pass
