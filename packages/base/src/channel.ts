/**
 * A bounded queue between two speeds. `send` waits while the channel is full, `for await` while it is empty.
 * `capacity` counts weights (1 each unless `weigh` says otherwise); one item over the capacity is let in when the
 * channel is empty, so that an item larger than the whole channel cannot block for ever.
 */
export class Channel<T> implements AsyncIterable<T> {
  readonly #capacity: number;
  readonly #weigh: (item: T) => number;
  #items: T[] = [];
  #head = 0;
  #weight = 0;
  #closed = false;
  #failure: { readonly error: unknown } | undefined;
  #senders: (() => void)[] = [];
  #receivers: (() => void)[] = [];

  constructor(capacity: number, weigh: (item: T) => number = () => 1) {
    if (!(capacity > 0)) throw new RangeError(`a channel needs a capacity above 0, not ${capacity}`);
    this.#capacity = capacity;
    this.#weigh = weigh;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }
  get weight(): number {
    return this.#weight;
  }
  get isFull(): boolean {
    return this.#weight >= this.#capacity;
  }

  /** True when the item went in; false when there is no room now. Throws when the channel was failed or closed. */
  trySend(item: T): boolean {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#closed) throw new Error("the channel is closed");
    const weight = this.#weigh(item);
    if (this.length > 0 && this.#weight + weight > this.#capacity) return false;
    this.#items.push(item);
    this.#weight += weight;
    this.#receivers.shift()?.();
    return true;
  }

  async send(item: T, signal?: AbortSignal): Promise<void> {
    while (!this.trySend(item)) await this.#wait(this.#senders, signal);
  }

  /** The next item, or undefined once the channel is closed and empty. */
  async receive(signal?: AbortSignal): Promise<T | undefined> {
    for (;;) {
      const item = this.tryReceive();
      if (item !== undefined) return item;
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#closed) return undefined;
      await this.#wait(this.#receivers, signal);
    }
  }

  tryReceive(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head] as T;
    this.#items[this.#head++] = undefined as T;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    this.#weight -= this.#weigh(item);
    this.#senders.shift()?.();
    return item;
  }

  /** No more items; those inside are still received. */
  close(): void {
    this.#closed = true;
    this.#wakeAll();
  }

  /** Both sides throw `error` from now on; items inside are dropped. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#items = [];
    this.#head = 0;
    this.#weight = 0;
    this.#wakeAll();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      const item = await this.receive();
      if (item === undefined) return;
      yield item;
    }
  }

  #wakeAll(): void {
    for (const wake of this.#senders.splice(0)) wake();
    for (const wake of this.#receivers.splice(0)) wake();
  }

  #wait(queue: (() => void)[], signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const wake = () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = () => {
        const at = queue.indexOf(wake);
        if (at !== -1) queue.splice(at, 1);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      queue.push(wake);
    });
  }
}
