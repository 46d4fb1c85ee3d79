#!/bin/bash
# SPDX-License-Identifier: MIT
# The ground of the tests of "knockctl setup": the server is booted with systemd as PID 1 and xknock installed as a package
# would, with a real sshd in it. The person sits at the client's terminal (tmux), and came by ssh.
# shellcheck disable=SC2034,SC2154  # variables of and for the tests
command -v tmux >/dev/null || skip "needs tmux"
command -v oathtool >/dev/null || skip "needs oathtool"
DESTDIR=$D/stage cmake --install "$XK_BUILD" >/dev/null
mkdir "$D/stage/ssh"
ssh-keygen -q -t ed25519 -N '' -f "$D/stage/ssh/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$D/id"
cp "$D/id.pub" "$D/stage/ssh/authorized_keys"
cat >"$D/stage/ssh/sshd_config" <<-C
	Port 22
	HostKey /opt/stage/ssh/host_key
	PidFile none
	AuthorizedKeysFile /opt/stage/ssh/authorized_keys
	StrictModes no
	UsePAM no
	PasswordAuthentication no
	KbdInteractiveAuthentication no
	PermitRootLogin prohibit-password
	UseDNS no
	SetEnv SHLVL=1
C
boot "$SRV" "$D/stage"
inside cp -a /opt/stage/usr/. /usr/
inside mountpoint -q /sys/fs/bpf || inside mount -t bpf -o mode=700 bpf /sys/fs/bpf
inside systemd-sysusers
inside systemd-tmpfiles --create /usr/lib/tmpfiles.d/xknock.conf
inside systemctl daemon-reload
inside useradd -m -s /bin/sh -p '*' anna
inside mkdir -p /run/sshd
inside systemd-run --quiet --unit=ssh-test /usr/sbin/sshd -D -f /opt/stage/ssh/sshd_config
eventually 10 listening 22 || fail "no sshd: $(inside journalctl -q -u ssh-test --no-pager)"
key=$(cut -d' ' -f1,2 "$D/stage/ssh/host_key.pub")
printf '%s %s\n' 192.0.2.1 "$key" 2001:db8::1 "$key" 198.51.100.1 "$key" >"$D/known_hosts"
SSH="ssh -F none -i $D/id -o IdentitiesOnly=yes -o UserKnownHostsFile=$D/known_hosts -o StrictHostKeyChecking=yes -o BatchMode=yes"
SSH="$SSH -o ConnectTimeout=5"
TMUX_SOCKET=$D/tmux
t() { tmux -S "$TMUX_SOCKET" "$@"; }
in_cli tmux -S "$TMUX_SOCKET" -f /dev/null new-session -d -s s -x 100 -y 70 "HISTFILE= exec bash --norc --noprofile"
trap 'finish_setup' EXIT
finish_setup() {
	local code=$?
	set +e # the rest goes away also where a part of it is gone
	t kill-server 2>/dev/null
	(exit $code)
	finish_container
}
screen() { t capture-pane -p -t s:0; }
shows() { screen | matches -e "$1"; }
type_line() { t send-keys -t s:0 -l "$1" && t send-keys -t s:0 Enter; }
enter() { t send-keys -t s:0 Enter; }
# sees WHAT PATTERN: the screen gets there.
sees() { eventually "${3:-30}" shows "$2" || fail "$1: $(screen)"; say "$1"; }
# person COMMAND: at the client's terminal, over ssh, by sudo as anna.
person() {
	t clear-history -t s:0
	type_line "clear; $SSH -t root@192.0.2.1 'SUDO_USER=anna TERM=xterm $1'; echo ended\$?"
}
# at_console COMMAND: at the server's own terminal. nsenter would end by Ctrl-C itself.
at_console() {
	t clear-history -t s:0
	type_line "clear; (trap '' INT; nsenter -t $LEADER -m -u -i -n -p -C -- env TERM=xterm SUDO_USER=anna $1); echo ended\$?"
}
# answer QUESTION [LINE]: waits for the question, and types the line. asks: it is the last line.
answer() {
	eventually 30 asks "$1" || fail "\"$1\" is not asked: $(screen)"
	if [ -n "${2:-}" ]; then type_line "$2"; else enter; fi
}
asks() { screen | grep -v '^ *$' | tail -n 1 | matches "^$1"; }
left() { inside knockctl status --json | sed -n 's/.*"trial_ends_in_s": \([a-z0-9]*\).*/\1/p'; }
ended() { sees "${2:-it ends with $1}" "^ended$1\$"; }
setup() { inside knockctl setup "$@"; }
secret() { inside cat /etc/xknock/credentials/anna.laptop.otp; }
code() { oathtool --totp -b "$(secret)" --now "$(date -d "${1:-0} seconds" '+%Y-%m-%d %H:%M:%S %Z')"; }
is_open() { can_connect "$STR" 198.51.100.1 22; }
is_shut() { ! is_open; }
# fetch LOGIN DEVICE: by knock-client. The code's secret is what the person's authenticator has.
fetch() {
	# shellcheck disable=SC2086
	in_cli "$CLIENT" enroll "$1@192.0.2.1" --device "$2" --as "$1-$2" --profiles "$D/profiles" --force --no-ssh-config ${SSH#ssh} \
		>"$D/enroll" 2>&1 && printf 'otp_secret: "%s"\n' "$(inside cat "/etc/xknock/credentials/$1.$2.otp")" >>"$D/profiles/$1-$2.yaml"
}
# login [SECONDS]: a real ssh through a knock, which stays.
login() {
	# shellcheck disable=SC2086
	in_cli $SSH -o "ProxyCommand=$CLIENT proxy --profiles $D/profiles -- %h %p" "${2:-anna}@192.0.2.1" "sleep ${1:-5}; echo was in" >"$D/login" 2>&1
}
begin_anew() {
	inside sh -c 'systemctl disable --now xknockd; xknockd --remove; rm -rf /etc/xknock /var/lib/xknock /var/spool/xknock' >/dev/null 2>&1
	inside systemd-tmpfiles --create /usr/lib/tmpfiles.d/xknock.conf
	rm -f "$D/profiles"/*
}
files() { inside sh -c 'cd /etc/xknock && find . -type f -o -name ".*" -type f | sort | tr "\n" " "'; }
sums() { inside sh -c 'find /etc/xknock /var/spool/xknock -type f 2>/dev/null | sort | xargs -r sha256sum'; }
