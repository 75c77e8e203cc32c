/** A server for tests of the edge of processes; the first argument says how it goes. */
import { runServerProcess } from "../server-process.ts";

const [way = ""] = process.argv.slice(2);
const never = new Promise<never>(() => {});
/** Holds the process as a socket would. */
setInterval(() => {}, 1000);

await runServerProcess<{ readonly way: string }>({
  launch: way === "help" ? { kind: "text", to: "stdout", text: "how to\n", code: 0 } : { kind: "run", config: { way } },
  log: () => ({ level: "info", file: "", format: "text" }),
  start: async (world) => {
    process.stdout.write("starting\n");
    if (way === "cannot start") throw new Error("the port is taken");
    if (way === "waits for others") await never;
    process.stdout.write("serving\n");
    if (way === "talks on") process.stdin.on("data", () => world.log.info("heard")).on("end", () => process.stdout.write("heard it all\n"));
    const { promise: ended, reject } = Promise.withResolvers<void>();
    if (way === "cannot go on") reject(new Error("the disk is gone"));
    return { ended, close: () => (way === "waits at its end" ? never : Promise.resolve()) };
  },
  startFailedCode: 2,
  failedCode: () => 3,
  stopMsMax: 300,
});
