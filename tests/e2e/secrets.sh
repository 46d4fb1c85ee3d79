#!/bin/bash
# SPDX-License-Identifier: MIT
# Where secrets are, and where they are not: through the whole life of a server (enrolling, knocks good, wrong and
# replayed, bans, reloads good and bad, every verb of knockctl, every source of codes) no key, secret or code gets into a
# log, an output, a command line, an environment, a packet or a file that is not its own; files, sockets and processes have
# the rights that the design gives them; in memory keys are where they must be, locked, and nowhere else.
#
# A sanitizer has memory and habits of its own: these are the programs as they are shipped.
. "$(dirname "$0")/lib.sh"
begin secrets

SINCE=$(date +%s)
# hunt.py knows every secret below etc/ in every form; what is planted are codes that are nobody's.
hunt() { SINCE=$SINCE PLANTED="31415926 27182818" python3 "$E2E/hunt.py" "$D/etc" "$@"; }
# nowhere WHAT FILE...: nothing secret is in any of the files. EXCEPT: a pattern of hits that are no secret there.
nowhere() {
	local what=$1 hits
	shift
	[ $# -gt 0 ] || fail "$what: no files"
	hits=$(hunt files "$@" | grep -vE "${EXCEPT:-^$}" || true)
	[ -z "$hits" ] || fail "$what: $hits"
	say "$what"
}
# record CHECK...: what the command of a check said is searched at the end
record() { "$@" && cat "$D/out" >>"$D/said"; }

say "enrolling"
configure "control: {admin_group: 62010}"
umask 000 # the rights are not to depend on whoever enrolls or starts
enroll anna laptop --factor totp --digits 8
json=$D/keygen.json
EXCEPT='^anna.laptop factor base32 in' nowhere "keygen --json prints no key" "$json"
equal "and the secret once, for the authenticator" "$(grep -c "$(cat "$D/etc/credentials/anna.laptop.otp")" "$json")" 1
for device in desk tablet pad; do
	"$KNOCKCTL" keygen anna --device $device --digits 8 --host 192.0.2.1 -c "$D/etc/xknock.yaml" \
		--out "$D/profiles/anna-$device.yaml" >"$D/keygen.$device"
	EXCEPT="^anna.$device factor base32 in" nowhere "nor does keygen for people: $device" "$D/keygen.$device"
	equal "it prints the secret once" "$(grep -c "$(cat "$D/etc/credentials/anna.$device.otp")" "$D/keygen.$device")" 1
done
enroll anna robot --factor hmac
nowhere "for hmac it prints no secret at all" "$json"
enroll bob phone --factor none --service ssh
nowhere "nor for none" "$json"
refuse "a device that exists is refused" "$KNOCKCTL" keygen bob --device phone -c "$D/etc/xknock.yaml" --out "$D/twice"
nowhere "and that says nothing" "$D/out"
contains "the hunter finds a key where it is" "$(hunt files "$D/etc/credentials/bob.phone.key")" "bob.phone key base64 in"
number=$(hunt plant "$D/planted")
equal "and all of the $number forms" "$(hunt files "$D/planted" | sort -u | wc -l)" "$number"
rm "$D/planted"
sed -i '/otp_secret/d' "$D/profiles/anna-laptop.yaml"
export XDG_CONFIG_HOME=$D/config
mkdir -m 700 "$D/config" "$D/config/xknock"
(umask 077 && printf 'otp_command: {"%s": [python3, %s, %s, code, anna.desk]}\n' "$(profile anna-desk)" "$E2E/hunt.py" "$D/etc" \
	>"$D/config/xknock/config.yaml")
for device in tablet pad; do
	printf 'otp_secret: "%s"\n' "$(cat "$D/etc/credentials/anna.$device.otp")" >>"$D/profiles/anna-$device.yaml"
done

say "knocks"
background "$CLI" tcpdump -i cli0 -n -U --immediate-mode -w "$D/wire.pcap" udp port 62201 2>"$D/tcpdump.err"
eventually 5 grep -q listening "$D/tcpdump.err"
start
listen 22
background "$SRV" socat TCP6-LISTEN:80,fork,ipv6only=0 EXEC:cat
# Every command line and environment that a program of ours has or gives to another is in $D/exec.
traced() { strace -A -f -qq -v -s 65535 -e trace=execve,execveat -o "$D/exec" "$@"; }
client() { in_cli strace -A -f -qq -v -s 65535 -e trace=execve,execveat -o "$D/exec" "$CLIENT" "$@" </dev/null; }
control() { traced nsenter --net="/run/netns/$SRV" "$KNOCKCTL" --socket "$D/run/control.sock" "$@"; }
with() { client "$1" 192.0.2.1 "${@:3}" --profile "$(profile "$2")"; }
sed -i '$ a wait: 1s' "$D/profiles/anna-laptop.yaml"
code=$(hunt code anna.laptop)
record check "a code by --otp" with open anna-laptop ssh -v --otp "$code"
ctl close anna >/dev/null
record refuse "the same code once more" with open anna-laptop ssh -v --otp "$code"
record refuse "a wrong code" with open anna-laptop ssh -v --otp 27182818
"$PACKET" make --profile "$(profile anna-laptop)" --code 31415926 >"$D/packet"
in_cli "$PACKET" send "$D/packet" --to 192.0.2.1 --count 3
reaches refused wrong-code 2
reaches filter seen 2
record check "a code of a program" with open anna-desk ssh
ctl close anna >/dev/null
record check "a stored secret, as ssh's proxy" with proxy anna-tablet 22 -v
record check "closing" with close anna-pad --all -v
record check "an hmac key" with open anna-robot web -v
ctl close anna >/dev/null
record check "no factor" with open bob-phone ssh -v
record check "status" with status bob-phone
contains "the log has the refusals" "$(cat "$D/log")" "wrong-code"

say "knockctl"
for verb in status grants users stats bans; do
	record check "$verb" control $verb
	record check "$verb --json" control $verb --json
done
for words in "ban 203.0.113.9 --for 1h --reason secrets" "unban 203.0.113.9" "close bob" "unlock anna" "reload"; do
	# shellcheck disable=SC2086  # words they are
	record check "$words" control $words --json
done
record check "check" control check "$D/etc/xknock.yaml"

say "processes"
worker=$(worker_pid)
state_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | tr -s '\t' ' '; }
none=0000000000000000
for set in CapInh CapPrm CapEff CapBnd CapAmb; do equal "the worker: $set" "$(state_of "$worker" $set)" $none; done
for set in CapInh CapBnd CapAmb; do equal "xknockd: $set" "$(state_of "$DAEMON" $set)" $none; done
for set in CapPrm CapEff; do # NET_ADMIN, PERFMON, BPF
	equal "xknockd: $set" "$(state_of "$DAEMON" $set)" 000000c000001000
done
equal "the worker: a system call filter" "$(state_of "$worker" Seccomp)" 2
for set in Uid Gid; do
	equal "the worker: $set" "$(state_of "$worker" $set)" "$UID_WORKER $UID_WORKER $UID_WORKER $UID_WORKER"
	equal "xknockd: $set" "$(state_of "$DAEMON" $set)" "$UID_DAEMON $UID_DAEMON $UID_DAEMON $UID_DAEMON"
done
[ "$(state_of "$worker" VmLck | tr -dc 0-9)" -gt 0 ] || fail "the worker locks no memory"
say "the worker locks memory"
for pid in $worker $DAEMON; do
	equal "no new privileges" "$(state_of "$pid" NoNewPrivs)" 1
	equal "no groups" "$(state_of "$pid" Groups)" ""
	# What the kernel does for processes that must not be dumped.
	equal "what /proc shows is root's" "$(command stat -c %U "/proc/$pid/mem" "/proc/$pid/environ" | sort -u)" root
	refuse "and not its own user's" setpriv --reuid="$(state_of "$pid" Uid | cut -d' ' -f1)" --clear-groups cat "/proc/$pid/environ"
done
cat "/proc/$worker/"{cmdline,environ} "/proc/$DAEMON/"{cmdline,environ} >"$D/exec.daemon"

say "faults in files with secrets: what is said of them does not quote them"
for file in anna.robot.key anna.robot.otp anna.desk.otp; do
	path=$D/etc/credentials/$file good=$(cat "$D/etc/credentials/$file")
	cp -p "$path" "$D/aside"
	for bad in "$good!$good" "${good}1" "${good:0:30}" "key: $good"; do
		printf '%s\n' "$bad" >"$path"
		record refuse "$file of ${#bad} characters: reload" control reload
		record refuse "and check" control check "$D/etc/xknock.yaml"
	done
	cp -p "$D/aside" "$path"
done
for fault in 's/^key: "/&x/' 's/^key:/kye:/' 's/^key: /key /' 's/^key: \(.*\)/key: [\1, \1]/' 's/^key:.*/&\n&/' \
	's/^hmac_key: "\(.*\)"/hmac_key: "\1/' 's/^hmac_key:/otp_secret:/' 's/^factor: hmac/factor: totp/' 's/^hmac_key/key\t/'; do
	sed "$fault" "$(profile anna-robot)" >"$D/profiles/faulty.yaml"
	chmod 600 "$D/profiles/faulty.yaml"
	record refuse "a profile with $fault" with open faulty ssh
done
rm "$D/profiles/faulty.yaml"
check "all is well again" control reload


say "memory"
# memory WHO PID [STRING...]: what of all this its memory holds, into $D/WHO
memory() { hunt memory "${@:2}" >"$D/$1"; }
memory worker "$worker"
for who in anna.{laptop,desk,tablet,pad,robot} bob.phone; do
	for what in gate seal; do contains "the worker has what it judges by: $who $what" "$(cat "$D/worker")" "$who $what raw locked"; done
done
refuse "not the keys that these were made of, nor any code" grep -E ' (key|master|code) |planted' "$D/worker"
refuse "and all of it where it cannot be swapped or dumped" grep swappable "$D/worker"
memory xknockd "$DAEMON" "$D/etc/xknock.yaml"
equal "xknockd has nothing; what it does have was found" "$(cat "$D/xknockd")" "control $D/etc/xknock.yaml text swappable"

say "a client at work, as a user of its own"
install -m 600 -o 62030 -g 62030 "$(profile anna-robot)" "$D/robot.yaml"
mkfifo "$D/fifo"
nsenter --net="/run/netns/$CLI" setpriv --reuid=62030 --regid=62030 --clear-groups \
	"$CLIENT" proxy 192.0.2.1 80 --profile "$D/robot.yaml" <"$D/fifo" >"$D/stream" 2>"$D/stream.err" &
client=$!
exec {typed}>"$D/fifo"
echo hello >&"$typed"
eventually 10 grep -q hello "$D/stream" || fail "no connection: $(cat "$D/stream.err")"
equal "no core file" "$(sed -n 's/^Max core file size *//p' "/proc/$client/limits" | tr -s ' ')" "0 0 bytes "
equal "what /proc shows is root's" "$(command stat -c %U "/proc/$client/mem")" root
cat "/proc/$client/"{cmdline,environ} >"$D/exec.client"
memory client "$client"
for what in gate seal factor; do contains "the client locks: $what" "$(cat "$D/client")" "anna.robot $what raw locked"; done
refuse "another credential's is not there" grep -v '^anna.robot' "$D/client"
exec {typed}>&-

say "a secret in a file that is none"
printf 'key: "%s"\n' "$good" >>"$D/etc/credentials/bob.phone.yaml"
record refuse "is refused" control reload
kill -HUP "$DAEMON"
unknown() { [ "$(grep -c 'unknown key "key"' "$D/log")" -ge 2 ]; }
eventually 5 unknown || fail "SIGHUP says nothing"
sed -i '/^key:/d' "$D/etc/credentials/bob.phone.yaml"
record check "clock accept: knocks are refused from here on" control clock accept
in_srv nft list ruleset >>"$D/said"
stop

say "files"
# mode PATH MODE OWNER:GROUP
mode() { equal "${1#"$D/"}: $2" "$(command stat -c '%a %u:%g' "$1")" "$2 $3"; }
user=$UID_DAEMON:$UID_DAEMON
mode "$D/etc/credentials" 750 "0:$UID_DAEMON"
for file in "$D"/etc/credentials/*.{key,otp}; do mode "$file" 640 "0:$UID_DAEMON"; done
for file in "$D"/profiles/*.yaml; do mode "$file" 600 0:0; done
for file in run/state run/lock state/state; do mode "$D/$file" 600 "$user"; done
for directory in state bpf/xknock; do mode "$D/$directory" 700 "$user"; done
equal "no pin is anybody else's" "$(find "$D/bpf/xknock" -type f -perm /077)" ""
mode "$D/run" 755 "$user"
mode "$D/run/control.sock" 660 "$user" # and an access control list: control.sh
mapfile -t files < <(find "$D/etc" "$D/run" "$D/state" -type f ! -path '*/credentials/*.key' ! -path '*/credentials/*.otp')
nowhere "nothing in any other file of the server" "${files[@]}"

say "words"
check "the log was written" grep -F "granted anna/laptop ssh from 192.0.2.2" "$D/log"
nowhere "nothing in the log" "$D/log"
for word in "tcp/22 of 192.0.2.1 open" "did not open" '"uptime_s"' "is not a key" "not base64" "set grants4"; do
	check "what the programs said was kept: $word" grep -F "$word" "$D/said"
done
nowhere "nothing in it" "$D/said"
check "command lines were seen" grep -F "\"--otp\", \"$code\"" "$D/exec"
check "and environments" grep -F "\"PATH=$PATH\"" "$D/exec"
check "of programs that the client starts, too" grep -F '"code", "anna.desk"' "$D/exec"
EXCEPT="^(anna.laptop code|planted 27182818) text in $D/exec$" nowhere "nothing in them, but the codes that --otp was given" "$D/exec"
nowhere "nothing in those of processes that run" "$D/exec.daemon" "$D/exec.client"
[ "$(tcpdump -r "$D/wire.pcap" -n 2>/dev/null | wc -l)" -ge 10 ] || fail "the wire was not heard"
nowhere "nothing on the wire" "$D/wire.pcap"
refuse "nor a name" grep -aE 'anna|bob|laptop|phone' "$D/wire.pcap"
pass
