#!/usr/bin/env bash
#
# The whole story in a minute, for someone who has never seen stele. It works in
# a temporary folder, on a free port of this machine only, and leaves nothing
# running and nothing behind. `./dev demo` builds first, then comes here.
#
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
shared=${STELE_SHARED:-$here/../shared}
PATH=${STELE_BUILD:-$here/build}:$PATH
work=$(mktemp -d)
steled_pid=

finish() {
	[[ -z $steled_pid ]] || kill "$steled_pid" 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap finish EXIT

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
say() { printf '  %s\n' "$@"; }
fail() {
	echo "demo: $*" >&2
	exit 1
}

# show COMMAND…: prints the command as a reader would type it, then runs it.
show() {
	printf '  $ %s\n' "${*//$work\//}"
	"$@" | sed "s|$work/||g; s/^/    /"
}

# refused COMMAND…: the same for a command that must find something wrong.
refused() {
	local status=0
	show "$@" 2>&1 || status=$?
	((status == 1)) || fail "exit status 1 was expected of: $* (got $status)"
	say "exit status 1: caught."
}

start_server() {
	local line
	mkfifo "$work/first-line"
	steled --data "$work/data" --unprotected --listen 127.0.0.1:0 >"$work/first-line" 2>"$work/steled.log" &
	steled_pid=$!
	read -r line <"$work/first-line" || { cat "$work/steled.log"; fail "steled did not start"; }
	export STELE_SERVER=${line##* } STELE_TOKEN=@$work/data/admin.token
	say "$line"
}

stop_server() {
	kill -TERM "$steled_pid"
	wait "$steled_pid" || fail "steled did not end well"
	steled_pid=
}

# Events of three kinds, in the forms their producers really send.
make_events() {
	local i users=(alice bob carol dave) verbs=(get list create delete) user verb second
	for i in $(seq 0 199); do
		user=${users[i % 4]} verb=${verbs[i % 4]} second=$(printf '%02d:%02d' $((i / 60)) $((i % 60)))
		printf '{"specversion":"1.0","id":"p-%d","source":"/payments","type":"com.example.payment.approved","time":"2026-11-23T09:%sZ","data":{"actor":"%s","amount":"%d.00","currency":"EUR","payee":"ACME Ltd"}}\n' \
			"$i" "$second" "$user" $((i * 37 % 9000 + 10)) >>"$work/payments.ndjson"
		printf '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a-%d","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/prod/secrets/db","verb":"%s","user":{"username":"%s@example.com"},"objectRef":{"resource":"secrets","namespace":"prod","name":"db"},"responseStatus":{"code":%d},"requestReceivedTimestamp":"2026-11-23T09:%s.000000Z"}\n' \
			"$i" "$verb" "$user" $((i % 9 ? 200 : 403)) "$second" >>"$work/cluster.ndjson"
		printf '{"EventID":4624,"Channel":"Security","Hostname":"WS%d.corp.example","TargetUserName":"%s","LogonType":3,"IpAddress":"10.0.0.%d","@timestamp":"2026-11-23T09:%sZ"}\n' \
			$((i % 7)) "$user" $((i % 250 + 1)) "$second" >>"$work/signins.ndjson"
	done
}

# append_file LOG FILE: every line of FILE, and a check that none was lost on the way.
append_file() {
	stele log create "$1" >/dev/null
	printf '  '
	stele append "$1" "$2" --ndjson --connections 1
	stele get "$1" 1 | cmp - <(head -n 1 "$2" | tr -d '\n') ||
		fail "$1: what was read is not what was sent"
}

# flip FILE OFFSET: changes one bit.
flip() {
	local byte
	byte=$(od -An -tu1 -j "$2" -N1 "$1")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\x$(printf %x $((byte ^ 1)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

title "1. A server, with no configuration at all"
start_server
say "Its first start made its keys and a token: data/admin.token."

title "2. Events of several kinds, each line acknowledged with proof"
make_events
append_file payments "$work/payments.ndjson"
append_file cluster "$work/cluster.ndjson"
append_file signins "$work/signins.ndjson"

if [[ -d $shared/data ]]; then
	title "3. Events that real systems wrote (${shared##*/}/data)"
	append_file aws "$shared/data/cloudtrail.ndjson"
	append_file k8s "$shared/data/k8s-audit.ndjson"
	zstd -qdc "$shared/data/windows-security.ndjson.zst" >"$work/windows.ndjson"
	append_file windows "$work/windows.ndjson"
	stele log create otel >/dev/null
	printf '  '
	stele append otel "$shared/data/otlp-logs.json"
	stele get otel 1 | cmp - "$shared/data/otlp-logs.json" || fail "otel: read back something else"
else
	title "3. (Events of real systems are not at hand: no ../shared/data.)"
fi
say "The first record of each log was read back and compared byte for byte."

title "4. Read one back, and take away its proof"
show stele get payments 42
echo
stele key show payments >"$work/payments.key"
stele get payments 42 >"$work/42.json"
show stele prove payments 42 -o "$work/42.tlog-proof"
show stele key show payments

title "5. Ask who did what, and hand it over"
show stele query cluster --actor alice@example.com --outcome failure --limit 3
echo
show stele export payments cluster --reason 'Case 7' -o "$work/case7.zip"

title "6. The server goes away; its evidence does not need it"
key=$(<"$work/payments.key")
identity=$(stele key show)
stop_server
say "steled has ended. The receipt, the payload and one public key are enough:"
show stele verify "$work/42.tlog-proof" --payload "$work/42.json" --key "$key"
say "And so is the bundle, which a stranger may have by now:"
show stele verify "$work/case7.zip" --key "$identity"
say "And so is the data directory, every byte of it:"
show stele fsck "$work/data" --key "$identity"

title "7. Somebody changes the payload"
sed 's/"currency":"EUR"/"currency":"USD"/' "$work/42.json" >"$work/42-forged.json"
say "42-forged.json says USD where the record says EUR."
refused stele verify "$work/42.tlog-proof" --payload "$work/42-forged.json" --key "$key"

title "8. Somebody flips one bit of the bundle, or on the disk"
flip "$work/case7.zip" 20000
refused stele verify "$work/case7.zip" --key "$identity"
wal=$(find "$work/data/wal" -name '*.wal' | sort | head -n 1)
flip "$wal" 20000
say "One bit of ${wal#"$work"/}, at byte 20000, is flipped."
refused stele fsck "$work/data" --key "$identity"

title "That is stele: append, prove, query, export, verify. Nothing is left running."
