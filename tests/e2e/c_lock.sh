#!/bin/bash
# SPDX-License-Identifier: MIT
# Knocks by sequences of c-lock: by a faithful copy of its client with pin and with secret, and by ours with a code; once in
# a slot whoever sends them, not beside typed codes, beside a scan, over a kill, and what wrong ports cost.
. "$(dirname "$0")/lib.sh"
HERE=$(cd "$(dirname "$0")" && pwd)
begin c_lock
movable_clock
configure
ENROLL_HOST=192.0.2.1 enroll anna laptop --factor totp --service ssh
echo 'modes: [packet, c-lock]' >>"$D/etc/users/anna.yaml"
listen 22
SECRET=$(tr -d ' \n' <"$D/etc/credentials/anna.laptop.otp")
code_now() {
	python3 - "$SECRET" <<-'P'
		import base64, hashlib, hmac, struct, sys, time
		key = base64.b32decode(sys.argv[1] + "=" * (-len(sys.argv[1]) % 8))
		digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
		at = digest[-1] & 15
		print("%06d" % ((struct.unpack(">I", digest[at:at + 4])[0] & 0x7fffffff) % 1000000))
	P
}
shut() { ctl close 0.0.0.0/0 >/dev/null && ctl close ::/0 >/dev/null; }
fresh_slot() { shut && begin_slot; }
# client NS OPTION...: c-lock's client
client() { nsenter --net="/run/netns/$1" python3 "$HERE/c_lock_client.py" "${@:2}"; }

echo 'c_lock: {attempts_per_hour: 40, max_guess_odds: 4e-3}' >>"$D/etc/xknock.yaml"
start
contains "the status says for whom" "$(ctl status)" \
	"c-lock       4 ports, 1 device: anna/laptop, guessed within a day with odds of 2e-03 at most"

say "c-lock's client"
fresh_slot
refuse "shut before" can_connect "$CLI" 192.0.2.1 22
code=$(code_now)
client "$CLI" 192.0.2.1 --pin "$code"
check "opens with a pin" eventually 5 granted
check "for who sent it" can_connect "$CLI" 192.0.2.1 22
contains "for the device whose code it is" "$(ctl grants)" anna/laptop
refuse "and nobody else is in" can_connect "$STR" 198.51.100.1 22

say "once in a slot, whoever sends it"
shut
seen=$(stat filter seen)
client "$STR" 198.51.100.1 --pin "$code"
reaches filter seen $((seen + 1))
equal "who heard the ports gets nothing" "$(grants)" 0
code=0
in_cli "$CLIENT" open --no-wait --otp "$(code_now)" 192.0.2.1 ssh --profile "$(profile anna-laptop)" >"$D/out" 2>&1 || code=$?
check "nor who types the code" eventually 5 at_least refused code-used 1
equal "which opens nothing" "$(grants)" 0
code=$(code_now)
kill -KILL "$DAEMON" && { wait "$DAEMON" 2>/dev/null || true; }
rm "$D/bpf/xknock/maps4/sequence_steps" # the filter forgets it; the worker's own memory does not
start
replays=$(stat refused replay)
client "$STR" 198.51.100.1 --pin "$code"
reaches refused replay $((replays + 1))
equal "nor after a kill, where the filter has forgotten it" "$(grants)" 0

say "the secret, beside a scan"
cat >"$D/scan.py" <<'C'
import socket
for port in range(1024, 65536, 7):
    with socket.socket() as one:
        one.setblocking(False)
        one.connect_ex(("198.51.100.1", port))
C
fresh_slot
background "$STR" python3 "$D/scan.py"
client "$CLI" 192.0.2.1 --secret "$SECRET"
check "opens" eventually 5 granted
refuse "for the client alone" can_connect "$STR" 198.51.100.1 22

say "knock-client"
fresh_slot
code_now | in_cli "$CLIENT" sequence 192.0.2.1 --code - 2>"$D/out" || fail "no ports were sent: $(cat "$D/out")"
check "opens by a code from standard input" eventually 5 granted

say "wrong ports cost"
fresh_slot
wrong=$(printf '%06d' $((10#$(code_now) ^ 1)))
client "$CLI" 192.0.2.1 --pin "$wrong"
client "$CLI" 192.0.2.1 --pin "$(code_now)"
sleep 0.5 # for what must not happen
equal "who was wrong is not followed for a minute" "$(grants)" 0
told() { [ "$(events knock_refused reason=ports way=c-lock source=192.0.2.2)" = 1 ]; }
check "and the operator is told who that is" eventually 5 told

say "two devices with one secret"
ENROLL_HOST=192.0.2.1 enroll bob phone --factor totp --service ssh
sed -i '/^modes:/d' "$D/etc/users/bob.yaml" && echo 'modes: [packet, c-lock]' >>"$D/etc/users/bob.yaml"
cat "$D/etc/credentials/anna.laptop.otp" >"$D/etc/credentials/bob.phone.otp"
check "a reload takes them" ctl reload
fresh_slot
same="have the same code of c-lock in one slot; there it opens for none of them"
said() { matches "\(anna/laptop, bob/phone\|bob/phone, anna/laptop\) $same" <"$D/log"; }
check "the log says so" eventually 5 said
ip -n "$CLI" addr add 192.0.2.3/24 dev cli0 # nobody was wrong from there
ip -n "$CLI" route add 192.0.2.1 dev cli0 src 192.0.2.3
client "$CLI" 192.0.2.1 --pin "$(code_now)"
sleep 0.5 # for what must not happen
equal "and it opens for neither" "$(grants)" 0
rm "$D/etc/users/bob.yaml" "$D"/etc/credentials/bob.phone.*
check "a reload without one of them" ctl reload
fresh_slot
ip -n "$CLI" addr add 192.0.2.4/24 dev cli0
ip -n "$CLI" route replace 192.0.2.1 dev cli0 src 192.0.2.4
client "$CLI" 192.0.2.1 --pin "$(code_now)"
check "it opens again" eventually 5 granted

say "odds that nobody accepted"
sed -i '/^c_lock:/d' "$D/etc/xknock.yaml"
refuse "are refused" ctl reload
contains "with their number" "$(ctl reload 2>&1 || true)" "odds of 5.0e-04"
stop
pass
