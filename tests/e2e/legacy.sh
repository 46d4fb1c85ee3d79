#!/bin/bash
# SPDX-License-Identifier: MIT
# Clients of other programs, unchanged: Debian's fwknop with a ~/.fwknoprc, and the packets of capyknock's client.
. "$(dirname "$0")/lib.sh"
HERE=$(cd "$(dirname "$0")" && pwd)
begin legacy
configure
enroll anna laptop --factor none
enroll bob phone --factor none
KEY=$(head -c 32 /dev/urandom | base64 -w0)
HMAC=$(head -c 64 /dev/urandom | base64 -w0)
UDPKEY=$(head -c 32 /dev/urandom | base64 -w0 | tr +/ -_)
OTPKEY=$(head -c 20 /dev/urandom | base32 -w0)
C=$D/etc/credentials
mkdir "$D/home"
cat >"$D/home/.fwknoprc" <<-R
	[default]
	SPA_SERVER         192.0.2.1
	ACCESS             tcp/22
	ALLOW_IP           source
	KEY_BASE64         $KEY
	HMAC_KEY_BASE64    $HMAC
	USE_HMAC           Y
R
chmod 600 "$D/home/.fwknoprc"
# secret FILE: owner and mode of the key that keygen made
secret() { cat >"$1" && chown --reference="$C/anna.laptop.key" "$1" && chmod --reference="$C/anna.laptop.key" "$1"; }
printf '%s\n' 'user: anna' 'device: fwknop' 'id: "00000000000000f1"' 'factor: none' 'kind: fwknop' \
	>"$C/anna.fwknop.yaml"
grep -E '^(KEY|HMAC_KEY)' "$D/home/.fwknoprc" | secret "$C/anna.fwknop.key"
printf '%s\n' 'user: bob' 'device: capy' 'id: "00000000000000c1"' 'factor: totp' 'kind: capyknock' 'name: bobsname' \
	'target: 192.0.2.1' 'port: 22' >"$C/bob.capy.yaml"
echo "$UDPKEY" | secret "$C/bob.capy.key"
echo "$OTPKEY" | secret "$C/bob.capy.otp"
echo 'modes: [packet, fwknop]' >>"$D/etc/users/anna.yaml"
echo 'modes: [packet, capyknock]' >>"$D/etc/users/bob.yaml"
echo 'legacy: {fwknop: {}, capyknock: {port: 5001}}' >>"$D/etc/xknock.yaml"
listen 22
start
fwknop() { in_cli env HOME="$D/home" fwknop "$@" >"$D/out" 2>&1 || fail "fwknop: $(cat "$D/out")"; }
capyknock() { in_cli "$HERE/capyknock_client.py" bobsname "$UDPKEY" "$OTPKEY" 192.0.2.1 5001 192.0.2.1 "$1"; }
shut() { ctl close 0.0.0.0/0 >/dev/null; }

say "fwknop's own client"
refuse "shut before" can_connect "$CLI" 192.0.2.1 22
fwknop -n default -s
check "opens" eventually 5 granted
contains "for its device" "$(ctl grants)" anna/fwknop
refuse "and for nobody else" can_connect "$STR" 198.51.100.1 22
contains "the log says so" "$(cat "$D/log")" \
	"legacy client: anna/fwknop knocked by fwknop from 192.0.2.2, for the first time"
equal "an event too" "$(events legacy_client way=fwknop user=anna)" 1
shut
fwknop -n default -a 192.0.2.2 -f 77
check "with an address and a time-out" eventually 5 granted
contains "and that time" "$(cat "$D/log")" "granted anna/fwknop ssh from 192.0.2.2 (tcp/22) for 77s"
contains "the log has the knock before" "$(cat "$D/log")" "knocked by fwknop from 192.0.2.2; before that on "
shut
forms=$(stat refused service)
fwknop -n default -s -A tcp/25
reaches refused service $((forms + 1))
types=$(stat refused legacy-type)
fwknop -n default -s -N 192.0.2.9:22
reaches refused legacy-type $((types + 1))
equal "nothing is open" "$(grants)" 0

say "capyknock"
replays=$(stat refused replay)
capyknock 22
check "opens" eventually 5 granted
contains "for its device" "$(ctl grants)" bob/capy
reaches refused replay $((replays + 2))
equal "the copies are no refusals to look at" "$(events knock_refused reason=replay)" 0
equal "it is one use" "$(events legacy_client way=capyknock user=bob)" 1
shut
used=$(stat refused code-used)
capyknock 22
reaches refused code-used $((used + 1))
ports=$(stat refused port)
capyknock 23
reaches refused port $((ports + 3)) # the copies of what is no request are not remembered
equal "nothing is open" "$(grants)" 0

say "both are off without the section"
sed -i '/^legacy:/d' "$D/etc/xknock.yaml"
ctl reload >/dev/null
fwknop -n default -s
capyknock 22
knock bob bob-phone --timeout 1 >/dev/null 2>&1 || true
equal "fwknop is not heard" "$(ctl grants | grep -c fwknop)" 0
stop
pass
