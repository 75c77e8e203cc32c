import { runScenario, scenarioFiles, updateScenarios } from "@skein/sim";
import { expect, test } from "vitest";
import { ScenarioGroup } from "./testing/scenario-group.ts";

test.each(scenarioFiles(new URL("./scenarios", import.meta.url).pathname))("$name", async ({ text, update }) => {
  const group = new ScenarioGroup();
  const { actual } = await runScenario(text, (step) => group.run(step));
  if (updateScenarios) update(actual);
  else expect(actual).toBe(text);
});
