#!/bin/sh
# A bootable disk image: scripts/mkimage.sh OUT BOOTX64.EFI KERNEL CONFIG SITE [PROGRAM.o...]
#
# GPT with one EFI system partition (FAT), made with sgdisk and mtools: no root, no loop mounts.
# A file given as "-" is left out (the tests want such images). XDP programs go into its folder xdp/.
set -eu
[ $# -ge 5 ] || {
    echo "usage: mkimage.sh OUT BOOTX64.EFI KERNEL CONFIG SITE [PROGRAM.o...]" >&2
    exit 2
}
out=$1 efi=$2 kernel=$3 config=$4 site=$5
shift 5
PATH=$PATH:/sbin:/usr/sbin
export MTOOLS_SKIP_CHECK=1 SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1700000000}"

kib=0
for f in "$efi" "$kernel" "$config" "$site" "$@"; do
    [ "$f" = - ] && continue
    [ -r "$f" ] || { echo "mkimage: $f is missing" >&2; exit 1; }
    kib=$((kib + ($(stat -Lc %s "$f") + 1023) / 1024 + 4))
done

# The partition starts at 1 MiB. It has room for a larger file in place of one that is there.
# FAT16 has 4,085 to 65,524 clusters: single sectors while they suffice, for the smallest image;
# beyond its reach it is FAT32.
part_kib=$((kib + kib / 16 + 2048))
part_kib=$(((part_kib + 1023) / 1024 * 1024))
if [ $part_kib -le 16384 ]; then
    fat="-F 16 -s 1"
elif [ $part_kib -le 262144 ]; then
    fat="-F 16"
else
    fat="-F 32"
fi

tmp=$out.tmp.$$
trap 'rm -f "$tmp" "$tmp.fat"' EXIT
trap 'exit 1' HUP INT TERM # sh runs the trap above only when it exits
truncate -s ${part_kib}K "$tmp.fat"
# shellcheck disable=SC2086 # options, to be split
mkfs.vfat $fat -n TOPHALF -i 70f4a1f0 --invariant "$tmp.fat" > /dev/null
mmd -i "$tmp.fat" ::/EFI ::/EFI/BOOT
put() { if [ "$1" != - ]; then mcopy -i "$tmp.fat" "$1" "::/$2"; fi; }
put "$efi" EFI/BOOT/BOOTX64.EFI
put "$kernel" kernel.elf
put "$config" tophalf.cfg
put "$site" site.tar
if [ $# -gt 0 ]; then
    mmd -i "$tmp.fat" ::/xdp
    mcopy -i "$tmp.fat" "$@" ::/xdp/
fi

truncate -s $((part_kib + 2048))K "$tmp"
sgdisk --clear --set-alignment=2048 --disk-guid=70F4A1F0-0000-4000-8000-000000000001 \
    --new=1:2048:$((2048 + part_kib * 2 - 1)) --typecode=1:EF00 --change-name=1:tophalf \
    --partition-guid=1:70F4A1F0-0000-4000-8000-000000000002 "$tmp" > /dev/null
dd if="$tmp.fat" of="$tmp" bs=1M seek=1 conv=notrunc,sparse status=none
mv "$tmp" "$out"
