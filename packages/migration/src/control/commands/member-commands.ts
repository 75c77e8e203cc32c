import { type Command, SoftFailure, wrongUse } from "../command.ts";

export const listMember: Command = {
  usage: "list-member [--leader] [--master] [--worker] [--name master-name/worker-name ...]",
  about: "Lists member information",
  flags: [
    { name: "leader", short: "l", kind: "bool", about: "only the leader" },
    { name: "master", short: "m", kind: "bool", about: "only masters" },
    { name: "worker", short: "w", kind: "bool", about: "only workers" },
    { name: "name", short: "n", kind: "strings", about: "only members of these names" },
  ],
  run: async (context) => {
    if (context.args.length > 0) wrongUse();
    const asked = {
      leader: context.flag("leader") === "true",
      master: context.flag("master") === "true",
      worker: context.flag("worker") === "true",
    };
    const isAny = asked.leader || asked.master || asked.worker;
    const request = { ...(isAny ? asked : { leader: true, master: true, worker: true }), names: context.list("name") };
    context.answer("ListMember", await context.call("ListMember", request));
  },
};

export const offlineMember: Command = {
  usage: "offline-member <--master/--worker> <--name master-name/worker-name>",
  about: "Offlines member which has been closed",
  flags: [
    { name: "master", short: "m", kind: "bool", about: "the member is a master" },
    { name: "worker", short: "w", kind: "bool", about: "the member is a worker" },
    { name: "name", short: "n", kind: "string", about: "the member's name" },
  ],
  run: async (context) => {
    const isMaster = context.flag("master") === "true";
    const isWorker = context.flag("worker") === "true";
    if (context.args.length > 0) wrongUse();
    if (isMaster === isWorker) {
      context.print("should specify exactly one of --master and --worker\n");
      throw new SoftFailure();
    }
    const name = context.flag("name");
    if (name === "") {
      context.print("should specify the member's --name\n");
      throw new SoftFailure();
    }
    const answer = await context.call("OfflineMember", { type: isMaster ? "master" : "worker", name });
    if (answer["result"] !== true) {
      context.print(`offline member failed:\n${String(answer["msg"])}\n`);
      throw new SoftFailure();
    }
    context.answer("OfflineMember", answer);
  },
};

const leaderOperations: Readonly<Record<string, string>> = { evict: "EvictLeaderOp", "cancel-evict": "CancelEvictLeaderOp" };

export const operateLeader: Command = {
  usage: "operate-leader <operate-type>",
  about: "`evict`/`cancel-evict` the leader",
  run: async (context) => {
    const [type] = context.args;
    if (type === undefined || context.args.length !== 1) wrongUse();
    const op = leaderOperations[type];
    if (op === undefined) {
      context.print(`invalid operate '${type}' on leader\n`);
      throw new SoftFailure();
    }
    context.answer("OperateLeader", await context.call("OperateLeader", { op }));
  },
};
