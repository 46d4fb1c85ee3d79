# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Trees of Debian 12 and 13, in which packages are built and tried. They come from where the machine's own packages of
# Debian come, and stay in build/trees for the next time: remove the directory for newer ones.

# release_of_debian RELEASE: its number.
release_of_debian() {
	case $1 in
	bookworm) echo 12 ;;
	trixie) echo 13 ;;
	*) printf '%s\n' "${0##*/}: '$1' is not bookworm or trixie" >&2 && return 2 ;;
	esac
}

# sources_of RELEASE: lines of sources.list for it, by what apt knows of this machine's own release.
sources_of() {
	local uri label lines
	lines=$(apt-get indextargets 'Created-By: Packages' 'Origin: Debian' --format "\$(REPO_URI) \$(LABEL)" | sort -u |
		while read -r uri label; do
			case $label in
			Debian) printf 'deb %s %s main\n' "$uri" "$1" "$uri" "$1-updates" ;;
			Debian-Security) printf 'deb %s %s main\n' "$uri" "$1-security" ;;
			esac
		done)
	[ -n "$lines" ] || { echo "${0##*/}: apt knows no package of Debian: apt-get update" >&2 && return 1; }
	printf '%s\n' "$lines"
}

# tree RELEASE NAME PACKAGE...: makes it where it is not there, and says its directory.
tree() {
	local release=$1 name=$2 directory
	shift 2
	directory=$PWD/build/trees/$release-$name-$(printf '%s\n' "$@" | sha256sum | cut -c1-8)
	mkdir -p build/trees
	(
		flock 9 # tests may run side by side
		[ -d "$directory" ] || make_tree "$release" "$directory" "$@"
	) 9>"$directory.lock" || return 1
	printf '%s\n' "$directory"
}
make_tree() {
	local release=$1 directory=$2 new=$2.new sources excluded options=()
	shift 2
	if [[ $directory = *-build-* ]]; then # nobody reads there
		for excluded in man doc locale; do options+=("--dpkgopt=path-exclude=/usr/share/$excluded/*"); done
	fi
	rm -rf "$new" # of a run that was killed
	sources=$(sources_of "$release") || return 1
	# The lists stay in it: so apt can work there without a network.
	mmdebstrap --variant=minbase --skip=cleanup/apt/lists --include="$(IFS=, && echo "$*")" \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' "${options[@]}" "$release" "$new" - \
		>"$directory.log" 2>&1 <<<"$sources" || {
		tail -n 20 "$directory.log" >&2
		return 1
	}
	mv "$new" "$directory" # whole or not at all
}
