#!/bin/bash
# SPDX-License-Identifier: MIT
# What fwknop's and capyknock's clients had in their files is taken over into a profile, and fwknop's options open a port.
# fwknop's file is one that Debian's own client wrote.
. "$(dirname "$0")/lib.sh"
begin import
command -v fwknop >/dev/null || skip "needs fwknop-client"
configure
ENROLL_HOST=192.0.2.1 enroll anna robot --factor hmac
"$KNOCKCTL" keygen bob --device desk --host 192.0.2.9 -c "$D/etc/xknock.yaml" --out "$D/bob.yaml" --factor none >/dev/null
PROFILE=$(profile anna-robot)
listen 22 80
start
client() { in_cli "$CLIENT" "$@"; }
said() { cat "$D/out"; }
shut() { ctl close 0.0.0.0/0 >/dev/null; }
code() {
	local got=0 wanted=$1
	shift
	"$@" >"$D/out" 2>&1 || got=$?
	[ $got = "$wanted" ] || fail "$*: code $got, not $wanted: $(said)"
}

say "fwknop's file"
export HOME=$D/home
mkdir -m 700 "$HOME"
fwknop -A tcp/22 -s -D 192.0.2.1 -f 90 --key-gen --use-hmac --save-rc-stanza -n work --no-save-args -T >/dev/null 2>&1 ||
	fail "fwknop writes no file"
grep -q '^SPA_SERVER' "$HOME/.fwknoprc" || fail "fwknop's file is another: $(cat "$HOME/.fwknoprc")"
echo 'ALLOW_IP source' >>"$HOME/.fwknoprc" # of the last stanza; the client does not save its -s
secret=$(awk '/^KEY_BASE64/ {print $2}' "$HOME/.fwknoprc")
before=$(cat "$PROFILE")
check "a dry run reports" client import fwknop --profiles "$D/profiles" --dry-run
contains "and says so" "$(said)" "nothing was written"
equal "and writes nothing" "$(cat "$PROFILE")" "$before"
check "it is taken over" client import fwknop --profiles "$D/profiles"
for row in "name         work  *taken over" "service      ssh  *is there already" "lifetime     90s  *taken over" "nat          always  *taken over" \
	"-            KEY_BASE64  *no equivalent: a profile has a key of its own" "-            HMAC_KEY_BASE64  *no equivalent"; do
	matches -e "$row" <"$D/out" || fail "no row \"$row\": $(said)"
done
lacks "no key is shown" "$(said)" "$secret"
equal "the rest of the profile stays as it is" "$(head -n "$(wc -l <<<"$before")" "$PROFILE")" "$before"
equal "and its mode" "$(command stat -c %a "$PROFILE")" 600
before=$(cat "$PROFILE")
check "a second time" client import fwknop --profiles "$D/profiles"
equal "changes nothing" "$(cat "$PROFILE")" "$before"

say "fwknop's options"
refuse "the port is shut" granted
check "the stanza's name is enough" client open -n work --profiles "$D/profiles"
check "it is open" granted
contains "for as long as fwknop's file says" "$(ctl grants)" "anna/robot"
shut
check "-A, -D and -f" client open -A tcp/80 -D 192.0.2.1 -f 60 --profiles "$D/profiles"
check "open what they say" granted 80
refuse "and nothing else" granted 22
shut
check "-a of our own" client open -A tcp/22 -a 192.0.2.2 -D 192.0.2.1 --profiles "$D/profiles"
check "opens for it" granted
shut
check "-a of another address is --for" client open -A tcp/22 -a 198.51.100.66 -D 192.0.2.1 --profiles "$D/profiles"
eventually 5 grep -q "delegation\|not delegated\|no right" "$D/log" || fail "the server was not asked for another address: $(tail -3 "$D/log")"
refuse "and needs the right" can_connect "$STR" 198.51.100.1 22
for words in "-R" "-s" "-p 62201" "-U bob" "-C id" "-r"; do
	# shellcheck disable=SC2086  # two words
	code 2 client open -A tcp/22 -D 192.0.2.1 $words
	contains "$words" "$(said)" "fwknop's ${words%% *} has no equivalent"
	contains "with the next step" "$(said)" "hint:"
done
code 2 client open -A tcp/22,udp/53 -D 192.0.2.1
contains "several ports" "$(said)" "one knock opens one service"
code 2 client open 192.0.2.1 -D 192.0.2.1
contains "two hosts" "$(said)" "the host is named twice"
code 2 client open -A 22/tcp -D 192.0.2.1 --profiles "$D/profiles"
code 2 client open
contains "no host" "$(said)" "which host?"

say "capyknock's file"
cat >"$D/capyknock.json" <<'J'
{"username": "robot", "udpkey": "c2VjcmV0c2VjcmV0", "otpkeydesc": "desk", "knock_server_ip": "192.0.2.9",
 "knock_server_port": "62202", "target_server_ip": "192.0.2.9", "target_server_port": "22"}
J
cp "$D/bob.yaml" "$D/profiles/bob.yaml"
chmod 600 "$D/profiles/bob.yaml"
check "it is taken over" client import capyknock "$D/capyknock.json" --profiles "$D/profiles"
for row in "hosts        192.0.2.9  *is there already" "udpkey  *no equivalent" "otpkeydesc  *no equivalent" "knock_server_port  *no equivalent"; do
	matches -e "$row" <"$D/out" || fail "no row \"$row\": $(said)"
done
lacks "no key is shown" "$(said)" c2VjcmV0

say "what does not go"
sed 's/192.0.2.9/192.0.2.77/g' "$D/capyknock.json" >"$D/other.json"
code 78 client import capyknock "$D/other.json" --profiles "$D/profiles"
contains "a server without a profile" "$(said)" "enrol first (knock-client enroll 192.0.2.77)"
check "goes into one that is named" client import capyknock "$D/other.json" --profiles "$D/profiles" --profile bob
check "which is for that host then" grep -q '"192.0.2.77"' "$D/profiles/bob.yaml"
code 2 client import knockd "$D/other.json"
contains "another client" "$(said)" '"knockd" is no client that can be taken over'
code 78 client import capyknock "$HOME/.fwknoprc"
contains "fwknop's file is not capyknock's" "$(said)" "is no client file of capyknock"
code 78 client import fwknop "$D/capyknock.json"
contains "nor the other way round" "$(said)" "stands before the first stanza"
code 2 client import fwknop --stanza home --profiles "$D/profiles"
contains "a stanza that is not there" "$(said)" 'there is no stanza "home"'
chmod 666 "$D/other.json"
code 78 client import capyknock "$D/other.json"
contains "a file that others write" "$(said)" "can be written by others"
printf '[a]\nSPA_SERVER 192.0.2.1\nX\033[31m y\n' >"$D/evil"
code 0 client import fwknop "$D/evil" --profiles "$D/profiles"
! LC_ALL=C grep -q '[^ -~]' "$D/out" || fail "an escape sequence is printed"
pass
