#!/bin/sh
# SPDX-License-Identifier: MIT
#   make_page.sh LOWDOWN NAME SECTION VERSION PAGE ABOUT MARKDOWN
#
# ABOUT is the line for whatis(1), or a file that begins with it. One manual page out of Markdown. It has no names of link targets, because a page cannot follow them, and no date, so that
# two builds are the same.
set -eu
lowdown=$1 name=$2 section=$3 version=$4 page=$5 about=$6 markdown=$7
if ! [ -e "$about" ]; then
	printf '# NAME\n\n%s - %s\n\n' "$name" "$about" >"$page.name"
	about=$page.name
fi
{
	# tbl(1) lays the tables out; man(1) runs it where the first line says so.
	printf "'\\\\\" t\n"
	cat "$about" "$markdown" | "$lowdown" -s -Tman --nroff-nolinks -M "title=$name" -M "section=$section" -M "source=xknock $version" -M date=
} >"$page.new"
mv "$page.new" "$page"
