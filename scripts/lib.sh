# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # who sources this reads the needs and sets top
# To be sourced by sh scripts that have set top, the folder of the checkout: what they need, how it
# gets there, what Go is to see.

# A need is COMMAND:PACKAGE or HEADER.h:PACKAGE, with Debian's name of the package. Three commands
# stand for more: cc for the compiler that Go calls, libc and libssl for headers. This is the one place
# that lists needs.
build_needs="cc:gcc libc:libc6-dev pkg-config:pkg-config libssl:libssl-dev"
test_needs="git:git openssl:openssl gnutls-cli:gnutls-bin curl:curl shellcheck:shellcheck nginx:nginx python3:python3 redis-server:redis-server"
picture_needs="chromium:chromium"
peer_needs="openssl:openssl curl:curl nginx:nginx python3:python3 gnutls-cli:gnutls-bin tstclnt:libnss3-tools haproxy:haproxy stunnel:stunnel4 socat:socat ruby:ruby wget:wget wolfssl/options.h:libwolfssl-dev mbedtls/ssl.h:libmbedtls-dev ip:iproute2"
large_peer_needs="node:nodejs javac:default-jdk-headless"

say() {
	echo "${0##*/}: $*" >&2
}

die() {
	say "$*"
	exit 1
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# has_header HEADER asks the compiler, cc.
has_header() {
	echo "#include <$1>" | "$cc" -E - >/dev/null 2>&1
}

# missing NEED… prints the packages of the needs that are not met, on one line.
missing() {
	cc=$(cd "$top" && go env CC) && cc=${cc%% *}
	unmet=
	for need in "$@"; do
		case $need in
		cc:*) have "$cc" ;;
		libc:*) has_header stdlib.h ;;
		libssl:*) have pkg-config && pkg-config --exists libssl libcrypto ;;
		*.h:*) has_header "${need%%:*}" ;;
		*) have "${need%%:*}" ;;
		esac || unmet="$unmet ${need#*:}"
	done
	echo "${unmet# }"
}

# provide NEED… installs what is missing where it can: on Debian and its kin, as root. Elsewhere it
# says what is missing and exits 1.
provide() {
	have go || die "Go is missing: see https://go.dev/doc/install"
	packages=$(missing "$@")
	if [ -n "$packages" ]; then
		if ! have apt-get || [ "$(id -u)" -ne 0 ]; then
			say "missing, by Debian's names of the packages: $packages"
			have apt-get && die "install them as root: apt-get install $packages"
			die "install them (libssl-dev is openssl-devel on Fedora, openssl-dev on Alpine, openssl@3 with Homebrew)"
		fi
		say "installing $packages"
		apt-get update >&2 || say "apt-get update failed; trying with the lists there are"
		# The tests start servers of their own; RUNLEVEL keeps the packages from starting theirs.
		# shellcheck disable=SC2086 # a list of words
		RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages >&2 ||
			die "apt-get could not install $packages"
		packages=$(missing "$@")
		[ -z "$packages" ] || die "installed, and still not found: $packages"
	fi
	pkg-config --atleast-version=1.1.1 libssl ||
		die "libssl $(pkg-config --modversion libssl) is too old: 1.1.1 is the oldest that serves"
}

# build_env exports the environment for Go. Go's build cache does not see which libssl pkg-config
# answers for; a macro that nothing reads makes it.
build_env() {
	stamp=$(pkg-config --modversion libssl && pkg-config --cflags --libs libssl libcrypto) || return
	stamp=$(printf %s "$stamp" | tr -cs 'A-Za-z0-9' _)
	cflags=$(cd "$top" && go env CGO_CFLAGS) || return
	export GOWORK=off CGO_ENABLED=1 CGO_CFLAGS="$cflags -DBUILT_WITH_LIBSSL_$stamp"
}
