/**
 * Packets of the MySQL protocol from a stream of chunks.
 *
 *   ┌ length u24 ┬ sequence u8 ┬ payload … ┐   a payload of 2^24-1 bytes goes on in the next packet
 *
 * Payloads are handed over as (bytes, start, end) inside the chunk that they came in: no copy unless a packet crosses chunks.
 */

/** A payload of this length or longer goes on in the next packet. */
export const partBytesMax = 0xff_ffff;

/** `sequence` is that of the payload's last part. */
export type PacketHandler = (bytes: Buffer, start: number, end: number, firstSequence: number, sequence: number) => void;

export class PacketTooLargeError extends Error {
  constructor(bytes: number, limitBytes: number) {
    super(`the server sends a packet of more than ${bytes} bytes, the limit is ${limitBytes}`);
    this.name = "PacketTooLargeError";
  }
}

export class PacketFramer {
  readonly #handler: PacketHandler;
  readonly #packetBytesMax: number;
  /** Chunks of a packet that is not complete. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** Bytes to have before it is worth looking again. */
  #wanted = 4;
  /** Parts of a payload that goes on in further packets. */
  #parts: Buffer[] = [];
  #partsBytes = 0;
  #partsSequence = 0;

  constructor(handler: PacketHandler, packetBytesMax: number) {
    this.#handler = handler;
    this.#packetBytesMax = packetBytesMax;
  }

  /** Hands over every packet that is complete with this chunk. The chunk belongs to the framer from now on. */
  feed(chunk: Buffer): void {
    const end = chunk.length;
    let at = this.#waitingBytes > 0 ? this.#complete(chunk) : 0;
    if (this.#waitingBytes > 0) return;
    while (end - at >= 4) {
      const length = this.#lengthAt(chunk, at);
      if (end - at - 4 < length) {
        this.#wanted = length + 4;
        this.#keep(chunk, at, end);
        return;
      }
      const start = at + 4;
      at = start + length;
      this.#onPacket(chunk, start, at);
    }
    this.#wanted = 4;
    if (at < end) this.#keep(chunk, at, end);
  }

  /** Takes from the chunk what the waiting packet lacks, and no more: only that packet is copied. Returns how much was taken. */
  #complete(chunk: Buffer): number {
    let at = 0;
    for (;;) {
      const to = Math.min(chunk.length, at + this.#wanted - this.#waitingBytes);
      if (to > at) this.#keep(chunk, at, to);
      at = to;
      if (this.#waitingBytes < this.#wanted) return at;
      if (this.#wanted > 4) break;
      const wanted = 4 + this.#lengthAt(Buffer.concat(this.#waiting, 4), 0);
      if (wanted === 4) break;
      this.#wanted = wanted;
    }
    const packet = Buffer.concat(this.#waiting, this.#waitingBytes);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#wanted = 4;
    this.#onPacket(packet, 4, packet.length);
    return at;
  }

  #lengthAt(bytes: Buffer, at: number): number {
    const length = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
    if (this.#partsBytes + length > this.#packetBytesMax) {
      throw new PacketTooLargeError(this.#partsBytes + length, this.#packetBytesMax);
    }
    return length;
  }

  #onPacket(bytes: Buffer, start: number, end: number): void {
    const sequence = bytes[start - 1] as number;
    if (end - start === partBytesMax || this.#parts.length > 0) this.#addPart(bytes, start, end, sequence, end - start === partBytesMax);
    else this.#handler(bytes, start, end, sequence, sequence);
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    this.#waiting.push(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
    this.#waitingBytes += to - from;
  }

  #addPart(bytes: Buffer, start: number, end: number, sequence: number, goesOn: boolean): void {
    if (this.#parts.length === 0) this.#partsSequence = sequence;
    this.#parts.push(bytes.subarray(start, end));
    this.#partsBytes += end - start;
    if (goesOn) return;
    const whole = Buffer.concat(this.#parts, this.#partsBytes);
    this.#parts = [];
    this.#partsBytes = 0;
    this.#handler(whole, 0, whole.length, this.#partsSequence, sequence);
  }
}

/** A payload as packets, numbered from `sequence`. */
export function framePacket(payload: Uint8Array, sequence: number): Buffer {
  const whole = Buffer.allocUnsafe(payload.length + 4 * (1 + Math.floor(payload.length / partBytesMax)));
  let from = 0;
  let at = 0;
  let number = sequence;
  for (;;) {
    const length = Math.min(partBytesMax, payload.length - from);
    whole.writeUIntLE(length, at, 3);
    whole[at + 3] = number++ & 0xff;
    whole.set(payload.subarray(from, from + length), at + 4);
    from += length;
    at += 4 + length;
    if (length < partBytesMax) return whole;
  }
}

/** COM_QUERY and its kind: a command byte, then text in the connection's encoding, without a copy of the whole when it fits one packet. */
export function frameCommand(command: number, text: string, encoding: "utf8" | "latin1"): Buffer {
  const length = 1 + (encoding === "latin1" ? text.length : Buffer.byteLength(text, "utf8"));
  if (length >= partBytesMax) {
    const payload = Buffer.allocUnsafe(length);
    payload[0] = command;
    payload.write(text, 1, encoding);
    return framePacket(payload, 0);
  }
  const packet = Buffer.allocUnsafe(4 + length);
  packet.writeUIntLE(length, 0, 3);
  packet[3] = 0;
  packet[4] = command;
  packet.write(text, 5, encoding);
  return packet;
}
