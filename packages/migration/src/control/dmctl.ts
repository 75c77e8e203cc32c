/**
 * dmctl: one command, or a loop of them. Answers of the master are printed as JSON with exit code 0 whatever they say; a line that
 * cannot be understood, and a master that cannot be asked, are exit code 1.
 */
import {
  CommandLineError,
  type FlagValues,
  flagList,
  flagText,
  helpText,
  nameOf,
  parseLine,
  parseToml,
  splitWords,
  type Terminal,
  type TlsFiles,
  usageText,
  type World,
} from "@skein/base";
import { RpcError } from "@skein/rpc";
import { dmErrors } from "../errors.ts";
import { masterWire, wireSchema } from "../wire/wire.ts";
import { type Command, type CommandContext, ControlError, ShowHelp, SoftFailure } from "./command.ts";
import { connectMaster, type MasterConnection } from "./connection.ts";
import { openError } from "./files.ts";
import { printMessage } from "./print-message.ts";
import { rootCommand } from "./root-command.ts";

export interface DmctlOptions {
  readonly argv: readonly string[];
  readonly io: Omit<Terminal, "isTerminal">;
  readonly signal: AbortSignal;
  readonly versionText: string;
}

const missingAddress =
  "--master-addr not provided, this parameter is required when interacting with the dm-master, you can also use environment variable " +
  "'DM_MASTER_ADDR' to specify the value. Use `dmctl --help` to see more help messages";

/** Resolves to the exit code. */
export async function runDmctl(world: World, options: DmctlOptions): Promise<number> {
  const argv = options.argv.map(twoDashes);
  const runner = new Runner(world, options);
  try {
    const line = parseLine(rootCommand, argv);
    if (line.flags.get("version") === "true") {
      options.io.stderr(options.versionText);
      return 0;
    }
    if (line.path.length > 1 || line.args.length > 0 || line.isHelp) return await runner.once(argv);
    return await runner.loop(line.flags);
  } catch (error) {
    options.io.stderr(`${errorText(error)}\n`);
    return 1;
  } finally {
    runner.close();
  }
}

/** `-master-addr x` is understood as `--master-addr x`: so the tools of earlier versions call it. */
function twoDashes(word: string): string {
  return /^-(version|config|master-addr|rpc-timeout|ssl-ca|ssl-cert|ssl-key)(=|$)/.test(word) ? `-${word}` : word;
}

function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return `Error: ${text}`;
}

class Runner {
  readonly #world: World;
  readonly #options: DmctlOptions;
  #connection: Promise<MasterConnection> | undefined;

  constructor(world: World, options: DmctlOptions) {
    this.#world = world;
    this.#options = options;
  }

  async once(argv: readonly string[]): Promise<number> {
    try {
      await this.#run(argv, new Map());
      return 0;
    } catch (error) {
      this.#options.io.stderr(`${errorText(error)}\n`);
      return 1;
    }
  }

  async loop(given: FlagValues): Promise<number> {
    await this.#connect(given); // a wrong address is told before the first prompt
    const { io } = this.#options;
    for await (const line of io.lines("\u001b[31m»\u001b[0m ")) {
      const words = splitWords(line);
      if (words === null) {
        io.stdout("Error: a quote is not closed\n");
        continue;
      }
      if (words.length === 0) continue;
      if (words[0] === "exit") return 0;
      try {
        await this.#run(words, given);
      } catch (error) {
        io.stdout(`fail to run: [${words.join(" ")}]\n${errorText(error)}\n`);
      }
    }
    return 0;
  }

  close(): void {
    this.#connection?.then(
      (connection) => connection[Symbol.dispose](),
      () => {}, // told to the one who connected
    );
  }

  async #run(argv: readonly string[], given: FlagValues): Promise<void> {
    const { io } = this.#options;
    const line = parseLine(rootCommand, argv);
    const command = line.path.at(-1) as Command;
    if (nameOf(command) === "help") return io.stdout(helpText(parseLine(rootCommand, line.args).path));
    if (command === rootCommand && line.args.length > 0)
      throw new CommandLineError(`unknown command "${line.args[0]}" for "dmctl"\nRun 'dmctl --help' for usage.`);
    if (line.isHelp || command.run === undefined) return io.stdout(helpText(line.path));
    const flags: FlagValues = new Map([...given, ...line.flags]);
    const context: CommandContext = {
      world: this.#world,
      io,
      args: line.args,
      signal: this.#options.signal,
      call: async (method, request) => {
        this.#connection ??= this.#connect(flags);
        try {
          return await (await this.#connection).call(method, request, this.#options.signal);
        } catch (error) {
          if (!(error instanceof RpcError)) throw error;
          // The master's own words are enough; a broken call keeps its status.
          throw error.status === "unknown" ? new ControlError(error.text) : error;
        }
      },
      flag: (name) => flagText(flags, line.path, name),
      isSet: (name) => line.flags.has(name),
      list: (name) => flagList(flags, name),
      answer: (method, message) => io.stdout(`${printMessage(responseType(method), message)}\n`),
      print: (text) => io.stdout(text),
    };
    try {
      await command.run(context);
    } catch (error) {
      if (error instanceof ShowHelp) return io.stdout(helpText(line.path));
      if (error instanceof SoftFailure && error.withUsage) io.stdout(usageText(line.path));
      throw error;
    }
  }

  async #connect(flags: FlagValues): Promise<MasterConnection> {
    const file = await this.#configFile(flagText(flags, [], "config"));
    const value = (name: string) => flagText(flags, [], name) || file[name] || "";
    const timeoutMs = durationMs(value("rpc-timeout") || "10m");
    const address = value("master-addr") || this.#options.io.env["DM_MASTER_ADDR"] || "";
    if (address === "") throw new ControlError(missingAddress);
    const endpoints = address.split(",").map((each) => each.trim().replace(/^https?:\/\//, ""));
    for (const endpoint of endpoints)
      if (!/:\d+$/.test(endpoint)) throw new ControlError(`specify master addr ${address}: address ${endpoint}: missing port in address`);
    const tls = await this.#tls({ ca: value("ssl-ca"), cert: value("ssl-cert"), key: value("ssl-key") });
    return connectMaster(this.#world, { endpoints, tls, timeoutMs });
  }

  async #configFile(path: string): Promise<Record<string, string>> {
    if (path === "") return {};
    let text: string;
    try {
      text = new TextDecoder().decode(await this.#world.disk.readFile(path));
    } catch (error) {
      throw new ControlError(`the current command parameter: --config is invalid or used incorrectly: ${openError(path, error)}`);
    }
    const parsed = parseToml(text, path);
    return Object.fromEntries(Object.entries(parsed).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
  }

  async #tls(paths: { readonly ca: string; readonly cert: string; readonly key: string }): Promise<TlsFiles | null> {
    if (paths.ca === "" && paths.cert === "" && paths.key === "") return null;
    const read = async (path: string, what: string) => {
      try {
        return await this.#world.disk.readFile(path);
      } catch (error) {
        throw dmErrors.dmctlTls([], new Error(`could not read ${what}: ${openError(path, error)}`));
      }
    };
    if ((paths.cert === "") !== (paths.key === "")) throw dmErrors.dmctlTls([], new Error("ssl-cert and ssl-key must be given together"));
    return {
      ...(paths.ca === "" ? {} : { ca: await read(paths.ca, "ca certificate") }),
      ...(paths.cert === "" ? {} : { cert: await read(paths.cert, "certificate"), key: await read(paths.key, "key") }),
    };
  }
}

/** `pb.StartTaskResponse` of `StartTask`: the schema knows. */
function responseType(method: string): string {
  const { responseType: name } = wireSchema.root.lookupService(masterWire.name).methods[method] as { readonly responseType: string };
  return `pb.${name}`;
}

const unitMs: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A duration as Go writes it, above 0. Throws with Go's texts. */
export function durationMs(text: string): number {
  const parts = [...text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)];
  if (parts.map(([part]) => part).join("") !== text || parts.length === 0) {
    if (text === "0") throw new ControlError("invalid time duration: 0s");
    throw new ControlError(/^[\d.]+$/.test(text) ? `time: missing unit in duration "${text}"` : `time: invalid duration "${text}"`);
  }
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (unitMs[unit as string] as number), 0);
  if (!(ms > 0)) throw new ControlError(`invalid time duration: ${text}`);
  return Math.min(Math.max(1, Math.round(ms)), 2 ** 31 - 1);
}
