#!/usr/bin/env bash
#
# build_deps.sh FOLDER: what stele-verify.exe is linked with and Debian has no package of for mingw-w64 (libcrypto,
# libsodium, libdeflate, jansson), made from Debian's own sources, as they are in the suites that this machine installs from.
# apt fetches them into FOLDER and checks them against the archive's signatures; dpkg-source applies Debian's patches.
# The machine's configuration and lists stay as they are. FOLDER/prefix has the static libraries, FOLDER/versions says
# what they were made from. What is there already is not made again, whatever
# has appeared in the archive since: remove FOLDER for that.
#
set -euo pipefail
umask 022

(($# == 1)) || { echo "usage: build_deps.sh FOLDER" >&2; exit 3; }
mkdir -p "$1"
cd "$1"
DEPS=$PWD
PREFIX=$DEPS/prefix
HOST=x86_64-w64-mingw32
export CC=$HOST-gcc-posix AR=$HOST-ar RANLIB=$HOST-ranlib RC=$HOST-windres
export LC_ALL=C SOURCE_DATE_EPOCH=0
export CFLAGS="-O2"
unset CXX CPPFLAGS LDFLAGS LIBS

# Nothing that a timestamp token is checked with (ts, and what of cms, RSA and EC it needs) is left out. What is: code from
# elsewhere, by plug-ins or a configuration file that somebody else may have written, and algorithms that nobody asks for.
OPENSSL_WITHOUT=(no-shared no-tests no-engine no-dso no-module no-autoload-config no-legacy no-comp no-ui-console no-srp no-psk no-cmp no-sock
	no-bf no-camellia no-cast no-idea no-md4 no-mdc2 no-rc2 no-rc4 no-rc5 no-rmd160 no-seed no-sm2 no-sm3 no-sm4
	no-aria no-whirlpool no-gost no-siphash no-blake2)

die() {
	echo "build_deps.sh: $*" >&2
	exit 1
}

# own_apt COMMAND…: apt with sources, lists and cache in FOLDER.
own_apt() {
	local command=$1
	shift
	"$command" -q -o Dir::Etc::SourceList="$DEPS/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$DEPS/apt/lists" -o Dir::Cache="$DEPS/apt/cache" -o APT::Sandbox::User="$(id -un)" "$@"
}

# The source packages of what this machine has from Debian; of suites that have the same version, apt asks the first.
update_lists() {
	mkdir -p apt/lists/partial apt/cache/archives/partial
	apt-get indextargets --format '$(SIGNED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
		awk '!seen[$0]++' | while IFS='|' read -r signed uri release component; do
		if [[ $signed == /* ]]; then signed="[signed-by=$signed] "; else signed=; fi
		echo "deb-src $signed$uri $release $component"
	done >apt/sources.list
	[[ -s apt/sources.list ]] || die "apt knows no archive of Debian here: run 'apt-get update' as root, then this again"
	own_apt apt-get update
}

# fetch NAME: its source, unpacked and patched, in src/NAME. The newest version that there is; a mirror that
# does not have that (yet) has the one before, and versions says which it was.
fetch() {
	local name=$1 version
	rm -rf "src/$name" "fetch/$name"
	mkdir -p "fetch/$name" src
	for version in $(own_apt apt-cache showsrc --only-source "$name" | sed -n 's/^Version: //p' | sort -u | newest_first); do
		if (cd "fetch/$name" && own_apt apt-get source --only-source "$name=$version"); then
			mv "fetch/$name/$name"-*/ "src/$name"
			echo "$name $version" >"src/$name.version"
			return
		fi
		echo "build_deps.sh: $name $version cannot be had from the archive; trying the version before it" >&2
	done
	die "the archive has no source of $name: is the network there?"
}

newest_first() {
	local versions=() version i
	while read -r version; do
		for ((i = 0; i < ${#versions[@]}; i++)); do
			if dpkg --compare-versions "$version" gt "${versions[i]}"; then break; fi
		done
		versions=("${versions[@]:0:i}" "$version" "${versions[@]:i}")
	done
	printf '%s\n' "${versions[@]}"
}

make_openssl() {
	# The prefix goes into the library, where no path of this machine belongs: what is used is copied by hand.
	./Configure mingw64 --prefix=/stele --openssldir=/stele --libdir=lib "${OPENSSL_WITHOUT[@]}"
	make -j"$(nproc)" build_generated
	make -j"$(nproc)" libcrypto.a libcrypto.pc
	mkdir -p "$PREFIX/lib/pkgconfig" "$PREFIX/include"
	cp libcrypto.a "$PREFIX/lib/"
	sed "s|^prefix=.*|prefix=$PREFIX|" libcrypto.pc >"$PREFIX/lib/pkgconfig/libcrypto.pc"
	cp -r include/openssl "$PREFIX/include/"
}

make_autotools() {
	autoreconf -fi
	./configure --host="$HOST" --prefix="$PREFIX" --disable-shared --enable-static --disable-dependency-tracking "$@"
	make -j"$(nproc)"
	make install
}

make_libsodium() {
	make_autotools --disable-ssp
}

make_jansson() {
	make_autotools
}

make_libdeflate() {
	# its name as the linker looks for it, which for Windows is another one there
	make -j"$(nproc)" CC="$CC" AR="$AR" CFLAGS="$CFLAGS" DISABLE_SHARED=1 STATIC_LIB_SUFFIX=.a PREFIX="$PREFIX" install
}

# part NAME: fetched and made, once.
part() {
	local name=$1
	[[ ! -f made/$name ]] || return 0
	echo "build_deps.sh: $name: fetching its source"
	[[ -n ${lists:-} ]] || { update_lists >fetch.log 2>&1 || { cat fetch.log; die "cannot read the archive's lists"; }; }
	lists=read
	fetch "$name" >"$name.log" 2>&1 || { cat "$name.log"; die "cannot fetch $name"; }
	grep '^build_deps.sh:' "$name.log" || true
	echo "build_deps.sh: $(cat "src/$name.version"): building; minutes, once"
	# not in a condition, where bash would go on after what fails
	(
		set -e
		cd "src/$name"
		"make_$name"
	) >>"$name.log" 2>&1 &
	wait $! || { tail -n 40 "$name.log"; die "$name does not build; all of it is in $DEPS/$name.log"; }
	mkdir -p made
	mv "src/$name.version" "made/$name"
	rm -rf "src/$name" "fetch/$name"
}

for name in jansson libdeflate libsodium openssl; do part "$name"; done
cat made/* >versions
