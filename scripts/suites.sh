# shellcheck shell=bash
# To be sourced by bash: OpenSSL versions taken from Debian's suites and unpacked
# into a cache folder, without root and without a chroot.
#
#   suite_versions           the versions there are, oldest first
#   suite_name VERSION       prints "host" when that is what this machine has, else VERSION
#   suite_fetch VERSION      fetches and unpacks it unless it is there; on failure says why on
#                            standard error and returns 1
#   suite_std                builds the standard library, with -race, in the cache that suite_warm copies
#   suite_warm VERSION       gives it a Go build cache that holds the standard library, with -race
#   suite_env VERSION        prints the environment to build and run against it, as NAME=VALUE lines
#   suite_run VERSION CMD…   runs CMD in that environment
#   suite_root, suite_libs, suite_loader VERSION
#                            print its folder, its libraries' folder, its dynamic loader
#
# Everywhere but in suite_fetch, VERSION may be "host", which is what this machine has. 3.5-providers, which
# suite_versions does not list, is 3.5 with more of Debian's providers and the openssl command.
#
# The environment is pkg-config's: `pkg-config --cflags --libs libssl libcrypto` answers with flags
# that make a program which also runs on that version, on the suite's own loader and C library
# where it has newer ones than this machine. Nothing is put into CGO_CFLAGS or CGO_LDFLAGS: Go would
# build its standard library again for each version. Go does not see what pkg-config answers, nor
# another library behind the same names: each version has a GOCACHE of its own.
#
# SUITES_DIR is the cache folder, SUITES_MIRROR a Debian mirror to use instead of apt's own.

suites_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
suites_dir=${SUITES_DIR:-$suites_top/.cache/suites}

suite_versions() {
	echo "1.1.1 3.0 3.5 3.6 4.0"
}

# suite_packages prints a version's suites and packages. The suite that has OpenSSL comes first.
suite_packages() {
	case $1 in
	1.1.1) echo "bullseye: libssl1.1/bullseye libssl-dev/bullseye" ;;
	3.0) echo "bookworm: libssl3/bookworm libssl-dev/bookworm libc6/bookworm" ;;
	3.5) echo "trixie: libssl3t64/trixie libssl-dev/trixie openssl-provider-legacy/trixie libc6/trixie libzstd1/trixie zlib1g/trixie" ;;
	3.5-providers) echo "$(suite_packages 3.5) openssl-provider-fips/trixie pkcs11-provider/trixie openssl/trixie" ;;
	3.6) echo "sid: libssl3t64/sid libssl-dev/sid openssl-provider-legacy/sid libc6/sid libzstd1/sid zlib1g/sid" ;;
	4.0) echo "experimental sid: libssl4/experimental libssl-dev/experimental openssl-provider-legacy/experimental libc6/sid libzstd1/sid zlib1g/sid" ;;
	*) return 1 ;;
	esac
}

suite_name() {
	local host
	host=$(pkg-config --modversion libssl 2>/dev/null) || host=
	case $host in
	"$1"*) echo host ;;
	*) echo "$1" ;;
	esac
}

suite_root() {
	echo "$suites_dir/$1"
}

# suite_mirror prints the base address of the mirror that apt on this machine uses.
suite_mirror() {
	local codename
	if [[ -n ${SUITES_MIRROR:-} ]]; then
		echo "${SUITES_MIRROR%/}"
		return
	fi
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	apt-get --print-uris update 2>/dev/null |
		sed -n "s|^'\(.*\)/dists/$codename/InRelease'.*|\1|p" | head -n 1
}

# suite_apt CMD ARGS runs an apt command on a state of its own in $suite_state.
# The Release files of sid and experimental may be past their Valid-Until date. What it says is shown
# only when it fails: this machine's own hooks for apt may complain, of not being root for one.
suite_apt() {
	local cmd=$1 state=$suite_state
	shift
	"$cmd" -q=2 \
		-o Dir::State="$state" -o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status" \
		-o Dir::Cache="$state/cache" -o Dir::Etc::sourcelist="$state/sources.list" \
		-o Dir::Etc::sourceparts="$state/none" -o Dir::Etc::preferences="$state/none/preferences" \
		-o Dir::Etc::preferencesparts="$state/none" \
		-o Acquire::Check-Valid-Until=false -o Acquire::Languages=none -o Acquire::Retries=3 \
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
		-o APT::Update::Error-Mode=any -o APT::Sandbox::User= "$@" >"$state/said" 2>&1 || {
		cat "$state/said" >&2
		return 1
	}
}

suite_say() {
	echo "suites: $*" >&2
}

suite_fetch() {
	local version=$1 packages tool
	packages=$(suite_packages "$version") || {
		suite_say "no Debian suite is known for OpenSSL $version"
		return 1
	}
	if [[ $suites_dir =~ [[:space:]] ]]; then
		suite_say "the cache folder's name has a space, which compiler flags cannot carry: $suites_dir"
		return 1
	fi
	suite_complete "$version" && return
	for tool in apt-get dpkg-deb pkg-config flock; do
		command -v "$tool" >/dev/null || {
			suite_say "cannot fetch OpenSSL $version: $tool is missing"
			return 1
		}
	done
	mkdir -p "$suites_dir" || return 1
	(
		flock 9
		suite_complete "$version" || suite_unpack "$version" "$packages"
	) 9>"$suites_dir/.lock"
}

# suite_complete: .complete names the folder, since the .pc files do and a cache folder may be moved.
suite_complete() {
	[[ $(cat "$(suite_root "$1")/.complete" 2>/dev/null) == "$(suite_root "$1")" ]]
}

# suite_unpack VERSION "SUITE…: NAME/SUITE…"
suite_unpack() {
	local version=$1 suites=${2%%:*} packages=${2#*:} root suite_state mirror keyring="" suite found loader pc
	root=$(suite_root "$version")
	suite_state=$suites_dir/.apt-$version
	mirror=$(suite_mirror)
	if [[ -z $mirror ]]; then
		suite_say "cannot fetch OpenSSL $version: apt knows no Debian mirror here (SUITES_MIRROR may name one)"
		return 1
	fi
	rm -rf "$suite_state" "$root" "$root.part"
	mkdir -p "$suite_state"/{lists/partial,cache/archives/partial,debs,none} "$root.part"
	: >"$suite_state/status"
	for found in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
		[[ -e $found ]] && keyring="[signed-by=$found] "
	done
	for suite in $suites; do
		echo "deb $keyring$mirror $suite main"
	done >"$suite_state/sources.list"

	suite_say "fetching OpenSSL $version from Debian ${suites%% *}"
	if ! suite_apt apt-get update; then
		suite_say "cannot fetch OpenSSL $version: the package list of ${suites// / or } was not fetched"
		return 1
	fi
	# shellcheck disable=SC2086
	if ! (cd "$suite_state/debs" && suite_apt apt-get download $packages); then
		suite_say "cannot fetch OpenSSL $version: a package of $suites was not fetched"
		return 1
	fi
	for found in "$suite_state"/debs/*.deb; do
		suite_too_old "$found" || dpkg-deb -x "$found" "$root.part" || return 1
	done

	pc=$(suite_find_pc "$root.part")
	found=$(sed -n 's/^Version: *//p' "$pc/libssl.pc")
	case $found in
	"${version%-providers}"*) ;;
	*)
		suite_say "cannot fetch OpenSSL $version: ${suites%% *} has $found"
		return 1
		;;
	esac
	loader=$(suite_find_loader "$root.part")
	suite_pkg_config "$root" "$pc" "${loader/#$root.part/$root}" || return 1
	echo "$root" >"$root.part/.complete"
	mv "$root.part" "$root" && rm -rf "$suite_state"
}

# suite_too_old DEB: this machine's compiler makes what an older C library cannot load, so such a
# suite runs on the machine's own.
suite_too_old() {
	[[ $(dpkg-deb -f "$1" Package) == libc6 ]] &&
		dpkg --compare-versions "$(dpkg-deb -f "$1" Version)" lt "$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)"
}

suite_find_pc() {
	dirname "$(find "$1/usr/lib" -name libssl.pc | head -n 1)"
}

# suite_find_loader ROOT prints the loader below ROOT, which may lie under lib64, usr/lib64 or lib.
suite_find_loader() {
	local found=
	for found in "$1"/{usr/,}{lib64,lib}/ld-*.so.*; do
		if [[ -e $found ]]; then
			echo "$found"
			return
		fi
	done
}

# suite_pkg_config ROOT PCDIR LOADER rewrites the .pc files for the place the suite will be in. The C
# library's folder goes into DT_RPATH, not DT_RUNPATH: the latter does not serve libcrypto's own needs.
suite_pkg_config() {
	local root=$1 dir=$2 loader=$3 multiarch flags pc
	multiarch=$(basename "$(dirname "$dir")")
	flags="-Wl,--allow-shlib-undefined -Wl,--disable-new-dtags"
	flags+=" -Wl,-rpath,$root/usr/lib/$multiarch -Wl,-rpath,$root/lib/$multiarch"
	[[ -n $loader ]] && flags+=" -Wl,--dynamic-linker,$loader"
	for pc in libssl libcrypto; do
		sed -i -e "s|^prefix=.*|prefix=$root/usr|" \
			-e "s|^Cflags:.*|Cflags: -I$root/usr/include -I$root/usr/include/$multiarch|" \
			-e "s|^Libs:|Libs: $flags|" "$dir/$pc.pc" || return 1
		grep -q "^Libs: $flags" "$dir/$pc.pc" || {
			suite_say "$dir/$pc.pc has no Libs line to complete"
			return 1
		}
	done
}

suite_loader() {
	local found=
	if [[ $1 != host ]]; then
		found=$(suite_find_loader "$(suite_root "$1")")
	fi
	echo "${found:-$(suite_find_loader "")}"
}

suite_libs() {
	if [[ $1 == host ]]; then
		pkg-config --variable=libdir libssl
	else
		dirname "$(suite_find_pc "$(suite_root "$1")")"
	fi
}

suite_gocache() {
	echo "$(suite_root "$1")/gocache-$(cd "$suites_top" && go env GOVERSION)"
}

# suite_std: std takes longer to build than everything else of a version. It does not depend on the
# version, so it is built once and copied, with what the caller adds to its cache first.
suite_std() {
	local std
	std=$(suite_gocache std)
	[[ -e $std ]] && return
	mkdir -p "$(dirname "$std")"
	(
		flock 9
		[[ -e $std ]] && exit
		suite_say "building Go's standard library with -race"
		(cd "$suites_top" && GOWORK=off GOCACHE=$std.part go build -race std) && mv "$std.part" "$std"
	) 9>"$suites_dir/.lock"
}

suite_warm() {
	local cache
	[[ $1 == host ]] && return
	suite_std || return
	cache=$(suite_gocache "$1")
	[[ -e $cache ]] && return
	mkdir -p "$(dirname "$cache")"
	(
		flock 9
		[[ -e $cache ]] || { cp -a "$(suite_gocache std)" "$cache.part" && mv "$cache.part" "$cache"; }
	) 9>"$suites_dir/.lock"
}

# suite_env: OPENSSL_MODULES keeps a suite's libcrypto from loading this machine's providers.
# CGO_LDFLAGS_ALLOW is there because cgo refuses --dynamic-linker from pkg-config.
suite_env() {
	local pc
	[[ $1 == host ]] && return
	pc=$(suite_find_pc "$(suite_root "$1")")
	echo "PKG_CONFIG_LIBDIR=$pc"
	echo "PKG_CONFIG_PATH="
	echo "CGO_LDFLAGS_ALLOW=-Wl,--dynamic-linker,.*"
	echo "OPENSSL_MODULES=$(dirname "$pc")/ossl-modules"
	echo "GOCACHE=$(suite_gocache "$1")"
}

suite_run() {
	local -a environment
	mapfile -t environment < <(suite_env "$1")
	shift
	env "${environment[@]}" "$@"
}
