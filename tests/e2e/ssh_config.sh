#!/bin/bash
# SPDX-License-Identifier: MIT
# ssh's side of knock-client: what ssh-config writes and takes back, a connection that is handed to ssh, and what is left
# when ssh is killed in any phase.
. "$(dirname "$0")/lib.sh"
begin ssh_config
configure
ENROLL_HOST=192.0.2.1 enroll anna robot --factor hmac
start
start_sshd
# ssh reads the home directory of the list of users; this is ours, in a mount namespace.
HOME_DIR=$(getent passwd 0 | cut -d: -f6)
mkdir -m 700 "$D/home" "$D/home/.config" "$D/home/.config/xknock"
mv "$D/profiles/anna-robot.yaml" "$D/home/.config/xknock/"
PROFILE=$D/home/.config/xknock/anna-robot.yaml
at_home() {
	env -u XDG_CONFIG_HOME HOME="$HOME_DIR" unshare -m sh -c "mount --bind '$D/home' '$HOME_DIR' && exec \"\$@\"" _ \
		nsenter --net="/run/netns/$CLI" "$@"
}
client() { at_home "$CLIENT" "$@"; }
config() { cat "$D/home/.ssh/config"; }
snapshot() { (cd "$D/home/.ssh" && find . -printf '%p %m %y %l\n' | sort && find . -type f -exec sha256sum {} + | sort); }
OPTIONS="-i $D/ssh/id -o IdentitiesOnly=yes -o UserKnownHostsFile=$D/ssh/known_hosts -o StrictHostKeyChecking=yes -o BatchMode=yes"
# shellcheck disable=SC2086  # options they are
log_in() { at_home ssh $OPTIONS "$@"; }
shut() { ctl close 0.0.0.0/0 >/dev/null; }

say "what is printed"
block=$(client ssh-config 192.0.2.1)
equal "is the host's block" "$block" "Host 192.0.2.1
    ProxyCommand $CLIENT proxy --profile anna-robot -- %h %p
    ConnectTimeout 45"
contains "an alias gets the name that it stands for" "$(client ssh-config anna-robot)" "HostName 192.0.2.1"
contains "--fdpass" "$(client ssh-config 192.0.2.1 --fdpass)" "proxy --fdpass --profile anna-robot -- %h %p
    ProxyUseFdpass yes"
refuse "nothing was written" test -e "$D/home/.ssh"
cp "$PROFILE" "$D/it's 100% evil.yaml"
contains "a file's name is one word for the shell and no token of ssh" \
	"$(client ssh-config 192.0.2.1 --profile "$D/it's 100% evil.yaml")" "$D/it'\\''s 100%% evil.yaml' -- %h %p"
sed -i 's/^hosts:.*/hosts: ["a\\n  ProxyCommand touch x", "192.0.2.1"]/; 1i name: alias' "$D/it's 100% evil.yaml"
refuse "a profile's host brings no line of its own" client ssh-config alias --profile "$D/it's 100% evil.yaml"
contains "it is said why" "$(cat "$D/out")" '"a\x0a  ProxyCommand touch x" is no host that can stand in ssh_config'
for host in '*' '!a' '-oProxyCommand=x' 'a b' 'a"b' '%h'; do
	refuse "$host is no host for ssh_config" client ssh-config --profile anna-robot -- "$host"
done

say "where there was no file"
client ssh-config 192.0.2.1 --install 2>/dev/null
check "ssh logs in without more" log_in 192.0.2.1 true
equal "the files are this user's alone" "$(cd "$D/home/.ssh" && command stat -c '%a %n' config xknock.d xknock.d/192.0.2.1.conf)" \
	"600 config
700 xknock.d
600 xknock.d/192.0.2.1.conf"
before=$(snapshot)
client ssh-config 192.0.2.1 --install 2>/dev/null
equal "a second time changes nothing" "$(snapshot)" "$before"
client ssh-config 192.0.2.1 --remove
equal "there is none afterwards" "$(snapshot)" ". 700 d "
client ssh-config 192.0.2.1 --remove
say "to remove what is not there is no fault"
shut

say "where there was one"
printf '\nHost *\n  User nobody\r\n\tCompression no # no line end behind it' >"$D/home/.ssh/config"
chmod 640 "$D/home/.ssh/config"
before=$(snapshot)
client ssh-config 192.0.2.1 --install 2>/dev/null
equal "one line reads all hosts" "$(config | grep -c '^Include xknock.d/\*.conf$')" 1
equal "it is at the top" "$(config | sed -n 2p)" "Include xknock.d/*.conf"
equal "the mode is as it was" "$(command stat -c %a "$D/home/.ssh/config")" 640
client ssh-config anna-robot --fdpass --install 2>/dev/null
equal "a second host needs no second line" "$(config | grep -c Include)" 1
contains "ssh takes it though the user's own file says another thing" "$(at_home ssh -G anna-robot)" "proxyusefdpass yes"
client ssh-config 192.0.2.1 --remove
contains "the other host stays" "$(at_home ssh -G anna-robot)" "hostname 192.0.2.1"
lacks "this one does not" "$(at_home ssh -G 192.0.2.1)" proxycommand
client ssh-config anna-robot --remove
equal "then everything is as it was, to the byte" "$(snapshot)" "$before"
: >"$D/home/.ssh/config"
before=$(snapshot)
client ssh-config 192.0.2.1 --install 2>/dev/null
client ssh-config 192.0.2.1 --remove
equal "also where the file was empty" "$(snapshot)" "$before"

say "links"
mkdir -m 700 "$D/home/dotfiles"
mv "$D/home/.ssh/config" "$D/home/dotfiles/ssh"
echo 'Host *' >"$D/home/dotfiles/ssh"
ln -s ../dotfiles/ssh "$D/home/.ssh/config"
client ssh-config 192.0.2.1 --install 2>/dev/null
check "a link stays one" test -L "$D/home/.ssh/config"
contains "and what it leads to has the line" "$(cat "$D/home/dotfiles/ssh")" Include
client ssh-config 192.0.2.1 --remove
equal "which goes again" "$(cat "$D/home/dotfiles/ssh")" "Host *"
chmod 777 "$D/home/dotfiles"
refuse "a link to where others may write is refused" client ssh-config 192.0.2.1 --install
contains "with the reason" "$(cat "$D/out")" "can be written by others"
contains "and what to do instead" "$(cat "$D/out")" "write this line at its top yourself: Include xknock.d/*.conf"
refuse "and nothing was begun" test -e "$D/home/.ssh/xknock.d"
rm -r "$D/home/dotfiles"
refuse "a link to nothing too" client ssh-config 192.0.2.1 --install
contains "with its reason" "$(cat "$D/out")" "is a link that leads nowhere"
rm "$D/home/.ssh/config"

say "the connection is handed to ssh"
client ssh-config 192.0.2.1 --fdpass --install 2>/dev/null
mkfifo "$D/stay"
# shellcheck disable=SC2086  # options they are
at_home ssh $OPTIONS 192.0.2.1 'echo in; cat' <"$D/stay" >"$D/session" &
exec 7>"$D/stay"
eventually 20 grep -q in "$D/session" || fail "ssh does not log in"
clients() { for pid in $(ip netns pids "$CLI"); do cat "/proc/$pid/comm" 2>/dev/null; done; }
lacks "no relay stands in the data path" "$(clients)" knock-client
contains "ssh does" "$(clients)" ssh
exec 7>&-
refuse "--fdpass without ssh is refused" client proxy 192.0.2.1 22 --fdpass
contains "with what to write" "$(cat "$D/out")" "ProxyUseFdpass yes"
shut

say "ssh is killed"
nobody_left() { [ -z "$(ip netns pids "$CLI")" ]; }
eventually 10 nobody_left || fail "somebody is left before the test begins"
# kill_ssh WHAT: the ssh of the client's side, and then nothing of it may be left.
kill_ssh() {
	local pid
	for pid in $(ip netns pids "$CLI"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != ssh ] || kill -KILL "$pid"
	done
	eventually 10 nobody_left || { clients >&2; fail "$1: something is left"; }
	say "$1: nothing is left"
}
running() { clients | matches "^$1\$"; }
# killed_while WHAT CONDITION HOST OPTIONS: with a relay and with --fdpass.
killed_while() {
	local way flags what=$1 condition=$2
	shift 2
	for way in relay fdpass; do
		flags=
		[ $way = relay ] || flags=" --fdpass"
		# shellcheck disable=SC2086  # options they are
		at_home env RES_OPTIONS="timeout:30 attempts:5" ssh -F none $OPTIONS -o ProxyUseFdpass="$([ $way = relay ] && echo no || echo yes)" \
			-o ProxyCommand="$CLIENT proxy$flags --profile $WITH -- %h %p" "$@" </dev/null >/dev/null 2>"$D/killed" &
		eventually 20 eval "$condition" || { cat "$D/killed" >&2; fail "$what: never"; }
		kill_ssh "$what, $way"
	done
}
WITH=anna-robot
# A name server that is silent: in a name space of files of its own.
printf 'nameserver 192.0.2.200\n' >"$D/resolv.conf"
printf 'hosts: dns\n' >"$D/nsswitch.conf"
at_home() {
	env -u XDG_CONFIG_HOME HOME="$HOME_DIR" unshare -m sh -c "mount --bind '$D/home' '$HOME_DIR' &&
		mount --bind '$D/resolv.conf' /etc/resolv.conf && mount --bind '$D/nsswitch.conf' /etc/nsswitch.conf && exec \"\$@\"" _ \
		nsenter --net="/run/netns/$CLI" "$@"
}
resolving() { in_cli ss -Hun dst 192.0.2.200 | matches 192.0.2.200; }
killed_while "while a name is resolved" resolving nowhere.example

sed -i 's/^hosts:.*/hosts: ["192.0.2.1", "192.0.2.99"]/; /^wait:/d; $ a wait: 1h' "$PROFILE"
knocking() { running knock-client && in_cli ss -Hun dport = :62201 | matches 62201; }
killed_while "while it knocks where nobody is" knocking 192.0.2.99

sed 's/^factor: hmac/factor: totp/; /^hmac_key/d; s/192.0.2.99/192.0.2.98/' "$PROFILE" >"$D/home/.config/xknock/coded.yaml"
chmod 600 "$D/home/.config/xknock/coded.yaml"
(umask 077 && echo 'otp_command: {coded: [sleep, "1000"]}' >"$D/home/.config/xknock/config.yaml")
WITH=coded
sleeping() { running sleep; }
killed_while "while a program makes the code" sleeping 192.0.2.98
rm "$D/home/.config/xknock/config.yaml"

say "at the terminal"
cat >"$D/typing" <<-C
	#!/bin/sh
	ssh -F none $OPTIONS -o ProxyCommand='$CLIENT proxy --profile coded -- %h %p' 192.0.2.98 2>/dev/null
	until [ -e $D/killed-now ]; do sleep 0.05; done
	stty -a </dev/tty | grep -o '.echo '
C
chmod +x "$D/typing"
mkfifo "$D/keys"
at_home socat -t 60 - "EXEC:$D/typing,pty,setsid,ctty,stderr,rawer,isig,echo" <"$D/keys" >"$D/tty" 2>&1 &
exec 6>"$D/keys"
eventually 20 grep -aq Code "$D/tty" || fail "no code is asked for"
for pid in $(ip netns pids "$CLI"); do
	[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != ssh ] || kill -KILL "$pid"
done
no_client() { ! running knock-client; }
eventually 10 no_client || fail "the client still asks"
touch "$D/killed-now"
eventually 10 grep -aq 'echo' "$D/tty" || fail "the terminal says nothing"
contains "the terminal shows again what is typed" "$(cat "$D/tty")" " echo "
exec 6>&-
eventually 10 nobody_left || fail "something is left at the terminal"

say "with a session, and a network that is gone"
WITH=anna-robot
mkfifo "$D/flood"
# shellcheck disable=SC2086  # options they are
at_home ssh -F none $OPTIONS -o ProxyCommand="$CLIENT proxy --profile anna-robot -- %h %p" 192.0.2.1 'echo in; cat >/dev/null' \
	<"$D/flood" >"$D/session" 2>/dev/null &
exec 7>"$D/flood"
eventually 20 grep -q in "$D/session" || fail "ssh does not log in"
ip -n "$SRV" link set host0 down
# More than all buffers on the way hold.
(head -c 50000000 /dev/zero >&7) 2>/dev/null &
full() { in_cli ss -Htn dport = :22 | awk '$3 > 10000 {found = 1} END {exit !found}'; }
eventually 20 full || fail "the buffers do not fill"
kill_ssh "while the relay can send nothing"
exec 7>&-
pass
