"""Print the completion script for a shell: verbs, their options, and what may stand where there is a choice.

source <(picluster completion bash)          # in ~/.bashrc
picluster completion zsh > ~/.zfunc/_picluster
picluster completion fish > ~/.config/fish/completions/picluster.fish
"""

from __future__ import annotations

import argparse
import shlex

from picluster.cli.main import VERBS, parser_of

BASH = """_picluster() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}"
    if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "{verbs}" -- "$word")); return; fi
    [[ "$word" == -* ]] || case "${{COMP_WORDS[1]}} ${{COMP_WORDS[COMP_CWORD-1]}}" in
{values}
    esac
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
    [[ "$word" == -* ]] || COMPREPLY=($(compgen -f -- "$word"))
}}
complete -o filenames -F _picluster picluster"""

ZSH = """#compdef picluster
local -a verbs=({verbs})
if (( CURRENT == 2 )); then _describe verb verbs; return; fi
[[ "$PREFIX" == -* ]] || case "$words[2] ${{words[CURRENT-1]}}" in
{values}
esac
case "$words[2]" in
{cases}
esac
_files"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(arguments: argparse.Namespace) -> int:
    print({"bash": bash, "zsh": zsh, "fish": fish}[arguments.shell]())
    return 0


def options_of(verb: str) -> dict[str, str]:
    """Every option of a verb and its help."""
    actions = parser_of(verb)._actions
    return {option: action.help or "" for action in actions for option in action.option_strings}


def choices_of(verb: str) -> dict[str, str]:
    """What may stand after an option, one space between two; under the empty option what may stand for itself."""
    actions = [action for action in parser_of(verb)._actions if action.choices]
    return {
        option: " ".join(map(str, action.choices or ())) for action in actions for option in action.option_strings or [""]
    }


def values() -> list[tuple[str, str]]:
    """For bash and zsh: the verb and the word before, in quotes, and what to offer after these. For itself a choice stands
    right after the verb."""
    return [(f'"{verb} {option or verb}"', words) for verb in VERBS for option, words in choices_of(verb).items()]


def bash() -> str:
    offers = [f'        {before}) COMPREPLY=($(compgen -W "{words}" -- "$word")); return ;;' for before, words in values()]
    cases = [f'        {verb}) COMPREPLY=($(compgen -W "{" ".join(options_of(verb))}" -- "$word")) ;;' for verb in VERBS]
    return BASH.format(verbs=" ".join(VERBS), values="\n".join(offers), cases="\n".join(cases))


def zsh() -> str:
    verbs = " ".join(shlex.quote(f"{verb}:{text.replace(':', ' -')}") for verb, text in VERBS.items())
    offers = [f"    {before}) compadd -- {words}; return ;;" for before, words in values()]
    cases = [f"    {verb}) compadd -- {' '.join(options_of(verb))} ;;" for verb in VERBS]
    return ZSH.format(verbs=verbs, values="\n".join(offers), cases="\n".join(cases))


def fish() -> str:
    lines = [
        f"complete -c picluster -n __fish_use_subcommand -f -a {verb} -d {fish_quoted(text)}" for verb, text in VERBS.items()
    ]
    for verb in VERBS:
        seen = f"complete -c picluster -n '__fish_seen_subcommand_from {verb}'"
        choices = choices_of(verb)
        if "" in choices:
            right_after = f"__fish_seen_subcommand_from {verb}; and test (count (commandline -opc)) -eq 2"
            lines.append(f"complete -c picluster -n '{right_after}' -f -a {fish_quoted(choices[''])}")
        for option, text in options_of(verb).items():
            name = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            values = f" -x -a {fish_quoted(choices[option])}" if option in choices else ""
            lines.append(f"{seen} {name}{values} -d {fish_quoted(text.partition(' (')[0])}")
    return "\n".join(lines)


def fish_quoted(text: str) -> str:
    """Within single quotes fish knows two escapes (fish-doc, "Quotes")."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("%(default)s", "") + "'"
