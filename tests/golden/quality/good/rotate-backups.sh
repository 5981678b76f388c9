#!/usr/bin/env bash
#
# Keep the newest snapshots in a directory and delete the rest.
#
# Snapshots are files named PREFIX-YYYY-MM-DD.tar.gz. The newest one of each of
# the last DAYS days, WEEKS weeks and MONTHS months (with any snapshot) is kept.

set -euo pipefail

readonly program=${0##*/}
days=7 weeks=4 months=12
dry_run=false

usage() {
    cat <<TEXT
usage: $program [-n] [-d DAYS] [-w WEEKS] [-m MONTHS] DIRECTORY PREFIX

  -n  only print what would be deleted
TEXT
}

die() {
    printf '%s: %s\n' "$program" "$1" >&2
    exit "${2:-1}"
}

require_count() {
    [[ $2 =~ ^[0-9]+$ ]] || die "option -$1 needs a number, got '$2'" 2
}

# Newest first, one name per line; the date format sorts as text.
list_snapshots() {
    local directory=$1 prefix=$2
    find "$directory" -maxdepth 1 -type f \
        -name "$prefix-[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9].tar.gz" \
        -printf '%f\n' | sort -r
}

date_of() {
    local name=${1%.tar.gz}
    printf '%s' "${name: -10}"
}

# Print the first snapshot of each of the LIMIT most recent periods, where a
# period is what `date` makes of FORMAT.
newest_per_period() {
    local format=$1 limit=$2 name period
    local -A seen=()
    while IFS= read -r name; do
        ((${#seen[@]} < limit)) || break
        period=$(date -d "$(date_of "$name")" +"$format")
        if [[ -z ${seen[$period]:-} ]]; then
            seen[$period]=1
            printf '%s\n' "$name"
        fi
    done
}

main() {
    local option
    while getopts 'nd:w:m:h' option; do
        case $option in
            n) dry_run=true ;;
            d) require_count d "$OPTARG" && days=$OPTARG ;;
            w) require_count w "$OPTARG" && weeks=$OPTARG ;;
            m) require_count m "$OPTARG" && months=$OPTARG ;;
            h) usage; exit 0 ;;
            *) usage >&2; exit 2 ;;
        esac
    done
    shift $((OPTIND - 1))
    (($# == 2)) || { usage >&2; exit 2; }

    local directory=$1 prefix=$2 snapshots keep name
    [[ -d $directory ]] || die "not a directory: $directory"

    snapshots=$(list_snapshots "$directory" "$prefix")
    [[ -n $snapshots ]] || die "no snapshots named $prefix-* in $directory"

    keep=$(
        newest_per_period '%F' "$days" <<<"$snapshots"
        newest_per_period '%G-W%V' "$weeks" <<<"$snapshots"
        newest_per_period '%Y-%m' "$months" <<<"$snapshots"
    )
    [[ -n $keep ]] || die "refusing to delete every snapshot"

    while IFS= read -r name; do
        if grep -qxF -- "$name" <<<"$keep"; then
            continue
        fi
        printf 'delete %s\n' "$name"
        "$dry_run" || rm -- "$directory/$name"
    done <<<"$snapshots"
}

main "$@"
