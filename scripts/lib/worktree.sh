# SPDX-License-Identifier: GPL-2.0
# Commits of the kernel: base, work trees, the series as commits and back. Sourced, not run.
# shellcheck source=scripts/lib/series.sh
. "$TOP/scripts/lib/series.sh"
WORK=${SERIES_WORK:-$CACHE/work}	# work tree of the builds; theirs alone
GATES=${SERIES_WORK:-$CACHE/gates}	# where patches are applied and checked: a file that changes and
					# changes back is no reason to build anew
TREE=$CACHE/tree	# work tree of the author

# The canonical form of a patch: same bytes on every git, through a `git am`, whatever
# the configuration of the repository is.
FORMAT_PATCH="format-patch --quiet --no-numbered --no-cover-letter --no-base
	--zero-commit --no-signature --full-index --diff-algorithm=myers
	--no-encode-email-headers --src-prefix=a/ --dst-prefix=b/
	--subject-prefix=PATCH --no-attach --no-thread --suffix=.patch
	--no-signoff --no-from --no-notes --no-to --no-cc --no-add-header
	--no-relative --indent-heuristic --filename-max-length=64"

# base_repo: sets REPO and BASE_COMMIT. A user's clone is only read: REPO borrows
# its objects.
base_repo() {
	need git
	if [ -n "${KDIR:-}" ]; then
		objects=$(git -C "$KDIR" rev-parse --path-format=absolute --git-path objects 2>&1) ||
			die 2 "$KDIR (KDIR, or --tree) is no repository that git reads: $objects"
		ref=${BASE:-$(series_base)}
		BASE_COMMIT=$(git -C "$KDIR" rev-parse --quiet --verify "$ref^{commit}") ||
			die 2 "no commit '$ref' in $KDIR: fetch it, or name a base with BASE=REF"
		[ "$(git -C "$KDIR" rev-parse --show-object-format)" = sha1 ] ||
			die 2 "$KDIR does not use SHA-1, which the patches name files by: set KDIR to a clone of Linux"
		borrow
		whole_clone
	else
		REPO=$CACHE/linux.git
		[ -d "$REPO" ] || die 3 "no kernel source: ${KERNEL_VERSION:+run scripts/setup, or }set KDIR to a clone of Linux"
		ref=${BASE:-HEAD}
		BASE_COMMIT=$(git -C "$REPO" rev-parse --quiet --verify "$ref^{commit}") ||
			die 2 "no commit '$ref' in $REPO: set KDIR to a clone that has it"
	fi
}
# lender REPO: the objects that it borrows.
lender() { cat "$1/objects/info/alternates" 2>/dev/null; }
# borrow: sets REPO to the repository that borrows $objects, and makes it where there is none.
borrow() {
	own_cache
	for REPO in "$CACHE"/kdir-*.git; do
		[ "$(lender "$REPO")" != "$objects" ] || return 0
	done
	# The clone may have been moved. If it has what is borrowed, that goes on.
	for REPO in "$CACHE"/kdir-*.git; do
		if was=$(lender "$REPO") && [ ! -d "$was" ] && GIT_ALTERNATE_OBJECT_DIRECTORIES=$objects \
			git -C "$REPO" rev-list --quiet --all --not "$BASE_COMMIT" 2>/dev/null; then
			echo "$objects" >"$REPO/objects/info/alternates"
			say "notice: $was is gone; $REPO now borrows from $objects"
			return 0
		fi
	done
	# (Another run may do the same. Of the defaults of git's version 3 and the user's, none.)
	REPO=$CACHE/kdir-$(echo "$objects" | sha256sum | cut -c1-12).git
	new=$(mktemp -d "$TMPDIR/kdir.XXXXXX") &&
		GIT_DEFAULT_REF_FORMAT=files git init -q --bare --object-format=sha1 --template= "$new" &&
		mkdir -p "$new/info" "$new/objects/info" &&
		git -C "$new" config core.bare false && # spdxcheck.py asks
		echo "$objects" >"$new/objects/info/alternates" || die 2 "cannot make $REPO"
	[ -f "$REPO/objects/info/alternates" ] || rm -rf "$REPO"
	mv -T "$new" "$REPO" 2>/dev/null || rm -rf "$new"
	[ "$(lender "$REPO")" = "$objects" ] ||
		die 2 "$REPO borrows from $(lender "$REPO"), not from $objects: edit $REPO/objects/info/alternates"
}
# whole_clone: a partial clone has files that only it can fetch.
whole_clone() {
	git -C "$KDIR" config --get-regexp '^(extensions\.partialclone|remote\..*\.promisor)$' >/dev/null || return 0
	[ ! -f "$REPO/complete-$BASE_COMMIT" ] || return 0
	lacks=$(GIT_NO_LAZY_FETCH=1 git -C "$KDIR" rev-list --objects --missing=print --no-walk "$BASE_COMMIT" | grep -c '^?' || :)
	[ "$lacks" = 0 ] ||
		die 2 "$KDIR is a partial clone, which lacks $lacks files of $ref: fetch them with 'git -C $KDIR fetch --refetch --filter=blob:limit=1g'"
	: >"$REPO/complete-$BASE_COMMIT"
}

# mend DIR: a work tree and its repository name each other; the cache may have been moved.
mend() {
	gitdir=$(sed -n 's/^gitdir: //p' "$1/.git" 2>/dev/null) || return 0
	{ [ -n "$gitdir" ] && [ ! -d "$gitdir" ]; } || return 0
	gitdir=${gitdir%/worktrees/*}
	[ ! -d "$CACHE/${gitdir##*/}" ] || git -C "$CACHE/${gitdir##*/}" worktree repair "$1" >/dev/null 2>&1 || :
}
# mend_tree: the same for the author's, where his clone may have been moved, too.
mend_tree() {
	mend "$TREE"
	gitdir=$(git -C "$TREE" rev-parse --path-format=absolute --git-common-dir 2>/dev/null) || return 0
	was=$(lender "$gitdir") || return 0
	[ -d "$was" ] ||
		die 2 "$TREE needs the objects of a clone that is gone, $was: write where they are now into $gitdir/objects/info/alternates, or move $TREE away"
}

# in_progress DIR: an am or a rebase waits for the author.
in_progress() {
	gitdir=$(git -C "$1" rev-parse --path-format=absolute --git-dir)
	[ -d "$gitdir/rebase-apply" ] || [ -d "$gitdir/rebase-merge" ]
}

# worktree DIR: DIR is a work tree of REPO, made where there is none. What is
# not ours is not removed; what an author worked in is put aside, and comes back with its
# repository.
worktree() {
	mend "$1"
	have=$(git -C "$1" rev-parse --path-format=absolute --git-common-dir 2>/dev/null || :)
	if [ "$have" = "$REPO" ] && [ -f "$1/.git" ] && [ -f "$1/Makefile" ]; then
		return
	fi
	if [ -e "$1" ]; then
		case $(sed -n 's/^gitdir: //p' "$1/.git" 2>/dev/null) in
		"$CACHE"/*) ;;
		*) die 2 "$1 is not a work tree of ours: move it away, or set SERIES_CACHE" ;;
		esac
		if [ "$1" = "$TREE" ] && [ -e "$TREE.made" ]; then
			aside=$(mktemp -d "$1.old.$(date +%s)-XXXX") && mv -T "$1" "$aside" || die 2 "cannot move $1 away"
			git -C "$have" worktree repair "$aside" >/dev/null 2>&1 || :
			say "$PROG: $1 belongs to another kernel repository; it is now $aside"
		else
			# (A kill in the middle would leave what nobody knows.)
			gone=$(mktemp -d "$TMPDIR/gone.XXXXXX") || die 2 "cannot write $TMPDIR"
			mv "$1" "$gone/"
			rm -rf "$gone"
		fi
	fi
	for aside in "$1".old.*; do
		mend "$aside"
		gitdir=$(sed -n 's/^gitdir: //p' "$aside/.git" 2>/dev/null) || :
		[ "${gitdir%/worktrees/*}" = "$REPO" ] && [ "$(cat "$gitdir/gitdir")" = "$aside/.git" ] &&
			[ -f "$aside/Makefile" ] || continue
		mv -T "$aside" "$1"
		git -C "$REPO" worktree repair "$1" >/dev/null 2>&1
		say "$PROG: $aside is of this kernel repository, and $1 again"
		return
	done
	need_space 4000
	git -C "$REPO" worktree prune
	job git -C "$REPO" worktree add --quiet --force --force --detach "$1" "$BASE_COMMIT" || {
		need_space 50
		die 2 "cannot make the work tree $1"
	}
}

# chain: every patch of the series as a commit on the base, in GATES's repository.
# Sets CHAIN to the file that lists base and commits, one a line. Commits depend
# on base and patch bytes only, and are made once.
chain() {
	lock
	rm -f "$WORK.chain"
	base_repo
	series_consistent || die 1 "series and patches/ disagree"
	worktree "$GATES"
	CHAIN=$WORK.chain
	key=$BASE_COMMIT
	echo "$BASE_COMMIT" >"$CHAIN.new"
	at=$BASE_COMMIT made=0
	for f in $(series_patches); do
		key=$( { echo "$key"; cat "$PATCHES/$f"; } | sha256sum | cut -c1-40)
		if next=$(git -C "$GATES" rev-parse --quiet --verify "refs/worktree/series/$key^{commit}"); then
			at=$next
		else
			[ $made = 1 ] || tree_at "$GATES" "$at"
			made=1
			apply_patch "$GATES" "$f" || {
				git -C "$GATES" am --abort >/dev/null 2>&1 || :
				need_space 50
				die 1 "patches/$f does not apply to ${at%"${at#????????????}"}; $LOGS/am-${GATES##*/} says where. 'scripts/tree --upto $(($(wc -l <"$CHAIN.new") - 1))' makes a tree to mend it in"
			}
			at=$(git -C "$GATES" rev-parse HEAD)
			git -C "$GATES" update-ref "refs/worktree/series/$key" "$at"
		fi
		echo "$at" >>"$CHAIN.new"
	done
	mv "$CHAIN.new" "$CHAIN"
}
# commits: base and patches, one a line, with their trees and subjects.
commits() {
	chain
	while read -r commit; do
		git -C "$GATES" show -s --format='%H %T %s' "$commit"
	done <"$CHAIN"
}

# tree_file DIR NAME: where scripts/tree keeps what it knows of a work tree.
tree_file() { git -C "$1" rev-parse --path-format=absolute --git-path "series-$2"; }

# stored_state: which patches these are, and whose.
stored_state() {
	echo "$ORIGIN"
	(cd "$TOP" && cat series patches/* 2>/dev/null | sha256sum)
}

# apply_patch DIR FILE: what git says is in log/am-DIR.
apply_patch() {
	mkdir -p "$LOGS"
	git -C "$1" am -q -3 --no-keep-cr --committer-date-is-author-date "$PATCHES/$2" >"$LOGS/am-${1##*/}" 2>&1
}

# tree_at DIR COMMIT: a work tree of REPO, clean, at that commit.
tree_at() {
	[ -n "${REPO:-}" ] || base_repo
	worktree "$1"
	gitdir=$(git -C "$1" rev-parse --path-format=absolute --git-dir)
	rm -f "$gitdir/index.lock" "$gitdir/HEAD.lock"
	git -C "$1" am --abort >/dev/null 2>&1 || :
	git -C "$1" reset -q --hard
	git -C "$1" clean -fdq
	git -C "$1" checkout -q --force --detach "$2"
}
work_at() { tree_at "$WORK" "$1"; }

# carried DIR COMMIT FILE: `git am` makes of FILE the message of COMMIT, and so do those
# that have set mailinfo.scissors. If not, says what is lost first.
carried() {
	mail=$(mktemp -d "$TMPDIR/mail.XXXXXX") || die 2 "cannot write $TMPDIR"
	git -C "$1" show -s --format=%B "$2" | sed '/^Signed-off-by: /d' >"$mail/B"
	printf '%s\n' "$(cat "$mail/B")" >"$mail/want"
	git mailsplit -o"$mail" "$3" >/dev/null
	git mailinfo --scissors --encoding=UTF-8 "$mail/body" "$mail/patch" <"$mail/0001" >"$mail/info"
	{ sed -n 's/^Subject: //p' "$mail/info"; echo; cat "$mail/body"; } | git stripspace >"$mail/have"
	lost=$(diff "$mail/want" "$mail/have" | sed -n '1s/[^0-9].*//p')
	[ -z "$lost" ] || awk -v from="$lost" 'NR >= from && NF {
		print "line " NR " of its message is lost or changed in a mail: \047" $0 "\047"; exit }' "$mail/want"
	rm -rf "$mail"
	[ -z "$lost" ]
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
		git -C "$1" $FORMAT_PATCH --start-number $export_n -o "$3" -1 "$export_commit"
	done
	for f in "$3"/*.patch; do
		[ ! -e "$f" ] || sed -i '1,/^---$/{/^Signed-off-by: /d}' "$f"
	done
}
