/** `./skein` hands over to this launcher. */
import { causeText, nodeWorld } from "@skein/base";
import { benchCommand } from "./bench/bench-command.ts";
import { testCommand } from "./check/test-command.ts";
import { type Command, type Io, UsageError } from "./command.ts";
import { demoCommand } from "./demo/demo-command.ts";
import { packageCommand } from "./package/package-command.ts";
import { playgroundCommand } from "./playground/playground-command.ts";

const commands: readonly Command[] = [demoCommand, playgroundCommand, testCommand, benchCommand, packageCommand];

const io: Io = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  write: (text) => void process.stdout.write(text),
  isTerminal: process.stdout.isTTY,
  get columns() {
    const columns = process.stdout.columns ?? 0; // some terminals say 0
    return columns > 0 ? columns : 100;
  },
  get rows() {
    const rows = process.stdout.rows ?? 0;
    return rows > 0 ? rows : 24;
  },
};

const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => {
    if (interrupted.signal.aborted) process.exit(130); // asked twice: at once; children die with this process
    interrupted.abort(new DOMException(`ended by ${name}`, "AbortError"));
  });

// whoever read the output has gone (`… | head`): nobody is left to work for
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    interrupted.abort(new DOMException("nobody reads the output any more", "AbortError"));
  });

const [name, ...args] = process.argv.slice(2);
const command = commands.find((each) => each.name === name);
if (command === undefined) {
  io.err(`skein: unknown command: ${name ?? ""}; known are ${commands.map((each) => each.name).join(", ")}`);
  process.exitCode = 2;
} else if (args.includes("--help") || args.includes("-h")) {
  io.out(command.help);
} else {
  try {
    process.exitCode = await command.run({ args, io, world: nodeWorld(), signal: interrupted.signal });
  } catch (error) {
    if (interrupted.signal.aborted) {
      io.err("skein: interrupted; everything that was started has ended");
      process.exitCode = 130;
    } else {
      io.err(`skein: ${error instanceof UsageError ? `${error.message}\nTry: ./skein ${command.name} --help` : causeText(error)}`);
      process.exitCode = error instanceof UsageError ? 2 : 1;
    }
  }
}
