#!/bin/bash
# SPDX-License-Identifier: MIT
# Manual pages and completions, as they are built: each page has a name that whatis(1) finds, every verb and option of the
# programs, and no fault of groff; the completions complete in real shells.
set -euo pipefail
: "${XK_BUILD:?the build directory}"
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
fail() {
	printf '%s\n' "FAILED: $*" >&2
	exit 1
}
# equal WHAT GOT WANTED
equal() { [ "$2" = "$3" ] || fail "$1: '$2', and not '$3'"; }

for page in client/knock-client.1 tools/knockctl.8 tools/xknockd.8 tools/xknock.yaml.5 tools/xknock-modes.7; do
	file=$XK_BUILD/$page
	name=$(basename "${file%.*}")
	[ -s "$file" ] || fail "there is no page $file"
	[[ "$(lexgrog "$file")" == *": \"$name - "* ]] || fail "whatis does not find $name: $(lexgrog "$file" || true)"
	# A wide table is laid out as well as 80 columns allow, and groff says so.
	MANWIDTH=80 MANPAGER=cat man --warnings -l "$file" 2>"$TMP/warnings" >"$TMP/text"
	! grep -vE "can't break line|cannot adjust line|table (wider|squeezed)|column separation set|^warning: file '<standard input>'" "$TMP/warnings" ||
		fail "groff complains about $name"
	equal "links of $name that a page cannot follow" "$(grep -c '\.md#' "$TMP/text" || true)" 0
done

for program in client/knock-client tools/knockctl; do
	MANPAGER=cat MANWIDTH=500 man -l "$XK_BUILD/$program".[18] 2>/dev/null | col -bx >"$TMP/text"
	"$XK_BUILD/$program" --help | sed -n '/^Subcommands:/,$s/^  \([a-z-]\+\).*/\1/p' >"$TMP/verbs"
	[ "$(wc -l <"$TMP/verbs")" -ge 9 ] || fail "$program names no verbs"
	while read -r verb; do
		grep -q "^ *${program#*/} $verb" "$TMP/text" || fail "the page of $program has no $verb"
		"$XK_BUILD/$program" "$verb" --help | grep -oE '^  (-[a-z],)?--[a-z0-9-]+' | grep -oE -- '--.*' | while read -r option; do
			[ "$option" = --help ] || grep -qE -- "$option([ ,]|\$)" "$TMP/text" || fail "the page of $program has no $verb $option"
		done
	done <"$TMP/verbs"
done

# in_bash WORD...: what bash offers for the last word
in_bash() {
	bash -c '. "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); "_${1//-/_}"; echo "${COMPREPLY[*]}"' \
		"$XK_BUILD/$FROM/$1.bash" "$@"
}
# in_fish LINE
in_fish() {
	HOME=$TMP XDG_CONFIG_HOME=$TMP fish --no-config -c "source '$XK_BUILD/$FROM/${1%% *}.fish'; complete -C '$1'" |
		cut -f1 | sort | paste -sd' '
}
# in_zsh LINE: the line behind a tab, in a terminal of its own
in_zsh() {
	cat >"$TMP/zsh" <<-'Z'
		zmodload zsh/zpty
		zpty -b shell zsh -f -i
		zpty -w shell "PROMPT='>'; fpath=($1 \$fpath); autoload -U compinit; compinit -u -d $1/dump; print rea''dy"
		zpty -r shell line '*ready*'
		zpty -n -w shell "$2"$'\t'
		sleep 1
		zpty -n -w shell $'\x01print -r -- \'<\x05>\'\n'
		zpty -r shell line $'*\n<*>*'
		print -r -- "${${line##*$'\n'<}%%>*}"
		zpty -d shell
	Z
	cp "$XK_BUILD/$FROM/${1%% *}.zsh" "$TMP/_${1%% *}"
	HOME=$TMP timeout 60 zsh -f "$TMP/zsh" "$TMP" "$1"
}
FROM=tools
equal "bash, a verb" "$(in_bash knockctl cloc)" clock
equal "bash, a verb of a verb" "$(in_bash knockctl clock a)" accept
equal "bash, an option" "$(in_bash knockctl doctor --jso)" --json
equal "bash, a choice" "$(in_bash knockctl unban --all --family in)" "inet4 inet6"
equal "bash, a file" "$(in_bash knockctl doctor --config "$TMP/zs")" ""
: >"$TMP/some.yaml"
equal "bash, a file that is there" "$(in_bash knockctl doctor --config "$TMP/so")" "$TMP/some.yaml"
equal "fish, a verb" "$(in_fish 'knockctl cloc')" clock
equal "fish, a verb of a verb" "$(in_fish 'knockctl clock a')" accept
equal "fish, a choice" "$(in_fish 'knockctl unban --all --family in')" "inet4 inet6"
equal "zsh, a verb" "$(in_zsh 'knockctl cloc')" "knockctl clock"
equal "zsh, a verb of a verb" "$(in_zsh 'knockctl clock acc')" "knockctl clock accept"
equal "zsh, an option" "$(in_zsh 'knockctl doctor --js')" "knockctl doctor --json"
FROM=client
equal "bash, knock-client" "$(in_bash knock-client ssh-c)" ssh-config
equal "fish, knock-client" "$(in_fish 'knock-client ssh-c')" ssh-config
equal "zsh, knock-client" "$(in_zsh 'knock-client ssh-c')" "knock-client ssh-config"
echo "manual pages and completions are good"
