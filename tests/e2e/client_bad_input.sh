#!/bin/bash
# SPDX-License-Identifier: MIT
# What knock-client says to what is wrong, and what it tells of its profiles: each fault is refused for its own reason, before
# anything is sent, with the exit code of docs/client.md.
. "$(dirname "$0")/lib.sh"
begin client_bad_input
movable_clock
export RES_OPTIONS="timeout:1 attempts:1"
configure
ENROLL_HOST=server.example enroll anna robot --factor hmac
ENROLL_HOST=192.0.2.1 enroll anna laptop --factor totp
sed -i '/otp_secret/d' "$(profile anna-laptop)"
start
READS=yes listen 22 80
P=(--profiles "$D/profiles")
client() { in_cli "$CLIENT" "$@"; }
# status_of CODE WHAT COMMAND...
status_of() {
	local wanted=$1 what=$2 got=0
	shift 2
	"$@" >"$D/out" 2>"$D/err" </dev/null || got=$?
	equal "$what" "$got" "$wanted"
}
said() { contains "$1" "$(cat "$D/out" "$D/err")" "$2"; }
knocked() { ctl stats --json | sed -n '/"filter": {/,/}/s/ *"candidate": \([0-9]*\),*/\1/p'; }
shut() { ctl close 0.0.0.0/0 >/dev/null; }

before=$(knocked)
say "a profile that is refused is named with its reason, also where it was looked for"
search() { status_of 78 "$1" client open server.exmple "${P[@]}"; }
search "a host with a slip of the hand"
said "is taken for the nearest one" 'did you mean "server.example"?'
R=$(profile anna-robot)
chmod 640 "$R"
search "a mode that lets others read"
said "is the reason" "refused: \"$R\" can be read by others (mode 0640)"
said "with its remedy" "chmod 0600 $R"
chmod 600 "$R"
mv "$R" "$D/elsewhere.yaml"
ln -s "$D/elsewhere.yaml" "$R"
search "a link"
said "is the reason" "refused: \"$R\" is a symbolic link"
rm "$R"
ln "$D/elsewhere.yaml" "$R"
search "a second name"
said "is the reason" "refused: \"$R\" has a second hard link"
rm "$D/elsewhere.yaml"
chown 12345 "$R"
search "an owner who is a stranger"
said "is the reason" "refused: \"$R\" belongs to uid 12345"
chown 0 "$R"
chmod 770 "$D/profiles"
search "a directory that others can write to"
said "is the reason" "\"$D/profiles\" can be written by others (mode 0770)"
chmod 700 "$D/profiles"
status_of 78 "a directory that is not there" client open server.example --profiles "$D/nowhere"
said "is the reason" "\"$D/nowhere\": No such file or directory"

say "arguments"
status_of 2 "a service that the profile does not have" client open 192.0.2.1 wbe "${P[@]}" --otp 123456
said "is a fault" "\"wbe\" is not among the services of \"$(profile anna-laptop)\""
said "and the nearest is named" 'did you mean "web"?'
status_of 2 "not one that is like it" client open 192.0.2.1 telephone "${P[@]}" --otp 123456
said "then all are named" "it has ssh, vpn, web"
status_of 2 "the same for close" client close 192.0.2.1 wbe "${P[@]}" --otp 123456
status_of 2 "for test" client test 192.0.2.1 wbe "${P[@]}" --otp 123456
status_of 2 "for status" client status 192.0.2.1 wbe "${P[@]}"
for code in 12345 1234567 12345x '' '１２３４５６'; do
	status_of 1 "code '$code'" client open 192.0.2.1 "${P[@]}" --otp "$code"
	said "has another form" "a code has 6 digits"
done
status_of 2 "a number that is no port" client open 192.0.2.1 65536 "${P[@]}" --otp 123456
status_of 2 "an option that there is not" client open 192.0.2.1 --lifetme 5m "${P[@]}"
status_of 2 "one that this verb does not have" client status 192.0.2.1 --lifetime 5m "${P[@]}"
status_of 2 "an option without its value" client --profile
status_of 2 "install and remove at once" client ssh-config 192.0.2.1 "${P[@]}" --install --remove

say "standard descriptors that are closed"
closed() { local what=$1; shift; status_of "$1" "$what" "${@:2}"; }
robot_proxy=("$CLIENT" proxy 192.0.2.1 22 --profile anna-robot "${P[@]}")
closed "proxy without input" 2 in_cli sh -c '"$@" <&-' _ "${robot_proxy[@]}"
said "is refused" "standard input is closed"
closed "without output" 2 in_cli sh -c '"$@" >&-' _ "${robot_proxy[@]}"
said "is refused" "standard output is closed"
closed "without both" 2 in_cli sh -c '"$@" <&- >&-' _ "${robot_proxy[@]}"
closed "status without output" 1 in_cli sh -c '"$@" >&-' _ "$CLIENT" status 192.0.2.1 "${P[@]}"
closed "output that is full" 1 in_cli sh -c '"$@" >/dev/full' _ "$CLIENT" ls "${P[@]}"
equal "nothing was sent for all of this" "$(knocked)" "$before"
closed "open without any of the three" 0 in_cli sh -c '"$@" <&- >&- 2>&-' _ "$CLIENT" open 192.0.2.1 --profile anna-robot "${P[@]}"
equal "opens" "$(grants)" 1
shut

say "the probe"
status_of 0 "test" client test 192.0.2.1 --profile anna-robot "${P[@]}"
said "says where the answer is" "Its log says \"probe by\""
probed() { grep -q "probe by anna/robot from 192.0.2.2" "$D/log"; }
check "the server judged it" eventually 10 probed
equal "and opened nothing" "$(grants)" 0

say "a clock that is wrong"
# The test's hardware clock stands while the client waits, so a span is a pattern. off SECONDS WITH WORDS: the client's clock is ahead by so much, with_hardware_clock or without one (env).
off() {
	set_clock "$D/its-clock" $((AHEAD + $1 * 1000000000))
	XK_CLOCK=$D/its-clock XK_SYNCHRONISED=no status_of 1 "by $1 s" "$2" nsenter --net="/run/netns/$CLI" "$CLIENT" open 192.0.2.1 \
		--profile anna-robot "${P[@]}"
	matches -e "$3" <"$D/err" || fail "it is not told: '$3' does not match $(cat "$D/err")"
}
remedy='hint: set the clock right first ("timedatectl set-ntp true" or "chronyc makestep", as root)'
sed -i '$ a wait: 1s' "$R"
for case in "45:[45]. s ahead of" "-45:[1-4]. s behind" "3600:1 h ahead of" "-3630:1 h behind" \
	"86400:1 d ahead of" "-86430:1 d behind"; do
	touch -d @0 "$XDG_STATE_HOME/xknock/used/"*
	off "${case%%:*}" with_hardware_clock "${case#*:} the hardware clock: one of them is wrong"
	said "with what to do" "$remedy"
done
touch "$XDG_STATE_HOME/xknock/used/"*
off -86400 env "before this profile was used last: it is wrong, or it was wrong then"
said "with what to do" "$remedy"
off 86400 env "this machine's clock is not synchronised; it says $(date -d "+1 day" "+%Y-%m-%d ")"
said "though only a person can compare it" 'is the clock right ("timedatectl" says more)?'
XK_SYNCHRONISED=yes status_of 1 "of a clock that is right" with_hardware_clock nsenter --net="/run/netns/$CLI" "$CLIENT" \
	open 192.0.2.1 443 --profile anna-laptop "${P[@]}" --otp 000000
said "that is said" "this machine's clock is synchronised"
lacks "and no more" "$(cat "$D/err")" "the clock right"
equal "a clock that is wrong opened nothing" "$(grants)" 0
sed -i '/^wait: 1s/d' "$R"

say "words in any order"
status_of 0 "options before the verb" client --profiles "$D/profiles" --profile anna-robot open 192.0.2.1
shut
status_of 0 "on both sides, with a value that is a verb's name" client --lifetime 1m "${P[@]}" open --profile anna-robot 192.0.2.1
check "the lifetime was taken" grep -q "granted anna/robot ssh from 192.0.2.2 (tcp/22) for 1m" "$D/log"
shut
status_of 0 "a bare number is a TCP port" client open 192.0.2.1 80 --profile anna-robot "${P[@]}"
contains "of that number" "$(ctl grants)" tcp/80
shut

say "ls and status"
sed 's/^credential:.*/credential: "0011223344556677"/; s/^hosts:.*/hosts: ["\\e[2Jx"]/' "$R" >"$D/profiles/new.yaml"
echo 'key: short' >"$D/profiles/faulty.yaml"
chmod 600 "$D/profiles/"*
status_of 1 "a port that does not open" client open 192.0.2.1 443 --profile anna-laptop "${P[@]}" --otp 000000
status_of 0 "ls" client ls "${P[@]}"
said "has the file and the hosts" "anna-robot ($R)
  hosts       server.example
  factor      hmac
  last use    opened "
said "one that failed" "anna-laptop ($(profile anna-laptop))
  hosts       192.0.2.1
  factor      totp, asked for
  last use    failed "
said "one that was never used" "last use    never"
said "one that is refused" "$D/profiles/faulty.yaml
  refused     "
said "texts of others are harmless" 'hosts       \x1b[2Jx'
client ls --json "${P[@]}" | python3 -c '
import json, sys
by = {one.get("profile", one["file"].rsplit("/")[-1]): one for one in json.load(sys.stdin)}
assert by["anna-robot"]["outcome"] == "opened" and by["anna-robot"]["hosts"] == ["server.example"], by
assert by["anna-laptop"]["outcome"] == "failed" and by["anna-laptop"]["asks"] is True, by
assert "last_use" not in by["new"] and "refused" in by["faulty.yaml"], by
' || fail "ls --json"
say "ls --json"
status_of 0 "open" client open 192.0.2.1 --profile anna-robot "${P[@]}"
client status 192.0.2.1 ssh --json --profile anna-robot "${P[@]}" | python3 -c '
import json, sys
status = json.load(sys.stdin)
assert status["profile"] == "anna-robot" and status["port"] == "tcp/22" and status["asks"] is False, status
assert isinstance(status["clock_synchronised"], bool) and isinstance(status["clock_doubtful"], bool), status
assert [(a["address"], a["source"], a["behind_nat"], a["answers"]) for a in status["addresses"]] == [
    ("192.0.2.1", "192.0.2.2", False, True)], status
' || fail "status --json"
say "status --json"
client test 192.0.2.1 --profile anna-robot "${P[@]}" 2>/dev/null
contains "of what was only sent nobody knows more" "$(client ls "${P[@]}")" "last use    sent "
equal "and its memory is this user's alone" "$(find "$XDG_STATE_HOME" -type f -not -perm 600)" ""

say "a profile with a terminal's commands in every text"
mkdir -m 700 "$D/evil"
sed '/^hosts:/d' "$R" >"$D/evil/evil.yaml"
cat >>"$D/evil/evil.yaml" <<-'C'
	hosts: ["\e[2J\x9bx", "192.0.2.1"]
	name: "\e[2J\x9bname"
	stun: "\e[2J\x9bstun"
C
sed 's/^knock_port:.*/knock_port: "\\e[2J"/' "$R" >"$D/evil/faulty.yaml"
chmod 600 "$D/evil/"*
# harmless CODE WHAT COMMAND...
harmless() {
	status_of "$@"
	cat "$D/out" "$D/err" | matches -aP '[^\x20-\x7e]' && fail "it shows what a terminal obeys: $(cat -v "$D/out" "$D/err")"
	say "shows nothing that a terminal obeys"
}
E=(--profiles "$D/evil")
harmless 0 "ls" client ls "${E[@]}"
said "has its name" '\x1b[2J\xc2\x9bname ('
harmless 0 "ls --json" client ls --json "${E[@]}"
harmless 0 "status" client status 192.0.2.1 "${E[@]}"
harmless 0 "status --json" client status 192.0.2.1 --json "${E[@]}"
harmless 0 "open -v" client open 192.0.2.1 -v "${E[@]}"
harmless 2 "a service that it does not have" client open 192.0.2.1 wbe "${E[@]}"
harmless 78 "a host that it is not for" client open nowhere "${E[@]}"
harmless 78 "a host that is like its own" client open "$(printf '\033[2J\302\233y')" "${E[@]}"
harmless 0 "test" client test 192.0.2.1 "${E[@]}"
harmless 0 "close" client close 192.0.2.1 "${E[@]}"
shut

say "a name with sixty addresses"
{ printf '127.0.0.1 localhost\n' && printf '192.0.2.%s many.example\n' {100..159}; } >"$D/hosts"
many() { unshare -m sh -c "mount --bind '$D/hosts' /etc/hosts && exec \"\$@\"" _ nsenter --net="/run/netns/$CLI" "$CLIENT" "$@"; }
status_of 0 "status" many status many.example --profile "$R"
equal "eight of them count" "$(grep -c '^address' "$D/out")" 8
pass
