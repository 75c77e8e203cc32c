/** Refusals of rules, in the words on which the field's scripts match (spec §2.4). `status` is that of the HTTP answer. */
export class RuleRefusal extends Error {
  override readonly name = "RuleRefusal";
  readonly status: 400 | 500;
  constructor(status: 400 | 500, message: string) {
    super(message);
    this.status = status;
  }
}

export function contentRefusal(why: string): RuleRefusal {
  return new RuleRefusal(400, `[PD:placement:ErrRuleContent]invalid rule content, ${why}`);
}

export function hexRefusal(text: string): RuleRefusal {
  return new RuleRefusal(400, `[PD:hex:ErrHexDecodingString]decode string ${text} error`);
}

export function buildRefusal(why: string): RuleRefusal {
  return new RuleRefusal(500, `[PD:placement:ErrBuildRuleList]build rule list failed, ${why}`);
}
