/** `pd-ctl completion bash|zsh`: a script made from the commands themselves. */
import { nameOf } from "@skein/base";
import type { Command } from "../command.ts";

function paths(command: Command, prefix: readonly string[]): { readonly path: string; readonly words: readonly string[] }[] {
  const subcommands = (command.subcommands ?? []).filter((each) => each.isHidden !== true);
  const flags = [...(command.persistentFlags ?? []), ...(command.flags ?? [])].map((flag) => `--${flag.name}`);
  return [
    { path: prefix.join(" "), words: [...subcommands.map(nameOf), ...flags] },
    ...subcommands.flatMap((each) => paths(each, [...prefix, nameOf(each)])),
  ];
}

function bash(root: Command): string {
  const cases = paths(root, []).map(({ path, words }) => `    "${path}") words="${words.join(" ")}" ;;`);
  return [
    "# bash completion for pd-ctl                               -*- shell-script -*-",
    "",
    "__pd-ctl_complete()",
    "{",
    '  local path="" word words=""',
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    [[ "$word" == -* ]] || path="${path:+$path }$word"',
    "  done",
    '  case "$path" in',
    ...cases,
    "  esac",
    '  mapfile -t COMPREPLY < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")',
    "}",
    "complete -F __pd-ctl_complete pd-ctl",
    "",
  ].join("\n");
}

export function completionCommand(root: () => Command): Command {
  return {
    usage: "completion [bash|zsh]",
    about: "print a script that completes words of this program in a shell",
    examples: ["source <(pd-ctl completion bash)"],
    run: async (context) => {
      const [shell] = context.args;
      if (context.args.length !== 1 || (shell !== "bash" && shell !== "zsh")) return context.usage();
      const script = bash(root());
      context.print(
        shell === "bash" ? script.trimEnd() : `#compdef pd-ctl\nautoload -U +X bashcompinit && bashcompinit\n${script.trimEnd()}`,
      );
    },
  };
}
