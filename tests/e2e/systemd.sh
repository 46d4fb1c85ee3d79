#!/bin/bash
# SPDX-License-Identifier: MIT
# The hardened unit under a real systemd as PID 1 (systemd-nspawn, this machine's own root below a tmpfs): installed as a
# package would, enrolled as an operator would, knocked at from the next network namespace. Notify, watchdog, restarts,
# reload, a configuration that is wrong, and what the unit leaves to the two processes.
. "$(dirname "$0")/lib.sh"
begin systemd

say "the unit on paper"
DESTDIR=$D/stage cmake --install "$XK_BUILD" >/dev/null
exposure=$(systemd-analyze security --offline=true --no-pager "$D/stage/usr/lib/systemd/system/xknockd.service" |
	sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/\1/p')
say "exposure $exposure"
for file in etc/fail2ban/action.d/xknock.conf usr/lib/systemd/system/xknockd.service usr/lib/sysusers.d/xknock.conf \
	usr/lib/tmpfiles.d/xknock.conf usr/lib/sysctl.d/00-xknock.conf usr/sbin/xknockd usr/sbin/knockctl usr/libexec/knockctl-host usr/bin/knock-client usr/share/doc/xknock/docs/configuration.md \
	usr/share/doc/xknock/examples/capyknock_banip; do
	check "$file is installed" test -s "$D/stage/$file"
done
check "is at most 1.5" awk "BEGIN { exit !($exposure <= 1.5) }"

say "boot"
boot "$SRV" "$D/stage"

say "install, enroll, start"
inside cp -a /opt/stage/usr/. /usr/
# PID 1 of a machine mounts it, like this; that of a container may not.
inside mountpoint -q /sys/fs/bpf || inside mount -t bpf -o mode=700 bpf /sys/fs/bpf
inside systemd-sysusers
inside systemd-tmpfiles --create /usr/lib/tmpfiles.d/xknock.conf
inside mkdir -p /etc/xknock
inside cp /usr/share/doc/xknock/examples/xknock.yaml /etc/xknock/xknock.yaml
inside sed -i 's/interfaces: .*/interfaces: [host0, host1]/' /etc/xknock/xknock.yaml
check "keygen" inside /usr/sbin/knockctl keygen anna --device laptop --factor hmac --host 192.0.2.1 --out /root/profile.yaml
inside cat /root/profile.yaml >"$D/profiles/anna.yaml"
chmod 600 "$D/profiles/anna.yaml"
show() { inside systemctl show -p "$1" --value xknockd; }
show_limits() { echo "$(show MemoryMax) $(show LimitNOFILE)"; }
journal() { inside journalctl -q -u xknockd --no-pager -o "${1:-cat}"; }
inside systemctl daemon-reload
equal "memory and descriptors have a limit" "$(show_limits)" "1073741824 16384"
check "the unit is well-formed" inside systemd-analyze verify --man=no /usr/lib/systemd/system/xknockd.service
# What waits for the network belongs to the system's initialisation on many machines (cloud-init, firewalld): where the unit
# came after it, systemd would break the cycle by leaving xknockd out of a boot.
inside sh -c 'printf "%s\n" "[Unit]" DefaultDependencies=no After=network-pre.target Before=sysinit.target "[Service]" \
	Type=oneshot ExecStart=/bin/true "[Install]" WantedBy=sysinit.target >/etc/systemd/system/early.service'
inside systemctl enable --quiet early xknockd
lacks "it starts at boot, before the network, and in no cycle" \
	"$(inside systemd-analyze verify --man=no /usr/lib/systemd/system/multi-user.target 2>&1)" cycle
contains "before the network" "$(inside systemctl show -p Before --value xknockd)" network-pre.target
inside systemctl disable --quiet early
inside rm /etc/systemd/system/early.service
inside systemctl daemon-reload
inside systemctl start xknockd || fail "systemctl start: $(journal | tail -8)"
say "systemctl start returned: it is ready"
equal "it is active" "$(show ActiveState)" active
contains "status says what it does" "$(show StatusText)" "judging knocks on host0 (native), host1 (native)"

say "what is left to the processes"
status_of() { inside sh -c "cat /proc/$1/status"; }
main=$(show MainPID)
worker=$(inside pgrep -P "$main" -x xknock-worker)
has() { contains "$1" "$(status_of "$2" | tr '\t' ' ')" "$3"; }
has "xknockd: NET_ADMIN, PERFMON and BPF" "$main" "CapEff: 000000c000001000"
has "xknockd: cannot get more" "$main" "CapPrm: 000000c000001000"
has "the worker: none" "$worker" "CapPrm: 0000000000000000"
has "the worker: a system call filter" "$worker" "Seccomp: 2"
has "both: no new privileges" "$main" "NoNewPrivs: 1"
uid() { status_of "$1" | sed -n 's/^Uid:\t\([0-9]*\).*/\1/p'; }
equal "xknockd is its own user" "$(uid "$main")" "$(inside id -u xknock)"
equal "the worker another one" "$(uid "$worker")" "$(inside id -u xknock-worker)"
locked() { status_of "$1" | sed -n 's/^VmLck:[^0-9]*\([0-9]*\).*/\1/p'; }
[ "$(locked "$worker")" -gt 0 ] || fail "the worker's keys are not locked"
say "the worker's keys are locked in memory"
lacks "and nothing was to be complained of" "$(journal)" "could not be locked"
lacks "the unit may end sockets" "$(journal)" "sessions end by the rules alone"
lacks "and list them" "$(journal)" "sessions of this host end by its rules alone"

say "the main job"
background "$SRV" socat TCP6-LISTEN:22,fork,reuseaddr,ipv6only=0 SYSTEM:'echo hello' 2>/dev/null
eventually 5 listening 22
refuse "the port is shut" granted
knocks() { in_cli "$CLIENT" open 192.0.2.1 --profiles "$D/profiles" "$@" 2>"$D/err"; }
check "a knock opens it" knocks
contains "the journal has the line" "$(journal)" "granted anna/laptop ssh from 192.0.2.2 (tcp/22) for 30s"
contains "with its priority" "$(journal json | tail -1)" '"PRIORITY":"6"'
check "knockctl works where the operator is" inside knockctl status
check "and so does systemctl reload" inside systemctl reload xknockd

say "handshakes"
inside sh -c 'sed -i "/^modes:/d" /etc/xknock/users/anna.yaml && echo "modes: [packet, handshake]" >>/etc/xknock/users/anna.yaml'
check "a reload allows them" inside systemctl reload xknockd
drop_in="the drop-in examples/handshake.conf"
contains "the log says what the unit lacks" "$(journal | tail -8)" "no answer can be sent; the unit needs $drop_in"
contains "status too" "$(inside knockctl status)" "UNANSWERED: the unit needs $drop_in"
contains "and the doctor" "$(inside knockctl doctor)" "install $drop_in"
inside knockctl close 0.0.0.0/0 >/dev/null
echo 'wait: 2s' >>"$D/profiles/anna.yaml"
refuse "no handshake opens without it" knocks --handshake
sed -i '/^wait:/d' "$D/profiles/anna.yaml"
contains "and the log says why" "$(journal | tail -8)" "opening a socket for an answer"
# As the hint says.
inside sh -c "$(sed -n 's/^# *\(install -D .*\)/\1/p' "$TOP/systemd/handshake.conf")"
inside systemctl daemon-reload
check "with it" inside systemctl restart xknockd
check "a handshake opens" knocks --handshake
lacks "nothing is lacking" "$(inside knockctl status; inside knockctl doctor || true)" "$drop_in"
worker=$(inside pgrep -P "$(show MainPID)" -x xknock-worker)
has "the worker still has its system call filter" "$worker" "Seccomp: 2"
inside rm -r /etc/systemd/system/xknockd.service.d
inside sed -i 's/^modes:.*/modes: [packet]/' /etc/xknock/users/anna.yaml
inside systemctl daemon-reload
check "a restart without both" inside systemctl restart xknockd
lacks "is silent about it" "$(journal | tail -8)" "$drop_in"

say "fail2ban, as the document has it"
inside mkdir -p /run/sshd
inside cp /opt/stage/etc/fail2ban/action.d/xknock.conf /etc/fail2ban/action.d/
# The first block of that kind below the heading, as it is printed.
document=/usr/share/doc/xknock/docs/control.md
# shellcheck disable=SC2016  # no command in it
inside awk '/^## fail2ban/ {on = 1} on && /^```ini/ {block = 1; next} block && /^```/ {exit} block' $document >"$D/jail.local"
check "there is a jail in it" grep -q '^\[sshd\]' "$D/jail.local"
inside tee /etc/fail2ban/jail.local <"$D/jail.local" >/dev/null
packages=$(inside sed -n '/^## fail2ban/,$ s/^# apt-get install //p' $document)
contains "with the package that reads the journal" "$packages" python3-systemd
# shellcheck disable=SC2086  # several words
check "and Debian has all of them" inside dpkg -s $packages
# The unit of the package, which is masked at boot, under another name.
inside cp /lib/systemd/system/fail2ban.service /etc/systemd/system/f2b.service
inside ssh-keygen -q -t ed25519 -N '' -f /run/sshd/key
inside systemctl daemon-reload
inside systemd-run --quiet --unit=sshd-2222 /usr/sbin/sshd -D -f /dev/null -p 2222 -h /run/sshd/key -o PidFile=none
eventually 10 listening 2222 || fail "no sshd"
check "its service starts" inside systemctl start f2b
jail_is_up() { inside fail2ban-client status sshd; }
eventually 20 jail_is_up || fail "no jail: $(inside journalctl -q -u f2b -n 8 --no-pager)"
for _ in 1 2 3; do
	in_str ssh -F none -o BatchMode=yes -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o ConnectTimeout=5 \
		-p 2222 nobody-of-that-name@198.51.100.1 true >/dev/null 2>&1 || true
done
in_bans() { inside knockctl bans | tr -s ' ' | matches '^198.51.100.66 1h fail2ban sshd'; }
eventually 20 in_bans || fail "wrong logins ban nobody: $(inside fail2ban-client status sshd)"
say "real wrong logins, by the journal, are banned"
refuse "at every port" can_connect "$STR" 198.51.100.1 2222
check "unban" inside fail2ban-client set sshd unbanip 198.51.100.66
equal "they are free" "$(inside knockctl bans)" "no bans"
inside fail2ban-client set sshd banip 203.0.113.9 >/dev/null
check "stop" inside systemctl stop f2b
equal "takes its bans away" "$(inside knockctl bans)" "no bans"
lacks "the action had no error" "$(inside cat /var/log/fail2ban.log)" "ERROR   Failed to execute"
inside systemctl stop sshd-2222

say "hooks"
# What it says on standard error is in the journal, because it fails. The unit lets it write nowhere.
# shellcheck disable=SC2016  # for the other shell
inside sh -c 'printf "%s\n" "#!/bin/sh" "[ -w /etc ] || [ -w /run/xknock ] || echo \"\$(id -un) may write nowhere\" >&2" \
	"exit 1" >/usr/local/sbin/hook && chmod 755 /usr/local/sbin/hook'
inside sed -i 's|^  ssh: .*|  ssh: {ports: tcp/22, on_open: /usr/local/sbin/hook, on_close: [/bin/sleep, "1000"]}|' \
	/etc/xknock/xknock.yaml
refuse "the first hook needs a restart" inside systemctl reload xknockd
check "restart" inside systemctl restart xknockd
hooks=$(inside pgrep -P "$(show MainPID)" -x xknock-hooks)
has "what runs them has no capability" "$hooks" "CapPrm: 0000000000000000"
equal "and is nobody" "$(uid "$hooks")" "$(inside id -u nobody)"
equal "and among the first to go where memory runs out" "$(inside cat "/proc/$hooks/oom_score_adj")" 500
inside knockctl open 203.0.113.1 ssh --for 10m >/dev/null
said() { journal | grep -F "for operator from 203.0.113.1 ended with code 1: nobody may write nowhere"; }
eventually 10 said || fail "the hook does not run: $(journal | tail -4)"
say "a hook runs as nobody"
inside knockctl close 203.0.113.1 >/dev/null
sleeps() { inside pgrep -u nobody -x sleep; }
eventually 10 sleeps || fail "the hook of closing does not run"
check "a stop" inside systemctl stop xknockd
refuse "ends what runs" inside pgrep -u nobody
inside sed -i 's|^  ssh: .*|  ssh: tcp/22|' /etc/xknock/xknock.yaml
check "start" inside systemctl start xknockd

restarted() { [ "$(show NRestarts)" -gt "$1" ] && [ "$(show ActiveState)" = active ]; }
for what in "xknockd" "its worker"; do
	before=$(show NRestarts)
	main=$(show MainPID)
	if [ "$what" = xknockd ]; then victim=$main; else victim=$(inside pgrep -P "$main" -x xknock-worker); fi
	check "a knock opens" knocks
	inside kill -KILL "$victim"
	check "kill -9 of $what: the grant stays open meanwhile" granted
	eventually 10 restarted "$before" || fail "no restart after kill -9 of $what"
	say "and systemd brings both back"
	contains "with the grant" "$(inside knockctl grants)" anna/laptop
	contains "and with its memory" "$(journal | grep 'judgement begins' | tail -1)" "the memory of this boot"
done
if inside knockctl status --json | matches '"owned": true'; then
	before=$(show NRestarts)
	check "a knock opens" knocks
	inside kill -KILL "$(show MainPID)"
	inside nft flush ruleset
	refuse "a flush while nobody of us lives changes nothing: systemd keeps the owner" can_connect "$STR" 198.51.100.1 22
	check "the grant is open all the same" granted
	eventually 10 restarted "$before" || fail "no restart"
	contains "and the next one owns the table by the same socket" "$(inside knockctl status --json)" '"owned": true'
fi
before=$(show NRestarts)
inside kill -STOP "$(show MainPID)"
eventually 30 restarted "$before" || fail "the watchdog does not notice a hanging daemon"
say "a daemon that hangs is found by the watchdog and started anew"
before=$(show NRestarts)
inside kill -STOP "$(inside pgrep -P "$(show MainPID)" -x xknock-worker)"
eventually 30 restarted "$before" || fail "a hanging worker is not noticed"
say "and so is a worker that hangs"
equal "there is one worker" "$(inside pgrep -c -x xknock-worker)" 1

say "a configuration that is wrong"
inside sed -i 's/^services:/servces:/' /etc/xknock/xknock.yaml
refuse "reload fails" inside systemctl reload xknockd
contains "and says why" "$(journal | tail -8)" 'unknown key "servces" (did you mean "services"?)'
equal "the daemon goes on" "$(show ActiveState)" active
refuse "a restart fails" inside systemctl restart xknockd
equal "with the exit code of a configuration" "$(show ExecMainStatus)" 78
equal "and is not tried again" "$(show ActiveState)" failed
refuse "the ruleset stands all the same" can_connect "$STR" 198.51.100.1 22
inside sed -i 's/^servces:/services:/' /etc/xknock/xknock.yaml
check "the next start is as ever" inside systemctl start xknockd
check "a knock opens" knocks

check "stop" inside systemctl stop xknockd
equal "is clean" "$(show ExecMainStatus)" 0
equal "no process is left" "$(inside pgrep -c xknock)" 0
refuse "the ruleset stays" can_connect "$STR" 198.51.100.1 22
check "start" inside systemctl start xknockd
inside systemctl stop xknockd
check "--remove takes everything away" inside /usr/sbin/xknockd --remove
equal "no table" "$(in_srv nft list tables)" ""
equal "no pins" "$(inside ls -A /sys/fs/bpf/xknock)" ""
say "on trial"
open_to_all() { can_connect "$STR" 198.51.100.1 22; }
gone() { [ "$(show ActiveState)" = failed ]; }
inside mv /etc/xknock/server_id /root/
refuse "not with a bad configuration" inside knockctl try 1h
inside mv /root/server_id /etc/xknock/
inside knockctl try 1h || fail "knockctl try: $(journal | tail -8)"
say "knockctl try starts it"
equal "it runs" "$(show ActiveState)" active
contains "on trial from its start on" "$(journal)" "on trial: everything is taken away in"
refuse "the gate stands" open_to_all
contains "status says it" "$(inside knockctl status)" 'unless "knockctl confirm" comes before'
before=$(show NRestarts)
inside kill -KILL "$(show MainPID)"
eventually 10 restarted "$before" || fail "no restart"
contains "after kill -9 too" "$(inside knockctl status)" 'unless "knockctl confirm" comes before'
check "a restart" inside systemctl restart xknockd
contains "does not end it" "$(inside knockctl status)" 'unless "knockctl confirm" comes before'
refuse "and the gate stands" open_to_all
check "its end comes" inside knockctl try 2s
eventually 20 gone || fail "it is $(show ActiveState) after the trial"
equal "with the exit code of a trial" "$(show ExecMainStatus)" 79
sleep 2 # four times RestartSec
equal "systemd does not start it again" "$(show ActiveState)" failed
equal "no table, no pins" "$(in_srv nft list tables)$(inside ls -A /sys/fs/bpf/xknock)" ""
check "the way in is open" open_to_all
check "another start" inside systemctl start xknockd
lacks "is none on trial" "$(inside knockctl status)" trial
inside knockctl try 1h >/dev/null
inside sh -c 'cp /etc/xknock/xknock.yaml /root/ && echo "inter faces: [" >/etc/xknock/xknock.yaml'
inside kill -KILL "$(show MainPID)"
eventually 20 gone || fail "it is $(show ActiveState) with a bad configuration"
equal "a configuration that became bad while on trial" "$(show ExecMainStatus)" 78
check "does not shut anybody out" open_to_all
inside cp /root/xknock.yaml /etc/xknock/
check "knockctl try goes on" inside knockctl try 1h
check "confirm" inside knockctl confirm
check "a restart" inside systemctl restart xknockd
lacks "is none on trial" "$(inside knockctl status)" trial
inside systemctl stop xknockd
refuse "the ruleset stays" open_to_all
inside systemctl start xknockd
inside sh -c 'echo "inter faces: [" >/etc/xknock/xknock.yaml'
refuse "a typing error, a restart" inside systemctl restart xknockd
refuse "and the way in is shut" can_connect "$STR" 198.51.100.1 22
check "--remove needs no good configuration" inside /usr/sbin/xknockd --remove
check "and the way in is open" can_connect "$STR" 198.51.100.1 22
equal "nothing is left" "$(in_srv nft list tables)$(inside ls -A /sys/fs/bpf/xknock)" ""

say "beside other XDP programs"
inside sh -c 'printf "%s\n" "interfaces: [host0, host1]" "services: {ssh: tcp/22}" "xdp: {coexist: libxdp}" \
	>/etc/xknock/xknock.yaml'
refuse "it does not start by the unit alone" inside systemctl start xknockd
inside systemctl stop xknockd
contains "for want of capabilities" "$(journal | tail -8)" "lacks CAP_SYS_ADMIN or CAP_DAC_OVERRIDE"
# As the hint says.
inside sh -c "$(sed -n 's/^# *\(install -D .*\)/\1/p' "$TOP/systemd/coexist.conf")"
inside systemctl daemon-reload
if inside bpftool feature probe kernel | grep 'program_type ext is available' >/dev/null; then
	check "with the drop-in it does" inside systemctl start xknockd
	contains "in libxdp's dispatcher" "$(inside bpftool prog show)" "name xdp_dispatcher"
	# They are, for the moments in which it looks at the dispatcher.
	not_in_effect() { [[ $(status_of "$(show MainPID)") = *CapEff:?000000c000001000* ]]; }
	check "and the capabilities are not in effect" eventually 5 not_in_effect
	inside systemctl stop xknockd
else
	refuse "nor with the drop-in, on this kernel" inside systemctl start xknockd
	inside systemctl stop xknockd
	contains "which says so" "$(journal | tail -8)" "this kernel does not let XDP programs share an interface"
fi
check "and goes again" inside /usr/sbin/xknockd --remove
equal "without a trace" "$(in_srv nft list tables)$(inside ls -A /sys/fs/bpf/xknock)" ""
pass
