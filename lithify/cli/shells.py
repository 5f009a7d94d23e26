"""How bash, fish and zsh ask what a word may become, and how they are answered."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from lithify.cli.completing import Candidate, candidates

_BASH = """\
# lithify: completion for bash
_lithify() {
  local program=${COMP_WORDS[0]/#\\~/$HOME}
  mapfile -t COMPREPLY < <("$program" __complete bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _lithify lithify
"""
_FISH = """\
# lithify: completion for fish
function __lithify_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    set -e words[1]
    set -l found ($program __complete fish -- $words "$current" 2>/dev/null)
    if set -q found[1]
        printf '%s\\n' $found
    else
        __fish_complete_path "$current"
    end
end
complete -c lithify -f -a '(__lithify_complete)'
"""
_ZSH = """\
#compdef lithify
# lithify: completion for zsh
_lithify() {
  local program=${~words[1]}
  local -a found
  found=("${(@f)$("$program" __complete zsh -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n $found[1] ]]; then
    _describe lithify found
  else
    _files
  fi
}
if [[ $funcstack[1] == _lithify ]]; then
  _lithify "$@"
else
  compdef _lithify lithify
fi
"""
SCRIPTS = {"bash": _BASH, "fish": _FISH, "zsh": _ZSH}


def answer(arguments: Sequence[str], cwd: Path) -> str:
    """Return what a shell's script gets for ``SHELL -- WORD...``; nothing for a question that is none."""
    if len(arguments) < 2 or arguments[1] != "--" or arguments[0] not in SCRIPTS:
        return ""
    return "".join(f"{_as_taken(one, arguments[0])}\n" for one in candidates(arguments[2:], cwd))


def _as_taken(one: Candidate, shell: str) -> str:
    if shell == "bash":
        return shlex.quote(one.word)
    if shell == "fish":
        return f"{one.word}\t{one.help}"
    word = one.word.replace("\\", "\\\\").replace(":", "\\:")
    return f"{word}:{one.help}" if one.help else word
