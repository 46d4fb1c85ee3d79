#!/bin/bash
# SPDX-License-Identifier: MIT
# From a clean Debian to the first ssh, by the lines of README.md as they are printed there: two on the server, three on the
# client, and no file that somebody edits. Then the lines of docs/getting-started.md that come next. The people sit at real
# terminals (tmux); the code is what an authenticator makes of the QR code's text on the screen. Server and client are two
# networks and two accounts of one tree.
. "$(dirname "$0")/package_ground.sh"
command -v tmux >/dev/null || skip "needs tmux"
command -v oathtool >/dev/null || skip "needs oathtool"
begin first-ssh
cd "$TOP"

# lines_of FILE HEADING N: the commands of the Nth block of code behind a heading, without their comments.
lines_of() {
	awk -v heading="$2" -v n="$3" '$0 == heading {on = 1; next} on && /^## / {exit} on && /^```/ {block += !inside; inside = !inside; next}
		on && inside && block == n' "$1" | sed 's/ *  # .*//'
}
mapfile -t SERVER < <(lines_of README.md '## On a server, and on your computer' 1)
mapfile -t COMPUTER < <(lines_of README.md '## On a server, and on your computer' 2)
equal "commands on the server" "${#SERVER[@]}" 2
equal "commands on the client" "${#COMPUTER[@]}" 3
# All lines that the other page has, in their order.
mapfile -t PAGE < <(awk '/^```/ {inside = !inside; next} inside && /^[#$] /' docs/getting-started.md)
equal "docs/getting-started.md begins with the same lines" "$(printf '%s\n' "${PAGE[@]:0:5}" | cut -c3-)" \
	"$(printf '%s\n' "${SERVER[@]}" "${COMPUTER[@]}" | sed 's/^sudo //')"

TREE=$(tree bookworm try "${PACKAGES_IN_TRY_TREE[@]}") || fail "no tree"
stage bookworm
fetch_dependencies
ssh-keygen -q -t ed25519 -N '' -f "$D/stage/key"
say "boot"
boot "$SRV" "$D/stage" "$TREE"
inside mountpoint -q /sys/fs/bpf || inside mount -t bpf -o mode=700 bpf /sys/fs/bpf
# anna and bob have accounts on the server; carl is anna on her own computer.
# shellcheck disable=SC2016  # for the other shell
inside sh -ec '
	echo "192.0.2.1 server.example.net" >>/etc/hosts
	for login in anna bob carl; do useradd -m -s /bin/bash -p "*" $login; done
	for login in anna carl; do
		echo "$login ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/$login
		install -d -m 700 -o $login -g $login /home/$login/.ssh
	done
	install -m 600 -o anna -g anna /opt/stage/key.pub /home/anna/.ssh/authorized_keys
	install -m 600 -o carl -g carl /opt/stage/key /home/carl/.ssh/id_ed25519
	printf "%s\n" "export SHLVL=1" "PS1=\"ready\\\$ \"" >/etc/profile.d/prompt.sh
	rm -f /home/*/.bashrc /root/.bashrc
	cp /opt/stage/xknock.deb /home/anna/xknock_0.deb
	cp /opt/stage/knock-client.deb /home/carl/knock-client_0.deb
	cp /opt/stage/xknock.deb /root/xknock_0.deb
	mkdir -p /run/sshd'
inside systemd-run --quiet --unit=ssh-test /usr/sbin/sshd -D
eventually 10 listening 22 || fail "no sshd"

TMUX_SOCKET=$D/tmux
t() { tmux -S "$TMUX_SOCKET" "$@"; }
trap 'finish_terminals' EXIT
finish_terminals() {
	local code=$?
	set +e # the rest goes away also where a part of it is gone
	t kill-server 2>/dev/null
	(exit $code)
	finish_container
}
# terminal NAME NETWORK LOGIN
terminal() {
	local login="nsenter -t $LEADER -m -u -i -p -C -n$2 -- env -i TERM=screen PATH=$PATH su - $3"
	if t has-session 2>/dev/null; then t new-window -d -n "$1" "$login"; else tmux -S "$TMUX_SOCKET" -f /dev/null new-session -d -n "$1" -x 100 -y 80 "$login"; fi
	at "$1" 'ready\$ $'
}
AT=
screen() { t capture-pane -p -t ":$AT"; }
# at TERMINAL PATTERN [SECONDS]: the terminal's last line gets to it.
at() {
	AT=$1
	eventually "${3:-60}" last_line "$2" || fail "\"$2\" does not come: $(screen)"
}
last_line() { screen | sed 's/ *$//' | grep -v '^$' | tail -n 1 | sed 's/$/ /' | matches -e "$1"; }
# types TERMINAL LINE
types() { t send-keys -t ":$1" -l "$2" && t send-keys -t ":$1" Enter; }
on_screen() { screen | matches -e "$1"; }
shows() {
	AT=$1
	eventually "${3:-60}" on_screen "$2" || fail "\"$2\" is not shown: $(screen)"
}
# The authenticator: what the QR code says. A code counts once, so the next one is waited for.
code() {
	local step
	step=$(($(date +%s) / 30))
	while [ "$step" = "${LAST_STEP:-}" ]; do
		sleep 0.5
		step=$(($(date +%s) / 30))
	done
	LAST_STEP=$step
	CODE=$(oathtool --totp -b "$SECRET")
}

say "the server: two commands"
terminal server "/run/netns/$SRV" anna
# shellcheck disable=SC2088
types server "${SERVER[0]}"
apt_ends() {
	on_screen 'Do you want to continue' && types server y
	last_line 'ready\$ $'
}
AT=server
sleep 1
eventually 180 apt_ends || fail "apt does not end: $(screen)"
check "it shuts nothing" can_connect "$STR" 198.51.100.1 22
types server "clear; ${SERVER[1]}"
for question in 'Interfaces by which clients come' 'Hide these ports' 'Who may come without a knock' 'Who knocks first' 'Their device' \
	'Second factor' 'Clients reach this host as' 'Write this'; do
	at server "^$question"
	t send-keys -t :server Enter
done
at server '^Code that the authenticator shows'
SECRET=$(screen | tr -d '\n ' | grep -oE 'secret=[A-Z2-7]+' | sed -n '1s/secret=//p')
[ -n "$SECRET" ] || fail "no secret is shown: $(screen)"
code
types server "$CODE"
shows server 'Waiting until the profile is fetched'
check "ssh is still open" can_connect "$STR" 198.51.100.1 22
shows server "knock-client enroll anna@"

say "the client: three commands"
terminal computer "/run/netns/$CLI" carl
types computer "${COMPUTER[0]}"
at computer 'ready\$ $' 120
types computer "clear; ${COMPUTER[1]}"
at computer 'Are you sure you want to continue connecting'
types computer yes
at computer 'knock from now on'
t send-keys -t :computer Enter
at computer 'ready\$ $'
service_is_shut() { ! can_connect "$STR" 198.51.100.1 8080; }
is_shut() { ! can_connect "$STR" 198.51.100.1 22; }
at server '^Shut the ports now'
t send-keys -t :server Enter
eventually 60 is_shut || fail "the ports are not shut: $(AT=server && screen)"
say "then Enter shuts the ports, on trial"
types computer "clear; ${COMPUTER[2]}"
at computer '[Cc]ode'
code
types computer "$CODE"
shows server 'Confirmed: the gate stays'
at computer 'ready\$ $'
# shellcheck disable=SC2016  # for the shell there
types computer 'clear; id -un; echo $SSH_CONNECTION'
shows computer '^192.0.2.2 .* 192.0.2.1 22$'
check "the account is the server's" on_screen '^anna$'
at server 'ready\$ $'
equal "xknockd starts at boot" "$(inside systemctl is-enabled xknockd)" enabled
refuse "and strangers find nothing" can_connect "$STR" 198.51.100.1 22
types computer 'exit'
at computer 'ready\$ $'

say "what comes next"
background "$SRV" socat TCP6-LISTEN:8080,fork,reuseaddr,ipv6only=0 SYSTEM:'echo hello'
terminal root "/run/netns/$SRV" root
# Each line ends with the prompt; those that knock ask for a code before.
for line in "${PAGE[@]:5}"; do
	who=root
	[ "${line:0:1}" = '#' ] || who=computer
	case ${line:2} in
	*'apt remove'*) check "the new service is hidden" eventually 5 service_is_shut ;;
	esac
	types $who "clear; ${line:2}; echo ended=\$?"
	case ${line:2} in
	'knock-client open'* | 'knock-client test'*)
		at $who '[Cc]ode'
		code
		types $who "$CODE"
		;;
	'apt remove'*)
		at $who '^Do you want to continue'
		types $who y
		;;
	esac
	shows $who '^ended=[0-9]*$' 120
	case ${line:2} in
	'knockctl doctor') ;; # it looks at a tree without a clock of its own
	*) on_screen '^ended=0$' || fail "${line:2}: $(screen)" ;;
	esac
	say "${line:2}"
	case ${line:2} in
	'knockctl user add bob'*) equal "bob's profile waits for him" "$(inside stat -c '%U %a' /var/spool/xknock/bob/laptop.yaml)" "bob 600" ;;
	'knockctl user list') check "bob and anna are there" on_screen '^bob' ;;
	'knock-client open'*) check "the new service is open to the client" can_connect "$CLI" 192.0.2.1 8080 ;;
	esac
done
check "all is open again" can_connect "$STR" 198.51.100.1 22
pass
