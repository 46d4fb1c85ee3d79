#!/bin/bash
# SPDX-License-Identifier: MIT
# Enrolment: what "knockctl keygen" writes is what the server and the client read, and what it refuses leaves nothing.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
begin keygen
configure ''
keygen() { (cd "$D" && "$KNOCKCTL" keygen "$@" -c "$D/etc/xknock.yaml"); }
files() { (cd "$D" && find etc state xknock-*.yaml -type f -printf '%m %U:%G %p\n' 2>/dev/null | LC_ALL=C sort -k3); }
# refused CODE WHAT ARGUMENTS...: ends with this code and changes no file.
refused() {
	local wanted=$1 what=$2 got=0 before
	shift 2
	before=$(files)
	keygen "$@" >"$D/out" 2>"$D/err" || got=$?
	equal "$what" "$got" "$wanted"
	equal "and nothing is written" "$(files)" "$before"
}

say "the first device"
keygen anna --device laptop --host 192.0.2.1 --service ssh >"$D/out" || fail "keygen: $(cat "$D/out")"
machines="644 0:0 etc/machines
"
[ -s /etc/machine-id ] || machines=
equal "files, modes and owners" "$(files)" "640 0:$UID_DAEMON etc/credentials/anna.laptop.key
640 0:$UID_DAEMON etc/credentials/anna.laptop.otp
644 0:0 etc/credentials/anna.laptop.yaml
${machines}644 0:0 etc/server_id
644 0:0 etc/users/anna.yaml
644 0:0 etc/xknock.yaml
600 $UID_DAEMON:$UID_DAEMON state/state
600 0:0 xknock-anna-laptop.yaml"
secret=$(cat "$D/etc/credentials/anna.laptop.otp")
contains "the URI for the authenticator" "$(cat "$D/out")" \
	"otpauth://totp/xknock%20192.0.2.1:anna@laptop?secret=$secret&issuer=xknock%20192.0.2.1"
contains "and a QR code" "$(cat "$D/out")" "█▀▀"
lacks "the profile does not hold the second factor" "$(cat "$D/xknock-anna-laptop.yaml")" "$secret"
contains "what to do next" "$(cat "$D/out")" "bring xknock-anna-laptop.yaml to the device"
contains "and that no daemon knows it yet" "$(cat "$D/out")" "xknockd was not told"
check "knockctl finds nothing wrong" in_srv "$KNOCKCTL" check "$D/etc/xknock.yaml"
check "xknockd neither" in_srv "$XKNOCKD" --check -c "$D/etc/xknock.yaml"

say "another device of the same user"
keygen anna --device robot --factor hmac --service web --host 192.0.2.1 --no-qr >"$D/out"
contains "their services stay" "$(cat "$D/out")" "their services stay as they are"
lacks "no QR code for a machine" "$(cat "$D/out")" "█"
lacks "and no URI" "$(cat "$D/out")" otpauth
contains "the profile knows what they may open" "$(cat "$D/xknock-anna-robot.yaml")" 'ssh: ["tcp/22"]'
lacks "and nothing else" "$(cat "$D/xknock-anna-robot.yaml")" web:
keygen bob --factor none --host 192.0.2.1 --json >"$D/out"
contains "without --service a new user gets all" "$(cat "$D/etc/users/bob.yaml")" 'services: all'

say "what is refused"
refused 1 "a device that exists" anna --device laptop
contains "it is named" "$(cat "$D/err")" 'device "anna/laptop" exists'
refused 2 "a service that does not" carl --service imap
contains "it is named" "$(cat "$D/err")" 'there is no service "imap"'
refused 2 "a user's name that is a path" ../carl
refused 2 "a device's name that is none" carl --device 'a b'
refused 1 "a profile that exists is not overwritten" carl --out "$D/xknock-anna-robot.yaml"
refused 1 "a profile that cannot be written" carl --out "$D/nowhere/profile.yaml"
echo 'servces: {}' >>"$D/etc/xknock.yaml"
refused 78 "a configuration that is wrong" carl
sed -i '/^servces/d' "$D/etc/xknock.yaml"

say "as enrolled, it knocks"
mv "$D"/xknock-*.yaml "$D/profiles/"
listen 22
start
contains "the first start has no horizon to wait for" "$(cat "$D/log")" "judgement begins with the copy of a clean stop"
in_cli "$CLIENT" open 192.0.2.1 --profile "$D/profiles/xknock-anna-laptop.yaml" --otp "$(oathtool --totp -b "$secret")" 2>"$D/err" ||
	fail "the laptop: $(cat "$D/err")"
check "the laptop opens ssh with a code of an authenticator" granted
ctl close anna >/dev/null
check "the robot does without one" in_cli "$CLIENT" open 192.0.2.1 --profile "$D/profiles/xknock-anna-robot.yaml"
say "names that would break the profile"
for bad in 'a"b' 'a\b' $'a\nb'; do
	for option in --server --host; do
		refuse "$option" "$KNOCKCTL" keygen carl --device x $option "$bad" -c "$D/etc/xknock.yaml" --out "$D/bad-profile"
		contains "is said" "$(cat "$D/out")" "knockctl: $option \"a"
	done
done
refuse "and nothing is written" test -e "$D/bad-profile"

say "root's work in directories that the daemon's user owns"
# What is root's stays root's, wherever a link in such a directory leads.
fresh() {
	rm -rf "$D/etc/server_id" "$D/etc/users" "$D/etc/credentials" "$D/state" "$D/run" "$D/mine"
	mkdir "$D/state" "$D/run" "$D/mine"
	chown "$UID_DAEMON:$UID_DAEMON" "$D/state" "$D/run" "$D/mine"
	chmod 700 "$D/state" "$D/mine"
	echo "root's own" >"$D/mine-of-root"
	chmod 600 "$D/mine-of-root"
}
unharmed() {
	equal "$1: root's file" "$(command stat -c '%a %u:%g %h' "$D/mine-of-root") $(cat "$D/mine-of-root")" "600 0:0 1 root's own"
	equal "$1: root's directory" "$(command stat -c '%a %u:%g' "$D/safe") $(ls -A "$D/safe")" "700 0:0 "
}
mkdir -m 700 "$D/safe"
daemon_user() { setpriv --reuid="$UID_DAEMON" --regid="$UID_DAEMON" --clear-groups "$@"; }
# swap.py FILE TARGET: puts a link in the place of the file as soon as it is there.
cat >"$D/swap.py" <<-'P'
	import os, sys, time
	print("ready", flush=True)
	end = time.time() + 20
	while time.time() < end:
	    try:
	        os.unlink(sys.argv[1])
	        os.symlink(sys.argv[2], sys.argv[1])
	        print("swapped", flush=True)
	        break
	    except FileNotFoundError:
	        pass
P
stop
for round in 1 2 3; do
	fresh
	daemon_user /usr/bin/python3 "$D/swap.py" "$D/state/state" "$D/mine-of-root" >"$D/swapped" &
	swapper=$!
	eventually 10 grep -q ready "$D/swapped"
	keygen eve --device "pc$round" --no-qr --out "$D/eve$round.yaml" >/dev/null
	wait "$swapper"
	contains "the copy of the state was exchanged at once" "$(cat "$D/swapped")" swapped
	unharmed "keygen"
done
fresh
daemon_user ln -s "$D/safe" "$D/mine/link"
sed "s|state: $D/state|state: $D/mine/link|" "$D/etc/xknock.yaml" >"$D/etc/linked.yaml"
refuse "keygen, where the state's directory is a link of the daemon's user" \
	"$KNOCKCTL" keygen mallory -c "$D/etc/linked.yaml" --out "$D/mallory.yaml"
contains "a link is none" "$(cat "$D/out")" "\"$D/mine/link\" is not a directory"
unharmed "keygen behind a link"
sed "s|state: $D/state|state: $D/mine/link/below|" "$D/etc/xknock.yaml" >"$D/etc/linked.yaml"
refuse "or lies behind one" "$KNOCKCTL" keygen mallory -c "$D/etc/linked.yaml" --out "$D/mallory.yaml"
contains "it is said whose the link is" "$(cat "$D/out")" "is a symbolic link of user $UID_DAEMON"
unharmed "keygen below a link"
refuse "a profile behind a link of somebody's" keygen mallory --device x --out "$D/mine/link/profile.yaml"
contains "for its owner" "$(cat "$D/out")" "is a symbolic link of user $UID_DAEMON"
unharmed "keygen --out"
rm -f "$D/etc/linked.yaml"
fresh
keygen eve --device phone --factor none --no-qr --out "$D/phone.yaml" >/dev/null
# xknockd's own start as root gives its files away too, and waits for nobody at a pipe.
for name in lock state; do
	daemon_user ln -s "$D/mine-of-root" "$D/run/$name"
	refuse "run/$name is a link" daemon_command
	contains "run/$name is a link: it is said" "$(cat "$D/out")" "opening \"$D/run/$name\": Too many levels of symbolic links"
	unharmed "start, $name a link"
	rm -f "$D/run/$name"
	ln "$D/mine-of-root" "$D/run/$name"
	refuse "run/$name is another name of root's file" daemon_command
	contains "run/$name is another name: it is said" "$(cat "$D/out")" "\"$D/run/$name\" is not a file of user $UID_DAEMON's alone"
	rm -f "$D/run/$name"
	unharmed "start, $name a second name"
	daemon_user mkfifo "$D/run/$name"
	refuse "run/$name is a pipe" timeout 10 nsenter --net="/run/netns/$SRV" "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$WORKER" --hooks "$HOOKS"
	contains "run/$name is a pipe: it is said" "$(cat "$D/out")" "is not a file of user $UID_DAEMON's alone"
	rm -f "$D/run/$name"
done
rm -rf "$D/run"
daemon_user ln -s "$D/safe" "$D/mine/run"
sed "s|run: $D/run|run: $D/mine/run|" "$D/etc/xknock.yaml" >"$D/etc/linked.yaml"
refuse "the run directory is a link" nsenter --net="/run/netns/$SRV" "$XKNOCKD" -c "$D/etc/linked.yaml" --worker "$WORKER" --hooks "$HOOKS"
contains "it is said" "$(cat "$D/out")" "\"$D/mine/run\" is not a directory"
unharmed "start, run a link"
touch "$D/safe/lock" "$D/safe/state"
sed "s|run: $D/run|run: $D/mine/run|" "$D/etc/xknock.yaml" >"$D/etc/linked.yaml"
nsenter --net="/run/netns/$SRV" "$XKNOCKD" --remove -c "$D/etc/linked.yaml" >"$D/out" 2>&1 || true
equal "--remove takes nothing away behind a link" "$(cd "$D/safe" && echo *)" "lock state"
pass
