/** Placement rules as a part of the placement driver. */
import type { ScheduleContext } from "../schedule/core/context.ts";
import type { PdComponent } from "../server/services.ts";
import { createRuleManager, type RuleManager } from "./manager.ts";
import { createRulePolicy, plainContext, type RulePolicy } from "./policy.ts";
import { ruleRoutes } from "./routes.ts";

export interface RulesComponent extends PdComponent {
  readonly manager: RuleManager;
  /**
   * What schedulers and checkers ask. The context is asked for anew at each call; from then on `region --why` sees the cluster through
   * it, with limits and paused leaders.
   */
  policy(contextOf: () => ScheduleContext): RulePolicy;
}

/** Must stand before the schedulers among the server's components: they ask it from their start on. */
export function createRulesComponent(): RulesComponent {
  const manager = createRuleManager();
  let policy: RulePolicy | null = null;
  return {
    name: "rules",
    manager,
    start: (services, signal) => manager.start(services, signal),
    routes: () =>
      ruleRoutes({
        manager,
        contextOf: (set, services) => policy?.checkerContext() ?? plainContext(set, services),
        operatorText: (regionId) => policy?.operatorText(regionId) ?? null,
      }),
    policy: (contextOf) => {
      policy = createRulePolicy(manager, contextOf);
      return policy;
    },
  };
}
