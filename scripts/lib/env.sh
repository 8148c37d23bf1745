# SPDX-License-Identifier: GPL-2.0
# The beginning of every command: the environment made known, messages, the cache
# folder. Sourced, not run.
#
# Variables that are heard; all others are dropped:
#   SERIES_CACHE  where trees, builds, tools and logs live
#                 (default: in $XDG_CACHE_HOME or ~/.cache)
#   KDIR          a git clone of Linux to work from (default: Debian's source)
#   BASE          commit in KDIR that the series goes on (default: the tag in `series`)
#   LLVM, RUSTC, RUSTDOC, RUSTFMT, CLIPPY_DRIVER, BINDGEN, RUST_LIB_SRC, LIBCLANG_PATH
#                 as the kernel's Makefile has them (default: what scripts/setup has made,
#                 else what is in PATH, with LLVM=1)
#   GUEST         a root folder with arm64 programs for guests, as Debian's packages busybox-static
#                 and gpiod unpack to (default: scripts/setup's)
#   JOBS          parallel jobs (default: number of CPUs)
# and of the system's PATH, LD_LIBRARY_PATH, HOME, TERM and the like; for scripts/setup
# proxies, certificates, SUDO_ASKPASS, and where pip, cargo and rustup look; for
# scripts/send the files of git's configuration (GIT_CONFIG_GLOBAL and so on) and, for
# its tests, UPSTREAM_ROOT. SERIES_* are the scripts' own, from one to those that it starts.
#
# Exit status: 0 fine, 1 findings, 2 usage or environment, 3 a tool is missing.
set -eu

say() { printf '%s\n' "$*" >&2; }
die() { rc=$1; shift; say "$PROG: $*"; exit "$rc"; }

# The comment at the head of a script is its manual page.
usage() { sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$SELF"; }
usage_error() { say "$PROG: $*"; say "Try '$COMMAND -h'."; exit 2; }

# options "--FLAG --NAME= TOPIC ..." ARGUMENT...: makes $FLAG 1, $NAME what follows it, and
# $topic what is no option.
options() {
	takes=" $1 "
	shift
	while [ $# -gt 0 ]; do
		option=${1#-}
		option=${option#-}
		case $1:$takes in
		-*[!a-z-]*:*) usage_error "unknown argument '$1'" ;;
		-*" $1= "*)
			[ -n "${2:-}" ] || usage_error "$1 needs a value"
			eval "$option=\$2"
			shift
			;;
		-*" $1 "*) eval "$option=1" ;;
		[!-]*:*" TOPIC "*)
			[ -z "$topic" ] || usage_error "one topic at a time"
			topic=$1
			;;
		*) usage_error "unknown argument '$1'" ;;
		esac
		shift
	done
}

# need TOOL...: paths, or names in PATH. Names all that are missing.
need() {
	lacks=
	for tool; do
		command -v "$tool" >/dev/null 2>&1 || lacks="$lacks $tool"
	done
	[ -z "$lacks" ] || die 3 "missing:$lacks: install it, or run scripts/setup"
}

# --- environment -------------------------------------------------------------

# git_config KEY VALUE: for every git that is started from here, whatever files say.
git_config() {
	export "GIT_CONFIG_KEY_$GIT_CONFIG_COUNT=$1" "GIT_CONFIG_VALUE_$GIT_CONFIG_COUNT=$2"
	GIT_CONFIG_COUNT=$((GIT_CONFIG_COUNT + 1))
}

# nested: one of our own commands has started this one; a variable that somebody left in
# his shell does not say so.
nested() {
	at=$$
	while [ "${at:-0}" != 0 ]; do
		[ "${SERIES_ENV:-}" != "process $at" ] || return 0
		at=$(sed -n 's/^PPid:[[:blank:]]*//p' "/proc/$at/status" 2>/dev/null)
	done
	return 1
}

known_environment() {
	# (Names that we use before the others have gone.)
	unset IFS name trusted
	# Whose clones the user trusts is asked before his configuration goes.
	trusted=$(git config --show-scope --get-all safe.directory 2>/dev/null |
		sed -n 's/^\(system\|global\|command\)	//p')
	for name in $(awk 'BEGIN { for (name in ENVIRON) print name }'); do
		case $name in
		PATH | HOME | USER | LOGNAME | TERM | COLUMNS | NO_COLOR | PWD | OLDPWD | SHLVL | _) ;;
		KDIR | BASE | GUEST | JOBS | LLVM | RUSTC | RUSTDOC | RUSTFMT | CLIPPY_DRIVER | BINDGEN) ;;
		RUST_LIB_SRC | LIBCLANG_PATH | LD_LIBRARY_PATH) ;;
		SERIES_CACHE | UPSTREAM_ROOT | XDG_CACHE_HOME | XDG_CONFIG_HOME) ;;
		SSL_CERT_FILE | SSL_CERT_DIR | REQUESTS_CA_BUNDLE | SUDO_ASKPASS) ;;
		http_proxy | https_proxy | all_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | ALL_PROXY | NO_PROXY) ;;
		PIP_INDEX_URL | PIP_EXTRA_INDEX_URL | PIP_TRUSTED_HOST | PIP_FIND_LINKS | PIP_CERT | PIP_CONFIG_FILE) ;;
		CARGO_HOME | CARGO_HTTP_* | CARGO_NET_* | CARGO_REGISTRIES_* | RUSTUP_HOME) ;;
		GIT_CONFIG_GLOBAL | GIT_CONFIG_SYSTEM | GIT_CONFIG_NOSYSTEM) ;;
		# (Not names of sh, or not to be unset.)
		*[!A-Za-z0-9_]* | [0-9]* | SHELLOPTS | BASHOPTS | UID | EUID | PPID) ;;
		*) unset "$name" ;;
		esac
	done
	# For scripts/send, which mails as its user.
	export SERIES_GIT_GLOBAL="${GIT_CONFIG_GLOBAL:-}" SERIES_GIT_SYSTEM="${GIT_CONFIG_SYSTEM:-}"
	export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_CONFIG_COUNT=0
	# Same commits from same patches. (A hard link or a backup changes the ctime.)
	for name in core.hooksPath=/dev/null core.trustctime=false core.autocrlf=false core.quotePath=true \
		core.attributesFile=/dev/null advice.detachedHead=false gc.auto=0 maintenance.auto=false \
		commit.gpgSign=false tag.gpgSign=false am.keepcr=false apply.whitespace=warn \
		diff.context=3 diff.interHunkContext=0 diff.renames=true diff.algorithm=myers \
		diff.submodule=short diff.suppressBlankEmpty=false diff.statNameWidth=0 diff.statGraphWidth=0 \
		diff.orderFile=/dev/null diff.noprefix=false diff.mnemonicPrefix=false \
		log.showSignature=false color.ui=false i18n.commitEncoding=UTF-8 i18n.logOutputEncoding=UTF-8 \
		safe.bareRepository=all; do
		git_config "${name%%=*}" "${name#*=}"
	done
	while IFS= read -r name; do
		[ -z "$name" ] || git_config safe.directory "$name"
	done <<-EOT
		$trusted
	EOT
	export GIT_COMMITTER_NAME=series GIT_COMMITTER_EMAIL=series@localhost
	export GIT_AUTHOR_NAME=series GIT_AUTHOR_EMAIL=series@localhost
}
nested || known_environment
export SERIES_ENV="process $$"

NOWHERE=/nonexistent
PROG=${0##*/}
SELF=$(realpath "$0")
case $SELF in
*/run) PROG=${SELF%/run} PROG=${PROG##*/} ;;
esac
TOP=$SELF
until [ -f "$TOP/scripts/lib/env.sh" ]; do TOP=${TOP%/*}; done
# Where output goes that the caller has closed.
{ true 3>&1; } 2>/dev/null || exec >/dev/null
true 3>&2 || exec 2>/dev/null
# The command as people type it.
COMMAND=$(sed -n '3s/^# Usage: \([^ ]*\).*/\1/p' "$SELF")
for word; do
	case $SELF:$word in
	*/scripts/boot:* | */scripts/bench:* | */lib/glue:*) ;; # (hand it on)
	*:-h | *:--help) usage; exit 0 ;;
	esac
done

# (A repository without is one that a series is to begin in.)
conf=$TOP/ci/series.conf
[ -f "$conf" ] || conf=$TOP/scripts/lib/template/ci/series.conf
# shellcheck source=/dev/null
. "$conf"
# (Whether it can be the cache, usable_cache says, where it is used.)
export HOME="${HOME:-$NOWHERE}"
CACHE=$(realpath -m "${SERIES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/$CACHE_NAME}")
export SERIES_CACHE="$CACHE" SERIES_TOP="$TOP"
# The folder that the user called us in, where this one is a copy of it.
ORIGIN=${SERIES_ORIGIN:-$TOP}

JOBS=${JOBS:-$(nproc)}
case $JOBS in
'' | *[!0-9]* | 0*) die 2 "JOBS is '$JOBS', which is no number of jobs" ;;
esac
export JOBS
LOGS=$CACHE/log
VENV=$CACHE/venv
export TMPDIR="$CACHE/tmp"

# A caller that names a tool is asked for the others; no package manager is used.
export SERIES_OWN_TOOLS="${SERIES_OWN_TOOLS-${LLVM:-}${RUSTC:-}${BINDGEN:-}}"
# Tools that scripts/setup has made, where the caller names none. (A caller that names a rustc
# has the rest of that Rust in PATH, or names it, too.)
# shellcheck source=/dev/null
[ ! -f "$CACHE/tools" ] || . "$CACHE/tools"
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

# --- ending ------------------------------------------------------------------

# A shell hears of a signal when the command that it waits for has ended. Waiting
# for one in the background ends at once: job COMMAND...
JOB=
job() {
	"$@" </dev/null &
	JOB=$!
	job_rc=0
	wait "$JOB" || job_rc=$?
	JOB=
	return $job_rc
}
TICKER=
at_exit() { :; }
end() {
	end_rc=$?
	trap '' INT TERM HUP
	for pid in $TICKER $JOB; do
		kill -TERM "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null || :
	done
	# (sudo takes no signal of ours, and is not waited for.)
	if [ -n "$JOB" ] && kill -0 "$JOB" 2>/dev/null; then
		# (It has a second to clean up.)
		(sleep 1; kill -KILL "-$JOB" || kill -KILL "$JOB") >/dev/null 2>&1 9>&- &
		wait "$JOB" 2>/dev/null || :
		kill -KILL "$!" "-$JOB" 2>/dev/null || :
	fi
	TICKER='' JOB=''
	at_exit
	# A failure may come from a full disk; one of git is no finding.
	case $end_rc in
	0 | 2 | 3 | 129 | 130 | 141 | 143) return ;;
	esac
	[ ! -f "$CACHE/$MARK" ] || need_space 50
	[ $end_rc = 1 ] || exit 2
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# in_group "$@": go on in a process group of its own, which ends as a whole.
in_group() {
	[ -z "${SERIES_GROUP:-}" ] || return 0
	export SERIES_GROUP=1
	job setpriv --pdeathsig TERM setsid sh "$SELF" "$@"
	exit
}

# run LABEL LOG COMMAND...: all output added to LOG, a ticker on a terminal. COMMAND
# is a program; it gets a process group of its own.
run() {
	run_label=$1 run_log=$2 run_start=$(date +%s)
	shift 2
	mkdir -p "${run_log%/*}"
	printf '=== %s: %s\n' "$run_label" "$*" >>"$run_log" || die 2 "cannot write $run_log"
	if [ -t 2 ]; then
		(
			trap - EXIT
			while kill -0 $$ 2>/dev/null; do
				past=$(($(date +%s) - run_start))
				printf '\r\033[K%s  %d:%02d  %.50s' "$run_label" $((past / 60)) $((past % 60)) \
					"$(tail -n 1 "$run_log" | tr -cd '[:print:]')" >&2
				sleep 1
			done
		) &
		TICKER=$!
	else
		say "$run_label"
	fi
	run_rc=0
	job setsid "$@" >>"$run_log" 2>&1 || run_rc=$?
	if [ -n "$TICKER" ]; then
		kill "$TICKER" 2>/dev/null && wait "$TICKER" 2>/dev/null || :
		TICKER=
		printf '\r\033[K' >&2
	fi
	return $run_rc
}

# --- cache -------------------------------------------------------------------

# usable_cache: there is none yet, or it is ours by a mark in it. What is not ours is not
# touched.
MARK=.series-cache
usable_cache() {
	case $CACHE in
	"$NOWHERE"/*) die 2 "none of HOME, XDG_CACHE_HOME and SERIES_CACHE is set: set SERIES_CACHE to a folder for trees and builds" ;;
	*[[:space:]:]*) die 2 "the kernel cannot be built in '$CACHE', which has a blank or a colon in it: set SERIES_CACHE to another folder" ;;
	esac
	[ -f "$CACHE/$MARK" ] || [ -z "$(ls -A "$CACHE" 2>/dev/null)" ] ||
		die 2 "$CACHE has files in it, and no mark ($MARK) that it is ours: set SERIES_CACHE to a new folder"
}
own_cache() {
	usable_cache
	mkdir -p "$CACHE" &&
		{ [ -f "$CACHE/$MARK" ] || echo "Made by the scripts of $ORIGIN; can be removed as a whole." >"$CACHE/$MARK"; } &&
		mkdir -p "$TMPDIR" "$LOGS" && [ -w "$CACHE" ] || die 2 "cannot write $CACHE: make room, or set SERIES_CACHE to a folder of yours"
}

# lock: one user of the cache at a time; a second one waits. The lock goes with its
# processes, so nothing is left to clean up after a kill.
lock() {
	own_cache
	[ -z "${SERIES_LOCKED:-}" ] || return 0
	exec 9>>"$CACHE/lock"
	if ! flock -n 9; then
		say "$PROG: waiting for $("$PYTHON" -I "$TOP/scripts/lib/holders.py" "$CACHE/lock")"
		job flock 9
	fi
	export SERIES_LOCKED=1
}

# need_space MEGABYTES, or none at all where what df says cannot be had (a quota)
need_space() {
	free=$(df -m --output=avail "$CACHE" | awk 'NR == 2 { print $1 }')
	head -c 1000000 /dev/zero 2>/dev/null >"$CACHE/probe" || free=0
	rm -f "$CACHE/probe"
	[ "$free" -ge "$1" ] ||
		die 2 "$CACHE has $free MB free, $1 are needed: make room ('scripts/setup --clean' removes what is old), or set SERIES_CACHE"
}

# --- Python ------------------------------------------------------------------

# snapshot COMMAND ARGUMENT...: go on in a copy of what this run depends on, so that
# nobody's editing, nor a `git switch`, changes what a long run tests. Its name is the sum
# of what is in it, which is copied first, as it may change meanwhile; links become what
# they point at.
contents() { tar -C "$1" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c . | sha256sum | cut -c1-16; }
snapshot() {
	command=$1
	shift
	own_cache
	need_space 20
	new=$(mktemp -d "$TMPDIR/state.XXXXXX") || die 2 "cannot write $TMPDIR"
	for part in series patches kconfig-fragments ci scripts README.md MAINTAINERS.snippet \
		.gitattributes .github .gitlab-ci.yml .ci; do
		[ ! -e "$TOP/$part" ] || cp -RL -- "$TOP/$part" "$new/" ||
			{ rm -rf "$new"; die 2 "cannot copy $TOP/$part to $new"; }
	done
	find "$new" -name __pycache__ -prune -exec rm -rf '{}' +
	state=$(contents "$new")
	at=$CACHE/state/$state
	mkdir -p "$CACHE/state"
	# (What a removal that was cut short has left of one is no copy.)
	if [ -d "$at" ] && [ "$(contents "$at")" != "$state" ]; then mv -T "$at" "$new.damaged"; fi
	mv -T "$new" "$at" 2>/dev/null || [ -d "$at" ] || die 2 "cannot write $CACHE/state"
	rm -rf "$new" "$new.damaged"
	touch "$at"
	export SERIES_ORIGIN="$TOP" SERIES_STATE="$state"
	exec sh "$at/$command" "$@"
}

# python FILE ARGUMENT...: a program of ours. Those of commands go on in a copy once they
# know what they are asked, see env.py.
python() {
	file=$TOP/$1
	shift
	case $TOP in
	*:*) [ "${file%/*}" = "$TOP/scripts/lib" ] || die 2 "Python finds no modules in '$TOP', which has a colon in it: use a checkout elsewhere" ;;
	esac
	python=$PYTHON
	[ ! -x "$VENV/bin/python3" ] || python=$VENV/bin/python3
	export PYTHONPATH="$TOP/scripts/lib:$TOP/scripts/guest" SERIES_PROG="$PROG" SERIES_COMMAND="$COMMAND"
	exec "$python" -s "$file" "$@"
}
