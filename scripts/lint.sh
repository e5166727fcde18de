#!/bin/bash
# Formatting, static analysis, scripts: scripts/lint.sh
#
# Looks at what git tracks. Each item is one check over all its files; the last line is
# "N passed, N failed". .clang-tidy says which of clang-tidy's checks are used.
set -u
cd "$(dirname "$0")/.." || exit 1

BUILD=${BUILD:-build}
passed=0 failed=0

item() { # item NAME COMMAND...: one check, quiet when it passes
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
        printf '  %-28s ok\n' "$name"
    else
        failed=$((failed + 1))
        printf '  %-28s FAILED:\n    %s\n' "$name" "${output//$'\n'/$'\n    '}"
    fi
}

tracked() { git ls-files -- "$@"; }

mapfile -t c_files < <(tracked '*.c' ':!tests' ':!apps/xdp') # xdp: for another machine
mapfile -t c_and_h < <(tracked '*.c' '*.h')
mapfile -t py_files < <(tracked '*.py')
mapfile -t sh_files < <(tracked '*.sh' .ci/run)
mapfile -t kernel_files < <(tracked 'kernel/*.c' 'drivers/*.c' 'net/*.c' 'apps/*.c' ':!apps/xdp' \
    boot/cfg.c boot/ustar.c)

includes=(-Ikernel/libc/include -Ikernel/include -Iboot/include -Idrivers/include -Inet/include
    -Inet/port -Iapps/include -I"$BUILD/lwip/src/include" -I"$BUILD/jsmn")
defines=(-DTOPHALF_VERSION='"lint"' -DTOPHALF_APP='"httpd"')

whitespace() { # trailing blanks, tabs in C, missing last newline
    ! git grep -nIE '[[:blank:]]+$' -- . ':!*.patch' || return 1
    ! git grep -nIP '\t' -- '*.c' '*.h' '*.py' '*.sh' || return 1
    local file bad=0
    for file in "${c_and_h[@]}" "${py_files[@]}" "${sh_files[@]}"; do
        [ -z "$(tail -c 1 "$file")" ] || { echo "$file: no newline at the end"; bad=1; }
    done
    return $bad
}

# comparePointers: the ends of linker sections are two objects to it. nullPointerRedundantCheck:
# it takes ASSERT(p != NULL) for a doubt.
cppcheck_all() {
    cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --platform=unix64 \
        --enable=warning,performance,portability --suppress=missingIncludeSystem \
        --suppress='*:*/lwip/*' --suppress=unknownMacro --suppress=comparePointers \
        --suppress=nullPointerRedundantCheck -j 2 "${includes[@]}" "${defines[@]}" "${c_files[@]}"
}

clang_tidy_kernel() {
    printf '%s\0' "${kernel_files[@]}" |
        xargs -0 -n 4 -P 2 sh -c 'clang-tidy --quiet "$@" -- '"$(tidy_flags)" tidy 2> /dev/null
}

tidy_flags() { # as the kernel is built, so that what the compiler would reject is seen as well
    printf '%q ' -std=gnu11 -ffreestanding -nostdinc -isystem "$(gcc -print-file-name=include)" \
        -mno-red-zone -mgeneral-regs-only -Wno-unknown-attributes "${includes[@]}" \
        -isystem "$BUILD/lwip/src/include" "${defines[@]}"
}

item documents scripts/check-docs.sh
item clang-format clang-format --dry-run -Werror "${c_and_h[@]}"
item whitespace whitespace
item shellcheck shellcheck "${sh_files[@]}"
item pyflakes /usr/bin/python3 -m pyflakes "${py_files[@]}"
item cppcheck cppcheck_all
item clang-tidy clang_tidy_kernel

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
