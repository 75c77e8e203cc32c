/** What a pd-server is made of besides its core: placement rules and scheduling. */
import { createRulesComponent } from "../rules/rules-component.ts";
import { createScheduling } from "../schedule/scheduling.ts";
import type { PdComponent } from "./services.ts";

/** New ones for each server. Rules come first: the schedulers ask them from their start on. */
export function pdComponents(): readonly PdComponent[] {
  const rules = createRulesComponent();
  return [rules, createScheduling((contextOf) => rules.policy(contextOf))];
}
