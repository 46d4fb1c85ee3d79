#!/bin/bash
# SPDX-License-Identifier: MIT
# What xknock.py does at the prompt: it asks again where a typed code opens nothing, three times in all. And where its
# address looks public and is translated. All else is in main_job.sh and client.sh, which run with it too.
. "$(dirname "$0")/lib.sh"
CLIENT=$TOP/client/xknock.py
begin python-client
movable_clock
configure
ENROLL_HOST=192.0.2.1 enroll anna laptop --factor totp
secret=$(cat "$D/etc/credentials/anna.laptop.otp")
sed -i '/otp_secret/d' "$(profile anna-laptop)"
start
READS=yes listen 22

# It stands in a terminal of its own, and says there how it ended and whether the terminal shows what is typed.
cat >"$D/asks" <<-C
	#!/bin/sh
	$CLIENT open 192.0.2.1 ssh --profile $(profile anna-laptop)
	echo "ended \$?"
	stty -a </dev/tty | grep -o '.echo '
C
chmod +x "$D/asks"
on_terminal() { in_cli socat -t 60 - "EXEC:$D/asks,pty,setsid,ctty,stderr,rawer,isig,echo"; }
asked() { [ "$(grep -o 'Code for' "$D/tty" | wc -l)" -ge "$1" ]; }
ended() { grep -q ended "$D/tty"; }
# types CODE...: types each of them when it is asked for.
types() {
	local number=0 code
	for code in "$@"; do
		number=$((number + 1))
		eventually 10 asked $number || true
		printf '%s\n' "$code"
	done
	eventually 30 ended || true
}

say "a wrong code, and then the right one"
next_step
: >"$D/tty"
types 000000 "$(oathtool --totp -b "$secret")" | on_terminal >"$D/tty" 2>&1
equal "it asked twice" "$(grep -o 'Code for anna-laptop:' "$D/tty" | wc -l)" 2
contains "and got in" "$(cat "$D/tty")" "ended 0"
contains "the terminal shows what is typed again" "$(cat "$D/tty")" " echo "
ctl close anna >/dev/null

say "three wrong codes"
: >"$D/tty"
types 000000 000001 000002 | on_terminal >"$D/tty" 2>&1
equal "it asked three times" "$(grep -o 'Code for anna-laptop:' "$D/tty" | wc -l)" 3
contains "and gave up" "$(cat "$D/tty")" "ended 1"
contains "with what may be wrong" "$(cat "$D/tty")" "was the code right, and not used yet?"

say "an address that looks public and is translated"
ENROLL_HOST=192.0.2.1 enroll anna robot --factor hmac
check "the server knows the device" ctl reload
ip -n "$CLI" addr add 192.0.2.3/24 dev cli0
in_cli nft -f - <<-N
	table ip translation {
	 chain out { type nat hook postrouting priority srcnat; ip saddr 192.0.2.2 snat to 192.0.2.3; }
	}
N
refused=$(stat refused source)
check "opens the port all the same" knock 192.0.2.1 anna-robot ssh
[ "$(stat refused source)" -gt "$refused" ] || fail "the first knock did not name our address"
contains "by the second address mode: for the address that the server sees" "$(ctl grants)" 192.0.2.3

stop
pass
