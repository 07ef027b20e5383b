# Debian packages for tools/setup and tools/image: what is missing on this machine is installed,
# what is for the guest is downloaded and taken apart. Sourced, with the name to speak by in
# $program.
#
# Its one invariant: whatever it leaves in the cache is complete. Files are made in a work
# directory and renamed into place, so an interrupted run leaves nothing behind that a later
# run would trust.

say() { echo "$program: $*" >&2; }
die() { say "$*"; exit 1; }

cache=${GNOMON_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or GNOMON_CACHE}/.cache}/gnomon}
suite=${SUITE:-trixie}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
work=

# --- Debian packages of this machine ---

download_table() {
	cat <<TABLE
apt-get				apt			downloads packages
dpkg-deb			dpkg			unpacks packages
tar				tar			unpacks packages
$keyring			debian-archive-keyring	checks the signature of packages
TABLE
}

present() {
	case $1 in
	/*) [ -e "$1" ] ;;
	python3:*) python3 -c "import ${1#*:}" 2>/dev/null ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

# need TABLE: install the packages of those rows whose thing is missing.
need() {
	missing=
	while read -r thing package why; do
		present "$thing" && continue
		say "missing: $thing ($why; Debian package $package)"
		missing="$missing $package"
	done <<TABLE
$("$1")
TABLE
	[ -n "$missing" ] || return 0
	present apt-get || die "this is no Debian machine: install what is named above, then retry"
	# Several rows may name one package.
	missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
	missing=${missing% }
	as_root=
	if [ "$(id -u)" -ne 0 ]; then
		present sudo || die "no root rights: as root, run: apt-get install $missing"
		as_root=sudo
	fi
	say "installing: $missing"
	# The package lists may be absent, or so old that the mirror has moved on: then, and
	# only then, refresh them.
	host_install --download-only $missing >/dev/null 2>&1 || {
		say "refreshing the package lists"
		$as_root apt-get -qq update >&2 || die "apt-get update failed"
	}
	host_install $missing >&2 || die "could not install: $missing"
	while read -r thing package why; do
		present "$thing" || die "installed $package, but $thing is still missing ($why)"
	done <<TABLE
$("$1")
TABLE
}

host_install() {
	$as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -y --no-install-recommends install "$@"
}

# --- Debian packages taken apart, without root: an apt of our own ---

# All work happens beside the cache's files, so that moving them into place is a rename.
make_work() {
	[ -z "$work" ] || return 0
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/setup.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# The Debian archive this machine already uses: where its main lists come from or, before the
# first `apt-get update`, the first source that looks like it.
mirror() {
	[ -z "${DEBIAN_MIRROR:-}" ] || { echo "$DEBIAN_MIRROR"; return; }
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' | awk -F'|' '
		$1 == "Debian" && $2 == "Debian" && !known { known = $3 }
		$3 ~ /\/debian\/?$/ && !likely { likely = $3 }
		END { print known ? known : likely }'
}

# private_apt NAME ARCH SOURCE...: set up an apt in $work/NAME for ARCH with these sources and
# fetch their lists. It takes the machine's own settings (proxies) except those replaced here.
private_apt() {
	need download_table
	make_work
	apt=$work/$1 apt_arch=$2
	shift 2
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
	: >"$apt/status"
	for source in "$@"; do
		echo "deb [signed-by=$keyring] $source main"
	done >"$apt/sources.list"
	cat >"$apt/apt.conf" <<CONF
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
#clear APT::Architectures;
APT::Architecture "$apt_arch";
APT::Architectures "$apt_arch";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONF
	say "fetching the package lists of $*"
	apt-get -c "$apt/apt.conf" -qq update >&2 || die "no package lists from $*"
}

riscv_apt() {
	[ -z "${have_riscv_apt:-}" ] || { apt=$work/riscv64; return 0; }
	need download_table
	url=$(mirror)
	[ -n "$url" ] || die "apt's configuration names no Debian archive: set DEBIAN_MIRROR=URL" \
		"(or, for the guest, KERNEL= and INITRD=)"
	private_apt riscv64 riscv64 "$url $suite"
	have_riscv_apt=1
}

# field PACKAGE FIELD: one field of the newest version's record.
field() {
	apt-cache -c "$apt/apt.conf" --no-all-versions show "$1" 2>/dev/null | sed -n "s/^$2: //p"
}

# unpack PACKAGE DIR MEMBER...: download a package, once, and unpack these members of it.
unpack() {
	version=$(field "$1" Version)
	[ -n "$version" ] || die "$suite has no package $1 for $apt_arch"
	if ! ls "$apt/debs/$1"_* >/dev/null 2>&1; then
		say "downloading $1 $version ($(($(field "$1" Size) / 1048576 + 1)) MB)"
		(cd "$apt/debs" && apt-get -c "$apt/apt.conf" -qq download "$1" >&2) ||
			die "could not download $1"
	fi
	unpack_dir=$2 package=$1
	shift 2
	mkdir -p "$unpack_dir"
	dpkg-deb --fsys-tarfile "$apt/debs/$package"_*.deb |
		tar -x -C "$unpack_dir" --wildcards "$@" ||
		die "$package $version does not hold: $*"
	echo "$package $version" >>"$apt/versions"
}

# publish DIR NAME: put a finished directory into the cache under NAME, with a stamp that says
# which packages it came from.
publish() {
	mv "$apt/versions" "$1/versions"
	chmod -R u+rwX,go+rX "$1"
	rm -rf "${cache:?}/$2"
	mv "$1" "$cache/$2"
	made=$(wc -l <"$cache/$2/versions")
	[ "$made" -gt 4 ] && made="$made packages" ||
		made=$(paste -sd, "$cache/$2/versions" | sed 's/,/, /g')
	say "$2: $made"
}
