#!/bin/bash
# SPDX-License-Identifier: MIT
# How a profile comes to its person: by one ssh connection that also removes the server's copy, or in a bundle. With a real
# sshd, hostile ones, a real terminal, and a client that is killed at each step in which a profile could be lost.
# shellcheck disable=SC2016,SC2154  # shell text for the other side
. "$(dirname "$0")/lib.sh"
begin enroll
for program in tmux qrencode zbarimg strace; do command -v $program >/dev/null || skip "needs $program"; done
BUNDLE=$XK_BUILD/tests/tool/xk-bundle
configure
ENROLL_HOST=192.0.2.1 enroll anna robot --factor hmac
ENROLL_HOST=192.0.2.1 enroll anna laptop --factor none
start_sshd # without a gate: this is the ssh that still works
kill "$(cat "$D/ssh/sshd.pid")"
ROBOT=$D/profiles/anna-robot.yaml LAPTOP=$D/profiles/anna-laptop.yaml

# The server's spool, in a name space of files of its own; and what runs there in place of what ssh asks for.
SPOOL=$D/spool/xknock/root
mkdir -p "$SPOOL"
chmod 711 "$D/spool/xknock"
chmod 700 "$SPOOL"
sed "s|^Port 22|Port 22\nPort 2222|; \$ a Match LocalPort 2222\n  ForceCommand $D/forced" "$D/ssh/sshd_config" >"$D/ssh/two_config"
unshare -m sh -c "mount --bind '$D/spool' /var/spool && exec nsenter --net=/run/netns/$SRV /usr/sbin/sshd -D -e -f '$D/ssh/two_config'" 2>>"$D/ssh/log" &
eventually 10 listening 2222 || fail "sshd does not listen"
sed 's/^192.0.2.1 /192.0.2.1,[192.0.2.1]:2222 /' -i "$D/ssh/known_hosts"
# forced SHELL-TEXT: what the second port runs.
forced() { printf '#!/bin/sh\n%s\n' "$1" >"$D/forced" && chmod 755 "$D/forced"; }
waiting() { install -m 600 "$1" "$SPOOL/${2:-robot}.yaml"; }

HOME_DIR=$(getent passwd 0 | cut -d: -f6)
mkdir -m 700 "$D/home" "$D/home/.ssh"
at_home() {
	env -u XDG_CONFIG_HOME HOME="$HOME_DIR" unshare -m sh -c "mount --bind '$D/home' '$HOME_DIR' && exec \"\$@\"" _ \
		nsenter --net="/run/netns/$CLI" "$@"
}
SSH_OPTIONS=(-i "$D/ssh/id" -o IdentitiesOnly=yes -o "UserKnownHostsFile=$D/ssh/known_hosts" -o StrictHostKeyChecking=yes -o BatchMode=yes)
# No terminal, unless a window of tmux is one.
client() { at_home setsid -w "$CLIENT" "$@" </dev/null; }
enroll_from() { client enroll "$@" "${SSH_OPTIONS[@]}"; }
PROFILES=$D/home/.config/xknock
MINE=$PROFILES/192.0.2.1.yaml
clean() { rm -rf "$PROFILES" "$D/home/.ssh" && mkdir -m 700 "$D/home/.ssh"; }
said() { cat "$D/out"; }
# code NUMBER COMMAND...: it ends with this code.
code() {
	local got=0 wanted=$1
	shift
	"$@" >"$D/out" 2>&1 || got=$?
	[ $got = "$wanted" ] || fail "$*: code $got, not $wanted: $(said)"
}
# refused CODE WORDS ARGUMENT...: nothing is written, and no byte but plain text is printed.
refused() {
	local wanted=$1 words=$2
	shift 2
	code "$wanted" "$@"
	contains "refused: $words" "$(said)" "$words"
	! LC_ALL=C grep -q '[^ -~]' "$D/out" || fail "bytes that are no text: $(od -c "$D/out")"
	[ -z "$(find "$PROFILES" -name '*.yaml*' 2>/dev/null)" ] || fail "something was written: $(ls -la "$PROFILES")"
}

say "by ssh"
waiting "$ROBOT"
check "one command brings it" enroll_from root@192.0.2.1 --yes
cmp "$ROBOT" "$MINE" || fail "it is another profile"
equal "it is this user's alone" "$(command stat -c '%a %U' "$PROFILES" "$MINE" | tr '\n' ' ')" "700 root 600 root "
refuse "the server's copy is gone" test -e "$SPOOL/robot.yaml"
contains "a second time is told so" "$(enroll_from root@192.0.2.1 2>&1 || true)" "no profile waits for this login"
contains "no other name stands in for the host that ssh found by itself" "$(cat "$D/home/.ssh/xknock.d/192.0.2.1.conf")" "Host 192.0.2.1
    ProxyCommand $CLIENT proxy --profile 192.0.2.1 -- %h %p"
clean

say "what is there already"
waiting "$ROBOT"
enroll_from 192.0.2.1 --no-ssh-config 2>"$D/out" || fail "$(said)"
contains "the server's copy went" "$(said)" "the server's copy is removed"
contains "the next step" "$(said)" "next: knock-client open 192.0.2.1"
refuse "ssh's configuration stays" test -e "$D/home/.ssh/config"
waiting "$ROBOT"
check "the same one again is no fault" enroll_from 192.0.2.1 --no-ssh-config
contains "and it is said" "$(said)" "was here already"
refuse "the server's copy goes" test -e "$SPOOL/robot.yaml"
waiting "$LAPTOP" laptop
code 1 enroll_from 192.0.2.1
contains "another one is not replaced" "$(said)" "is another profile, which stays as it is"
contains "what to do is said" "$(said)" "--force"
cmp "$ROBOT" "$MINE" || fail "it was replaced"
check "the server keeps it" test -e "$SPOOL/laptop.yaml"
code 1 enroll_from 192.0.2.1 --as other
contains "nor is there a second one for the host" "$(said)" "is a profile for the same host, and nobody could say which one is meant"
refuse "nothing of it is written" test -e "$PROFILES/other.yaml"
check "the server keeps it" test -e "$SPOOL/laptop.yaml"
check "--force replaces it" enroll_from 192.0.2.1 --force
cmp "$LAPTOP" "$MINE" || fail "it was not replaced"
waiting "$ROBOT"
check "--force with another name keeps both" enroll_from 192.0.2.1 --as other --force
contains "and says so" "$(said)" 'is for the same host: "--profile NAME" says which one is meant'
clean
ln -s "$D/elsewhere" "$D/home/link"
mkdir -p "$PROFILES" && chmod 700 "$D/home/.config" "$PROFILES" && ln -s "$D/elsewhere" "$MINE"
waiting "$ROBOT"
code 78 enroll_from 192.0.2.1 --force
contains "a link is not followed" "$(said)" "is there, and is not a regular file"
refuse "nothing is written behind it" test -e "$D/elsewhere"
rm "$MINE"
chmod 777 "$PROFILES"
code 78 enroll_from 192.0.2.1
contains "a directory that others may write is refused" "$(said)" "can be written by others (mode 0777)"
refuse "nothing is left in it" test -e "$MINE"
check "the server keeps it" test -e "$SPOOL/robot.yaml"
clean

say "several devices"
waiting "$LAPTOP" laptop
refused 1 "profiles of several devices wait there: laptop, robot" enroll_from 192.0.2.1
contains "how to choose is said" "$(said)" "--device laptop"
refused 1 'no profile of device "phone" waits there' enroll_from 192.0.2.1 --device phone
check "both are there still" test -e "$SPOOL/robot.yaml" -a -e "$SPOOL/laptop.yaml"
check "--device takes one" enroll_from 192.0.2.1 --device laptop
cmp "$LAPTOP" "$MINE" || fail "it is the other one"
check "the other one stays" test -e "$SPOOL/robot.yaml" -a ! -e "$SPOOL/laptop.yaml"
clean

say "a client that is killed"
for moment in fsync:when=1 linkat:when=1 fsync:when=2; do
	at_home setsid -w strace -f -qq -o /dev/null -e trace="${moment%:*}" -e inject="${moment%:*}:signal=KILL:${moment#*:}" \
		"$CLIENT" enroll 192.0.2.1 "${SSH_OPTIONS[@]}" </dev/null >"$D/out" 2>&1 || true
	check "killed at $moment: the server's copy stays" test -e "$SPOOL/robot.yaml"
	if [ -e "$MINE" ]; then cmp "$ROBOT" "$MINE" || fail "half a profile"; fi
done
check "the profile was whole at the last one" cmp "$ROBOT" "$MINE"
forced 'while read -r line; do case $line in remove*) touch '"$D"'/asked; exec sleep 600;; *) echo "$line";; esac; done | sh -c "$SSH_ORIGINAL_COMMAND"'
enroll_from 192.0.2.1 -p 2222 >"$D/out" 2>&1 &
eventually 20 test -e "$D/asked" || fail "it does not want the copy removed: $(said)"
check "before the server may remove it, it is safe here" cmp "$ROBOT" "$MINE"
pid=$(pgrep -f "^$CLIENT enroll 192.0.2.1 -p 2222")
kill -KILL "$pid"
check "killed there, the server's copy stays" test -e "$SPOOL/robot.yaml"
check "a second time ends what was begun" enroll_from 192.0.2.1
refuse "and the server's copy is gone" test -e "$SPOOL/robot.yaml"
clean

say "clocks"
waiting "$ROBOT"
check "equal ones" enroll_from 192.0.2.1
contains "are said to be" "$(said)" "this machine's clock agrees with the server's"
for hours in 1 -1; do
	waiting "$ROBOT"
	set_clock "$D/clock" $((hours * 3600 * 1000000000))
	XK_CLOCK=$D/clock LD_PRELOAD=$MOVED_CLOCK check "an hour: $hours" enroll_from 192.0.2.1
	contains "the difference is said" "$(said)" "this machine's clock is 1 h $([ $hours = 1 ] && echo 'ahead of' || echo behind) the server's"
	contains "with a warning" "$(said)" "with that difference the server refuses each knock"
done
waiting "$ROBOT"
set_clock "$D/clock" -10000000000
XK_CLOCK=$D/clock LD_PRELOAD=$MOVED_CLOCK check "ten seconds" enroll_from 192.0.2.1
contains "are said" "$(said)" " s behind the server's"
lacks "and are no reason for a warning" "$(said)" warning
clean

say "login shells, and what they say"
for shell in dash bash "busybox sh" zsh fish tcsh; do
	command -v "${shell%% *}" >/dev/null || skip "needs ${shell%% *}"
	waiting "$ROBOT"
	forced "exec $shell -c \"\$SSH_ORIGINAL_COMMAND\""
	check "$shell" enroll_from 192.0.2.1 -p 2222
	refuse "$shell removed it" test -e "$SPOOL/robot.yaml"
	clean
done
waiting "$ROBOT"
forced 'printf "Welcome\nto this host"; dd if=/dev/zero bs=30000 count=1 2>/dev/null | tr "\0" x; printf "\033[2J\033]0;title\007" >&2; exec sh -c "$SSH_ORIGINAL_COMMAND"'
check "a login that greets" enroll_from 192.0.2.1 -p 2222
! LC_ALL=C grep -q '[^ -~]' "$D/out" || fail "an escape sequence reached the terminal"
contains "what it says on standard error is shown as text" "$(said)" '\x1b[2J'
lacks "and its greeting not at all" "$(said)" Welcome
clean

say "servers that answer otherwise"
MARK='m=$(printf %s "$SSH_ORIGINAL_COMMAND" | grep -o "xknock-[0-9a-f]*" | sed -n 1p); '
FETCH='echo "$m file robot.yaml"; echo "$m ready"; read -r line; '
hostile() { # WORDS SHELL-TEXT
	forced "$MARK$2"
	refused 1 "$1" enroll_from 192.0.2.1 -p 2222
}
hostile "the connection has ended" 'exit 0'
hostile "the connection has ended" 'echo "$m file robot.yaml"'
hostile "it says too much at a login" 'while printf "%01000d\n" 0; do :; done 2>/dev/null'
hostile "it says too much at a login" 'exec cat /dev/zero'
hostile "a line is too long" 'echo "$m file robot.yaml"; exec cat /dev/zero'
hostile "it says something else in between" 'echo "$m file robot.yaml"; echo "hello"'
hostile "it neither lists profiles nor ends the list" 'echo "$m time 12"'
hostile "more than 100 profiles wait there" 'i=0; while [ $i -lt 200 ]; do echo "$m file d$i.yaml"; i=$((i+1)); done; echo "$m ready"'
hostile "no profile waits for this login" 'echo "$m file ../../etc/shadow.yaml"; printf "%s file \033[31mred.yaml\n" "$m"; echo "$m file .yaml"; echo "$m ready"; read -r line'
hostile "it does not say its time" "$FETCH"'echo "$m time -5"'
hostile "it does not say its time" "$FETCH"'echo "$m time 99999999999999999999"'
hostile "the profile is empty, or too long" "$FETCH"'echo "$m time 1"; echo "$m size 65537"'
hostile "the profile is empty, or too long" "$FETCH"'echo "$m time 1"; echo "$m size 0"'
hostile "the profile is empty, or too long" "$FETCH"'echo "$m time 1"; echo "$m size 12x"'
hostile "the profile is gone" "$FETCH"'echo "$m time 1"; echo "$m end"'
hostile "it says something else in between" "$FETCH"'echo "$m time 1"; echo "$m size 5"; echo "twelve bytes"; echo "$m end"'
hostile "the connection has ended" "$FETCH"'echo "$m time 1"; echo "$m size 500"; echo "twelve bytes"'
# answers CONTENT: what is no profile, with its length right.
answers() {
	printf '%b' "$1" >"$D/content"
	forced "$MARK$FETCH"'echo "$m time $(date +%s)"; echo "$m size $(wc -c <'"$D"'/content)"; cat '"$D"'/content; echo "$m end"; read -r line && touch '"$D"'/removal'
}
answers '\033[2J: x\n\0377\0376\n\033]0;ab\007\n'
refused 78 "the server keeps the profile" enroll_from 192.0.2.1 -p 2222
answers 'hosts: ["a\\e[31m"]\notp_command: [reboot]\n'
refused 78 "a profile runs no program" enroll_from 192.0.2.1 -p 2222
refuse "nobody asked for the removal of what was refused" test -e "$D/removal"
forced 'yes "$(printf "\033[31mx")" | dd bs=1000 count=3000 iflag=fullblock 2>/dev/null >&2; exit 1'
refused 1 "the connection has ended" enroll_from 192.0.2.1 -p 2222
[ "$(wc -c <"$D/out")" -lt 80000 ] || fail "a flood on standard error: $(wc -c <"$D/out") bytes"

say "ssh fails"
refused 1 'ssh has no connection to "192.0.2.1"' enroll_from 192.0.2.1 -p 9
contains "ssh says why" "$(said)" "Connection refused"
refused 1 "Permission denied" client enroll nobody@192.0.2.1 "${SSH_OPTIONS[@]}"
refused 1 "ssh has no connection" enroll_from 192.0.2.1 -o ProxyCommand=false
refused 1 "install ssh (package openssh-client)" at_home env PATH=/nowhere "$CLIENT" enroll 192.0.2.1

say "arguments"
refused 2 "where from?" client enroll
refused 2 "a profile comes from one place" client enroll 192.0.2.1 --file x
refused 2 "is not a host that can be enrolled with" client enroll 'root@a b'
refused 2 "is not a host that can be enrolled with" client enroll 192.0.2.1:22
refused 2 "is not a host that can be enrolled with" client enroll -- '-oProxyCommand=touch x'
refused 2 "is not a login" client enroll -- '-oProxyCommand=touch@192.0.2.1'
refused 2 "is no name for a profile" client enroll 192.0.2.1 --as ../x
refused 2 "is no name for a profile" client enroll 192.0.2.1 --as config
refused 2 "--passphrase-fd is for a bundle" client enroll 192.0.2.1 --passphrase-fd 3
refused 2 "options of ssh are for a server" client enroll - -p 22
refused 2 "standard input has the bundle, and not the passphrase too" client enroll - --passphrase-fd 0

say "bundles"
PHRASE='correct horse battery'
printf '%s\n' "$PHRASE" >"$D/phrase"
bundle=$("$BUNDLE" seal "$PHRASE" <"$ROBOT")
bundled() { at_home setsid -w "$CLIENT" enroll "$@" --passphrase-fd 3 3<"$D/phrase"; }
printf '%s\n' "$bundle" >"$D/bundle"
check "on standard input" bundled - <"$D/bundle"
cmp "$ROBOT" "$MINE" || fail "it is another profile"
contains "the next step is said" "$(said)" "next: knock-client open 192.0.2.1"
clean
fold -w 60 "$D/bundle" | sed 's/$/\r/' >"$D/mailed"
check "in a file, with the line breaks of a mail program" bundled --file "$D/mailed" --as box
cmp "$ROBOT" "$PROFILES/box.yaml" || fail "it is another profile"
contains "the file is not needed any more" "$(said)" "is not needed any more"
clean
qrencode -l L -o "$D/code.png" <"$D/bundle"
check "in a QR code" bundled --qr "$D/code.png"
cmp "$ROBOT" "$MINE" || fail "it is another profile"
clean
qrencode -l L -o "$D/other.png" "https://example.net/"
refused 1 "there is no QR code of a bundle in" bundled --qr "$D/other.png"
refused 1 "zbarimg cannot read" bundled --qr "$D/bundle"
refused 1 "No such file" bundled --qr "$D/nowhere.png"
refused 1 "reading a QR code needs zbarimg" at_home env PATH=/nowhere "$CLIENT" enroll --qr "$D/code.png"
echo 'another passphrase' >"$D/phrase"
refused 1 "the passphrase is wrong, or the bundle was changed on its way" bundled - <"$D/bundle"
echo "$PHRASE" >"$D/phrase"
flipped=$(printf '%s' "$bundle" | python3 -c 'import sys; t = sys.stdin.read(); print(t[:300] + ("A" if t[300] != "A" else "B") + t[301:])')
refused 1 "the passphrase is wrong, or the bundle was changed on its way" bundled - <<<"$flipped"
refused 1 "the passphrase is wrong, or the bundle was changed on its way" bundled - <<<"${bundle:0:$(((${#bundle} - 8) / 4 * 4 + 4))}"
refused 1 "this bundle is not complete" bundled - <<<"${bundle:0:40}"
refused 1 "this bundle is of a version that this program does not know" bundled - <<<"xknock7:${bundle#*:}"
refused 1 "this bundle is too long" bundled - <<<"$bundle$(printf '%030000d' 0)"
refused 2 "standard input is longer than" bundled - </dev/zero
refused 2 "there is neither a bundle nor a profile" bundled - </dev/null
refused 2 "descriptor 9 is not open" client enroll --file "$D/bundle" --passphrase-fd 9
refused 2 "and there is no terminal to ask on" client enroll --file "$D/bundle"
evil=$(printf 'key: "\033[31m\\e"\nhosts: ["\\e[2J"]\n' | "$BUNDLE" seal "$PHRASE")
refused 78 "the bundle:" bundled - <<<"$evil"
nameless=$(sed '/^hosts:/d' "$ROBOT" | "$BUNDLE" seal "$PHRASE")
refused 2 "this profile names neither itself nor a host" bundled - <<<"$nameless"
check "which has a name" bundled - --as box <<<"$nameless"
clean

say "plain profiles"
cp "$ROBOT" "$D/plain.yaml"
check "on standard input" at_home setsid -w "$CLIENT" enroll - <"$ROBOT"
clean
check "in a file" client enroll --file "$D/plain.yaml"
cmp "$ROBOT" "$MINE" || fail "it is another profile"
contains "the file has the key in it" "$(said)" "it has the key in it"
clean
chmod 644 "$D/plain.yaml"
refused 78 "can be read by others (mode 0644)" client enroll --file "$D/plain.yaml"
chmod 600 "$D/plain.yaml"
ln -s plain.yaml "$D/link.yaml"
refused 78 "is a symbolic link" client enroll --file "$D/link.yaml"
ln "$D/plain.yaml" "$D/second.yaml"
refused 78 "has a second hard link" client enroll --file "$D/plain.yaml"
rm "$D/second.yaml"
chown 12345 "$D/plain.yaml"
refused 78 "belongs to uid 12345" client enroll --file "$D/plain.yaml"
chown 0 "$D/plain.yaml"
echo 'hots: [a]' >>"$D/plain.yaml"
refused 78 'did you mean "hosts"' client enroll --file "$D/plain.yaml"
refused 2 "is not a regular file" client enroll --file "$D"
refused 1 "No such file" client enroll --file "$D/nowhere"

say "another way of ssh"
printf 'Host 192.0.2.1\n  ProxyJump jump.example.net\n' >"$D/home/.ssh/config"
check "a bundle" bundled - --yes <"$D/bundle"
contains "leaves a jump host as it is" "$(said)" 'ssh gets to 192.0.2.1 by "jump.example.net", which lines of ours would replace'
refuse "nothing is written" test -e "$D/home/.ssh/xknock.d"
clean

say "at a terminal"
t() { tmux -S "$D/tmux" "$@"; }
at_home tmux -S "$D/tmux" -f /dev/null new-session -d -s s -x 160 -y 50 sh
trap 'finish_after t kill-server' EXIT
screen() { t capture-pane -p -t s:0; }
shows() { screen | matches "$1"; }
wait_for() { eventually 20 shows "$1" || fail "no \"$1\" on the screen: $(screen)"; }
type_line() { t send-keys -t s:0 -l "$1" && t send-keys -t s:0 Enter; }
waiting "$ROBOT"
waiting "$LAPTOP" laptop
type_line "$CLIENT enroll 192.0.2.1 ${SSH_OPTIONS[*]}"
wait_for "Which one is this machine?"
type_line phone
type_line robot
wait_for "knock from now on (two lines in ~/.ssh)? .Y/n."
check "before the question the profile is here" cmp "$ROBOT" "$MINE"
refuse "and the server's copy gone" test -e "$SPOOL/robot.yaml"
type_line ""
wait_for "next: ssh 192.0.2.1"
check "Enter means yes" test -e "$D/home/.ssh/xknock.d/192.0.2.1.conf"
clean
t send-keys -t s:0 C-l
type_line "clear; $CLIENT enroll - <$D/bundle"
wait_for "Passphrase of the bundle:"
type_line "not the right one"
wait_for "the passphrase is wrong"
type_line "$PHRASE"
wait_for "knock from now on"
lacks "what was typed is not shown" "$(screen)" "not the right one"
type_line n
wait_for "next: knock-client open 192.0.2.1"
check "the profile is here" cmp "$ROBOT" "$MINE"
refuse "ssh's configuration stays" test -e "$D/home/.ssh/config"
clean
type_line "clear; $CLIENT enroll -"
wait_for "paste the bundle"
type_line "$bundle"
wait_for "Passphrase of the bundle:"
t send-keys -t s:0 C-c
type_line "clear; case \$(stty -a) in *' echo '*) echo typing is sho''wn ;; esac"
wait_for "typing is shown"
refuse "interrupted, nothing is written" test -e "$MINE"

say "the first knock"
start
check "--test knocks" bundled - --test <"$D/bundle"
contains "and says what the server's log has" "$(said)" "the probe was sent"
eventually 5 grep -q "probe by anna/robot" "$D/log" || fail "no probe came"
clean
check "the lines for ssh" bundled - --yes <"$D/bundle"
refuse "the port is shut" granted
check "ssh knocks by them" at_home ssh "${SSH_OPTIONS[@]}" 192.0.2.1 true
pass
