"""The build systems and split rules that need no ``DEFAULTS`` file: those of formats 0 to 6, and those of format 9.

``CLASSIC`` is what the program of 2015 had built in; ``MODERN`` is what format 9 has, where a ``DEFAULTS`` file adds to
it or replaces entries by name. Commands are part of every key: a change of one is a new format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from msgspec import Struct

from lithify.definitions.frozen import FrozenMap
from lithify.definitions.model import Product

Commands = Mapping[str, tuple[str | bytes, ...]]
"""Step → commands."""


class Defaults(Struct, frozen=True, kw_only=True):
    """What holds where a chunk or stratum says nothing else."""

    build_systems: Mapping[str, Commands]
    chunk_rules: tuple[Product, ...]
    """``artifact`` is a suffix of the chunk's name. Never empty: without rules, one artifact has the bare name."""
    stratum_rules: tuple[Product, ...]


ONE_ARTIFACT = (Product(artifact="", include=(".*",)),)
"""The rules where there are none: all in one artifact, named as its chunk or stratum."""

MANUAL = "manual"
"""The build system that has no commands of its own; what a chunk file says that names none."""
IMPORT = "import"
"""The build system whose result is the sources as they are."""


def _strip(debug_file: str) -> str:
    # ELF is looked for in bytes 1 to 3: a shell variable cannot hold the first four as they are in every locale, and
    # dash's read takes no -n. A file that has its debug link already (another name of a hard link) is left alone.
    return (
        "find \"$DESTDIR\" -type f '(' -perm -111 -o -name '*.so*' -o -name '*.cmxs' -o -name '*.node' ')' "
        "-exec sh -ec '\n"
        "for file; do\n"
        '    if [ "$(dd if="$file" bs=1 skip=1 count=3 2>/dev/null)" != ELF ]; then continue; fi\n'
        '    case "$(objdump -h "$file")" in *.gnu_debuglink*) continue ;; esac\n'
        f'    debug="{debug_file}"\n'
        '    mkdir -p "${debug%/*}"\n'
        '    objcopy --only-keep-debug "$file" "$debug"\n'
        '    chmod 644 "$debug"\n'
        '    strip --remove-section=.comment --remove-section=.note --strip-unneeded "$file"\n'
        '    objcopy --add-gnu-debuglink="$debug" "$file"\n'
        "done' strip {} +"
    )


STRIP_CLASSIC = _strip("$DESTDIR$PREFIX/lib/debug/${file##*/}")
"""Debug information of each ELF file goes to one flat folder, as morph had it."""
STRIP = _strip('$DESTDIR$PREFIX/lib/debug/${file#"$DESTDIR"}.debug')
"""Debug information of ``/usr/bin/x`` goes to ``/usr/lib/debug/usr/bin/x.debug``, where debuggers look for it."""


def _system(
    *,
    configure: Iterable[str] = (),
    build: Iterable[str] = ("make",),
    install: Iterable[str] = ('make DESTDIR="$DESTDIR" install',),
    test: Iterable[str] = (),
    strip: Iterable[str] = (),
) -> Commands:
    steps = {"configure": configure, "build": build, "test": test, "install": install, "strip": strip}
    return FrozenMap({step: tuple(commands) for step, commands in steps.items()})


_NOTHING = _system(build=(), install=())


def _bootstrap(*scripts: str) -> str:
    """Return the command that makes a missing ``configure``."""
    tried = "elif ".join(f"[ -e {script} ]; then ./{script}; " for script in scripts)
    return f"export NOCONFIGURE=1; if {tried}elif [ ! -e ./configure ]; then autoreconf -ivf; fi"


def _distutils(python: str, strip: tuple[str, ...]) -> Commands:
    return _system(
        build=(f"{python} setup.py build",),
        install=(f'{python} setup.py install --prefix "$PREFIX" --root "$DESTDIR"',),
        strip=strip,
    )


_CPAN_FOLDERS = (
    *("INSTALLDIRS=perl", 'INSTALLARCHLIB="$PREFIX/lib/perl"', 'INSTALLPRIVLIB="$PREFIX/lib/perl"'),
    *('INSTALLBIN="$PREFIX/bin"', 'INSTALLSCRIPT="$PREFIX/bin"'),
    *('INSTALLMAN1DIR="$PREFIX/share/man/man1"', 'INSTALLMAN3DIR="$PREFIX/share/man/man3"'),
)


def _classic(strip: tuple[str, ...]) -> Mapping[str, Commands]:
    return FrozenMap(
        {
            MANUAL: _NOTHING,
            "autotools": _system(
                configure=(_bootstrap("autogen", "autogen.sh"), './configure --prefix="$PREFIX"'), strip=strip
            ),
            "python-distutils": _distutils("python", strip),
            "cpan": _system(configure=(f"perl Makefile.PL {' '.join(_CPAN_FOLDERS)}",), strip=strip),
            "cmake": _system(configure=("cmake -DCMAKE_INSTALL_PREFIX=/usr",), strip=strip),
            "qmake": _system(
                configure=("qmake -makefile",), install=('make INSTALL_ROOT="$DESTDIR" install',), strip=strip
            ),
            "dummy": _system(
                configure=("echo dummy configure",),
                build=("echo dummy build",),
                test=("echo dummy test",),
                install=("echo dummy install",),
                strip=("echo dummy strip",) if strip else (),
            ),
        }
    )


_MESON = (
    *('--prefix="$PREFIX"', "--libdir=lib", "--sysconfdir=/etc", "--localstatedir=/var"),
    *("--buildtype=debugoptimized", "--wrap-mode=nodownload"),
)
_CMAKE = (
    *('-DCMAKE_INSTALL_PREFIX="$PREFIX"', "-DCMAKE_INSTALL_LIBDIR=lib"),
    *("-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DFETCHCONTENT_FULLY_DISCONNECTED=ON"),
)
_PIP = (
    *(
        '--root="$DESTDIR"',
        '--prefix="$PREFIX"',
        "--no-index",
        "--no-deps",
        "--no-compile",
        "--ignore-installed",
    ),
    *("--no-warn-script-location", "--root-user-action=ignore"),
)

_MODERN = FrozenMap(
    {
        MANUAL: _NOTHING,
        IMPORT: _NOTHING,
        "make": _system(
            build=('make PREFIX="$PREFIX"',),
            install=('make PREFIX="$PREFIX" DESTDIR="$DESTDIR" install',),
            strip=(STRIP,),
        ),
        "autotools": _system(
            configure=(
                _bootstrap("autogen", "autogen.sh", "bootstrap", "bootstrap.sh"),
                './configure --prefix="$PREFIX" --sysconfdir=/etc --localstatedir=/var',
            ),
            strip=(STRIP,),
        ),
        # ninja takes -jN as make does; meson and cmake would start as many jobs as the machine has processors.
        "meson": _system(
            configure=(f"meson setup {' '.join(_MESON)} _build",),
            build=("ninja $MAKEFLAGS -C _build",),
            install=('DESTDIR="$DESTDIR" meson install --no-rebuild -C _build',),
            strip=(STRIP,),
        ),
        "cmake": _system(
            configure=(f"cmake -S . -B _build {' '.join(_CMAKE)}",),
            build=("cmake --build _build -- $MAKEFLAGS",),
            install=('DESTDIR="$DESTDIR" cmake --install _build',),
            strip=(STRIP,),
        ),
        # Byte code is compiled apart, so that it names the installed path, not DESTDIR.
        "python": _system(
            build=("python3 -m pip wheel --no-index --no-deps --no-build-isolation --wheel-dir=_wheels .",),
            install=(
                f"python3 -m pip install {' '.join(_PIP)} _wheels/*.whl",
                'python3 -m compileall -q -s "$DESTDIR" -p / --invalidation-mode checked-hash "$DESTDIR$PREFIX"',
            ),
            strip=(STRIP,),
        ),
        "python-distutils": _distutils("python", (STRIP,)),
        "python3-distutils": _distutils("python3", (STRIP,)),
        "cpan": _system(
            configure=("perl Makefile.PL PREFIX=$DESTDIR$PREFIX",), install=("make install",), strip=(STRIP,)
        ),
        "module-build": _system(
            configure=('perl Build.PL --prefix "$DESTDIR$PREFIX"',),
            build=("./Build",),
            install=("./Build install",),
            strip=(STRIP,),
        ),
        "qmake": _system(
            configure=("qmake -makefile",), install=('make INSTALL_ROOT="$DESTDIR" install',), strip=(STRIP,)
        ),
    }
)

_LIB = "(usr/)?lib(32|64)?/"

CHUNK_RULES = (
    Product(artifact="-bins", include=("(usr/)?s?bin/.*",)),
    Product(artifact="-libs", include=(rf"{_LIB}lib[^/]*\.so(\.\d+)*", "(usr/)libexec/.*")),
    Product(
        artifact="-devel",
        include=(
            "(usr/)?include/.*",
            rf"{_LIB}lib.*\.a",
            rf"{_LIB}lib.*\.la",
            r"(usr/)?(lib(32|64)?|share)/pkgconfig/.*\.pc",
        ),
    ),
    Product(artifact="-doc", include=("(usr/)?share/doc/.*", "(usr/)?share/man/.*", "(usr/)?share/info/.*")),
    Product(
        artifact="-locale",
        include=("(usr/)?share/locale/.*", "(usr/)?share/i18n/.*", "(usr/)?share/zoneinfo/.*"),
    ),
    Product(artifact="-misc", include=(".*",)),
)
"""Which files of a chunk go to which of its artifacts."""

STRATUM_RULES = (
    Product(artifact="-devel", include=(".*-devel", ".*-debug", ".*-doc")),
    Product(artifact="-runtime", include=(".*-bins", ".*-libs", ".*-locale", ".*-misc", ".*")),
)
"""Which chunk artifacts go to which artifact of a stratum."""


def classic(*, strips: bool) -> Defaults:
    """Return the defaults of formats 0 to 6; only some of them strip."""
    return Defaults(
        build_systems=_classic((STRIP_CLASSIC,) if strips else ()),
        chunk_rules=CHUNK_RULES,
        stratum_rules=STRATUM_RULES,
    )


MODERN = Defaults(build_systems=_MODERN, chunk_rules=CHUNK_RULES, stratum_rules=STRATUM_RULES)
"""The defaults of format 9."""

SIGNS = (
    ("autotools", ("autogen", "autogen.sh", "configure", "configure.ac", "configure.in", "configure.in.in")),
    ("python-distutils", ("setup.py",)),
    ("cpan", ("Makefile.PL",)),
    ("cmake", ("CMakeLists.txt",)),
    ("qmake", ("*.pro",)),
)
"""Build system → names in a source's top folder that tell of it, in the order in which they are looked for."""


def detect_build_system(files: Iterable[str]) -> str | None:
    """Return the build system that the names in a source's top folder tell of; None where they tell of none."""
    names = tuple(files)
    for build_system, signs in SIGNS:
        if any(fnmatchcase(name, sign) for name in names for sign in signs):
            return build_system
    return None
