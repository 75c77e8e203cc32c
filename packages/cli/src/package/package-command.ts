/** `./skein package`: one component package per executable, so that target hosts need nothing installed. */
import { join } from "node:path";
import type { World } from "@skein/base";
import { checkoutFolder, makePrivateFolder } from "@skein/servers";
import { build } from "esbuild";
import { type Command, UsageError } from "../command.ts";
import { parseFlags } from "../flags.ts";
import { type Executable, executables } from "./executables.ts";

const help = `./skein package [name …] [--out folder]

Builds the component packages: <name>-v<version>-linux-<machine>.tar.gz, each with the executable, its bundle, the Node runtime
and the licences. Unpacked anywhere it runs: a host needs no Node, no npm and no network. Names: ${executables.map(({ name }) => name).join(", ")}.

  --out folder   where they go; .cache/packages unless given`;

export const packageCommand: Command = {
  name: "package",
  help,
  async run({ args, io, world }) {
    const { values, positionals } = parseFlags(args, { out: { type: "string" } });
    for (const name of positionals)
      if (!executables.some((each) => each.name === name))
        throw new UsageError(`nothing to package is called ${name}; there are ${executables.map((each) => each.name).join(", ")}`);
    const outFolder = values.out ?? join(checkoutFolder, ".cache", "packages");
    await world.disk.makeFolder(outFolder);
    for (const executable of executables) {
      if (positionals.length > 0 && !positionals.includes(executable.name)) continue;
      const path = await buildPackage(world, executable, outFolder);
      const facts = await world.disk.stat(path);
      io.out(`${path} (${((facts?.sizeBytes ?? 0) / 2 ** 20).toFixed(0)} MiB): ${executable.describe}`);
    }
    return 0;
  },
};

/** `x64` → `amd64`, as the field's packages are named. */
const machineNames: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** Gives the path of the package. */
export async function buildPackage(world: World, executable: Executable, outFolder: string): Promise<string> {
  const { version } = JSON.parse(Buffer.from(await world.disk.readFile(join(checkoutFolder, "package.json"))).toString("utf8")) as {
    readonly version: string;
  };
  const folder = await makePrivateFolder(world, "package");
  try {
    const content = join(folder, executable.name);
    await world.disk.makeFolder(join(content, "lib"), { mode: 0o755 });
    await build({
      entryPoints: [join(checkoutFolder, "bin", `${executable.name}.ts`)],
      outfile: join(content, "lib", `${executable.name}.mjs`),
      bundle: true,
      platform: "node",
      target: "node24",
      format: "esm",
      // libraries of the older module kind call `require` and `__dirname`, which modules lack
      banner: {
        js: [
          'import { createRequire as createRequireOfBundle } from "node:module";',
          "const require = createRequireOfBundle(import.meta.url);",
          "const __filename = import.meta.filename, __dirname = import.meta.dirname;",
        ].join(" "),
      },
      legalComments: "linked",
      logLevel: "silent",
    });
    // The launcher finds its own folder through links, so that it can be linked into a folder of the PATH.
    // The limits of the heap's growth are those of bin/run: streams make much short-lived garbage.
    const launcher = [
      "#!/bin/sh",
      'self=$(readlink -f -- "$0")',
      'lib=$(dirname -- "$self")/lib',
      `exec "$lib/node" --disable-warning=ExperimentalWarning --disable-warning=DEP0123 --max-semi-space-size=8 --heap-growing-percent=40 "$lib/${executable.name}.mjs" "$@"`,
      "",
    ].join("\n");
    await world.disk.writeFileAtomic(join(content, executable.name), launcher, { mode: 0o755 });
    await copy(world, process.execPath, join(content, "lib", "node"));
    await copy(world, join(checkoutFolder, "LICENSE"), join(content, "LICENSE"));
    const nodeLicence = join(process.execPath, "../../LICENSE");
    if ((await world.disk.stat(nodeLicence)) !== null) await copy(world, nodeLicence, join(content, "lib", "LICENSE.node"));
    const path = join(outFolder, `${executable.name}-v${version}-linux-${machineNames[process.arch] ?? process.arch}.tar.gz`);
    const archive = join(folder, "package.tar.gz");
    // the same content gives the same bytes: sorted names, no owner, no time
    const flags = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "--mode=a+rX,u+w,go-w", "-I", "gzip -n -6"];
    await mustRun(world, "tar", [...flags, "-cf", archive, "-C", folder, executable.name]);
    await mustRun(world, "mv", ["-f", archive, path]);
    return path;
  } finally {
    await world.disk.remove(folder, { recursive: true });
  }
}

const copy = (world: World, from: string, to: string) => mustRun(world, "cp", ["-L", from, to]);

async function mustRun(world: World, command: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await world.processes.run(command, args);
  if (code !== 0) throw new Error(`${command} ended with code ${code}: ${stderr.trim()}`);
}
