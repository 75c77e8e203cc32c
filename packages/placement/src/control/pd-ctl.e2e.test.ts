/** pd-ctl as a process: exit codes, standard input, a reader that goes away. */
import { fileURLToPath } from "node:url";
import { nodeWorld } from "@skein/base";
import { expect, test } from "vitest";

const world = nodeWorld();
const program = fileURLToPath(new URL("../../../../bin/pd-ctl", import.meta.url));
const run = (args: readonly string[], input = "") => world.processes.run(program, args, { input, env: { PD_ADDR: "" } });

test("a wrong line ends with 1, what no server answers with 0", async () => {
  expect(await run(["nosuch"])).toMatchObject({ code: 1, stdout: 'unknown command "nosuch" for "pd-ctl"\n' });
  const silent = await run(["-u", "127.0.0.1:1", "member"]);
  expect(silent.code).toBe(0);
  expect(silent.stdout).toMatch(
    /^after trying all endpoints, no endpoint is available, the last error we met: GET http:\/\/127\.0\.0\.1:1\/pd\/api\/v1\/members: /,
  );
});

test("the version, and lines of standard input until exit", async () => {
  expect((await run(["-V"])).stdout).toMatch(/^Release Version: /);
  expect(await run([], "tso 446266897047191553\nexit\ntso 0\n")).toMatchObject({
    code: 0,
    stdout: "system:  2023-12-12 09:25:11.904 +0000 UTC\nlogic:   229377\n",
  });
});

test("a certificate that is not there is told, not thrown", async () => {
  const answer = await run(["-u", "127.0.0.1:1", "--cacert", "/nonexistent/ca.pem", "member"]);
  expect(answer).toMatchObject({ code: 0, stderr: "" });
  expect(answer.stdout).toContain("/nonexistent/ca.pem");
});

test("a reader that has seen enough is no failure", async () => {
  const piped = await world.processes.run("/bin/sh", ["-c", `"${program}" completion bash | head -1`]);
  expect(piped).toMatchObject({ code: 0, stderr: "" });
  expect(piped.stdout).toBe("# bash completion for pd-ctl                               -*- shell-script -*-\n");
});
