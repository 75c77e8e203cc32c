/** The dynamic configuration: in memory typed and frozen, durable as one JSON record of the metadata. */
import { isCodedError, type Logger } from "@skein/base";
import { detailOf, pdErrors } from "../../errors.ts";
import { HttpRefusal, refusal } from "../http-routes.ts";
import type { ConfigStore, Metadata } from "../services.ts";
import type { DynamicConfig } from "./core/items.ts";
import { ConfigRefusal, dynamicJson, isObject, takeDynamic } from "./core/json-form.ts";
import { applyChanges, check } from "./core/update.ts";

export interface PdConfigStore extends ConfigStore {
  /** Reads what was persisted, over what the file says. */
  load(): Promise<void>;
  /** Back to the file: this member leads no longer, or not yet. */
  unload(): void;
  replace(next: DynamicConfig): Promise<void>;
}

const recordKey = "config";

export function createConfigStore(metadata: Metadata, file: DynamicConfig, log: Logger): PdConfigStore {
  return new RecordedConfig(metadata, file, log);
}

class RecordedConfig implements PdConfigStore {
  readonly #metadata: Metadata;
  readonly #file: DynamicConfig;
  readonly #log: Logger;
  readonly #listeners = new Set<Parameters<ConfigStore["onChange"]>[0]>();
  readonly #guards = new Set<Parameters<ConfigStore["onReplicationChange"]>[0]>();
  #current: DynamicConfig;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(metadata: Metadata, file: DynamicConfig, log: Logger) {
    this.#metadata = metadata;
    this.#file = file;
    this.#log = log;
    this.#current = file;
  }

  get current(): DynamicConfig {
    return this.#current;
  }

  async load(): Promise<void> {
    const value = await this.#metadata.get(recordKey);
    if (value === null) {
      await this.#save(this.#file);
      this.#current = this.#file;
      return;
    }
    let parsed: unknown;
    try {
      parsed = JSON.parse(new TextDecoder().decode(value));
    } catch (error) {
      throw pdErrors.malformedRecord([this.#metadata.keyOf(recordKey)], error);
    }
    if (!isObject(parsed)) throw pdErrors.malformedRecord([this.#metadata.keyOf(recordKey)]);
    this.#current = takeDynamic(this.#file, parsed);
  }

  unload(): void {
    this.#current = this.#file;
    this.#listeners.clear();
    this.#guards.clear();
  }

  update(changes: Readonly<Record<string, unknown>>): Promise<void> {
    return this.#change((before) => {
      try {
        return applyChanges(before, changes);
      } catch (error) {
        if (error instanceof ConfigRefusal) throw refusal(400, error.message);
        throw error;
      }
    });
  }

  set(change: Parameters<ConfigStore["set"]>[0]): Promise<void> {
    return this.#change((before) => {
      const next = Object.freeze({
        ...before,
        schedule: Object.freeze({ ...before.schedule, ...change.schedule }),
        replication: Object.freeze({ ...before.replication, ...change.replication }),
      });
      check(next);
      return next;
    }, false);
  }

  replace(next: DynamicConfig): Promise<void> {
    return this.#change(() => Object.freeze(next));
  }

  onChange(listener: Parameters<ConfigStore["onChange"]>[0]): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  onReplicationChange(guard: Parameters<ConfigStore["onReplicationChange"]>[0]): () => void {
    this.#guards.add(guard);
    return () => void this.#guards.delete(guard);
  }

  /** One after the other: each starts from what the one before it made durable. */
  #change(make: (before: DynamicConfig) => DynamicConfig, isGuarded = true): Promise<void> {
    const run = this.#queue.then(async () => {
      const before = this.#current;
      const next = make(before);
      if (isGuarded && JSON.stringify(next.replication) !== JSON.stringify(before.replication))
        for (const guard of this.#guards) {
          try {
            await guard(next.replication, before.replication);
          } catch (error) {
            if (error instanceof HttpRefusal || !isCodedError(error)) throw error;
            throw refusal(400, detailOf(error));
          }
        }
      await this.#save(next);
      this.#current = next;
      this.#log.info("the configuration has changed");
      for (const listener of this.#listeners) listener(next, before);
    });
    this.#queue = run.catch(() => {});
    return run;
  }

  async #save(config: DynamicConfig): Promise<void> {
    await this.#metadata.put(recordKey, JSON.stringify(dynamicJson(config)));
  }
}
