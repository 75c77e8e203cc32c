/**
 * pd-ctl: one command, lines of standard input, or a prompt. What the server refuses is text with exit code 0, as scripts know it; only
 * lines that cannot be understood end with 1.
 */
import {
  CommandLineError,
  type FlagValues,
  flagList,
  flagText,
  helpText,
  nameOf,
  type ParsedLine,
  parseLine,
  splitWords,
  type Terminal,
  usageText,
  type World,
} from "@skein/base";
import { type Command, type CommandContext, failureText, NoEndpoint } from "./command.ts";
import { type History, openHistory } from "./history.ts";
import { createHttpClient, type HttpClient } from "./http-client.ts";
import { rootCommand } from "./root-command.ts";

export interface PdCtlOptions {
  readonly argv: readonly string[];
  readonly io: Terminal;
  readonly signal: AbortSignal;
  readonly versionText: string;
  /** Default: all there are. */
  readonly root?: Command;
}

const api = "/pd/api/v1/";

/** Resolves to the exit code. */
export async function runPdCtl(world: World, options: PdCtlOptions): Promise<number> {
  const { io } = options;
  const root = options.root ?? rootCommand;
  // The variable is put behind the line, so it wins over a flag.
  const argv = [...options.argv, ...(io.env["PD_ADDR"] === undefined || io.env["PD_ADDR"] === "" ? [] : ["-u", io.env["PD_ADDR"]])];
  let flags: FlagValues;
  try {
    const line = lineOf(root, argv);
    flags = line.flags;
    if (line.path.length === 1 && flags.get("version") === "true") {
      io.stdout(options.versionText);
      return 0;
    }
    if (line.isHelp || line.path.length > 1) return await runLine(world, options, root, argv, new Map(), false);
  } catch (error) {
    return refuse(io, error);
  }
  if (flags.get("interact") !== "true" && io.isTerminal) {
    io.stdout(helpText([root]));
    return 0;
  }
  const history = await openHistory(world, io);
  try {
    return await readLines(world, options, root, flags, history);
  } finally {
    await history?.keep();
  }
}

/** The prompt, or the lines of standard input. Resolves to the exit code. */
async function readLines(world: World, options: PdCtlOptions, root: Command, flags: FlagValues, history: History | null): Promise<number> {
  const { io } = options;
  const isPrompt = io.isTerminal || flags.get("interact") === "true";
  for await (const text of io.lines("» ", history?.lines)) {
    history?.add(text);
    const words = splitWords(text);
    if (words === null) {
      io.stdout("a quote is not closed\n");
      continue;
    }
    if (words.length === 0) continue;
    if (words[0] === "exit" || words[0] === "quit") return 0;
    try {
      const code = await runLine(world, options, root, words, flags, true);
      if (code !== 0 && !isPrompt) return code;
    } catch (error) {
      if (options.signal.aborted) return 1;
      const code = refuse(io, error);
      if (!isPrompt) return code;
    }
  }
  return 0;
}

/** A first word that is no command is a mistake; later ones are arguments. */
function lineOf(root: Command, argv: readonly string[]): ParsedLine<Command> {
  const line = parseLine(root, argv);
  if (line.path.length === 1 && line.args.length > 0 && !line.isHelp)
    throw new CommandLineError(`unknown command ${JSON.stringify(line.args[0])} for "${nameOf(root)}"`);
  return line;
}

function refuse(io: Terminal, error: unknown): number {
  if (!(error instanceof CommandLineError)) throw error;
  io.stdout(`${error.path.length > 0 ? `${usageText(error.path)}\n` : ""}${error.message}\n`);
  return 1;
}

/** `given`: flags of the program's own line, which hold for all lines of the prompt. */
async function runLine(
  world: World,
  options: PdCtlOptions,
  root: Command,
  argv: readonly string[],
  given: FlagValues,
  interactive: boolean,
): Promise<number> {
  const { io } = options;
  const line = lineOf(root, argv);
  const command = line.path.at(-1) as Command;
  if (line.isHelp) {
    io.stdout(helpText(line.path));
    return 0;
  }
  if (command.run === undefined) {
    // A group, or a word that none of its commands is called.
    io.stdout(helpText(line.path, false));
    return 0;
  }
  const flags: FlagValues = new Map([...given, ...line.flags]);
  if (command.deprecated !== undefined) io.stdout(`Command "${nameOf(command)}" is deprecated, ${command.deprecated}\n`);
  const context = contextOf(world, options, line, flags, interactive);
  try {
    await command.run(context);
  } catch (error) {
    if (!(error instanceof NoEndpoint)) throw error;
    io.stdout(`${error.message}\n`);
  }
  return 0;
}

function contextOf(
  world: World,
  options: PdCtlOptions,
  line: ParsedLine<Command>,
  flags: FlagValues,
  interactive: boolean,
): CommandContext {
  const { io, signal } = options;
  const flag = (name: string) => flagText(flags, line.path, name);
  let client: HttpClient | undefined;
  const request: CommandContext["request"] = (method, path, body) => {
    client ??= createHttpClient(world, flag("pd") === "" ? "http://127.0.0.1:2379" : flag("pd"), {
      ca: flag("cacert") || (io.env["CA_PATH"] ?? ""),
      cert: flag("cert") || (io.env["CERT_PATH"] ?? ""),
      key: flag("key") || (io.env["KEY_PATH"] ?? ""),
    });
    return client.request(method, path.startsWith("/") ? path : `${api}${path}`, body, signal);
  };
  const print = (text: string) => io.stdout(`${text}\n`);
  return {
    world,
    signal,
    args: line.args,
    flag,
    isSet: (name) => flags.has(name) && flags.get(name) !== "false",
    list: (name) => flagList(flags, name),
    print,
    warn: (text) => io.stderr(`${text}\n`),
    usage: () => io.stdout(usageText(line.path)),
    request,
    get: async (path, onFailure = (failure) => failure) => {
      const answer = await request("GET", path);
      print(answer.status === 200 ? answer.text : onFailure(failureText(answer)));
    },
    post: async (path, body) => {
      const answer = await request("POST", path, JSON.stringify(body));
      // The first quote of the sentence is taken off and the last one stays: scripts know it so.
      print(answer.status === 200 ? `Success! ${answer.text.replace(/^"/, "")}` : `Failed! ${failureText(answer)}`);
    },
    interactive,
  };
}
