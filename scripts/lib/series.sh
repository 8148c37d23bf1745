# SPDX-License-Identifier: GPL-2.0
# The list of topics and patches, and what a patch file says. Sourced, not run.
SERIES=$TOP/series
PATCHES=$TOP/patches

series_base() { sed -n 's/^# BASE //p' "$SERIES"; }
# "# TOPIC name [topics it needs]"
series_topics() { awk '/^# TOPIC / { print $3 }' "$SERIES"; }
topic_needs() { awk -v t="$1" '/^# TOPIC / && $3 == t { for (i = 4; i <= NF; i++) print $i }' "$SERIES"; }
# topic_stands_on TOPIC: what it needs, and what that needs, in order.
topic_stands_on() {
	tac "$SERIES" | awk -v t="$1" '
		BEGIN { want[t] }
		/^# TOPIC / && $3 in want {
			for (i = 4; i <= NF; i++) want[$i]
			if ($3 != t) print $3
		}' | tac
}

# series_patches [TOPIC]: file names in order.
# shellcheck disable=SC2120 # the argument is optional
series_patches() {
	awk -v want="${1:-}" '
		/^# TOPIC / { topic = $3 }
		/^#/ || /^[ \t]*$/ { next }
		want == "" || topic == want { print $1 }' "$SERIES"
}

# series_before_apart: how many patches come before those of topic $APART (ci/series.conf).
series_before_apart() { awk -v apart="${APART:-}" '/^# TOPIC / && $3 == apart && n { exit } !/^#/ && NF { n++ } END { print n + 0 }' "$SERIES"; }

# series_consistent: the list and the files agree.
series_consistent() {
	[ -f "$SERIES" ] || { say "series: missing"; return 1; }
	bad=0
	for f in $(series_patches); do
		[ -f "$PATCHES/$f" ] || { say "series names $f, which is not in patches/: restore the file or drop the line"; bad=1; }
	done
	for f in "$PATCHES"/*.patch; do
		[ -e "$f" ] || continue
		series_patches | grep -qxF "${f##*/}" || { say "patches/${f##*/} is not in series: add the line or delete the file"; bad=1; }
	done
	for f in $(series_patches | sort | uniq -d); do
		say "series names $f twice"; bad=1
	done
	sed '/^# TOPIC /,$d' "$SERIES" | grep -v '^#' | grep -q . && { say "series names patches before the first '# TOPIC' line"; bad=1; }
	[ "$(series_base | grep -c .)" = 1 ] || { say "series needs one '# BASE' line"; bad=1; }
	! grep -q "$(printf '\r')\$" "$SERIES" || { say "series has carriage returns: check it out again without core.autocrlf"; bad=1; }
	[ -z "${APART:-}" ] || [ "$(series_topics | sed 1d | tail -n 1)" = "$APART" ] ||
		{ say "APART in ci/series.conf is $APART, which is not the last of several topics in series: move it there, or empty APART"; bad=1; }
	return $bad
}

# patch_subject FILE, without the prefix; RFC 2822 folds long lines.
patch_subject() {
	awk '/^Subject: / { s = $0; next } s != "" && /^[ \t]/ { s = s $0; next } s != "" { exit }
		END { sub(/^Subject: (\[PATCH\] )?/, "", s); print s }' "$1"
}

# essence FILE: what a patch says and does, whoever the author is and whatever the base.
essence() { sed -n '/^Subject: /,$p' "$1" | sed '1,/^---$/!{/^[ @]/d; /^index /d}'; }
