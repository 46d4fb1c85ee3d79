#!/bin/bash
# SPDX-License-Identifier: MIT
# Users of other servers are taken over from those servers' own files, and then knock with the client that they have: those
# of fwknop, capyknock and c-lock, and knock-client with hknock's secret and for knockd's sections.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
HERE=$(cd "$(dirname "$0")" && pwd)
begin import-server
command -v fwknop >/dev/null || skip "needs fwknop-client"
movable_clock
configure
enroll anna laptop --factor none
listen 22 8443
start
MAIN=$D/etc/xknock.yaml
# take KIND FILE [OPTION]...: as the operator does it, who is on the server
take() { in_srv "$KNOCKCTL" import -c "$MAIN" "$@" </dev/null; }
code() {
	local got=0 wanted=$1
	shift
	"$@" >"$D/out" 2>&1 || got=$?
	[ $got = "$wanted" ] || fail "$*: code $got, not $wanted: $(cat "$D/out")"
}
said() { cat "$D/out"; }
files() { (cd "$D/etc" && find . -type f -exec sha256sum {} + | sort); }
shut() { ctl close 0.0.0.0/0 >/dev/null && ctl close ::/0 >/dev/null; }
source_file() { (umask 077 && cat >"$D/$1"); }
random64() { head -c "$1" /dev/urandom | base64 -w0; }

say "fwknop: access.conf, by Debian's client"
KEY=$(random64 32) HMAC=$(random64 64)
source_file access.conf <<-R
	# fwknopd
	SOURCE                     192.0.2.0/24
	OPEN_PORTS                 tcp/22, tcp/8443
	REQUIRE_USERNAME           mary jane
	REQUIRE_SOURCE_ADDRESS     N
	FW_ACCESS_TIMEOUT          77
	KEY_BASE64                 $KEY
	HMAC_KEY_BASE64            $HMAC
	HMAC_DIGEST_TYPE           sha512
	CMD_CYCLE_OPEN             /usr/local/sbin/open.sh
	WHATEVER                   1

	SOURCE                     ANY
	KEY                        __CHANGEME__
	HMAC_KEY                   __CHANGEME__
R
before=$(files)
code 0 take fwknop "$D/access.conf" --dry-run
contains "a dry run reports" "$(said)" "nothing was written"
equal "and writes nothing" "$(files)" "$before"
code 2 take fwknop "$D/access.conf"
contains "new services shut ports, which somebody has to want" "$(said)" "tcp-8443 (tcp/8443); nobody can be asked"
equal "nothing was written" "$(files)" "$before"
code 0 take fwknop "$D/access.conf" --yes
for row in 'line 2 .*networks of the user' 'line 3 .*services of the user' 'line 4 .*the keys alone prove' 'line 6 .*lifetime 77s' \
	'line 10 .*CMD_CYCLE_OPEN .*the ruleset is' 'line 11 .*WHATEVER .*no variable' 'line 13 .*stanza 2 .*__CHANGEME__' \
	'mary-jane/fwknop .*services ssh, tcp-8443; modes packet, fwknop'; do
	matches "$row" <"$D/out" || fail "no row '$row': $(said)"
done
lacks "no key is shown" "$(said)" "${KEY:0:12}"
lacks "nor of the HMAC" "$(said)" "${HMAC:0:12}"
lacks "the daemon knows it" "$(said)" "was not told"
equal "the key is for the daemon alone" "$(command stat -c '%a %g' "$D/etc/credentials/mary-jane.fwknop.key")" "640 $UID_DAEMON"
check "the configuration is good" in_srv "$KNOCKCTL" check "$MAIN"
mkdir -m 700 "$D/home"
(umask 077 && cat >"$D/home/.fwknoprc") <<-R
	[default]
	SPA_SERVER         192.0.2.1
	ACCESS             tcp/22
	ALLOW_IP           source
	KEY_BASE64         $KEY
	HMAC_KEY_BASE64    $HMAC
	HMAC_DIGEST_TYPE   sha512
	USE_HMAC           Y
R
fwknop() { in_cli env HOME="$D/home" fwknop -n default "$@" >"$D/out" 2>&1 || fail "fwknop: $(said)"; }
refuse "the port is shut" granted
sleep 1.1 # fwknop's time is in whole seconds, and must not be from before the start
fwknop -s
check "fwknop's client opens it" eventually 5 granted
contains "for its user" "$(ctl grants)" mary-jane/fwknop
contains "as long as access.conf says" "$(cat "$D/log")" "granted mary-jane/fwknop ssh from 192.0.2.2 (tcp/22) for 77s"
refuse "the new service is shut" granted 8443
fwknop -s -A tcp/8443
check "and opens too" eventually 5 granted 8443
shut
before=$(files)
code 1 take fwknop "$D/access.conf" --yes
contains "a second time is refused" "$(said)" "there is already user mary-jane; nothing was written"
equal "and changes nothing" "$(files)" "$before"

say "capyknock: server-conf.json, by its client"
UDPKEY=$(random64 32 | tr +/ -_) OTPKEY=$(head -c 20 /dev/urandom | base32 -w0)
source_file server.json <<-R
	{
	  "listeninginterface": 0, "locallisteninginterface": 0, "listeningport": 5001,
	  "users": [
	    {"username": "bobsname", "nickname": "bob", "udpkey": "$UDPKEY", "otpkey": "$OTPKEY",
	     "target_server_ip": "192.0.2.1", "target_server_port": "22"},
	    {"username": "", "nickname": "", "udpkey": "", "otpkey": "", "target_server_ip": "", "target_server_port": ""},
	    {"username": "else", "nickname": "else", "udpkey": "$UDPKEY", "otpkey": "$OTPKEY",
	     "target_server_ip": "203.0.113.9", "target_server_port": 22}
	  ]
	}
R
code 0 take capyknock "$D/server.json"
matches 'line 6 .*blank' <"$D/out" || fail "the blank entry: $(said)"
matches 'line 7 .*203.0.113.9 is neither' <"$D/out" || fail "the target: $(said)"
contains "both old clients are heard" "$(grep ^legacy "$MAIN")" 'capyknock: {port: 5001}, fwknop: {port: 62201}'
refuse "the port is shut" granted
in_cli "$HERE/capyknock_client.py" bobsname "$UDPKEY" "$OTPKEY" 192.0.2.1 5001 192.0.2.1 22
check "capyknock's client opens it" eventually 5 granted
contains "for its user" "$(ctl grants)" bob/capyknock
shut
fwknop -s
check "and fwknop's still does" eventually 5 granted
shut

say "c-lock: a unit's command line, by its client"
SECRET=$(head -c 32 /dev/urandom | base32 -w0 | tr -d =)
source_file c-lock.service <<-R
	[Service]
	ExecStart=/usr/local/bin/c-lock-server --secret $SECRET -p 22 -o 80 -o 8080 --time-slot 30
R
before=$(files)
code 2 take c-lock "$D/c-lock.service" --user carol --accept-odds 1e-9
contains "odds that are too good are refused" "$(said)" "is less than the odds, which are 5.0e-04"
equal "and nothing is written" "$(files)" "$before"
code 0 take c-lock "$D/c-lock.service" --user dora
contains "odds that nobody accepts" "$(said)" "nobody accepted that"
contains "are named with the line" "$(said)" "c_lock: {max_guess_odds: 5.0e-04, open_ports: [tcp/8080]}"
lacks "and are not accepted silently" "$(cat "$MAIN")" c_lock
lacks "the user knocks by packets" "$(cat "$D/etc/users/dora.yaml")" c-lock
check "(who goes again)" in_srv "$KNOCKCTL" user remove dora --yes -c "$MAIN"
code 0 take c-lock "$D/c-lock.service" --user carol --accept-odds 5e-4
contains "accepted odds are" "$(cat "$MAIN")" 'c_lock: {max_guess_odds: 5e-4, open_ports: [tcp/8080]}'
lacks "the secret is not shown" "$(said)" "$SECRET"
begin_slot
refuse "the port is shut" granted
in_cli python3 "$HERE/c_lock_client.py" 192.0.2.1 --secret "$SECRET"
check "c-lock's client opens it" eventually 5 granted
contains "for its user" "$(ctl grants)" carol/c-lock
shut

say "hknock: .env, by a code of its secret"
HOTP=JBSWY3DPFVQQ2ZLNNV4TK4LHFA
printf 'API_SECRET="%s"\nPORT_TO_OPEN = 22\nPORTS_SEQUENCE = [1, 2]\n' "$HOTP" | source_file env
code 0 take hknock "$D/env" --user hans
contains "its packets have no equivalent" "$(said)" "they are not accepted"
contains "and the next step is said" "$(said)" "knockctl user profile hans/hknock"
profile_of() { in_srv "$KNOCKCTL" user profile "$1" --host 192.0.2.1 --out "$D/profiles/${1/\//-}.yaml" -c "$MAIN" >"$D/out"; }
check "the profile" profile_of hans/hknock
equal "the codes are those of hknock" "$(oathtool --hotp -b -c 0 "$HOTP")" 625390
check "a handshake with the first code opens" in_cli "$CLIENT" open --handshake 192.0.2.1 ssh \
	--profile "$(profile hans-hknock)" --otp 625390
contains "for its user" "$(ctl grants)" hans/hknock
shut

say "knockd: what its commands opened"
source_file knockd.conf <<-R
	[options]
	    UseSyslog
	[openSSH]
	    sequence    = 7000,8000,9000
	    seq_timeout = 5
	    command     = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	    tcpflags    = syn
	    cmd_timeout = 40
	[closeSSH]
	    sequence    = 9000,8000,7000
	    command     = /sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
R
code 0 take knockd "$D/knockd.conf" --json
equal "one of the sections is a user" "$(python3 -c 'import json,sys; r = json.load(open(sys.argv[1])); print([(u["user"], u["services"]) for u in r["users"]], r["written"], r["reloaded"])' "$D/out")" \
	"[('openSSH', ['ssh'])] True True"
lacks "the sequence is not taken over" "$(cat "$D/etc/users/openSSH.yaml")" 7000
check "the profile" profile_of openSSH/sequence
begin_slot
refuse "the port is shut" granted
check "ports of the half minute open it" in_cli "$CLIENT" sequence -4 192.0.2.1 ssh --profile "$(profile openSSH-sequence)"
check "it is open" eventually 5 granted
contains "as long as knockd's command did" "$(cat "$D/log")" "granted openSSH/sequence ssh from 192.0.2.2 (tcp/22) for 40s"
shut

say "files that are not to be read"
before=$(files)
ln -s access.conf "$D/link"
code 78 take fwknop "$D/link"
contains "a link" "$(said)" "is a symbolic link"
cp "$D/access.conf" "$D/open.conf" && chmod 666 "$D/open.conf"
code 78 take fwknop "$D/open.conf"
contains "what others can write" "$(said)" "can be written by others"
mkfifo "$D/pipe"
code 78 timeout 5 nsenter --net="/run/netns/$SRV" "$KNOCKCTL" import fwknop "$D/pipe" -c "$MAIN"
printf 'SOURCE ANY\n\0' | source_file nul
code 78 take fwknop "$D/nul"
contains "a byte of zero" "$(said)" ":2: there is a byte of zero"
head -c 1100000 /dev/zero | tr '\0' '#' | source_file large
code 78 take fwknop "$D/large"
contains "a large one" "$(said)" "larger than 1024 KiB"
code 78 take knockd "$D/access.conf"
code 2 take fwknob "$D/access.conf"
contains "a misspelt kind" "$(said)" 'did you mean "fwknop"?'
code 2 take cryptknock "$D/access.conf"
sed 's/mary jane/eve/' "$D/access.conf" | source_file eve.conf && chmod 644 "$D/eve.conf"
code 0 take fwknop "$D/eve.conf" --dry-run
contains "everybody can read a secret" "$(said)" "everybody here can read it"
equal "nothing was written all the time" "$(files)" "$before"

say "a kill in the middle"
for i in {10..39}; do
	sed "s/mary jane/kate$i/" "$D/access.conf" | source_file "kate$i.conf"
	background "$SRV" "$KNOCKCTL" import fwknop "$D/kate$i.conf" -c "$MAIN" --no-reload >/dev/null 2>&1 </dev/null
	sleep "0.0$((i * 2))"
	kill -KILL "$BACKGROUND" 2>/dev/null || true
	wait "$BACKGROUND" 2>/dev/null || true
done
check "the next change completes or undoes it" in_srv "$KNOCKCTL" user set anna lifetime=20s -c "$MAIN"
[ ! -e "$D/etc/.change" ] || fail "half a change is left"
whole=0
for i in {10..39}; do
	have=$(find "$D/etc" -name "kate$i*" | wc -l)
	[ "$have" = 0 ] || [ "$have" = 3 ] || fail "kate$i has $have files"
	[ "$have" = 0 ] || whole=$((whole + 1))
done
say "$whole of 30 are there, and nothing of the others"
check "the configuration is good" in_srv "$KNOCKCTL" check "$MAIN"

say "a server that never had a user"
mkdir "$D/fresh"
sed "s|run: $D/run, state: $D/state|run: $D/fresh/run, state: $D/fresh/state|" "$MAIN" | grep -v -e ^legacy -e ^c_lock >"$D/fresh/xknock.yaml"
before=$(cat "$D/fresh/xknock.yaml")
code 78 in_srv "$KNOCKCTL" import fwknop "$D/access.conf" -c "$D/no-such/xknock.yaml"
sed 's/^KEY_BASE64.*/KEY_BASE64 no-base64/' "$D/access.conf" | source_file bad.conf
code 1 in_srv "$KNOCKCTL" import fwknop "$D/bad.conf" -c "$D/fresh/xknock.yaml"
contains "a key that the worker would refuse" "$(said)" "KEY is not the base64 of 1 to 32 bytes"
equal "writes nothing, no identity either" "$(ls "$D/fresh")" xknock.yaml
code 0 in_srv "$KNOCKCTL" import fwknop "$D/access.conf" -c "$D/fresh/xknock.yaml"
contains "gets its identity with its first one" "$(said)" "wrote $D/fresh/server_id"
contains "and nobody was told" "$(said)" "xknockd was not told"
check "the configuration is good" in_srv "$KNOCKCTL" check "$D/fresh/xknock.yaml"
equal "the main file has the listener" "$(tail -n 1 "$D/fresh/xknock.yaml")" "legacy: {fwknop: {port: 62201}}"
equal "and nothing else more" "$(head -n -1 "$D/fresh/xknock.yaml")" "$before"
pass
