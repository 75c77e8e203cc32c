import { Simulation } from "@skein/sim";
import { expect, test } from "vitest";
import { linesMax } from "./history.ts";
import { runPdCtl } from "./pd-ctl.ts";

/** What a person types at the prompt, line by line; resolves to the lines they could go back to, and to what was told on stderr. */
async function type(sim: Simulation, lines: readonly string[], home = "/op", isTerminal = true) {
  let earlier: readonly string[] = [];
  let told = "";
  const code = await runPdCtl(sim.world("console"), {
    argv: isTerminal ? ["-i"] : [],
    io: {
      stdout: () => {},
      stderr: (text) => {
        told += text;
      },
      env: { HOME: home },
      isTerminal,
      lines: async function* (_prompt, given = []) {
        earlier = [...given];
        yield* lines;
      },
    },
    signal: new AbortController().signal,
    versionText: "v\n",
  });
  return { code, earlier, told };
}

const start = async () => {
  const sim = new Simulation({ seed: 1 });
  await sim.complete(sim.world("console").disk.makeFolder("/op"));
  return sim;
};

test("lines of the last prompts can be gone back to, also when one ended with exit", async () => {
  const sim = await start();
  expect(await sim.complete(type(sim, ["tso 1", "", "tso 1", "tso 2", "exit"]))).toEqual({ code: 0, earlier: [], told: "" });
  expect((await sim.complete(type(sim, ["nosuch"]))).earlier).toEqual(["tso 1", "tso 2", "exit"]);
  expect((await sim.complete(type(sim, []))).earlier).toEqual(["tso 1", "tso 2", "exit", "nosuch"]);
});

test("the oldest are forgotten", async () => {
  const sim = await start();
  await sim.complete(
    type(
      sim,
      Array.from({ length: linesMax + 10 }, (_each, index) => `tso ${index}`),
    ),
  );
  const { earlier } = await sim.complete(type(sim, []));
  expect([earlier.length, earlier[0]]).toEqual([linesMax, "tso 10"]);
});

test("lines of a script are not kept; a home that is not there is told, and costs nothing else", async () => {
  const sim = await start();
  await sim.complete(type(sim, ["tso 1"], "/op", false));
  expect((await sim.complete(type(sim, []))).earlier).toEqual([]);
  const { code, told } = await sim.complete(type(sim, ["tso 1"], "/nowhere"));
  expect([code, told]).toEqual([0, expect.stringContaining("/nowhere/.pd_ctl_history cannot be written")]);
});
