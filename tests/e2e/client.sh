#!/bin/bash
# SPDX-License-Identifier: MIT
# knock-client as people and ssh use it: profiles, codes from every source, both families, errors and exit codes.
. "$(dirname "$0")/lib.sh"
begin client
movable_clock
# No name server answers in a network of our own: what is in no file has no address, without five seconds of patience.
export RES_OPTIONS="timeout:1 attempts:1"
configure
ENROLL_HOST=192.0.2.1 enroll anna laptop --factor totp
ENROLL_HOST=both.example enroll anna robot --factor hmac
ENROLL_HOST=ops.example enroll ops jump --factor none
secret=$(cat "$D/etc/credentials/anna.laptop.otp")
sed -i '/otp_secret/d' "$D/profiles/anna-laptop.yaml"
start
READS=yes listen 22 80
P=(--profiles "$D/profiles")
# The user's own settings; profiles are looked for elsewhere, so each is named by its path.
export XDG_CONFIG_HOME=$D/config
SETTINGS=$XDG_CONFIG_HOME/xknock/config.yaml
mkdir -m 700 "$D/config" "$D/config/xknock"
# otp_command WORDS: a list, in YAML, for anna-laptop's profile.
otp_command() { (umask 077 && printf 'otp_command:\n  %s: [%s]\n' "$(profile anna-laptop)" "$1" >"$SETTINGS"); }
code() { oathtool --totp -b "$secret"; }
# status_of CODE WHAT COMMAND...: the command ends with this code.
status_of() {
	local wanted=$1 what=$2 got=0
	shift 2
	"$@" >"$D/out" 2>"$D/err" </dev/null || got=$?
	equal "$what" "$got" "$wanted"
}
client() { in_cli "$CLIENT" "$@"; }
knocked() { ctl stats --json | sed -n '/"filter": {/,/}/s/ *"candidate": \([0-9]*\),*/\1/p'; }
shut() { ctl close 0.0.0.0/0 >/dev/null; ctl close ::/0 >/dev/null; }

say "usage"
status_of 2 "no command" client
status_of 2 "an unknown command" client knock
status_of 2 "no host" client open
status_of 2 "port 0" client proxy 192.0.2.1 0
status_of 2 "port 65536" client proxy 192.0.2.1 65536
status_of 2 "a port with a letter" client proxy 192.0.2.1 22x
status_of 2 "a host that looks like an option" client proxy -oProxyCommand=x 22
status_of 2 "a service that is none" client open both.example "${P[@]}" 'a b'
status_of 2 "a lifetime that is none" client open both.example "${P[@]}" --lifetime 5
status_of 2 "a port that is none" client open both.example "${P[@]}" tcp/0
status_of 2 "a source that is none" client open both.example "${P[@]}" --source 192.0.2
status_of 0 "help" client --help
status_of 0 "version" client --version

say "profiles"
status_of 78 "no profile for the host" client open nowhere.example "${P[@]}"
contains "says where it looked" "$(cat "$D/err")" "no profile in \"$D/profiles\" is for host \"nowhere.example\""
chmod 644 "$D/profiles/ops-jump.yaml"
status_of 78 "a profile that others can read" client open ops.example --profile "$D/profiles/ops-jump.yaml"
contains "says so" "$(cat "$D/err")" "can be read by others (mode 0644)"
contains "and what to do" "$(cat "$D/err")" "chmod 0600"
status_of 78 "it is not found by its host either" client open ops.example "${P[@]}"
chmod 600 "$D/profiles/ops-jump.yaml"
cp "$D/profiles/ops-jump.yaml" "$D/profiles/twin.yaml"
status_of 78 "two profiles for one host" client open ops.example "${P[@]}"
contains "are both named" "$(cat "$D/err")" "ops-jump.yaml\" and \"$D/profiles/twin.yaml\" are both for host"
rm "$D/profiles/twin.yaml"
sed 's/^key:.*/key: short/; $ a wiat: 3s' "$D/profiles/ops-jump.yaml" >"$D/profiles/broken.yaml"
chmod 600 "$D/profiles/broken.yaml"
status_of 78 "a broken profile" client open x --profile "$D/profiles/broken.yaml"
if [ -z "${XK_CLIENT:-}" ]; then
	contains "every fault with its place" "$(cat "$D/err")" 'broken.yaml:7:6: the key is not base64 of 32 bytes'
	contains "the second fault" "$(cat "$D/err")" 'unknown key "wiat" (did you mean "wait"?)'
else # it says the first fault alone
	contains "the first fault with its line" "$(cat "$D/err")" 'broken.yaml:7: key is not what docs/client.md has'
fi
rm "$D/profiles/broken.yaml"
status_of 0 "a profile is found by its alias" client status anna-laptop "${P[@]}"
status_of 0 "in any case" client status ANNA-Laptop "${P[@]}"
sed -i '1i name: office' "$D/profiles/anna-laptop.yaml"
status_of 0 "by a name that it gives itself" client status Office "${P[@]}"
contains "and the host is meant" "$(cat "$D/out")" "address     192.0.2.1 from 192.0.2.2"
status_of 0 "then by its file's name too" client status anna-laptop "${P[@]}"
sed -i '/^name: office/d' "$D/profiles/anna-laptop.yaml"
sed 's/^factor:.*/&\nwait: 0s/' "$D/profiles/ops-jump.yaml" >"$D/profiles/broken.yaml"
chmod 600 "$D/profiles/broken.yaml"
status_of 78 "a wait that would never knock" client open x --profile "$D/profiles/broken.yaml"
rm "$D/profiles/broken.yaml"

say "the client's clock"
faked() { # SECONDS
	set_clock "$D/its-clock" $((AHEAD + $1 * 1000000000))
	XK_CLOCK=$D/its-clock client open 192.0.2.1 ssh --profile anna-robot "${P[@]}"
}
# Behind is for unit.authz: here the daemon refuses what is of before its start.
status_of 0 "twenty seconds ahead is good enough" faked 20
shut
sed -i '$ a wait: 1s' "$D/profiles/anna-robot.yaml"
before=$(stat filter tag)
status_of 1 "five minutes behind is not" faked -300
contains "and the clock is among what may be wrong" "$(cat "$D/err")" clock
[ "$(stat filter tag)" -gt "$before" ] || fail "the packets of a wrong clock did not reach the filter"
sed -i '/^wait: 1s/d' "$D/profiles/anna-robot.yaml"

say "codes"
before=$(knocked)
status_of 1 "no terminal to ask on" setsid --wait nsenter --net="/run/netns/$CLI" "$CLIENT" open 192.0.2.1 "${P[@]}"
contains "is said" "$(cat "$D/err")" "no terminal to ask on"
status_of 1 "a code of five digits" client open 192.0.2.1 "${P[@]}" --otp 12345
contains "is refused before anything is sent" "$(cat "$D/err")" "a code has 6 digits"
equal "nothing was sent so far" "$(knocked)" "$before"
status_of 0 "--otp, with the blank that authenticators show" client open 192.0.2.1 "${P[@]}" --otp "$(code | sed 's/.../& /')"
contains "the port is said to be open" "$(cat "$D/err")" "tcp/22 of 192.0.2.1 open"
before=$(knocked)
status_of 0 "while the port answers nobody needs to knock" client open 192.0.2.1 "${P[@]}" --otp 000000
contains "and that is said" "$(cat "$D/err")" "answers without a knock"
equal "and nothing was sent" "$(knocked)" "$before"
shut

if [ -z "${XK_CLIENT:-}" ]; then # xknock.py runs no programs
	say "the code was used; the program that gives codes is asked again in the next slot"
	otp_command "oathtool, --totp, -b, \"$secret\""
	late_in_step
	status_of 0 "and then the grant opens" client open 192.0.2.1 "${P[@]}"
	otp_command 'sh, -c, "exit 3"'
	shut
	status_of 1 "a program that fails" client open 192.0.2.1 "${P[@]}"
	contains "is said" "$(cat "$D/err")" '"sh" failed'
	rm "$SETTINGS"
fi
shut

say "a profile from somebody else runs nothing and moves no cursor"
esc=$(printf '\033')
printf 'otp_command: [touch, "%s/ran"]\n' "$D" | cat "$(profile anna-laptop)" - >"$D/profiles/evil.yaml"
chmod 600 "$D/profiles/evil.yaml"
status_of 78 "one with otp_command is refused" client open 192.0.2.1 --profile "$D/profiles/evil.yaml"
[ -n "${XK_CLIENT:-}" ] || # to which it is an unknown key
	contains "it is said why" "$(cat "$D/err")" "a profile runs no program: it may be from somebody else (otp_command stands in ~/.config/xknock/config.yaml)"
refuse "and nothing was run" test -e "$D/ran"
rm "$D/profiles/evil.yaml"
if [ -z "${XK_CLIENT:-}" ]; then # xknock.py has no settings
	otp_command "touch, \"$D/ran\""
	chmod 644 "$SETTINGS"
	status_of 78 "nor by settings that others can read" client open 192.0.2.1 "${P[@]}"
	chmod 600 "$SETTINGS"
	sed -i "s|$D/profiles/anna-laptop.yaml|anna-laptop|" "$SETTINGS"
	status_of 1 "a name means the profile in the user's own directory, not one that is called so elsewhere" \
		setsid --wait nsenter --net="/run/netns/$CLI" "$CLIENT" open 192.0.2.1 "${P[@]}"
	contains "nobody gave a code" "$(cat "$D/err")" "no terminal to ask on"
	refuse "and nothing was run by it either" test -e "$D/ran"
	cp "$(profile anna-laptop)" "$D/config/xknock/"
	status_of 1 "in that directory it does" client open 192.0.2.1
	check "the program was run" test -e "$D/ran"
	echo 'otp_comand: {}' >>"$SETTINGS"
	status_of 78 "a fault in the settings is one" client open 192.0.2.1
	contains "with its place" "$(cat "$D/err")" "config.yaml:3:1: unknown key \"otp_comand\""
	rm -r "$SETTINGS" "$D/config/xknock/anna-laptop.yaml"
fi
evil="$D/profiles/a${esc}]0;evil${esc}[2J.yaml"
sed 's/^key:.*/key: "\\u001b[2Jshort"/' "$(profile ops-jump)" >"$evil"
printf 'name: "ops\\u001b[31m\\u009b2J\\u202e"\nserver: "\\u001b[2J"\nkey2: 1\n' >>"$evil"
sed -i '/^service:/d' "$evil"
printf 'service: "\\u001b[2J"\n' >>"$evil"
chmod 600 "$evil"
status_of 78 "faults of an evil profile" client open x --profile "$evil"
cat "$D/out" "$D/err" >"$D/printed"
sed -i "s|^key:.*|$(grep ^key: "$(profile ops-jump)")|; /^key2/d" "$evil"
for words in "status ops.example" "open ops.example" "close ops.example" "open ops.example ssh" "proxy ops.example 22"; do
	# shellcheck disable=SC2086  # words they are
	client $words --profile "$evil" </dev/null >"$D/out" 2>"$D/err" || true
	cat "$D/out" "$D/err" >>"$D/printed"
done
sed -i '/^server:/d' "$evil"
client status 192.0.2.1 --profile "$evil" >>"$D/printed" 2>&1 || true
contains "its texts were printed" "$(cat "$D/printed")" 'ops\x1b[31m\xc2\x9b2J\xe2\x80\xae'
refuse "and hold nothing that a terminal obeys" grep -aP '[^\x20-\x7e\n]' "$D/printed"
rm "$evil"

say "at the terminal"
# A terminal of its own, while standard input and output are ssh's: pipes.
on_terminal() { in_cli socat -t 60 - "EXEC:$*,pty,setsid,ctty,stderr,rawer,isig,echo"; }
cat >"$D/proxy" <<-C
	#!/bin/sh
	trap : INT
	printf 'to the server' | $CLIENT proxy 192.0.2.1 22 ${P[*]} >$D/stream 2>$D/err
	echo "ended \$?"
	stty -a </dev/tty | grep -o '.echo '
C
chmod +x "$D/proxy"
next_step
fresh=$(code)
# shellcheck disable=SC2094  # what is typed waits for what is asked
{
	eventually 10 grep -q Code "$D/tty" || true
	printf '%s\n' "$fresh"
	eventually 20 grep -q ended "$D/tty" || true
} | on_terminal "$D/proxy" >"$D/tty" 2>&1
contains "the question is on the terminal" "$(cat "$D/tty")" "Code for anna-laptop:"
lacks "the code is not shown" "$(cat "$D/tty")" "$fresh"
contains "the connection stood" "$(cat "$D/tty")" "ended 0"
equal "ssh's stream holds what the server said, and nothing else" "$(cat "$D/stream")" hello
contains "the terminal shows what is typed again" "$(cat "$D/tty")" " echo "
shut
before=$(knocked)
# shellcheck disable=SC2094  # as above
{
	eventually 10 grep -q Code "$D/tty2" || true
	printf '\003'
	eventually 10 grep -q ended "$D/tty2" || true
} | on_terminal "$D/proxy" >"$D/tty2" 2>&1 || true
contains "Ctrl-C ends it" "$(cat "$D/tty2" "$D/err")" "interrupted"
contains "with an error" "$(cat "$D/tty2")" "ended 1"
contains "and gives the terminal back" "$(cat "$D/tty2")" " echo "
equal "and nothing was sent" "$(knocked)" "$before"
# shellcheck disable=SC2016  # for the other shell
printf '#!/bin/sh\nprintf "%%s" "$1" >%s/asked\ndate +%%6N\n' "$D" >"$D/askpass"
chmod +x "$D/askpass"
sed -i '/^wait:/d; $ a wait: 1s' "$D/profiles/anna-laptop.yaml"
if [ -z "${XK_CLIENT:-}" ]; then # xknock.py runs no programs
	SSH_ASKPASS=$D/askpass SSH_ASKPASS_REQUIRE=force status_of 1 "without a terminal SSH_ASKPASS is asked" \
		setsid --wait nsenter --net="/run/netns/$CLI" "$CLIENT" open 192.0.2.1 "${P[@]}"
	contains "with the question" "$(cat "$D/asked")" "Code for anna-laptop: "
	contains "and is asked again" "$(cat "$D/asked")" "that code did not open the port"
	contains "a wrong code opens nothing, and the message says what may be wrong" "$(cat "$D/err")" "was the code right"
fi

say "names with several addresses"
printf '127.0.0.1 localhost\n2001:db8::1 both.example\n192.0.2.1 both.example\n' >"$D/hosts"
printf '2001:db8::99 half.example\n192.0.2.1 half.example\n' >>"$D/hosts"
sed -i 's/"both.example"/"both.example", "half.example"/' "$D/profiles/anna-robot.yaml"
with_hosts() { unshare -m sh -c "mount --bind '$D/hosts' /etc/hosts && exec \"\$@\"" _ nsenter --net="/run/netns/$CLI" "$@"; }
status_of 0 "both families work: the first is taken" with_hosts "$CLIENT" open both.example "${P[@]}"
contains "the grant is for the family of the connection" "$(ctl grants)" "2001:db8::2"
lacks "and for no other" "$(ctl grants)" "192.0.2.2"
shut
status_of 0 "one address is dead: the next is tried" with_hosts "$CLIENT" open half.example "${P[@]}"
contains "the knock came by the family that then connected" "$(ctl grants)" "192.0.2.2"
shut
status_of 1 "a name without an address" client open both.example "${P[@]}" --profile anna-robot
contains "is said" "$(cat "$D/err")" "has no address"

say "a name with sixty addresses: eight of them, the families by turns, within the profile's wait"
for i in $(seq 100 159); do printf '2001:db8::%s many.example\n' "$i"; done >>"$D/hosts"
printf '192.0.2.1 many.example\n' >>"$D/hosts"
sed -i 's/"half.example"/"half.example", "many.example"/' "$D/profiles/anna-robot.yaml"
status_of 0 "the one that lives is reached" with_hosts "$CLIENT" open many.example "${P[@]}"
contains "though sixty dead ones stand before it" "$(ctl grants)" "192.0.2.2"
shut
sed -i '/^192.0.2.1 many/d' "$D/hosts"
sed -i '$ a wait: 4s' "$D/profiles/anna-robot.yaml"
# What is sent is the client's own doing, whatever else the machine has to do.
status_of 1 "where none lives it gives up" strace -f -qq -ttt -e trace=connect,sendto -o "$D/sent" unshare -m sh -c \
	"mount --bind '$D/hosts' /etc/hosts && exec nsenter --net='/run/netns/$CLI' '$CLIENT' open many.example ssh --profiles '$D/profiles'"
equal "and has tried eight" "$(grep 'htons(22)' "$D/sent" | grep -o '"2001:db8::1[0-9][0-9]"' | sort -u | wc -l)" 8
knocks=$(grep -c 'sendto(.*, 192, ' "$D/sent")
if [ "$knocks" -lt 8 ] || [ "$knocks" -gt 16 ]; then fail "it knocked $knocks times"; fi
say "with $knocks packets: each had half a second of the four"
sed -i '/^wait: 4s/d' "$D/profiles/anna-robot.yaml"

say "a code that was used, on a host whose first address is dead: the next slot's code reaches the second one"
ENROLL_HOST=half.example enroll anna desk --factor totp
check "the server knows the device" ctl reload
in_cli "$CLIENT" open 192.0.2.1 ssh --profile anna-desk "${P[@]}" 2>/dev/null
shut
mv "$D/profiles/anna-robot.yaml" "$D/robot.yaml" # it has the same host
late_in_step
status_of 0 "open" with_hosts "$CLIENT" open half.example "${P[@]}"
shut
mv "$D/robot.yaml" "$D/profiles/anna-robot.yaml"
rm "$D/profiles/anna-desk.yaml"

say "close reaches the grant whichever address it was opened by"
status_of 0 "opened by the second address" with_hosts "$CLIENT" open half.example "${P[@]}"
equal "one grant" "$(grants)" 1
status_of 0 "closed" with_hosts "$CLIENT" close half.example "${P[@]}"
none() { [ "$(grants)" = 0 ]; }
eventually 5 none || fail "the grant stays open"

if [ -z "${XK_CLIENT:-}" ]; then # xknock.py runs no programs
	say "programs that give codes"
	try_code() {
		otp_command "sh, -c, \"$2\""
		status_of 1 "$1" client open 192.0.2.1 "${P[@]}"
	}
	try_code "one that says too much" "head -c 5000 /dev/zero | tr '\\\\0' 1"
	contains "is said" "$(cat "$D/err")" "says too much for a code"
	try_code "one that counts on SIGPIPE" "yes 1 | head -n 1"
	contains "gets it as it is" "$(cat "$D/err")" "a code has 6 digits"
	rm "$SETTINGS"
fi

say "proxy"
background "$SRV" socat TCP-LISTEN:443,fork,reuseaddr EXEC:'md5sum'
eventually 5 listening 443
robot() { client "$1" 192.0.2.1 "${@:2}" --profile anna-robot "${P[@]}"; }
sum=$(head -c 3000000 /dev/zero | tee >(md5sum >"$D/sum") | robot proxy 443)
equal "the end of input is passed on, and the answer comes back whole" "$sum" "$(cat "$D/sum")"
head -c 5000000 /dev/urandom >"$D/big"
background "$SRV" socat -u "OPEN:$D/big" TCP-LISTEN:25,reuseaddr 2>/dev/null
eventually 5 listening 25
# The reader is slow, and our input stays open while the server speaks.
sum=$(sleep 1 | robot proxy 25 | { sleep 0.5; md5sum; })
equal "what the server sends arrives whole at a slow reader" "$sum" "$(md5sum <"$D/big")"
# The server ends first while our input stays open; standard input and output are one socket.
background "$SRV" socat TCP-LISTEN:26,reuseaddr SYSTEM:'echo bye' 2>/dev/null
eventually 5 listening 26
out=$(in_cli timeout 20 socat -u EXEC:"$CLIENT proxy 192.0.2.1 26 --profile anna-robot ${P[*]}" - || echo "hangs")
equal "the server's end comes through, where input and output are one socket" "$out" bye
out=$(robot proxy 80 </dev/null)
equal "input that ends at once cuts nothing off" "$out" hello

say "an address that the server got after its start"
ip -n "$SRV" addr add 192.0.2.77/24 dev host0
status_of 0 "hears knocks too" client open 192.0.2.77 ssh --profile anna-robot "${P[@]}"
ip -n "$SRV" addr del 192.0.2.77/24 dev host0

say "open and close"
shut
status_of 0 "a service by name" robot open web
equal "opens all of its ports" "$(grants)" 2
shut
status_of 0 "one of its ports" robot open tcp/80
equal "is one grant" "$(grants)" 1
status_of 0 "that one port answers does not keep the others shut" robot open web
equal "all are open" "$(grants)" 2
status_of 0 "nor does a port that answers keep a longer time away" robot open tcp/80 --lifetime 20m
contains "it got it" "$(ctl grants | tr -s ' ')" "tcp/80 web 20m"
status_of 0 "a shorter one" robot open tcp/80 --lifetime 5s
lacks "does not take it back" "$(in_srv nft list set inet xknock grants4 | tr -d '\n')" "80 timeout 5s"
status_of 0 "with a lifetime" robot open ssh --lifetime 7s
[ "$(ctl grants --json | tr -d ' \n' | grep -o '"endpoint":"tcp/22","expires_in_s":[0-9]*' | grep -o '[0-9]*$')" -le 7 ] ||
	fail "the lifetime was not taken"
status_of 0 "close one" robot close ssh
ssh_is_closed() { ! ctl grants | matches tcp/22; }
eventually 5 ssh_is_closed || fail "close does not close"
equal "leaves the others" "$(grants)" 2
status_of 0 "close all" robot close --all
no_grants() { [ "$(grants)" = 0 ]; }
eventually 5 no_grants || fail "close --all does not close"
status_of 0 "open without waiting" robot open vpn --no-wait
vpn_is_open() { ctl grants | matches udp/51820; }
eventually 5 vpn_is_open || fail "open --no-wait opens nothing"

if [ -z "${XK_CLIENT:-}" ]; then # xknock.py has no --for
	say "for somebody else"
	client open 192.0.2.1 ssh --profile ops-jump "${P[@]}" --for 198.51.100.66 2>/dev/null
	reaches refused delegation 1
	say "not without the right to"
	sed -i '$ a binding: explicit' "$D/etc/users/ops.yaml"
	ctl reload >/dev/null
	client open 192.0.2.1 ssh --profile ops-jump "${P[@]}" --for 198.51.100.66 2>/dev/null
	eventually 5 can_connect "$STR" 198.51.100.1 22 || fail "delegation does not open"
	say "and with it the other address gets in"
	shut
fi

say "a server that answers as closed does not confuse the client"
echo 'stealth: closed' >>"$D/etc/xknock.yaml"
ctl reload >/dev/null
status_of 0 "the grant opens all the same" robot open ssh
stop
pass
