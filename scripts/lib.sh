# SPDX-License-Identifier: GPL-2.0
# What the scripts in this folder share. Sourced, not run.
#
# Environment:
#   SERIES_CACHE  where trees, builds, tools and logs live
#                 (default: $XDG_CACHE_HOME or ~/.cache, folder linux-rust-series)
#   KDIR          a git clone of Linux to work from (default: Debian's 7.3 source)
#   BASE          commit in KDIR that the series goes on (default: the tag in `series`)
#   LLVM, RUSTC   toolchain (default: -19, /usr/bin/rustc); rustdoc, rustfmt and
#                 clippy-driver are taken from beside RUSTC
#   JOBS          parallel jobs (default: number of CPUs)
#
# Exit status: 0 fine, 1 findings, 2 usage or environment, 3 a tool is missing.
set -eu

# A hook of git names its repository in the environment; ours are others.
# shellcheck disable=SC2046 # a list of names
unset $(git rev-parse --local-env-vars)

PROG=${0##*/}
TOP=$(cd "$(dirname "$0")/.." && pwd)
CACHE=$(realpath -ms "${SERIES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linux-rust-series}")
LLVM=${LLVM:--19}
RUSTC=$(command -v "${RUSTC:-/usr/bin/rustc}" || echo "${RUSTC:-/usr/bin/rustc}")
JOBS=${JOBS:-$(nproc)}
WORK=$CACHE/work	# work tree of the gates; theirs alone
WORK_DEFCONFIG=$CACHE/work.defconfig	# and that of the longest build
TREE=$CACHE/tree	# work tree of the author
LOGS=$CACHE/log
VENV=$CACHE/venv

# The canonical form of a patch: same bytes on every git, through a `git am`.
FORMAT_PATCH="format-patch --quiet --no-numbered --no-cover-letter --no-base
	--zero-commit --no-signature --full-index --diff-algorithm=myers
	--no-encode-email-headers --src-prefix=a/ --dst-prefix=b/
	--subject-prefix=PATCH"

say() { printf '%s\n' "$*" >&2; }
die() { rc=$1; shift; say "$PROG: $*"; exit "$rc"; }

case $CACHE in
*[[:space:]]*) die 2 "the kernel cannot be built in '$CACHE', which has a blank in it: set SERIES_CACHE" ;;
esac

# The comment at the head of a script is its manual page.
usage() { sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"; }

usage_error() { say "$PROG: $*"; say "Try '$PROG -h'."; exit 2; }

# need TOOL: a path, or a name in PATH.
need() {
	command -v "$1" >/dev/null 2>&1 ||
		die 3 "$1 is missing: run scripts/setup${2:+ (package $2)}"
}

elapsed() { printf '%d:%02d' $((($1) / 60)) $((($1) % 60)); }

# run LABEL LOG COMMAND...: all output into LOG, a ticker on a terminal.
TICKER=
stop_ticker() {
	[ -z "$TICKER" ] || { kill "$TICKER" && wait "$TICKER"; } 2>/dev/null || :
	TICKER=
}
trap 'stop_ticker' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
run() {
	run_label=$1 run_log=$2 run_start=$(date +%s)
	shift 2
	mkdir -p "${run_log%/*}"
	: >"$run_log"
	if [ -t 2 ]; then
		(
			while kill -0 $$ 2>/dev/null; do
				printf '\r\033[K%s  %s  %.50s' "$run_label" \
					"$(elapsed $(($(date +%s) - run_start)))" \
					"$(tail -n 1 "$run_log" | tr -cd '[:print:]')" >&2
				sleep 1
			done
		) &
		TICKER=$!
	else
		say "$run_label"
	fi
	run_rc=0
	"$@" >"$run_log" 2>&1 </dev/null || run_rc=$?
	if [ -n "$TICKER" ]; then
		stop_ticker
		printf '\r\033[K' >&2
	fi
	RUN_SECONDS=$(($(date +%s) - run_start))
	return $run_rc
}

# One user of the cache at a time, but for the build of a defconfig; a second one waits. The lock goes with its
# processes, so nothing is left to clean up after a kill.
lock() {
	[ -z "${SERIES_LOCKED:-}" ] || return 0
	mkdir -p "$CACHE" || die 2 "cannot write $CACHE: set SERIES_CACHE to a folder of yours"
	exec 9>>"$CACHE/lock"
	if ! flock -n 9; then
		say "$PROG: waiting for $(cat "$CACHE/lock.owner" 2>/dev/null || echo another run)"
		flock 9
	fi
	echo "$PROG, process $$" >"$CACHE/lock.owner"
	export SERIES_LOCKED=1
}

# need_space MEGABYTES
need_space() {
	mkdir -p "$CACHE"
	free=$(df -Pm "$CACHE" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$1" ] ||
		die 2 "$CACHE has $free MB free, $1 are needed: make room or set SERIES_CACHE"
}

# --- series ----------------------------------------------------------------

SERIES=$TOP/series
PATCHES=$TOP/patches

series_base() { sed -n 's/^# BASE //p' "$SERIES"; }
# "# TOPIC name [topics it needs]"
series_topics() { awk '/^# TOPIC / { print $3 }' "$SERIES"; }
topic_needs() { awk -v t="$1" '/^# TOPIC / && $3 == t { for (i = 4; i <= NF; i++) print $i }' "$SERIES"; }

# series_patches [TOPIC]: file names in order.
# shellcheck disable=SC2120 # the argument is optional
series_patches() {
	awk -v want="${1:-}" '
		/^# TOPIC / { topic = $3 }
		/^#/ || /^[ \t]*$/ { next }
		want == "" || topic == want { print $1 }' "$SERIES"
}
series_count() { series_patches | wc -l; }
patch_at() { series_patches | awk -v n="$1" "NR == n"; }

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
	[ -n "$(series_base)" ] || { say "series has no '# BASE' line"; bad=1; }
	return $bad
}

# --- git -------------------------------------------------------------------

# Same commits from same patches, whatever the user's configuration. Hard links or a
# backup, which change the ctime, are no reason to write all files anew.
wgit() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null \
	GIT_COMMITTER_NAME=series GIT_COMMITTER_EMAIL=series@localhost \
	GIT_AUTHOR_NAME=series GIT_AUTHOR_EMAIL=series@localhost \
	git -c gc.auto=0 -c advice.detachedHead=false -c core.hooksPath=/dev/null \
		-c core.trustctime=false "$@"
}

# base_repo: sets REPO and BASE_COMMIT. A user's clone is only read: REPO borrows
# its objects.
base_repo() {
	if [ -n "${KDIR:-}" ]; then
		objects=$(git -C "$KDIR" rev-parse --path-format=absolute --git-path objects 2>/dev/null) ||
			die 2 "$KDIR (KDIR, or --tree) is not a git repository"
		ref=${BASE:-$(series_base)}
		BASE_COMMIT=$(git -C "$KDIR" rev-parse --quiet --verify "$ref^{commit}") ||
			die 2 "no commit '$ref' in $KDIR: fetch it, or name a base with BASE=REF"
		REPO=$CACHE/kdir-$(echo "$objects" | sha256sum | cut -c1-12).git
		if ! [ -f "$REPO/objects/info/alternates" ]; then
			mkdir -p "$CACHE"
			git init -q --bare "$REPO"
			git -C "$REPO" config core.bare false # spdxcheck.py asks
			echo "$objects" >"$REPO/objects/info/alternates"
		fi
	else
		REPO=$CACHE/linux.git
		[ -d "$REPO" ] || die 3 "no kernel source: run scripts/setup, or set KDIR to a clone of Linux"
		ref=${BASE:-HEAD}
		BASE_COMMIT=$(git -C "$REPO" rev-parse --quiet --verify "$ref^{commit}") ||
			die 2 "no commit '$ref' in $REPO: set KDIR to a clone that has it"
	fi
}

# worktree DIR: DIR is a work tree of REPO, made where there is none. What is
# not ours is not removed; what an author worked in is moved away.
worktree() {
	have=$(git -C "$1" rev-parse --path-format=absolute --git-common-dir 2>/dev/null || :)
	if [ "$have" = "$REPO" ] && [ -f "$1/.git" ] && [ -f "$1/Makefile" ]; then
		return
	fi
	if [ -e "$1" ]; then
		[ -f "$1/.git" ] || die 2 "$1 is not a work tree of ours: move it away, or set SERIES_CACHE"
		if [ "$1" = "$TREE" ] && [ -e "$TREE.made" ]; then
			mv "$1" "$1.old.$(date +%s)"
			say "$PROG: $1 belongs to another kernel repository; it is now $(ls -d "$1".old.* | tail -n 1)"
		else
			rm -rf "$1"
		fi
	fi
	need_space 4000
	wgit -C "$REPO" worktree add --quiet --force --force --detach "$1" "$BASE_COMMIT"
}

# chain: every patch of the series as a commit on the base, in WORK's repository.
# Sets CHAIN to the file that lists base and commits, one a line. Commits depend
# on base and patch bytes only, and are made once.
chain() {
	base_repo
	series_consistent || die 1 "series and patches/ disagree"
	worktree "$WORK"
	CHAIN=$WORK.chain
	key=$BASE_COMMIT
	: >"$CHAIN.new"
	echo "$BASE_COMMIT" >>"$CHAIN.new"
	at=$BASE_COMMIT made=0
	for f in $(series_patches); do
		key=$( { echo "$key"; cat "$PATCHES/$f"; } | sha256sum | cut -c1-40)
		if next=$(git -C "$WORK" rev-parse --quiet --verify "refs/worktree/series/$key^{commit}"); then
			at=$next
		else
			[ $made = 1 ] || work_at "$at"
			made=1
			apply_patch "$WORK" "$f" || {
				wgit -C "$WORK" am --abort >/dev/null 2>&1 || :
				die 1 "patches/$f does not apply to ${at%"${at#????????????}"}; $CACHE/log/am says where. 'scripts/tree --upto $(($(wc -l <"$CHAIN.new") - 1))' makes a tree to mend it in"
			}
			at=$(git -C "$WORK" rev-parse HEAD)
			wgit -C "$WORK" update-ref "refs/worktree/series/$key" "$at"
		fi
		echo "$at" >>"$CHAIN.new"
	done
	mv "$CHAIN.new" "$CHAIN"
}
commit_at() { sed -n "$(($1 + 1))p" "$CHAIN"; }

# patch_subject FILE, without the prefix; RFC 2822 folds long lines.
patch_subject() {
	awk '/^Subject: / { s = $0; next } s != "" && /^[ \t]/ { s = s $0; next } s != "" { exit }
		END { sub(/^Subject: (\[PATCH\] )?/, "", s); print s }' "$1"
}

# tree_file DIR NAME: where scripts/tree keeps what it knows of a work tree.
tree_file() { git -C "$1" rev-parse --path-format=absolute --git-path "series-$2"; }

# stored_state: which patches these are, and whose.
stored_state() {
	echo "$TOP"
	(cd "$TOP" && cat series patches/* 2>/dev/null | sha256sum)
}

# apply_patch DIR FILE
apply_patch() {
	mkdir -p "$LOGS"
	wgit -C "$1" am -q -3 --committer-date-is-author-date "$PATCHES/$2" >"$LOGS/am" 2>&1
}

# work_at COMMIT: the gates' work tree, clean, at that commit.
work_at() {
	worktree "$WORK"
	gitdir=$(git -C "$WORK" rev-parse --path-format=absolute --git-dir)
	rm -f "$gitdir/index.lock" "$gitdir/HEAD.lock"
	wgit -C "$WORK" am --abort >/dev/null 2>&1 || :
	wgit -C "$WORK" reset -q --hard
	wgit -C "$WORK" clean -fdq
	wgit -C "$WORK" checkout -q --force --detach "$1"
}

# export_patches DIR RANGE OUT: canonical files of the commits that change
# something. A sign-off belongs to the person who submits and is left out.
export_patches() {
	rm -rf "$3"
	mkdir -p "$3"
	export_n=0
	for export_commit in $(git -C "$1" rev-list --reverse "$2"); do
		! git -C "$1" diff --quiet "$export_commit^" "$export_commit" || continue
		export_n=$((export_n + 1))
		# shellcheck disable=SC2086 # FORMAT_PATCH is a list of options
		GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null git -C "$1" \
			$FORMAT_PATCH --start-number $export_n -o "$3" -1 "$export_commit"
	done
	for f in "$3"/*.patch; do
		[ ! -e "$f" ] || sed -i '1,/^---$/{/^Signed-off-by: /d}' "$f"
	done
}

# essence FILE: what a patch says and does, whoever the author is and whatever the base.
essence() { sed -n '/^Subject: /,$p' "$1" | sed '1,/^---$/!{/^[ @]/d; /^index /d}'; }

# --- kernel build ----------------------------------------------------------

kmake() {
	kmake_o=$1
	shift
	case $LLVM in
	-*) LIBCLANG_PATH=${LIBCLANG_PATH:-/usr/lib/llvm$LLVM/lib}; export LIBCLANG_PATH ;;
	esac
	rustbin=${RUSTC%/*}
	make -C "$WORK" O="$kmake_o" LOCALVERSION= ARCH="${KARCH:-arm64}" LLVM="$LLVM" \
		RUSTC="$RUSTC" RUSTDOC="$rustbin/rustdoc" RUSTFMT="$rustbin/rustfmt" \
		CLIPPY_DRIVER="$rustbin/clippy-driver" BINDGEN="$CACHE/bin/bindgen" "$@"
}

# flavour_arch FLAVOUR: arm64, or what a line "# ARCH" in the fragment says.
flavour_arch() {
	arch=$(sed -n 's/^# ARCH //p' "$TOP/kconfig-fragments/$1.config" 2>/dev/null || :)
	echo "${arch:-arm64}"
}

# flavour_rustc FLAVOUR: the caller's, or the kernel's minimum where a line
# "# RUSTC minimum" says so.
flavour_rustc() {
	if grep -q '^# RUSTC minimum$' "$TOP/kconfig-fragments/$1.config" 2>/dev/null; then
		echo "$CACHE/rust-min/bin/rustc"
	else
		echo "$RUSTC"
	fi
}

# flavour_fragments FLAVOUR: the files that make its configuration. A kernel for
# arm64 can be booted by scripts/boot, too. Only Arm has the PL061.
flavour_fragments() {
	case $(flavour_arch "$1") in
	arm64 | arm) set -- rust kunit boot pl061 pl061-kunit "$1" ;;
	*) set -- rust kunit "$1" ;;
	esac
	for f; do
		[ -f "$TOP/kconfig-fragments/$f.config" ] ||
			die 2 "no flavour '$f': kconfig-fragments/$f.config does not exist"
		echo "$TOP/kconfig-fragments/$f.config"
	done
}

# configure O POSITION FILE...: .config from the files, then look whether each
# option of our fragments took effect. A symbol that a later patch adds is no fault.
configure() {
	conf_o=$1 conf_position=$2
	shift 2
	mkdir -p "$conf_o"
	# The same files, for the same Kconfig and tools, make the same .config.
	conf_key=$(
		{
			cat "$@"
			git -C "$WORK" ls-tree -r HEAD | grep -E "	(Makefile|scripts/.*|(.*/)?Kconfig[^/]*)\$"
			"$RUSTC" -vV
			"clang$LLVM" --version
			"$CACHE/bin/bindgen" --version
		} | sha256sum
	)
	if ! [ "$conf_key" = "$(cat "$conf_o/.config.key" 2>/dev/null)" ] || ! [ -f "$conf_o/.config" ] ||
		! cmp -s "$conf_o/.config" "$conf_o/.config.made"; then
		[ ! -f "$conf_o/.config" ] || mv "$conf_o/.config" "$conf_o/.config.before"
		cat "$@" >"$conf_o/.config"
		kmake "$conf_o" olddefconfig || return 1
		# An unchanged .config keeps its time, and so the objects.
		if cmp -s "$conf_o/.config" "$conf_o/.config.before"; then
			mv "$conf_o/.config.before" "$conf_o/.config"
		fi
		cp "$conf_o/.config" "$conf_o/.config.made"
		echo "$conf_key" >"$conf_o/.config.key"
	fi
	for fragment; do
		shift
		case $fragment in
		"$TOP"/kconfig-fragments/*) set -- "$@" "$fragment" ;;
		esac
	done
	config_took_effect "$conf_o/.config" "$conf_position" "$@"
}

config_took_effect() {
	cte_config=$1 cte_position=$2
	shift 2
	cte_later=$(series_patches | tail -n "+$((cte_position + 1))" |
		while read -r f; do sed -n 's/^+\(menu\)\{0,1\}config \([A-Z0-9_]*\)$/\2/p' "$PATCHES/$f"; done)
	awk -v later="$cte_later" '
		BEGIN { n = split(later, l, "\n"); for (i = 1; i <= n; i++) skip["CONFIG_" l[i]] = 1 }
		function name(s) { sub(/^# /, "", s); sub(/[ =].*/, "", s); return s }
		function value(s) { return s ~ /^# CONFIG_.* is not set$/ ? "n" : substr(s, index(s, "=") + 1) }
		!/^(# )?CONFIG_[A-Z0-9_]+(=| is not set)/ { next }
		FILENAME == ARGV[1] { is[name($0)] = value($0); next }
		{
			# A later file has the last word.
			k = name($0)
			if (!(k in want)) order[++count] = k
			want[k] = value($0)
			from[k] = FILENAME
			sub(/.*\//, "", from[k])
		}
		END {
			for (i = 1; i <= count; i++) {
				k = order[i]; got = (k in is) ? is[k] : "n"
				if (want[k] == got || k in skip) continue
				printf "%s: %s=%s did not take effect, .config has %s\n", from[k], k, want[k], got
				bad = 1
			}
			exit bad
		}' "$cte_config" "$@"
}

# objects_of NAME O: where there is no folder O yet, it begins as a copy of that of
# flavour NAME, whose C is built the same way. A line "# LIKE" in a fragment asks for it.
objects_of() {
	[ ! -d "$2" ] && [ -d "$CACHE/o/$1" ] || return 0
	rm -rf "$2.new"
	cp -a "$CACHE/o/$1" "$2.new" && rm -f "$2.new"/warnings.* && mv "$2.new" "$2" || {
		rm -rf "$2.new"
		die 2 "cannot copy $CACHE/o/$1 to $2"
	}
}

# json_string TEXT
json_string() { printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"; }

# kunit_build LABEL DIR O POSITION FRAGMENT...: configure and build what is in
# WORK. DIR gets logs, the kernel, and how it went, as members of a JSON object.
kunit_build() {
	kb_label=$1 kb_dir=$2 kb_o=$3
	shift 3
	case ${KARCH:-arm64} in
	um) kb_target=linux kb_kernel=linux ;;
	x86_64) kb_target=bzImage kb_kernel=arch/x86/boot/bzImage ;;
	arm) kb_target=zImage kb_kernel=arch/arm/boot/zImage ;;
	*) kb_target=Image.gz kb_kernel=arch/arm64/boot/Image.gz ;;
	esac
	kb_config=0 kb_build=null kb_seconds=0
	mkdir -p "$kb_dir"
	run "$kb_label: configuration" "$kb_dir/config.log" configure "$kb_o" "$@" || kb_config=$?
	if [ "$kb_config" = 0 ]; then
		kb_build=0
		run "$kb_label: build" "$kb_dir/build.log" kmake "$kb_o" -j"$JOBS" CLIPPY=1 $kb_target || kb_build=$?
		kb_seconds=$RUN_SECONDS
	fi
	printf ' "config": %s, "build": %s, "build_seconds": %s,\n' $kb_config $kb_build "$kb_seconds" >"$kb_dir/members"
	if [ "$kb_build" = 0 ]; then
		mkdir -p "$(dirname "$kb_dir/kernel/$kb_kernel")"
		cp "$kb_o/$kb_kernel" "$kb_dir/kernel/$kb_kernel" || die 2 "cannot copy the kernel to $kb_dir"
	fi
}

# kunit_start LABEL DIR [FILTER]: runs what kunit_build left in DIR, in the
# background, so that the next one can be built meanwhile: for most of the time
# that needs one CPU. On a busy host, a CPU of QEMU may stand still for a while,
# which is no lockup and no stall. FILTER is a glob of suites. One at a time.
kunit_start() {
	KUNIT_DIR=$2 KUNIT_PID='' KUNIT_BEGAN=$(date +%s)
	[ -d "$2/kernel" ] || return 0
	say "$1: KUnit"
	case ${KARCH:-arm64} in
	um) ks_qemu= ;;
	x86_64) ks_qemu="--qemu_args=-smp 4" ks_arch=x86_64 ;;
	arm) ks_qemu="--qemu_args=-smp 4" ks_arch=arm ;;
	# (kunit.py takes -cpu max, whose pointer authentication is slow to emulate)
	*) ks_qemu="--qemu_args=-smp 4 -cpu cortex-a57" ks_arch=aarch64 ;;
	esac
	# QEMU goes when kunit.py goes, which goes with this shell.
	if [ -n "$ks_qemu" ]; then
		ks_wrap=$CACHE/wrap/qemu-system-$ks_arch
		mkdir -p "$CACHE/wrap"
		# (kunit.py prefers KVM on x86: not each machine has it, and a broken one hangs)
		cat >"$ks_wrap" <<-EOT
			#!/bin/sh
			for a; do
				shift
				[ "\$a" = kvm ] && a=tcg
				set -- "\$@" "\$a"
			done
			exec setpriv --pdeathsig KILL /usr/bin/qemu-system-$ks_arch "\$@"
		EOT
		chmod +x "$ks_wrap"
	fi
	setpriv --pdeathsig TERM env -C "$WORK" PATH="$CACHE/wrap:$PATH" /usr/bin/python3 tools/testing/kunit/kunit.py exec \
		--arch "${KARCH:-arm64}" --build_dir "$2/kernel" --timeout "${KUNIT_TIMEOUT:-900}" \
		${ks_qemu:+"$ks_qemu"} --kernel_args=panic=-1 --kernel_args=watchdog_thresh=60 \
		--kernel_args=rcupdate.rcu_cpu_stall_timeout=120 \
		--json="$2/kunit.json" ${3:+"$3"} >"$2/kunit.log" 2>&1 </dev/null &
	KUNIT_PID=$!
}

# kunit_finish: waits for it. Its folder gets the console, and the rest of the
# members. Judging is for judge.py.
kunit_finish() {
	kf_run=null
	if [ -n "$KUNIT_PID" ]; then
		kf_run=0
		wait "$KUNIT_PID" || kf_run=$?
		mv "$KUNIT_DIR/kernel/test.log" "$KUNIT_DIR/console" 2>/dev/null || :
		rm -rf "$KUNIT_DIR/kernel"
	fi
	printf ' "run": %s, "run_seconds": %s\n' $kf_run $(($(date +%s) - KUNIT_BEGAN)) >>"$KUNIT_DIR/members"
	KUNIT_PID=
}
