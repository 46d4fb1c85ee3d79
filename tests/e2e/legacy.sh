#!/bin/bash
# SPDX-License-Identifier: MIT
# Clients of other programs, unchanged: Debian's fwknop with a ~/.fwknoprc, and the packets of capyknock's client.
. "$(dirname "$0")/lib.sh"
HERE=$(cd "$(dirname "$0")" && pwd)
begin legacy
movable_clock
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
sleep 1.1 # these clients stamp whole seconds, and what was made before the start is refused
fwknop() { in_cli env HOME="$D/home" fwknop "$@" >"$D/out" 2>&1 || fail "fwknop: $(cat "$D/out")"; }
capyknock() { in_cli "$HERE/capyknock_client.py" bobsname "$UDPKEY" "$OTPKEY" 192.0.2.1 5001 192.0.2.1 "$1"; }
shut() { ctl close 0.0.0.0/0 >/dev/null; }

say "the listeners, and for whom"
status=$(ctl status)
contains "of fwknop" "$status" 'fwknop       62201/udp, 1 device: anna/fwknop (no knock yet)'
contains "of capyknock" "$status" 'capyknock    5001/udp, 1 device: bob/capy (no knock yet)'
contains "and packets of the others" "$status" 'packet       62201/udp, 2 devices: anna/laptop, bob/phone'

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
check "the configuration is good" in_srv "$KNOCKCTL" check "$D/etc/xknock.yaml"
reaches refused replay $((replays + 2))
equal "the copies are no refusals to look at" "$(events knock_refused reason=replay)" 0
equal "it is one use" "$(events legacy_client way=capyknock user=bob)" 1
contains "which the status shows" "$(ctl status)" "bob/capy (last knock $(date -u +%Y-%m-%dT%H)"
shut
used=$(stat refused code-used)
capyknock 22
reaches refused code-used $((used + 1))
ports=$(stat refused port)
capyknock 23
reaches refused port $((ports + 3)) # the copies of what is no request are not remembered
equal "nothing is open" "$(grants)" 0

say "beside junk: fifty packets a second from elsewhere, some of the right form and one without a name"
cat >"$D/junk.py" <<'P'
import base64, os, socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
token = lambda: base64.urlsafe_b64encode(b"\x80" + os.urandom(152))
kinds = [
    lambda: os.urandom(300),
    lambda: b'{"usrnm": "", "payload": "' + token() + b'"}',
    lambda: b'{"usrnm": "bobsname", "payload": "' + token() + b'"}',
    lambda: b'{"usrnm": "nobody", "payload": "' + token() + b'"}',
    lambda: b'{"usrnm": "bobsname"}',
    lambda: b"",
    lambda: b"{" * 300,
]
begin = time.monotonic()
for i in range(500):
    try:
        s.sendto(kinds[i % len(kinds)](), ("198.51.100.1", 5001))
    except ConnectionRefusedError:
        pass
    time.sleep(max(0, begin + i / 50 - time.monotonic()))
P
judged=$(stat refused tag) # of nobody's name
next_step                  # a code counts once
background "$STR" python3 "$D/junk.py"
reaches refused tag $((judged + 1))
sleep 1.1 # what was made before this look at the moved clock is refused, and a token has whole seconds
capyknock 22
check "capyknock opens" eventually 5 granted
contains "for its own device" "$(ctl grants)" "bob/capy"
lacks "and for nobody else" "$(ctl grants)" 198.51.100
shut
fwknop -n default -s
check "fwknop opens" eventually 5 granted
contains "for its own device" "$(ctl grants)" "anna/fwknop"
kill -0 "$BACKGROUND" 2>/dev/null || fail "the junk ended before"
shut

say "capyknock_banip"
mkdir "$D/bin"
printf '#!/bin/sh\nexec "%s" --socket "%s" "$@"\n' "$(realpath "$KNOCKCTL")" "$D/run/control.sock" >"$D/bin/knockctl"
chmod 755 "$D/bin/knockctl"
banip() { PATH=$D/bin:$PATH "$TOP/tools/capyknock_banip" "$@"; }
let_in() { fwknop -n default -s && eventually 5 granted; }
check "somebody is in" let_in
check "a ban as capyknock's callers order it" banip 192.0.2.2
contains "is said as there" "$(cat "$D/out")" "Sending request to ban 192.0.2.2"
contains "it is a ban with that reason" "$(ctl bans | tr -s ' ')" "192.0.2.2 for ever capyknock_banip"
equal "it closes what was open" "$(grants)" 0
refuse "and the port is shut" granted
check "also as an argument of python" env PATH="$D/bin:$PATH" python3 "$TOP/tools/capyknock_banip" 2001:db8::2
check "it is taken away" ctl unban 192.0.2.2
check "and the other" ctl unban 2001:db8::2
for word in 192.0.2.0/24 --stdin all "192.0.2.2 --for 1"; do refuse "$word is no address" banip "$word"; done
refuse "nobody is no address" banip
refuse "this host's own address fails" banip 192.0.2.1
equal "nobody is banned by these" "$(ctl bans)" "no bans"

say "both are off without the section"
sed -i '/^legacy:/d' "$D/etc/xknock.yaml"
ctl reload >/dev/null
contains "the status says so" "$(ctl status)" 'fwknop       no port in "legacy", 1 device: anna/fwknop (last knock '
fwknop -n default -s
capyknock 22
knock bob bob-phone --timeout 1 >/dev/null 2>&1 || true
equal "fwknop is not heard" "$(ctl grants | grep -c fwknop)" 0
stop
pass
